/* SPDX-License-Identifier: Apache-2.0 */
/* virtio_net_hold.c - frames to the guest kept back in the tap, and taken out by us: what a hybrid NIC needs while its guest changes paths.
 */
#include <errno.h>
#include <linux/vhost.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "emul/virtio_net_parts.h"

/* vhost gives the frames it has taken in advance back to the tap. */
static int hold_vhost(struct td_virtio_net *net, bool hold)
{
	for (unsigned i = 0; i < net->pairs_active; i++) {
		struct vhost_vring_file file = {.index = 0, .fd = hold ? -1 : net->tap.fd[i]};

		if (net->vhost[i].running && ioctl(net->vhost[i].fd, VHOST_NET_SET_BACKEND, &file) < 0)
			return -errno;
	}
	return 0;
}

int td_virtio_net_hold_rx(struct td_virtio_net *net, bool hold)
{
	if (net->path == TD_NET_PATH_VHOST)
		return hold_vhost(net, hold);
	return td_virtio_net_path_hold(net, hold);
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
