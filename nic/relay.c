/* SPDX-License-Identifier: Apache-2.0 */
/* relay.c - see relay.h. Source: packet(7), PACKET_VNET_HDR in Linux include/uapi/linux/if_packet.h. */
#include "nic/relay.h"

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

#define BUFFER_BYTES	(TD_VIRTIO_NET_HEADER_BYTES + 65536U)
#define RELAYED_A_RUN	256U
#define DISCARDED_A_RUN 512U /* half of what a queue of a tap holds: the rest at the next look */
#define ADDRESSES_BYTES 12U
#define TAG_BYTES	4U
#define SOCKET_HEADER	sizeof(struct virtio_net_hdr) /* 10: without num_buffers */

int td_relay_open(struct td_relay *relay, const char *pf_name, const uint8_t mac[6], uint16_t vlan, struct td_err *err)
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
	relay->vlan = vlan;
	memcpy(relay->mac, mac, sizeof(relay->mac));
	return 0;
}

void td_relay_close(struct td_relay *relay)
{
	td_close_behind(&relay->fd);
	free(relay->buffer);
	relay->buffer = NULL;
}

static int send_pieces(struct td_relay *relay, struct iovec *piece, unsigned count)
{
	struct msghdr message = {.msg_iov = piece, .msg_iovlen = count};

	return sendmsg(relay->fd, &message, MSG_DONTWAIT) < 0 ? -errno : 0;
}

/* One of the tap's, header and all. The PF's switch hands a VF with a VLAN only what carries its tag, and takes that off. */
static int send_taken(struct td_relay *relay, size_t len_bytes)
{
	const uint8_t tag[TAG_BYTES] = {ETHERTYPE_VLAN >> 8, ETHERTYPE_VLAN & 0xff, (uint8_t)(relay->vlan >> 8), (uint8_t)relay->vlan};
	uint8_t *frame = relay->buffer + TD_VIRTIO_NET_HEADER_BYTES;
	struct virtio_net_hdr header;
	struct iovec piece[] = {{&header, SOCKET_HEADER}, {frame, ADDRESSES_BYTES}, {(void *)(uintptr_t)tag, relay->vlan ? TAG_BYTES : 0},
		{frame + ADDRESSES_BYTES, len_bytes - ADDRESSES_BYTES}};

	memcpy(&header, relay->buffer, sizeof(header));
	if (relay->vlan && header.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
		header.csum_start += TAG_BYTES;
	if (relay->vlan && header.gso_type != VIRTIO_NET_HDR_GSO_NONE)
		header.hdr_len += TAG_BYTES;
	return send_pieces(relay, piece, TD_COUNT(piece));
}

/* The next frame's length with its header; < 0: none. */
static ssize_t take_next(struct td_relay *relay, td_relay_take take, void *opaque)
{
	ssize_t len = relay->fd < 0 ? -EBADF : take(opaque, relay->buffer, BUFFER_BYTES);

	if (len > (ssize_t)TD_VIRTIO_NET_HEADER_BYTES)
		relay->taken_bytes += (size_t)len - TD_VIRTIO_NET_HEADER_BYTES;
	return len;
}

static bool is_guests(const struct td_relay *relay, ssize_t len)
{
	return len >= (ssize_t)(TD_VIRTIO_NET_HEADER_BYTES + ETHER_HDR_LEN) &&
	       memcmp(relay->buffer + TD_VIRTIO_NET_HEADER_BYTES, relay->mac, 6) == 0;
}

unsigned td_relay_run(struct td_relay *relay, td_relay_take take, void *opaque)
{
	unsigned taken = 0;

	for (ssize_t len; taken < RELAYED_A_RUN && (len = take_next(relay, take, opaque)) >= 0; taken++) {
		if (is_guests(relay, len) && send_taken(relay, (size_t)len - TD_VIRTIO_NET_HEADER_BYTES) == 0)
			relay->relayed++;
		else
			relay->discarded++;
	}
	return taken;
}

unsigned td_relay_discard(struct td_relay *relay, td_relay_take take, void *opaque)
{
	unsigned taken = 0, own = 0;

	for (ssize_t len; taken < DISCARDED_A_RUN && (len = take_next(relay, take, opaque)) >= 0; taken++) {
		own += is_guests(relay, len);
		relay->discarded++;
	}
	return own;
}

int td_relay_send(struct td_relay *relay, const uint8_t *frame, size_t len_bytes)
{
	struct virtio_net_hdr none = {0};
	struct iovec piece[] = {{&none, SOCKET_HEADER}, {(void *)(uintptr_t)frame, len_bytes}};

	return relay->fd < 0 ? -EBADF : send_pieces(relay, piece, TD_COUNT(piece));
}
