/* SPDX-License-Identifier: Apache-2.0 */
/* virtio_net_hold.c - frames to the guest kept back in the tap, and taken out by us: what a hybrid NIC needs while its guest changes paths.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "core/vm.h"
#include "emul/virtio_net_parts.h"

static void lose_path(struct td_virtio_net *net)
{
	td_virtio_pci_break(&net->dev, "the datapath could not go on when frames were to be held back or let go");
}

static int hold_pair(struct td_virtio_net *net, unsigned pair, bool hold)
{
	return net->vhost[pair].running ? td_vhost_net_set_tap(&net->vhost[pair], 0, hold ? -1 : net->tap.fd[pair]) : 0;
}

static int hold_vhost(struct td_virtio_net *net, bool hold)
{
	unsigned done = 0;
	int rc = 0;

	while (!rc && done < net->pairs_active) {
		rc = hold_pair(net, done, hold);
		done += !rc;
	}
	while (rc && done)
		if (hold_pair(net, --done, !hold))
			lose_path(net);
	return rc;
}

static int hold_user(struct td_virtio_net *net, bool hold)
{
	int rc;

	td_virtio_net_path_stop(net);
	net->hold_rx = hold;
	rc = td_virtio_net_path_start(net);
	net->hold_rx = !hold;
	if (rc && td_virtio_net_path_start(net))
		lose_path(net);
	return rc;
}

/*
 * A failure changes nothing: what ran goes on as before or, where that failed too, the device is broken and its driver told.
 * What does not run now starts as it is said here: after a pause, when the link comes up, when queues are added.
 */
int td_virtio_net_hold_rx(struct td_virtio_net *net, bool hold)
{
	int rc = 0;

	if (net->hold_rx == hold)
		return 0;
	if (net->path == TD_NET_PATH_VHOST)
		rc = hold_vhost(net, hold);
	else if (net->path == TD_NET_PATH_USER)
		rc = hold_user(net, hold);
	if (!rc)
		net->hold_rx = hold;
	if (!net->hold_rx)
		(void)td_virtio_net_await_rx(net, false);
	return rc;
}

static void waits(struct td_watch *watch, uint32_t events)
{
	struct td_virtio_net *net = TD_CONTAINER_OF(watch, struct td_net_waiting, watch)->net;

	(void)events;
	(void)td_virtio_net_await_rx(net, false);
	if (net->events.waiting)
		net->events.waiting(net->events.opaque);
}

static int watch_queue(struct td_virtio_net *net, unsigned queue)
{
	struct td_net_waiting *waiting = &net->waiting[queue];

	waiting->net = net;
	waiting->watch.fd = net->tap.fd[queue];
	waiting->watch.ready = waits;
	waiting->watch.events = EPOLLIN;
	return td_loop_watch(&net->dev.pci.vm->loop, &waiting->watch);
}

static void unwatch_queues(struct td_virtio_net *net)
{
	for (unsigned i = 0; i < net->tap.queue_count; i++)
		td_loop_unwatch(&net->dev.pci.vm->loop, &net->waiting[i].watch);
}

/* Queues that are not active are none to watch: the kernel reports errors of them. */
int td_virtio_net_await_rx(struct td_virtio_net *net, bool on)
{
	int rc = 0;

	unwatch_queues(net);
	for (unsigned i = 0; on && !rc && i < net->tap.active_count; i++)
		rc = watch_queue(net, i);
	if (rc < 0) {
		unwatch_queues(net);
		on = false;
	}
	if (on != net->await_rx)
		td_tap_set_only(&net->tap, on ? net->mac : NULL);
	net->await_rx = on;
	return rc;
}

ssize_t td_virtio_net_take_rx(struct td_virtio_net *net, void *frame, size_t room_bytes)
{
	for (unsigned i = 0; i < net->tap.active_count; i++) {
		ssize_t len = read(net->tap.fd[i], frame, room_bytes);

		if (len >= 0)
			return len;
	}
	return -EAGAIN;
}
