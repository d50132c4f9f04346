/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor_caps.h - what the doctor wants to know of a function's PCI configuration space, and which bytes of it say so: the rest is blanked
 * (serial numbers and vital product data stand there too). Pure, and total over hostile bytes. Source: PCI Local Bus 3.0 ch. 6, PCI Express
 * Base 4.0 §7.5.3 (PCI Express), §7.7.8 (ACS), §9.3.3 (SR-IOV).
 */
#ifndef TD_HOST_DOCTOR_DOCTOR_CAPS_H
#define TD_HOST_DOCTOR_DOCTOR_CAPS_H

#include "core/base.h"

#define TD_DOCTOR_CONFIG_BYTES 4096U

/* Bits of the ACS capability and of its control register. */
#define TD_DOCTOR_ACS_SV (1U << 0) /* source validation */
#define TD_DOCTOR_ACS_RR (1U << 2) /* peer-to-peer requests are redirected upstream */
#define TD_DOCTOR_ACS_CR (1U << 3) /* completions too */
#define TD_DOCTOR_ACS_UF (1U << 4) /* upstream forwarding */
/* What Linux wants before two functions get groups of their own (REQ_ACS_FLAGS). */
#define TD_DOCTOR_ACS_ISOLATES (TD_DOCTOR_ACS_SV | TD_DOCTOR_ACS_RR | TD_DOCTOR_ACS_CR | TD_DOCTOR_ACS_UF)

struct td_doctor_caps {
	bool bridge;
	uint8_t secondary, subordinate; /* buses behind a bridge */
	bool has_pcie, flr;
	bool has_extended; /* the bytes beyond 256 were there: root alone may read them */
	bool has_acs;
	uint16_t acs_cap, acs_control;
	bool has_sriov;
	uint16_t sriov_total;
	unsigned sriov_bars; /* how many BARs a VF has */
};

void td_doctor_caps_parse(const uint8_t *config, size_t len_bytes, struct td_doctor_caps *ret_caps);
/* Blanks what td_doctor_caps_parse() does not look at; parsing gives the same before and after. */
void td_doctor_caps_filter(uint8_t *config, size_t len_bytes);

#endif
