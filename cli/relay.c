/* SPDX-License-Identifier: Apache-2.0 */
/* relay.c - see relay.h. Source: packet(7), PACKET_VNET_HDR in Linux include/uapi/linux/if_packet.h. */
#include "cli/relay.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "emul/virtio_net.h"

#define BUFFER_BYTES  (TD_VIRTIO_NET_HEADER_BYTES + 65536U)
#define FRAMES_A_RUN  256U
#define SOCKET_HEADER sizeof(struct virtio_net_hdr) /* 10: without num_buffers */

int td_relay_open(struct td_relay *relay, const char *pf_name, const uint8_t mac[6], struct td_err *err)
{
	struct sockaddr_ll name = {.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(pf_name)};
	td_auto_close int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0); /* protocol 0: receives nothing */
	int on = 1;

	if (!name.sll_ifindex)
		return td_err_sys(err, errno, TD_REASON_PF_MISSING, "pf %s", pf_name);
	if (fd < 0 || bind(fd, (struct sockaddr *)&name, sizeof(name)) < 0 ||
		setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)) < 0)
		return td_err_sys(err, errno, TD_REASON_SYSTEM, "pf %s: packet socket", pf_name);
	relay->buffer = malloc(BUFFER_BYTES);
	if (!relay->buffer)
		return td_err_sys(err, ENOMEM, TD_REASON_NO_MEMORY, "pf %s: packet socket", pf_name);
	relay->fd = td_take_fd(&fd);
	relay->index = name.sll_ifindex;
	memcpy(relay->mac, mac, sizeof(relay->mac));
	return 0;
}

void td_relay_close(struct td_relay *relay)
{
	td_cleanup_close(&relay->fd);
	relay->fd = -1;
	free(relay->buffer);
	relay->buffer = NULL;
}

static int send_parts(struct td_relay *relay, const void *header, const void *frame, size_t len_bytes)
{
	struct iovec part[2] = {{(void *)(uintptr_t)header, SOCKET_HEADER}, {(void *)(uintptr_t)frame, len_bytes}};
	struct msghdr message = {.msg_iov = part, .msg_iovlen = 2};

	return sendmsg(relay->fd, &message, MSG_DONTWAIT) < 0 ? -errno : 0;
}

unsigned td_relay_run(struct td_relay *relay, td_relay_take take, void *opaque)
{
	unsigned taken = 0;

	while (relay->fd >= 0 && taken < FRAMES_A_RUN) {
		ssize_t len = take(opaque, relay->buffer, BUFFER_BYTES);
		const uint8_t *frame = relay->buffer + TD_VIRTIO_NET_HEADER_BYTES;

		if (len < 0)
			break;
		taken++;
		relay->taken_bytes += (size_t)len > TD_VIRTIO_NET_HEADER_BYTES ? (size_t)len - TD_VIRTIO_NET_HEADER_BYTES : 0;
		if (len < (ssize_t)(TD_VIRTIO_NET_HEADER_BYTES + ETHER_HDR_LEN) || memcmp(frame, relay->mac, 6) != 0 ||
			send_parts(relay, relay->buffer, frame, (size_t)len - TD_VIRTIO_NET_HEADER_BYTES) < 0)
			relay->discarded++;
		else
			relay->relayed++;
	}
	return taken;
}

int td_relay_send(struct td_relay *relay, const uint8_t *frame, size_t len_bytes)
{
	static const struct virtio_net_hdr none;

	return relay->fd < 0 ? -EBADF : send_parts(relay, &none, frame, len_bytes);
}
