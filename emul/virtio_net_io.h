/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio_net_io.h - the user-space datapath of virtio-net: a thread that moves frames between tap queues and virtqueues, without copying
 * them. It knows rings and descriptors only; negotiation, links and the control queue are elsewhere. While it runs it alone touches the
 * data queues, so it takes no lock; starting and stopping it is how the device's set-up changes.
 */
#ifndef TD_EMUL_VIRTIO_NET_IO_H
#define TD_EMUL_VIRTIO_NET_IO_H

#include "core/base.h"
#include "core/err.h"
#include "emul/virtqueue.h"

#define TD_NET_IO_PAIRS_MAX 8

struct td_net_io;

/* Written by the I/O thread, each by a plain store; read by anyone. */
struct td_net_io_stats {
	uint64_t wakeups;	       /* rounds begun by an event */
	uint64_t rx_frames, tx_frames; /* moved */
	uint64_t reads, writes;	       /* system calls on the tap, failed ones included */
	uint64_t reads_empty;	       /* of these: nothing was there */
	uint64_t rx_spills;	       /* frames larger than the buffers held ready: copied once */
	uint64_t rx_dropped;	       /* the guest gave too few buffers */
	uint64_t tx_dropped;	       /* the tap refused the frame */
	uint64_t signals;	       /* interrupts raised */
	uint64_t kick_wakeups;	       /* kicks seen */
	uint64_t polls, polls_won;     /* short waits for more frames to send, and those that saw one */
};

struct td_net_io_pair {
	struct td_virtqueue *rx, *tx; /* to the guest, from the guest */
	int rx_kick_fd, tx_kick_fd;   /* borrowed eventfds, never read */
	int tap_fd;		      /* borrowed, non-blocking */
};

struct td_net_io_config {
	const char *name; /* of the device: "net0" */
	unsigned pair_count;
	struct td_net_io_pair pair[TD_NET_IO_PAIRS_MAX];
	bool mergeable;
	bool hold_rx;	  /* frames to the guest stay in the tap */
	size_t frame_max; /* the largest frame expected, header included */
	struct td_net_io_stats *stats;
	/* On the I/O thread. queue: pair * 2, + 1 for tx. */
	void (*signal)(void *opaque, unsigned queue);
	void (*broken)(void *opaque, const char *why); /* nothing is moved any more; td_net_io_stop() is still called */
	void *opaque;
};

/* Frames that wait are looked at without a kick. */
int td_net_io_start(struct td_net_io **ret_io, const struct td_net_io_config *config, struct td_err *err);
/* Ends the thread; buffers that were held ready go back to the guest's ring. Harmless with NULL. */
void td_net_io_stop(struct td_net_io *io);

#endif
