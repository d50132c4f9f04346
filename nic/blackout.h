/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blackout.h - the longest silence in each direction of a NIC, from counters that somebody samples every millisecond or so. Pure: no clock,
 * no devices. What it can't see: frames that reached a ring but were discarded or delayed inside the guest.
 */
#ifndef TD_NIC_BLACKOUT_H
#define TD_NIC_BLACKOUT_H

#include "core/base.h"

struct td_blackout_side {
	uint64_t first_ns, last_ns; /* first and last time the counter moved */
	uint64_t count, packets;    /* the counter as last seen; how far it has moved since first_ns */
	uint64_t longest_ns, longest_at_ns;
	bool moved;
};

struct td_blackout {
	struct td_blackout_side rx, tx;
	uint64_t longest_sample_ns, sampled_ns; /* the longest time between two samples: how exact the rest is */
	bool active;
};

void td_blackout_begin(struct td_blackout *blackout, uint64_t now_ns, uint64_t rx_packets, uint64_t tx_packets);
void td_blackout_sample(struct td_blackout *blackout, uint64_t now_ns, uint64_t rx_packets, uint64_t tx_packets);
/* Silence at the end counts too: a stream that never came back has a gap up to now. */
void td_blackout_end(struct td_blackout *blackout, uint64_t now_ns);

/* The longest gap less the stream's own mean interval; -1 when no stream ran (fewer than 10 packets, or fewer than 20 a second). */
double td_blackout_ms(const struct td_blackout_side *side);

#endif
