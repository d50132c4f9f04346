/* SPDX-License-Identifier: Apache-2.0 */
/*
 * igbvf_frame.h - what a NIC reads out of an Ethernet frame: where its headers end, which protocols they are, checksums. Pure functions
 * over bytes that may be hostile; they read nothing behind what they are given.
 */
#ifndef TD_EMUL_IGBVF_FRAME_H
#define TD_EMUL_IGBVF_FRAME_H

#include <sys/uio.h>

#include "core/base.h"

#define TD_IGBVF_HEADERS_BYTES 192U /* of a frame's beginning are enough for parsing */

enum td_igbvf_proto { TD_IGBVF_PROTO_NONE, TD_IGBVF_PROTO_TCP, TD_IGBVF_PROTO_UDP, TD_IGBVF_PROTO_SCTP };

struct td_igbvf_frame {
	bool tagged; /* an 802.1Q tag behind the addresses */
	uint16_t tci;
	bool ipv4, ipv6;
	bool ip_sum_ok;		   /* of the IPv4 header */
	enum td_igbvf_proto proto; /* NONE: another, or a fragment */
	uint16_t header_bytes;	   /* all that was understood, from the frame's beginning on */
};

/* head: the first bytes of the frame, TD_IGBVF_HEADERS_BYTES or all there are. */
void td_igbvf_frame_parse(const uint8_t *head, size_t len_bytes, struct td_igbvf_frame *ret_frame);

/* The 12 bits of a multicast address that a VF's filter looks at (datasheet §7.1.1.2, offset 0). */
uint16_t td_igbvf_frame_hash(const uint8_t address[6]);

/* Ones' complement sum of len bytes from `skip` on, not folded, not inverted, big-endian words; `sum` is added. */
uint64_t td_igbvf_frame_sum(const struct iovec *iov, unsigned count, size_t skip, size_t len_bytes, uint64_t sum);
uint16_t td_igbvf_frame_fold(uint64_t sum); /* to 16 bits; not inverted */
/* CRC32c of SCTP, going on from `crc`: UINT32_MAX to begin with, inverted at the end, little-endian in the packet. */
uint32_t td_igbvf_frame_crc32c(const struct iovec *iov, unsigned count, size_t skip, size_t len_bytes, uint32_t crc);

/* Copies between a frame in pieces and one piece; returns how many bytes there were. */
size_t td_igbvf_frame_copy_out(const struct iovec *iov, unsigned count, size_t skip, void *to, size_t len_bytes);
size_t td_igbvf_frame_copy_in(const struct iovec *iov, unsigned count, size_t skip, const void *from, size_t len_bytes);

/* The pieces of [skip, skip + len), into an array that has room for `count`; how many. */
unsigned td_igbvf_frame_slice(const struct iovec *iov, unsigned count, size_t skip, size_t len_bytes, struct iovec *ret_iov);

/* Completes the checksum that starts at `start` and stands `offset` behind: what a tap asks for with NEEDS_CSUM. False: outside. */
bool td_igbvf_frame_complete(const struct iovec *iov, unsigned count, size_t len_bytes, size_t start, size_t offset);

#endif
