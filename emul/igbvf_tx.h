/* SPDX-License-Identifier: Apache-2.0 */
/* igbvf_tx.h - packets from the guest's transmit rings to the tap. On the I/O thread, or while that is parked. */
#ifndef TD_EMUL_IGBVF_TX_H
#define TD_EMUL_IGBVF_TX_H

#include "emul/igbvf_packet.h"
#include "emul/igbvf_ring.h"

struct td_igbvf_tx_queue {
	struct td_igbvf_ring ring;
	struct td_igbvf_context context[2];
	bool context_kept; /* a packet used one that does not stand before it: the hardware would not have it */
	unsigned done;	   /* descriptors worked off, of which the guest was not told yet */
	size_t done_bytes; /* that they sent */
	uint64_t done_ns;  /* when the first of them was */
};

struct td_igbvf_tx {
	struct td_igbvf_tx_queue queue[TD_VF82576_QUEUES];
	struct td_vf82576_state *regs; /* the counters of what was sent are written */
	int tap_fd;
	const bool *link_up;		  /* atomic; without, all is dropped */
	uint32_t taken;			  /* packets taken off the rings */
	uint64_t packets, bytes, dropped; /* atomic */
};

/* All is borrowed. */
void td_igbvf_tx_init(struct td_igbvf_tx *tx, struct td_vf82576_state *regs, const struct td_mem *mem, const char *device, int tap_fd,
	const bool *link_up);
void td_igbvf_tx_reset(struct td_igbvf_tx *tx);
void td_igbvf_tx_prepare(struct td_igbvf_tx *tx, bool may_run);
bool td_igbvf_tx_waiting(const struct td_igbvf_tx *tx);
/* Returns true when something was done. Ends early when *stop becomes true. */
bool td_igbvf_tx_round(struct td_igbvf_tx *tx, const bool *stop);
/*
 * *ret_queues: bit n: the guest is to be told of descriptors of queue n that are done, with `now` all that there are. Returns when others
 * are due, or TD_IGBVF_NEVER.
 */
uint64_t td_igbvf_tx_tell(struct td_igbvf_tx *tx, bool now, uint32_t *ret_queues);

#endif
