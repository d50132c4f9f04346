/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio_net_control.c - the control queue of virtio-net (virtio 1.2 §5.1.6.5), on the main loop. Receive modes and MAC tables are
 * accepted without effect: the guest gets every frame that its tap gets.
 */
#include <errno.h>
#include <linux/virtio_net.h>
#include <string.h>

#include "emul/virtio_net_parts.h"

#define BIT(n)	       (1ULL << (n))
#define COMMAND_MAX    512U /* bytes of a command that are looked at: only MAC tables may be longer */
#define ROUND_COMMANDS 64U  /* before the main loop has its turn */
#define MAC_BYTES      6U

struct command {
	uint8_t class, command;
	uint8_t data[COMMAND_MAX];
	size_t data_bytes;
};

/* A command acknowledged after it took effect: the effect may be that queues stop and start. */
static bool set_pairs(struct td_virtio_net *net, const struct command *command)
{
	unsigned pairs = command->data[0] | (unsigned)command->data[1] << 8;

	if (!td_virtio_pci_has(&net->dev, VIRTIO_NET_F_MQ) || command->data_bytes != 2 || !pairs || pairs > net->pairs_max)
		return false;
	for (unsigned i = 0; i < 2 * pairs; i++)
		if (!net->dev.queue[i].enabled)
			return false;
	if (pairs == net->pairs_active)
		return true;
	td_virtio_net_path_stop(net);
	net->pairs_active = pairs;
	if (td_virtio_net_path_start(net))
		td_virtio_pci_break(&net->dev, "the datapath could not start with the number of queues asked for");
	return true;
}

static bool set_mac(struct td_virtio_net *net, const struct command *command)
{
	if (!td_virtio_pci_has(&net->dev, VIRTIO_NET_F_CTRL_MAC_ADDR) || command->data_bytes != MAC_BYTES || command->data[0] & 1)
		return false;
	memcpy(net->dev.config, command->data, MAC_BYTES);
	return true;
}

static bool control_set_offloads(struct td_virtio_net *net, const struct command *command)
{
	const uint64_t all =
		BIT(VIRTIO_NET_F_GUEST_CSUM) | BIT(VIRTIO_NET_F_GUEST_TSO4) | BIT(VIRTIO_NET_F_GUEST_TSO6) | BIT(VIRTIO_NET_F_GUEST_ECN);
	uint64_t offloads;

	if (!td_virtio_pci_has(&net->dev, VIRTIO_NET_F_CTRL_GUEST_OFFLOADS) || command->data_bytes != sizeof(offloads))
		return false;
	memcpy(&offloads, command->data, sizeof(offloads));
	return !(offloads & ~(all & net->dev.negotiated)) && !td_virtio_net_path_offloads(net, offloads);
}

static bool acknowledge_announce(struct td_virtio_net *net)
{
	if (!td_virtio_pci_has(&net->dev, VIRTIO_NET_F_GUEST_ANNOUNCE))
		return false;
	net->dev.config[offsetof(struct virtio_net_config, status)] &= (uint8_t)~VIRTIO_NET_S_ANNOUNCE;
	return true;
}

/* Two tables, each a count and so many MACs. Only that the counts fit the bytes is checked. */
static bool mac_table_ok(const struct command *command)
{
	size_t at = 0;

	for (unsigned i = 0; i < 2; i++) {
		uint32_t entries;

		if (command->data_bytes > COMMAND_MAX)
			return true;
		if (!td_range_ok(at, sizeof(entries), command->data_bytes))
			return false;
		memcpy(&entries, command->data + at, sizeof(entries));
		at += sizeof(entries);
		if (entries > (command->data_bytes - at) / MAC_BYTES)
			return false;
		at += entries * MAC_BYTES;
	}
	return at == command->data_bytes;
}

static bool control_obey(struct td_virtio_net *net, const struct command *command)
{
	switch (command->class << 8 | command->command) {
	case VIRTIO_NET_CTRL_RX << 8 | VIRTIO_NET_CTRL_RX_PROMISC:
	case VIRTIO_NET_CTRL_RX << 8 | VIRTIO_NET_CTRL_RX_ALLMULTI:
		return td_virtio_pci_has(&net->dev, VIRTIO_NET_F_CTRL_RX) && command->data_bytes == 1;
	case VIRTIO_NET_CTRL_MAC << 8 | VIRTIO_NET_CTRL_MAC_TABLE_SET:
		return td_virtio_pci_has(&net->dev, VIRTIO_NET_F_CTRL_RX) && mac_table_ok(command);
	case VIRTIO_NET_CTRL_MAC << 8 | VIRTIO_NET_CTRL_MAC_ADDR_SET:
		return set_mac(net, command);
	case VIRTIO_NET_CTRL_MQ << 8 | VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET:
		return set_pairs(net, command);
	case VIRTIO_NET_CTRL_ANNOUNCE << 8 | VIRTIO_NET_CTRL_ANNOUNCE_ACK:
		return acknowledge_announce(net);
	case VIRTIO_NET_CTRL_GUEST_OFFLOADS << 8 | VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET:
		return control_set_offloads(net, command);
	default:
		return false;
	}
}

/* Threads start and end, or the host's network stack takes its own lock: a guest that posts many of these gets one in a round. */
static bool is_slow(uint8_t class)
{
	return class == VIRTIO_NET_CTRL_MQ || class == VIRTIO_NET_CTRL_GUEST_OFFLOADS;
}

static uint8_t control_serve(struct td_virtio_net *net, const struct iovec *iov, const struct td_virtqueue_chain *chain, bool *ret_slow)
{
	struct command command = {0};
	uint8_t head[2];
	const size_t head_bytes = sizeof(head);

	if (td_virtqueue_copy_out(iov, chain->out_count, 0, head, head_bytes) < head_bytes)
		return VIRTIO_NET_ERR;
	command.class = head[0];
	*ret_slow = is_slow(head[0]);
	command.command = head[1];
	command.data_bytes = chain->out_bytes - head_bytes;
	td_virtqueue_copy_out(iov, chain->out_count, head_bytes, command.data, TD_MIN(command.data_bytes, (size_t)COMMAND_MAX));
	return control_obey(net, &command) ? VIRTIO_NET_OK : VIRTIO_NET_ERR;
}

void td_virtio_net_control(struct td_virtio_net *net)
{
	struct td_virtqueue *vq = &net->dev.queue[net->control_queue].vq;
	struct iovec iov[64];
	struct td_virtqueue_chain chain;
	unsigned served = 0;
	bool slow = false;
	int rc;

	do {
		rc = td_virtqueue_pop(vq, iov, TD_COUNT(iov), &chain);
		if (rc < 0 || (rc > 0 && !chain.in_bytes)) {
			td_virtio_pci_break(&net->dev, rc > 0	 ? "a control command without room for an answer"
						       : vq->why ? vq->why
								 : "a control command of too many segments");
			return;
		}
		if (rc > 0) {
			uint8_t answer = control_serve(net, iov, &chain, &slow);

			if (!net->dev.running)
				return;
			td_virtqueue_copy_in(iov + chain.out_count, chain.in_count, 0, &answer, 1);
			td_virtqueue_push(vq, chain.head, 1);
		}
	} while (!slow && (rc > 0 || td_virtqueue_arm(vq)) && ++served < ROUND_COMMANDS);
	if (td_virtqueue_publish(vq))
		td_virtio_pci_signal(&net->dev, net->control_queue);
	if (slow || served >= ROUND_COMMANDS)
		td_virtio_pci_kick(&net->dev, net->control_queue);
}
