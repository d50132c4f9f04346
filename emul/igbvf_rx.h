/* SPDX-License-Identifier: Apache-2.0 */
/* igbvf_rx.h - frames from the tap to the guest's receive ring. On the I/O thread, or while that is parked, but where it is said. */
#ifndef TD_EMUL_IGBVF_RX_H
#define TD_EMUL_IGBVF_RX_H

#include "emul/igbvf_ring.h"

struct td_igbvf_rx {
	struct td_igbvf_ring ring;
	struct td_vf82576_state *regs; /* filters are read, the counters of what was received written */
	int tap_fd;
	uint8_t *scratch; /* a frame that can't be read into its buffers */
	bool ready;	  /* the tap may have a frame */
	size_t frame_max; /* without CRC */
	size_t buffer_bytes, header_bytes;
	unsigned need;				     /* descriptors that the largest frame takes */
	bool burn_ahead;			     /* atomic: asked for, once; by any thread */
	unsigned burned_ahead;			     /* atomic: not fetched yet */
	uint64_t packets, bytes, dropped, no_buffer; /* atomic */
};

/* All is borrowed. -ENOMEM. */
int td_igbvf_rx_init(struct td_igbvf_rx *rx, struct td_vf82576_state *regs, const struct td_mem *mem, const char *device, int tap_fd);
void td_igbvf_rx_fini(struct td_igbvf_rx *rx); /* harmless on a zeroed one */
void td_igbvf_rx_prepare(struct td_igbvf_rx *rx, bool may_run);
bool td_igbvf_rx_waiting(const struct td_igbvf_rx *rx); /* something to do that needs no event */
/* Returns true when something was done; *ret_tell: the guest got some of it. Ends early when *stop becomes true. */
bool td_igbvf_rx_round(struct td_igbvf_rx *rx, const bool *stop, bool *ret_tell);
/* Gives the next descriptor back with an error. False: none is posted, or the ring is broken. */
bool td_igbvf_rx_burn(struct td_igbvf_rx *rx);
/* How many of a ring's descriptors may be left to burn at rest. */
uint32_t td_igbvf_rx_rest(uint32_t count);
/* Do the VF's filters let frames to this address through? With the VM's lock, or on the I/O thread. */
bool td_igbvf_rx_hears(const struct td_vf82576_state *regs, const uint8_t address[6]);

#endif
