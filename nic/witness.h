/* SPDX-License-Identifier: Apache-2.0 */
/*
 * witness.h - sees that a VM's announcements (RARP) leave its emulated path: packet sockets on the uplinks of its bridge, which hear what
 * goes out from the VM's MAC address; on a bridge without uplinks one on the bridge itself, which hears what comes up to it. To be opened
 * before the frame is sent that is to be seen. Source: packet(7).
 */
#ifndef TD_NIC_WITNESS_H
#define TD_NIC_WITNESS_H

#include "core/base.h"

#define TD_WITNESS_MAX 8U /* uplinks that are watched: one that sends is enough */

struct td_witness {
	unsigned count;		/* 0: not open */
	int fd[TD_WITNESS_MAX]; /* owned, non-blocking */
};

/* Waits; any thread. A link that can't be watched is left out: a witness of none sees nothing. */
void td_witness_open(struct td_witness *witness, const char *bridge, const uint8_t mac[6]);
/* Has a frame been seen since it was opened, or since this was asked last? Does not wait. */
bool td_witness_saw(struct td_witness *witness);
void td_witness_close(struct td_witness *witness); /* does not wait; harmless when not open */

#endif
