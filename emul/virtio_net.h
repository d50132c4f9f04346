/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio_net.h - a virtio 1.x network device on a tap (virtio 1.2 §5.1), by vhost-net where the kernel has it, else by an I/O thread of
 * our own. It is also the emulated path of a hybrid NIC: it can offer STANDBY and say when the driver took it, be silenced and opened by
 * its link, announce, and count frames.
 * Calls are made on the main loop with the VM's lock held unless they say otherwise.
 */
#ifndef TD_EMUL_VIRTIO_NET_H
#define TD_EMUL_VIRTIO_NET_H

#include <sys/types.h>

#include "core/base.h"
#include "core/err.h"

struct td_vm;
struct td_virtio_net;
struct td_tap;		/* tap.h */
struct td_net_io_stats; /* virtio_net_io.h */

enum td_vhost_use { TD_VHOST_AUTO, TD_VHOST_ON, TD_VHOST_OFF };

/* Told on the main loop. Each may be NULL. */
struct td_virtio_net_events {
	/* DRIVER_OK was set, or the device was reset (accepted = false). standby: VIRTIO_NET_F_STANDBY was negotiated. */
	void (*driver)(void *opaque, bool accepted, bool standby);
	/* The guest broke the device's rules: it is broken until reset. */
	void (*broken)(void *opaque);
	void *opaque;
};

struct td_virtio_net_config {
	const char *name; /* "net0" */
	uint8_t mac[6];
	uint16_t mtu;	      /* 0: not offered */
	unsigned queue_pairs; /* 1..8; more than one offers VIRTIO_NET_F_MQ */
	uint16_t queue_size;  /* power of two, 64..1024; 0: 256 */
	const char *tap_name; /* "" or NULL: the kernel chooses ("tandem%d") */
	bool standby;	      /* offer VIRTIO_NET_F_STANDBY */
	enum td_vhost_use vhost;
	struct td_virtio_net_events events;
};

/* Frames over this path since creation, as the guest sees direction (rx: to the guest). Never go backwards. */
struct td_net_counters {
	uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes, rx_dropped, tx_dropped;
};

/*
 * Makes the tap (not persistent: it dies with the process), attaches the PCI function to the VM.
 * -EBUSY with TD_REASON_TAP_EXISTS: an interface of this name is there.
 */
int td_virtio_net_create(struct td_vm *vm, const struct td_virtio_net_config *config, struct td_virtio_net **ret_net, struct td_err *err);
/* The VM destroys it with its other devices. */

const char *td_virtio_net_tap(const struct td_virtio_net *net);
unsigned td_virtio_net_tap_index(const struct td_virtio_net *net); /* of the interface */
/*
 * The interface was deleted (td_tap_is_lost): `anew`, with as many queues, takes its place and is zeroed. Frames that the guest sends
 * meanwhile are lost, and the guest is not told. -errno: as before, or broken.
 */
bool td_virtio_net_lost_tap(const struct td_virtio_net *net);
int td_virtio_net_renew_tap(struct td_virtio_net *net, struct td_tap *anew);
bool td_virtio_net_uses_vhost(const struct td_virtio_net *net);
void td_virtio_net_counters(struct td_virtio_net *net, struct td_net_counters *ret_counters); /* from the tap's link statistics */
/* What the user-space datapath did since creation: system calls, wake-ups, interrupts. Zeros while vhost serves. */
const struct td_net_io_stats *td_virtio_net_io_stats(const struct td_virtio_net *net);

/* Link state seen by the guest (VIRTIO_NET_S_LINK_UP), with a configuration change interrupt. */
void td_virtio_net_set_link(struct td_virtio_net *net, bool up);
/* Asks the guest to announce itself (VIRTIO_NET_F_GUEST_ANNOUNCE); false when it was not negotiated. */
bool td_virtio_net_guest_announce(struct td_virtio_net *net);
/*
 * Sends a frame out of the tap's far side, as if the guest had sent it: RARP announcements of the VMM. 14..1514 bytes. Any thread.
 */
int td_virtio_net_inject_tx(struct td_virtio_net *net, const uint8_t *frame, size_t len_bytes);

/*
 * Holding: frames to the guest wait in the tap (1,000 a queue, later ones are dropped) and don't go to its rings; frames from the guest go
 * on. For a guest that takes frames from elsewhere. A reset of the driver ends it. -errno: as before, or broken.
 */
int td_virtio_net_hold_rx(struct td_virtio_net *net, bool hold);
/* While held: takes the next waiting frame, behind a header of TD_VIRTIO_NET_HEADER_BYTES. Its length, or -EAGAIN. */
#define TD_VIRTIO_NET_HEADER_BYTES 12U
ssize_t td_virtio_net_take_rx(struct td_virtio_net *net, void *frame, size_t room_bytes);

#endif
