/* SPDX-License-Identifier: Apache-2.0 */
/* blackout.c - see blackout.h. */
#include "nic/blackout.h"

#define PACKETS_MIN	10U
#define INTERVAL_MAX_NS 50000000ULL

static void note_gap(struct td_blackout_side *side, uint64_t now_ns)
{
	if (now_ns - side->last_ns <= side->longest_ns)
		return;
	side->longest_ns = now_ns - side->last_ns;
	side->longest_at_ns = side->last_ns;
}

static void sample_side(struct td_blackout_side *side, uint64_t now_ns, uint64_t count)
{
	if (count == side->count)
		return;
	if (!side->moved) {
		side->moved = true;
		side->first_ns = now_ns;
	} else {
		note_gap(side, now_ns);
		side->packets += count > side->count ? count - side->count : 0;
	}
	side->count = count;
	side->last_ns = now_ns;
}

void td_blackout_begin(struct td_blackout *blackout, uint64_t now_ns, uint64_t rx_packets, uint64_t tx_packets)
{
	*blackout = (struct td_blackout){.rx = {.count = rx_packets}, .tx = {.count = tx_packets}, .sampled_ns = now_ns, .active = true};
}

void td_blackout_sample(struct td_blackout *blackout, uint64_t now_ns, uint64_t rx_packets, uint64_t tx_packets)
{
	if (!blackout->active)
		return;
	if (now_ns - blackout->sampled_ns > blackout->longest_sample_ns)
		blackout->longest_sample_ns = now_ns - blackout->sampled_ns;
	blackout->sampled_ns = now_ns;
	sample_side(&blackout->rx, now_ns, rx_packets);
	sample_side(&blackout->tx, now_ns, tx_packets);
}

void td_blackout_end(struct td_blackout *blackout, uint64_t now_ns)
{
	if (!blackout->active)
		return;
	if (blackout->rx.moved)
		note_gap(&blackout->rx, now_ns);
	if (blackout->tx.moved)
		note_gap(&blackout->tx, now_ns);
	blackout->active = false;
}

double td_blackout_ms(const struct td_blackout_side *side)
{
	uint64_t interval_ns, busy_ns = side->last_ns - side->first_ns;

	if (!side->moved || side->packets < PACKETS_MIN)
		return -1;
	/* The gap is no part of what the stream's own pace is taken from. */
	busy_ns -= TD_MIN(busy_ns, side->longest_at_ns < side->last_ns ? side->longest_ns : 0);
	interval_ns = busy_ns / side->packets;
	if (interval_ns > INTERVAL_MAX_NS)
		return -1;
	return side->longest_ns > interval_ns ? (double)(side->longest_ns - interval_ns) / 1e6 : 0;
}
