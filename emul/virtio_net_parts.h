/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio_net_parts.h - what the files behind virtio_net.h share: the device's struct, the datapath's start and stop, the control queue.
 * Nobody else includes it, but for tests. Called with the VM's lock held.
 */
#ifndef TD_EMUL_VIRTIO_NET_PARTS_H
#define TD_EMUL_VIRTIO_NET_PARTS_H

#include "emul/tap.h"
#include "emul/vhost_net.h"
#include "emul/virtio_net.h"
#include "emul/virtio_net_io.h"
#include "emul/virtio_pci.h"

#define TD_NET_PAIRS_MAX 8U

enum td_net_path { TD_NET_PATH_NONE, TD_NET_PATH_USER, TD_NET_PATH_VHOST };

struct td_virtio_net {
	struct td_virtio_pci dev; /* first */
	uint8_t mac[6];		  /* as configured; the driver may choose another until it resets */
	uint16_t mtu;
	unsigned pairs_max, pairs_active;
	unsigned control_queue; /* its index as negotiated: behind the pairs, 2 without MQ */
	uint64_t offloads;	/* VIRTIO_NET_F_GUEST_*, as they are set now */
	bool link_up;
	bool hold_rx; /* frames to the guest wait in the tap: virtio_net_hold.c */
	struct td_tap tap;

	enum td_vhost_use vhost_use;
	bool vhost_usable;
	struct td_vhost_net vhost[TD_NET_PAIRS_MAX];
	struct td_watch vhost_error; /* its fd is owned */

	enum td_net_path path; /* what runs now */
	struct td_net_io *io;
	struct td_net_io_stats stats;
	struct td_net_counters counters; /* as given out last */
	struct td_net_counters before;	 /* of taps that were lost */

	struct td_virtio_net_events events;
	struct td_work driver_work, broken_work;
	bool driver_ok;	   /* the driver set DRIVER_OK and did not reset since */
	bool driver_reset; /* it did reset, and that was not told yet */
};

/* virtio_net_path.c */

/* Opens /dev/vhost-net where it is wanted and there; keeps of the offered features those that it can serve. */
int td_virtio_net_path_probe(struct td_virtio_net *net, struct td_err *err);
void td_virtio_net_path_fini(struct td_virtio_net *net);
/* Runs what negotiation, link and the number of active pairs ask for; nothing when the link is down. -errno: vhost=on and it failed. */
int td_virtio_net_path_start(struct td_virtio_net *net);
/* No frame moves after it; the tap keeps what comes, unless it is silent. */
void td_virtio_net_path_stop(struct td_virtio_net *net);
/* Stopped, after the tap was lost: what vhost-net took and could not send goes back to the guest. */
void td_virtio_net_path_recover(struct td_virtio_net *net);
/* The driver's choice of offloads goes to the tap. */
int td_virtio_net_path_offloads(struct td_virtio_net *net, uint64_t offloads);
void td_virtio_net_path_vector_changed(struct td_virtio_net *net, unsigned queue);

/* virtio_net_control.c: works off the control queue. */
void td_virtio_net_control(struct td_virtio_net *net);

#endif
