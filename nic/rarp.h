/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rarp.h - the frame by which switches learn where a MAC lives now: a RARP request (RFC 903) of the MAC for itself, as broadcast. It
 * carries no IP address, so the VMM can send it without knowing the guest's.
 */
#ifndef TD_NIC_RARP_H
#define TD_NIC_RARP_H

#include "core/base.h"

#define TD_RARP_BYTES_MAX 64U

/* Writes the frame, padded to 60 bytes (64 with a VLAN tag; vlan 0: none). Returns its length. */
size_t td_rarp_build(uint8_t frame[TD_RARP_BYTES_MAX], const uint8_t mac[6], uint16_t vlan);

#endif
