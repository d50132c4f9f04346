/* SPDX-License-Identifier: Apache-2.0 */
/*
 * relay.h - while a guest's net_failover has the VF as its primary it discards what comes by the standby, whatever way it sends. So frames
 * that come by the emulated path are held in the tap then, taken out here and, while others may still send there, sent into the PF, whose
 * embedded switch hands them to the VF. The PF's socket also sends announcements.
 */
#ifndef TD_NIC_RELAY_H
#define TD_NIC_RELAY_H

#include <sys/types.h>

#include "core/base.h"
#include "core/err.h"

struct td_relay {
	int fd; /* owned packet socket on the PF, sending only; -1: none */
	int index;
	uint8_t mac[6];
	uint16_t vlan; /* of the VF in its PF; 0: none */
	uint8_t *buffer;
	uint64_t relayed, discarded, taken_bytes; /* monotonic, also over closing */
};

int td_relay_open(struct td_relay *relay, const char *pf_name, const uint8_t mac[6], uint16_t vlan, struct td_err *err);
void td_relay_close(struct td_relay *relay); /* harmless on one that is not open, if fd is -1 */

/*
 * Takes the next frame that waits in a tap, behind a header of TD_VIRTIO_NET_HEADER_BYTES: its length; -EAGAIN; -ENOBUFS: one waits, but
 * there is no room where it is to go.
 */
typedef ssize_t (*td_relay_take)(void *opaque, void *frame, size_t room_bytes);

/*
 * Moves what waits in the held tap: frames to the guest's MAC go to the VF, with the tag of its VLAN, which the tap's have not; broadcasts
 * and multicasts are discarded, as the VF has its own copy from the wire. Bounded work; returns how many frames it took.
 */
unsigned td_relay_run(struct td_relay *relay, td_relay_take take, void *opaque);
/* Discards what waits there; returns how many of it were to the guest's MAC. */
unsigned td_relay_discard(struct td_relay *relay, td_relay_take take, void *opaque);
/* As it is: with its own tag. */
int td_relay_send(struct td_relay *relay, const uint8_t *frame, size_t len_bytes);

#endif
