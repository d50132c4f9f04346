/* SPDX-License-Identifier: Apache-2.0 */
/* virtio_net_hold.c - frames to the guest kept back in the tap, and taken out by us: what a hybrid NIC needs while its guest changes paths.
 */
#include <errno.h>
#include <unistd.h>

#include "emul/virtio_net_parts.h"

static int hold_vhost(struct td_virtio_net *net)
{
	int rc = 0;

	for (unsigned i = 0; !rc && i < net->pairs_active; i++)
		if (net->vhost[i].running)
			rc = td_vhost_net_set_tap(&net->vhost[i], 0, net->hold_rx ? -1 : net->tap.fd[i]);
	return rc;
}

static int hold_user(struct td_virtio_net *net)
{
	td_virtio_net_path_stop(net);
	return td_virtio_net_path_start(net);
}

/* What does not run now starts as it is said here: after a pause, when the link comes up, when queues are added. */
int td_virtio_net_hold_rx(struct td_virtio_net *net, bool hold)
{
	int rc = 0;

	if (net->hold_rx == hold)
		return 0;
	net->hold_rx = hold;
	if (net->path == TD_NET_PATH_VHOST)
		rc = hold_vhost(net);
	else if (net->path == TD_NET_PATH_USER)
		rc = hold_user(net);
	if (rc)
		net->hold_rx = !hold;
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
