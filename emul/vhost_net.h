/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vhost_net.h - /dev/vhost-net for one queue pair: the kernel moves frames between a tap and two virtqueues
 * (Linux include/uapi/linux/vhost.h). Kicks and interrupts are eventfds, so a running pair needs nothing of us.
 */
#ifndef TD_EMUL_VHOST_NET_H
#define TD_EMUL_VHOST_NET_H

#include "core/base.h"
#include "core/err.h"
#include "core/mem.h"
#include "emul/virtqueue.h"

struct td_vhost_net {
	int fd; /* owned; -1: not open */
	bool running;
};

/* One of the two queues of a pair. */
struct td_vhost_queue {
	struct td_virtqueue *vq; /* mapped; stands where vhost goes on */
	int kick_fd, call_fd;	 /* borrowed; call_fd -1: no interrupts */
	int tap_fd;		 /* borrowed; -1: its frames wait until td_vhost_net_set_tap() */
	int error_fd;		 /* borrowed; vhost signals it when the ring breaks the rules */
};

int td_vhost_net_open(struct td_vhost_net *vhost, struct td_err *err);
void td_vhost_net_close(struct td_vhost_net *vhost); /* stops it first, positions are lost; harmless when not open */

/* The features of virtio that vhost-net can serve, as bits. */
int td_vhost_net_features(const struct td_vhost_net *vhost, uint64_t *ret_features);

/* queue[0] receives (to the guest), queue[1] transmits. On failure nothing runs and the queues stand as before. */
int td_vhost_net_start(
	struct td_vhost_net *vhost, const struct td_mem *mem, uint64_t features, const struct td_vhost_queue queue[2], struct td_err *err);
/* After it there is no access to the rings; queue positions are those vhost got to. */
void td_vhost_net_stop(struct td_vhost_net *vhost, struct td_virtqueue *const vq[2]);
/* A running queue's tap; -1: its frames wait, also those that vhost has taken in advance. */
int td_vhost_net_set_tap(struct td_vhost_net *vhost, unsigned queue, int tap_fd);
int td_vhost_net_set_call(struct td_vhost_net *vhost, unsigned queue, int call_fd);

#endif
