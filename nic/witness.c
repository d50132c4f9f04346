/* SPDX-License-Identifier: Apache-2.0 */
/* witness.c - see witness.h. */
#include "nic/witness.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host/net/host_uplink.h"
#include "host/sys/sysfs.h"

#define FRAMES_AT_ONCE 64U /* a guest may send more than can be read */

struct witness_opening {
	struct td_witness *witness;
	const uint8_t *mac;
	unsigned uplinks;
};

/* Of announcements (RARP) of this MAC address, in the direction asked for, one byte each; nothing else. */
static int set_witness_filter(int fd, const uint8_t mac[6], bool outgoing)
{
	uint32_t high = (uint32_t)mac[0] << 24 | (uint32_t)mac[1] << 16 | (uint32_t)mac[2] << 8 | mac[3];
	uint32_t low = (uint32_t)mac[4] << 8 | mac[5];
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_PKTTYPE)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_OUTGOING, outgoing ? 0 : 7, outgoing ? 7 : 0),
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 12),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETHERTYPE_REVARP, 0, 5),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 6),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, high, 0, 3),
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 10),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, low, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 1),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	const struct sock_fprog program = {.len = TD_COUNT(code), .filter = code};

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

/* The filter stands before the socket is bound, so that nothing else slips in. */
static void witness_link(struct td_witness *witness, const char *link, const uint8_t mac[6], bool outgoing)
{
	struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)if_nametoindex(link)};
	td_auto_close int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (witness->count < TD_WITNESS_MAX && fd >= 0 && address.sll_ifindex && set_witness_filter(fd, mac, outgoing) == 0 &&
		bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		witness->fd[witness->count++] = td_take_fd(&fd);
}

static void witness_uplink(const char *port, bool carrier, void *opaque)
{
	struct witness_opening *opening = opaque;

	opening->uplinks++;
	if (carrier)
		witness_link(opening->witness, port, opening->mac, true);
}

void td_witness_open(struct td_witness *witness, const char *bridge, const uint8_t mac[6])
{
	struct witness_opening opening = {.witness = witness, .mac = mac};

	*witness = (struct td_witness){0};
	if (td_host_uplink_each(TD_SYSFS, bridge, witness_uplink, &opening) == 0 && !opening.uplinks)
		witness_link(witness, bridge, mac, false);
}

bool td_witness_saw(struct td_witness *witness)
{
	bool saw = false;
	char byte;

	for (unsigned i = 0; i < witness->count; i++)
		for (unsigned n = 0; n < FRAMES_AT_ONCE && read(witness->fd[i], &byte, sizeof(byte)) > 0; n++)
			saw = true;
	return saw;
}

void td_witness_close(struct td_witness *witness)
{
	for (unsigned i = 0; i < witness->count; i++)
		td_close_behind(&witness->fd[i]);
	witness->count = 0;
}
