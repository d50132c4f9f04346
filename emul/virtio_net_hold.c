/* SPDX-License-Identifier: Apache-2.0 */
/* virtio_net_hold.c - frames to the guest kept back in the tap, and taken out by us: what a hybrid NIC needs while its guest changes paths.
 */
#include <errno.h>
#include <unistd.h>

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
