/* SPDX-License-Identifier: Apache-2.0 */
/*
 * igbvf_packet.h - one packet of the guest's on its way to a tap, with what its context descriptor asks for. Knows descriptors' fields, but
 * no rings. The bytes are the guest's and may change under our hands: what decides anything is copied first.
 */
#ifndef TD_EMUL_IGBVF_PACKET_H
#define TD_EMUL_IGBVF_PACKET_H

#include <sys/uio.h>

#include "core/base.h"

#define TD_IGBVF_SEGMENTS_MAX 64U
#define TD_IGBVF_PACKET_MAX   (65535U + 128U) /* an IP packet behind the longest MAC header */

/* What a context descriptor said (datasheet §7.2.2.2.3). */
struct td_igbvf_context {
	uint32_t vlan_macip_lens, type_tucmd, mss_l4len;
};

struct td_igbvf_packet {
	struct iovec segment[TD_IGBVF_SEGMENTS_MAX];
	unsigned segments;
	size_t len;
	struct td_igbvf_context context; /* counts only when one of these is set */
	bool insert_tag, segment_tcp, sum_ip, sum_l4;
	/* Set by sending: what it would have been on a wire, without CRC. */
	unsigned wire_frames;
	size_t wire_bytes;
};

/* False: it asks for what can't be done, or the tap did not take it. */
bool td_igbvf_packet_send(struct td_igbvf_packet *packet, int tap_fd);

#endif
