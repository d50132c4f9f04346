/* SPDX-License-Identifier: Apache-2.0 */
/* catch.c - see catch.h. Source: packet(7), Linux Documentation/networking/filter.rst. */
#include "nic/catch.h"

#include <arpa/inet.h>
#include <errno.h>
#include <glob.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUFFER_BYTES (sizeof(struct virtio_net_hdr) + 65536U)
#define FRAMES_A_RUN 256U
#define TAG_BYTES    4U
#define TAG_AT	     (sizeof(struct virtio_net_hdr) + 12U)
#define VID_MASK     0xfffU

static int packet_socket(unsigned index, uint16_t protocol)
{
	struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_protocol = htons(protocol), .sll_ifindex = (int)index};
	td_auto_close int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int on = 1;

	if (!index)
		return -ENODEV;
	if (fd < 0 || setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)) < 0 ||
		(!protocol && bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0))
		return -errno;
	return td_take_fd(&fd);
}

/* Incoming frames to this address, and VLAN if there is one, and no others. */
static int set_filter(int fd, const uint8_t mac[6], uint16_t vlan)
{
	uint32_t high = (uint32_t)mac[0] << 24 | (uint32_t)mac[1] << 16 | (uint32_t)mac[2] << 8 | mac[3];
	uint32_t low = (uint32_t)mac[4] << 8 | mac[5];
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_PKTTYPE)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_OUTGOING, 9, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, high, 0, 7),
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 4),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, low, 0, 5),
		BPF_JUMP(BPF_JMP | BPF_JA, vlan ? 0 : 3, 0, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_VLAN_TAG)), /* 0 without a tag */
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, VID_MASK),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, vlan, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	const struct sock_fprog program = {.len = TD_COUNT(code), .filter = code};

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0 ? -errno : 0;
}

/* The filter is set before the socket is bound to a protocol, so that nothing slips in. */
static int listen_to(int fd, const char *name, const uint8_t mac[6], uint16_t vlan)
{
	struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)if_nametoindex(name)};
	struct packet_mreq promiscuous = {.mr_ifindex = address.sll_ifindex, .mr_type = PACKET_MR_PROMISC};
	int on = 1, rc = set_filter(fd, mac, vlan);

	if (rc == 0 && (setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &on, sizeof(on)) < 0 ||
			       bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
			       setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promiscuous, sizeof(promiscuous)) < 0))
		rc = -errno;
	return rc;
}

/* A port of a bridge or a team, or below a VLAN's interface: those hear the frames too, and may bring them to the tap. */
static bool has_upper(const char *name)
{
	char path[64];
	glob_t found;
	bool is;

	snprintf(path, sizeof(path), "/sys/class/net/%s/upper_*", name);
	is = glob(path, GLOB_NOSORT, NULL, &found) == 0;
	globfree(&found);
	return is;
}

int td_catch_open(struct td_catch *catch, const char *pf_name, unsigned tap_index, const uint8_t mac[6], uint16_t vlan, struct td_err *err)
{
	int rc = 0;

	if (catch->pf_fd >= 0 || has_upper(pf_name))
		return 0;
	catch->vlan = vlan;
	catch->buffer = malloc(BUFFER_BYTES);
	if (!catch->buffer)
		return td_err_sys(err, ENOMEM, TD_REASON_NO_MEMORY, "pf %s: late frames", pf_name);
	catch->tap_fd = packet_socket(tap_index, 0);
	catch->pf_fd = packet_socket(if_nametoindex(pf_name), ETH_P_ALL);
	if (catch->tap_fd < 0 || catch->pf_fd < 0)
		rc = catch->tap_fd < 0 ? catch->tap_fd : catch->pf_fd;
	else
		rc = listen_to(catch->pf_fd, pf_name, mac, vlan);
	if (rc == 0)
		return 0;
	td_catch_close(catch);
	return td_err_sys(err, -rc, TD_REASON_SYSTEM, "pf %s: packet socket for late frames", pf_name);
}

void td_catch_close(struct td_catch *catch)
{
	td_close_behind(&catch->pf_fd);
	td_close_behind(&catch->tap_fd);
	free(catch->buffer);
	catch->buffer = NULL;
}

/* The kernel takes a tag out of the frame and says beside it what it was. */
static bool tag_of(struct msghdr *message, uint8_t ret_tag[TAG_BYTES])
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		struct tpacket_auxdata aux;

		if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA || c->cmsg_len < CMSG_LEN(sizeof(aux)))
			continue;
		memcpy(&aux, CMSG_DATA(c), sizeof(aux));
		if (!(aux.tp_status & TP_STATUS_VLAN_VALID))
			return false;
		ret_tag[0] = (uint8_t)(aux.tp_vlan_tpid >> 8);
		ret_tag[1] = (uint8_t)aux.tp_vlan_tpid;
		ret_tag[2] = (uint8_t)(aux.tp_vlan_tci >> 8);
		ret_tag[3] = (uint8_t)aux.tp_vlan_tci;
		return true;
	}
	return false;
}

/* One frame, from socket to socket. False: there is none. */
static bool catch_one(struct td_catch *catch)
{
	struct virtio_net_hdr *header = (void *)catch->buffer;
	_Alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
	struct iovec in = {catch->buffer, BUFFER_BYTES}, out[3];
	struct msghdr message = {.msg_iov = &in, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	ssize_t len = recvmsg(catch->pf_fd, &message, MSG_DONTWAIT);
	uint8_t tag[TAG_BYTES];
	bool tagged;

	if (len <= 0)
		return false;
	if (len < (ssize_t)TAG_AT)
		return true;
	tagged = !catch->vlan && tag_of(&message, tag);
	if (tagged && header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
		header->csum_start += TAG_BYTES;
	if (tagged && header->gso_type != VIRTIO_NET_HDR_GSO_NONE)
		header->hdr_len += TAG_BYTES;
	out[0] = (struct iovec){catch->buffer, TAG_AT};
	out[1] = (struct iovec){tag, tagged ? TAG_BYTES : 0};
	out[2] = (struct iovec){catch->buffer + TAG_AT, (size_t)len - TAG_AT};
	message = (struct msghdr){.msg_iov = out, .msg_iovlen = TD_COUNT(out)};
	catch->caught += sendmsg(catch->tap_fd, &message, MSG_DONTWAIT) >= 0;
	return true;
}

void td_catch_run(struct td_catch *catch)
{
	for (unsigned i = 0; catch->pf_fd >= 0 && i < FRAMES_A_RUN; i++)
		if (!catch_one(catch))
			return;
}

void td_catch_forget(struct td_catch *catch)
{
	for (unsigned i = 0; catch->pf_fd >= 0 && i < FRAMES_A_RUN; i++)
		if (recv(catch->pf_fd, catch->buffer, BUFFER_BYTES, MSG_DONTWAIT | MSG_TRUNC) <= 0)
			return;
}
