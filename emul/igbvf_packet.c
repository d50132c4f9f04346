/* SPDX-License-Identifier: Apache-2.0 */
/* igbvf_packet.c - see igbvf_packet.h. Fields of the context: Intel 82576EB datasheet §7.2.2.2.3. */
#include "emul/igbvf_packet.h"

#include <endian.h>
#include <linux/if_ether.h>
#include <linux/virtio_net.h>
#include <netinet/in.h>
#include <string.h>

#include "emul/igbvf_frame.h"

#define IPLEN_MASK     0x1ffU
#define MACLEN_SHIFT   9U
#define MACLEN_MASK    0x7fU
#define TCI_SHIFT      16U
#define TUCMD_IPV4     (1U << 10)
#define TUCMD_L4_SHIFT 11U
#define TUCMD_L4_MASK  3U
#define L4LEN_SHIFT    8U
#define L4LEN_MASK     0xffU
#define MSS_SHIFT      16U

#define PAD_BYTES    60U   /* the shortest frame, without CRC */
#define FRAMES_MAX   2048U /* no TCP makes more of 64 KiB: its smallest segment has 36 bytes */
#define TAG_BYTES    4U
#define HEADERS_MAX  (MACLEN_MASK + IPLEN_MASK + L4LEN_MASK + TAG_BYTES)
#define IPV4_MIN     20U
#define IPV6_BYTES   40U
#define TCP_MIN	     20U
#define TCP_SEQUENCE 4U
#define TCP_CHECK    16U
#define TCP_FLAGS    13U
#define TCP_CWR	     0x80U
#define TCP_FIN	     0x01U
#define TCP_PSH	     0x08U
#define UDP_CHECK    6U
#define SCTP_CHECK   8U
#define HEADER_BYTES sizeof(struct virtio_net_hdr_v1)

enum l4 { L4_UDP, L4_TCP, L4_SCTP, L4_RESERVED };

/* What the context says, and the headers when they have to be changed. */
struct plan {
	struct virtio_net_hdr_v1 header;
	size_t mac, ip, l4; /* lengths of the headers, as in the guest's packet */
	enum l4 kind;
	bool ipv4;
	unsigned mss;
	uint16_t tci;
	bool tunnel; /* to be cut up here */
	uint8_t head[HEADERS_MAX];
	size_t head_bytes; /* of the packet, copied into head */
	size_t added;	   /* bytes in head that are not in the packet */
};

static void read_context(const struct td_igbvf_context *context, struct plan *plan)
{
	plan->ip = context->vlan_macip_lens & IPLEN_MASK;
	plan->mac = context->vlan_macip_lens >> MACLEN_SHIFT & MACLEN_MASK;
	plan->tci = (uint16_t)(context->vlan_macip_lens >> TCI_SHIFT);
	plan->ipv4 = context->type_tucmd & TUCMD_IPV4;
	plan->kind = (enum l4)(context->type_tucmd >> TUCMD_L4_SHIFT & TUCMD_L4_MASK);
	plan->l4 = context->mss_l4len >> L4LEN_SHIFT & L4LEN_MASK;
	plan->mss = context->mss_l4len >> MSS_SHIFT;
}

static void packet_put16(uint8_t *at, size_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static uint16_t packet_get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static bool copy_head(const struct td_igbvf_packet *packet, struct plan *plan, size_t bytes)
{
	if (bytes > packet->len)
		return false;
	if (bytes > plan->head_bytes) {
		td_igbvf_frame_copy_out(packet->segment, packet->segments, 0, plan->head, bytes);
		plan->head_bytes = bytes;
	}
	return true;
}

/*
 * What stands in the field is part of the sum: for a tunnel the driver puts there what takes the inner headers, which the context counts to
 * the IP header, out of it again.
 */
static void sum_ipv4(struct plan *plan)
{
	struct iovec iov = {plan->head, plan->mac + plan->ip};
	uint64_t sum = td_igbvf_frame_sum(&iov, 1, plan->mac, plan->ip, 0);

	packet_put16(plan->head + plan->mac + 10, (uint16_t)~td_igbvf_frame_fold(sum));
}

/* The driver leaves out the lengths (§7.2.4.2): of the IP header, and in the pseudo header's sum. */
static void set_lengths(struct plan *plan, size_t payload)
{
	uint8_t *ip = plan->head + plan->mac, *tcp = ip + plan->ip;

	if (plan->ipv4) {
		packet_put16(ip + 2, plan->ip + plan->l4 + payload);
		sum_ipv4(plan);
	} else {
		packet_put16(ip + 4, plan->ip + plan->l4 + payload - IPV6_BYTES);
	}
	packet_put16(tcp + TCP_CHECK, td_igbvf_frame_fold((uint64_t)packet_get16(tcp + TCP_CHECK) + plan->l4 + payload));
}

/* Is there something between outer IP header and TCP? No word of the tap's describes that. */
static bool is_tunnel(const struct plan *plan)
{
	const uint8_t *ip = plan->head + plan->mac;

	if (plan->ipv4)
		return ip[9] != IPPROTO_TCP || (ip[0] & 15U) * 4 != plan->ip;
	return ip[6] != IPPROTO_TCP;
}

static bool plan_segmentation(struct td_igbvf_packet *packet, struct plan *plan)
{
	size_t headers = plan->mac + plan->ip + plan->l4;
	const uint8_t *tcp = plan->head + plan->mac + plan->ip;

	if (plan->kind != L4_TCP || !plan->mss || plan->l4 < TCP_MIN || plan->ip < (plan->ipv4 ? IPV4_MIN : IPV6_BYTES) ||
		plan->mac < ETH_HLEN || packet->len <= headers || packet->len - plan->mac > UINT16_MAX || !copy_head(packet, plan, headers))
		return false;
	packet->wire_frames = (unsigned)((packet->len - headers + plan->mss - 1) / plan->mss);
	packet->wire_bytes = packet->len + (packet->wire_frames - 1) * headers;
	if (packet->wire_frames > FRAMES_MAX)
		return false;
	plan->tunnel = is_tunnel(plan);
	if (plan->tunnel)
		return true; /* send_segments() */
	set_lengths(plan, packet->len - headers);
	plan->header.gso_type = plan->ipv4 ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6;
	if (tcp[TCP_FLAGS] & TCP_CWR)
		plan->header.gso_type |= VIRTIO_NET_HDR_GSO_ECN;
	plan->header.gso_size = (uint16_t)plan->mss;
	plan->header.hdr_len = (uint16_t)headers;
	return true;
}

static bool plan_sum(struct td_igbvf_packet *packet, struct plan *plan)
{
	static const size_t check_at[] = {[L4_UDP] = UDP_CHECK, [L4_TCP] = TCP_CHECK, [L4_SCTP] = SCTP_CHECK};
	size_t start = plan->mac + plan->ip;

	if (plan->kind == L4_RESERVED || start + check_at[plan->kind] + 2 > packet->len)
		return false;
	if (plan->kind == L4_SCTP)
		return true; /* below: the header has no word for it */
	plan->header.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	plan->header.csum_start = (uint16_t)start;
	plan->header.csum_offset = (uint16_t)check_at[plan->kind];
	return true;
}

static bool sum_sctp(const struct td_igbvf_packet *packet, struct plan *plan)
{
	size_t start = plan->mac + plan->ip, bytes = start + SCTP_CHECK + sizeof(uint32_t);
	struct iovec head = {plan->head, bytes};
	uint32_t crc = 0;

	if (!copy_head(packet, plan, bytes))
		return false;
	memset(plan->head + start + SCTP_CHECK, 0, sizeof(crc));
	crc = td_igbvf_frame_crc32c(&head, 1, start, bytes - start, UINT32_MAX);
	crc = htole32(~td_igbvf_frame_crc32c(packet->segment, packet->segments, bytes, packet->len - bytes, crc));
	memcpy(plan->head + start + SCTP_CHECK, &crc, sizeof(crc));
	return true;
}

static void insert_tag(struct plan *plan)
{
	uint8_t *at = plan->head + 2 * ETH_ALEN;

	memmove(at + TAG_BYTES, at, plan->head_bytes - 2 * ETH_ALEN);
	packet_put16(at, ETH_P_8021Q);
	packet_put16(at + 2, plan->tci);
	plan->added = TAG_BYTES;
}

static bool plan_tag(struct td_igbvf_packet *packet, struct plan *plan)
{
	if (!copy_head(packet, plan, 2 * ETH_ALEN))
		return false;
	if (packet->segment_tcp && plan->tunnel)
		plan->added = TAG_BYTES; /* put into each segment */
	else
		insert_tag(plan);
	if (plan->header.flags)
		plan->header.csum_start += TAG_BYTES;
	if (plan->header.gso_type)
		plan->header.hdr_len += TAG_BYTES;
	packet->wire_bytes += (size_t)packet->wire_frames * TAG_BYTES;
	return true;
}

static bool make_plan(struct td_igbvf_packet *packet, struct plan *plan)
{
	memset(&plan->header, 0, sizeof(plan->header));
	plan->head_bytes = plan->added = 0;
	plan->tunnel = false;
	packet->wire_frames = 1;
	packet->wire_bytes = packet->len;
	if (!packet->insert_tag && !packet->segment_tcp && !packet->sum_ip && !packet->sum_l4)
		return true;
	read_context(&packet->context, plan);
	if (packet->segment_tcp && !plan_segmentation(packet, plan))
		return false;
	if (packet->sum_ip && !packet->segment_tcp) {
		if (plan->mac < ETH_HLEN || plan->ip < IPV4_MIN || !copy_head(packet, plan, plan->mac + plan->ip))
			return false;
		sum_ipv4(plan);
	}
	if ((packet->sum_l4 || packet->segment_tcp) && !plan_sum(packet, plan))
		return false;
	if (packet->sum_l4 && plan->kind == L4_SCTP && !sum_sctp(packet, plan))
		return false;
	return !packet->insert_tag || plan_tag(packet, plan);
}

static bool send_one(const struct td_igbvf_packet *packet, struct plan *plan, size_t skip, size_t len, int tap_fd)
{
	static const uint8_t zeros[PAD_BYTES];
	struct iovec iov[TD_IGBVF_SEGMENTS_MAX + 3];
	size_t head = plan->head_bytes ? plan->head_bytes + plan->added : 0;
	unsigned count = 0;

	iov[count++] = (struct iovec){&plan->header, HEADER_BYTES};
	if (head)
		iov[count++] = (struct iovec){plan->head, head};
	count += td_igbvf_frame_slice(packet->segment, packet->segments, skip, len, &iov[count]);
	if (head + len < PAD_BYTES)
		iov[count++] = (struct iovec){(uint8_t *)(uintptr_t)zeros, PAD_BYTES - head - len};
	return writev(tap_fd, iov, (int)count) >= 0;
}

/* Cuts a tunnel's packet up, as the card would (§7.2.4.3 to §7.2.4.7); the sum over each TCP segment is still the tap's business. */
static bool send_segments(const struct td_igbvf_packet *packet, struct plan *plan, int tap_fd)
{
	size_t headers = plan->mac + plan->ip + plan->l4, tag = plan->added;
	struct plan one = *plan;
	bool sent = true;

	for (size_t done = 0, n = 0; done < packet->len - headers && sent; n++) {
		size_t payload = TD_MIN(packet->len - headers - done, (size_t)plan->mss);
		uint8_t *ip = one.head + plan->mac, *tcp = ip + plan->ip;
		uint32_t sequence;

		memcpy(one.head, plan->head, headers);
		if (plan->ipv4)
			packet_put16(ip + 4, packet_get16(ip + 4) + n);
		memcpy(&sequence, tcp + TCP_SEQUENCE, sizeof(sequence));
		sequence = htobe32(be32toh(sequence) + (uint32_t)done);
		memcpy(tcp + TCP_SEQUENCE, &sequence, sizeof(sequence));
		tcp[TCP_FLAGS] &= (uint8_t) ~((n ? TCP_CWR : 0U) | (done + payload < packet->len - headers ? TCP_FIN | TCP_PSH : 0U));
		set_lengths(&one, payload);
		one.head_bytes = headers;
		one.added = 0;
		if (tag)
			insert_tag(&one);
		sent = send_one(packet, &one, headers + done, payload, tap_fd);
		done += payload;
	}
	return sent;
}

bool td_igbvf_packet_send(struct td_igbvf_packet *packet, int tap_fd)
{
	struct plan plan;

	if (packet->len < ETH_HLEN || !make_plan(packet, &plan))
		return false;
	packet->wire_bytes = TD_MAX(packet->wire_bytes, (size_t)PAD_BYTES);
	if (packet->segment_tcp && plan.tunnel)
		return send_segments(packet, &plan, tap_fd);
	return send_one(packet, &plan, plan.head_bytes, packet->len - plan.head_bytes, tap_fd);
}
