/* SPDX-License-Identifier: Apache-2.0 */
/*
 * igbvf_rx.c - from the tap to the guest's receive ring: which frames a VF hears, and how they are written back. Source: Intel 82576EB
 * datasheet §7.1.1 (filters), §7.1.4 (descriptors), §7.1.10 (header split).
 *
 * Theory of operation. With one buffer a descriptor a frame is read from the tap right into guest memory; what turns out to be not for the
 * guest leaves only bytes in buffers that still are the device's. The first bytes are copied before they are looked at: the guest may write
 * there. With headers split, which the driver uses for jumbo frames, it goes by a buffer of our own. A frame is never taken off the tap
 * before there is room for the largest, so none is lost for want of buffers: it waits in the tap.
 */
#include "emul/igbvf_rx.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <linux/virtio_net.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "emul/igbvf_frame.h"
#include "emul/tap.h"

#define ROUND_FRAMES	    64U
#define NEED_MAX	    16U
#define BURN_PORTION	    64U /* frames wait behind what is burned */
#define SPILL_BYTES	    16U
#define TAG_AT		    (2U * ETH_ALEN)
#define TAG_BYTES	    4U
#define VID_MASK	    0xfffU
#define HEADER_BYTES	    TD_TAP_HEADER_BYTES
#define SRRCTL_PACKET	    0x7fU /* of 1 KiB */
#define SRRCTL_HEADER	    0x3f00U
#define SRRCTL_HEADER_SHIFT 2U /* 64 bytes in bit 8 */
#define SRRCTL_TYPE	    0x0e000000U
#define SRRCTL_ONE_BUFFER   0x02000000U
#define SRRCTL_SPLIT_ALWAYS 0x0a000000U
#define PROMISC_UNICAST	    (1U << 16)
#define PROMISC_MULTICAST   (1U << 17)

#define RXD_DD	 0x01U
#define RXD_EOP	 0x02U
#define RXD_VP	 0x08U
#define RXD_L4CS 0x20U
#define RXD_IPCS 0x40U
#define RXD_IPE	 0x40000000U
#define RXD_RXE	 0x80000000U

#define RXD_TYPE_IPV4 0x010U
#define RXD_TYPE_IPV6 0x040U
#define RXD_TYPE_TCP  0x100U
#define RXD_TYPE_UDP  0x200U
#define RXD_TYPE_SCTP 0x400U
#define RXD_SPH	      0x8000U
#define RXD_HDR_SHIFT 5U

struct frame {
	struct iovec piece[NEED_MAX]; /* where its bytes are; the last may be longer than the frame */
	unsigned pieces;
	size_t len;
	bool l4_ok; /* the checksum was verified by somebody */
	struct td_igbvf_frame info;
	uint8_t head[TD_IGBVF_HEADERS_BYTES];
};

/*
 * How many buffers the largest frame takes. A ring that is too short for it even when it is full takes those that fit; a longer one is
 * dropped: what is not posted is the guest's, and never written.
 */
static void fit_frames(struct td_igbvf_rx *rx)
{
	rx->need = (unsigned)((rx->frame_max + rx->buffer_bytes - 1) / rx->buffer_bytes);
	rx->need = TD_MIN(rx->need, rx->ring.count - 1);
	rx->frame_max = TD_MIN(rx->frame_max, rx->need * rx->buffer_bytes);
}

int td_igbvf_rx_init(struct td_igbvf_rx *rx, struct td_vf82576_state *regs, const struct td_mem *mem, const char *device, int tap_fd)
{
	*rx = (struct td_igbvf_rx){.regs = regs, .tap_fd = tap_fd, .scratch = malloc(TD_IGBVF_FRAME_MAX)};
	td_igbvf_ring_init(&rx->ring, mem, device, "receive");
	return rx->scratch ? 0 : -ENOMEM;
}

void td_igbvf_rx_fini(struct td_igbvf_rx *rx)
{
	free(td_take_ptr(rx->scratch));
}

void td_igbvf_rx_prepare(struct td_igbvf_rx *rx, bool may_run)
{
	const struct td_vf82576_state *regs = rx->regs;
	struct td_vf82576_ring *state = &rx->regs->rx[0];
	uint32_t type = state->srrctl & SRRCTL_TYPE;

	td_igbvf_ring_prepare(&rx->ring, state, may_run);
	rx->frame_max = TD_MIN(TD_MAX(regs->frame_max_bytes, TD_IGBVF_FRAME_MIN), TD_IGBVF_FRAME_MAX) - TD_IGBVF_CRC_BYTES;
	rx->buffer_bytes = (state->srrctl & SRRCTL_PACKET) * TD_KIB;
	rx->header_bytes = type == SRRCTL_SPLIT_ALWAYS ? (state->srrctl & SRRCTL_HEADER) >> SRRCTL_HEADER_SHIFT : 0;
	if (!rx->ring.desc)
		return;
	if ((type != SRRCTL_ONE_BUFFER && type != SRRCTL_SPLIT_ALWAYS) || !rx->buffer_bytes)
		td_igbvf_ring_break(&rx->ring, "descriptors of a kind that is not supported");
	else
		fit_frames(rx);
}

static uint32_t available(const struct td_igbvf_ring *ring, uint32_t tail)
{
	uint32_t head = td_igbvf_ring_head(ring);

	return tail >= head ? tail - head : tail + ring->count - head;
}

bool td_igbvf_rx_waiting(const struct td_igbvf_rx *rx)
{
	const struct td_igbvf_ring *ring = &rx->ring;

	return ring->desc && rx->ready && __atomic_load_n(ring->tail, __ATOMIC_ACQUIRE) != ring->seen;
}

/* ---- what a VF hears ---- */

static bool hash_matches(const struct td_vf82576_state *regs, const uint8_t address[ETH_ALEN])
{
	uint16_t hash = td_igbvf_frame_hash(address);

	for (unsigned i = 0; i < regs->hash_count; i++)
		if (regs->hash[i] == hash)
			return true;
	return false;
}

bool td_igbvf_rx_hears(const struct td_vf82576_state *regs, const uint8_t address[6])
{
	static const uint8_t broadcast[ETH_ALEN] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

	if (!memcmp(address, broadcast, ETH_ALEN))
		return true;
	if (address[0] & 1)
		return regs->promisc & PROMISC_MULTICAST || hash_matches(regs, address);
	return regs->promisc & PROMISC_UNICAST || !memcmp(address, regs->mac, ETH_ALEN);
}

static bool is_heard(const struct td_igbvf_rx *rx, const struct frame *frame)
{
	unsigned vid = frame->info.tci & VID_MASK;

	if (frame->len < ETH_HLEN || !td_igbvf_rx_hears(rx->regs, frame->head))
		return false;
	return !frame->info.tagged || rx->regs->vlan[vid / 32] & 1U << vid % 32;
}

/* ---- reading ---- */

/* The buffers of the next descriptors, as many as the largest frame takes. */
static bool fill_pieces(struct td_igbvf_rx *rx, struct frame *frame)
{
	uint32_t at = td_igbvf_ring_head(&rx->ring);
	size_t left = rx->frame_max;

	for (frame->pieces = 0; left; at = td_igbvf_ring_next(&rx->ring, at)) {
		uint64_t gpa = __atomic_load_n(&rx->ring.desc[2 * at], __ATOMIC_RELAXED);
		size_t bytes = TD_MIN(left, rx->buffer_bytes);
		void *host = td_mem_ptr(rx->ring.mem, TD_GPA(gpa), bytes);

		if (!host) {
			td_igbvf_ring_break(&rx->ring, "a receive buffer outside RAM");
			return false;
		}
		frame->piece[frame->pieces++] = (struct iovec){host, bytes};
		left -= bytes;
	}
	return true;
}

/* The frame's length, -EMSGSIZE for one that is too long (it is gone), or -errno. */
static ssize_t read_frame(struct td_igbvf_rx *rx, struct frame *frame, struct virtio_net_hdr_v1 *header)
{
	struct iovec iov[NEED_MAX + 2];
	uint8_t spill[SPILL_BYTES];
	ssize_t got;

	iov[0] = (struct iovec){header, HEADER_BYTES};
	memcpy(&iov[1], frame->piece, frame->pieces * sizeof(iov[0]));
	iov[frame->pieces + 1] = (struct iovec){spill, sizeof(spill)};
	got = readv(rx->tap_fd, iov, (int)frame->pieces + 2);
	if (got < 0)
		return -errno;
	if (got < (ssize_t)HEADER_BYTES)
		return -EAGAIN;
	frame->len = (size_t)got - HEADER_BYTES;
	return frame->len > rx->frame_max ? -EMSGSIZE : (ssize_t)frame->len;
}

/* The tag goes: what stands behind it moves up. */
static void strip_tag(struct td_igbvf_rx *rx, struct frame *frame)
{
	if (frame->pieces == 1) {
		uint8_t *at = (uint8_t *)frame->piece[0].iov_base + TAG_AT;

		memmove(at, at + TAG_BYTES, frame->len - TAG_AT - TAG_BYTES);
	} else {
		size_t bytes = td_igbvf_frame_copy_out(
			frame->piece, frame->pieces, TAG_AT + TAG_BYTES, rx->scratch, frame->len - TAG_AT - TAG_BYTES);

		td_igbvf_frame_copy_in(frame->piece, frame->pieces, TAG_AT, rx->scratch, bytes);
	}
	frame->len -= TAG_BYTES;
	frame->info.header_bytes = (uint16_t)(frame->info.header_bytes - TAG_BYTES);
}

/* ---- writing back ---- */

/* The descriptor at the head becomes the driver's again. */
static void write_back(struct td_igbvf_ring *ring, uint64_t low, uint32_t status, size_t len, uint16_t tci)
{
	uint32_t at = td_igbvf_ring_head(ring);

	__atomic_store_n(&ring->desc[2 * at], low, __ATOMIC_RELAXED);
	__atomic_store_n(&ring->desc[2 * at + 1], (uint64_t)tci << 48 | (uint64_t)len << 32 | status, __ATOMIC_RELEASE);
	td_igbvf_ring_set_head(ring, td_igbvf_ring_next(ring, at));
}

static uint32_t packet_type(const struct td_igbvf_frame *info)
{
	static const uint32_t of_proto[] = {0, RXD_TYPE_TCP, RXD_TYPE_UDP, RXD_TYPE_SCTP};

	return (info->ipv4 ? RXD_TYPE_IPV4 : 0) | (info->ipv6 ? RXD_TYPE_IPV6 : 0) | of_proto[info->proto];
}

static uint32_t rx_status_of(const struct frame *frame)
{
	uint32_t status = RXD_DD | RXD_EOP | (frame->info.tagged ? RXD_VP : 0);

	if (frame->info.ipv4)
		status |= RXD_IPCS | (frame->info.ip_sum_ok ? 0 : RXD_IPE);
	return status | (frame->l4_ok && frame->info.proto != TD_IGBVF_PROTO_NONE ? RXD_L4CS : 0);
}

static void rx_give(struct td_igbvf_rx *rx, const struct frame *frame)
{
	uint64_t low = packet_type(&frame->info);
	size_t left = frame->len;

	for (; left > rx->buffer_bytes; left -= rx->buffer_bytes)
		write_back(&rx->ring, low, RXD_DD, rx->buffer_bytes, 0);
	write_back(&rx->ring, low, rx_status_of(frame), left, frame->info.tagged ? frame->info.tci : 0);
}

static size_t split_at(const struct td_igbvf_rx *rx, const struct frame *frame)
{
	size_t headers = frame->info.ipv4 || frame->info.ipv6 ? frame->info.header_bytes : 0;

	if (frame->len <= rx->header_bytes || !headers || headers > rx->header_bytes)
		return TD_MIN(frame->len, rx->header_bytes);
	return headers;
}

/* The frame is in one piece of our own. False: a buffer is outside RAM, and the ring broken. */
static bool give_split(struct td_igbvf_rx *rx, const struct frame *frame)
{
	const uint8_t *from = frame->piece[0].iov_base;
	size_t header = split_at(rx, frame), done = header;
	const struct td_mem *mem = rx->ring.mem;

	for (bool first = true; first || done < frame->len; first = false) {
		uint32_t at = td_igbvf_ring_head(&rx->ring);
		uint64_t packet_gpa = __atomic_load_n(&rx->ring.desc[2 * at], __ATOMIC_RELAXED);
		uint64_t header_gpa = __atomic_load_n(&rx->ring.desc[2 * at + 1], __ATOMIC_RELAXED);
		size_t bytes = TD_MIN(frame->len - done, rx->buffer_bytes);
		uint64_t low = packet_type(&frame->info);

		if ((first && !td_mem_write(mem, TD_GPA(header_gpa & ~1ULL), from, header)) ||
			(bytes && !td_mem_write(mem, TD_GPA(packet_gpa), from + done, bytes))) {
			td_igbvf_ring_break(&rx->ring, "a receive buffer outside RAM");
			return false;
		}
		done += bytes;
		if (first)
			low |= (uint64_t)(header << RXD_HDR_SHIFT | RXD_SPH) << 16;
		if (done < frame->len)
			write_back(&rx->ring, low, RXD_DD, bytes, 0);
		else
			write_back(&rx->ring, low, rx_status_of(frame), bytes, frame->info.tagged ? frame->info.tci : 0);
	}
	return true;
}

/* ---- rounds ---- */

static void count_frame(struct td_igbvf_rx *rx, const struct frame *frame, size_t wire_bytes)
{
	uint64_t *counter = rx->regs->counter;

	td_igbvf_count(&counter[TD_VF_COUNT_GPRC], 1);
	td_igbvf_count(&counter[TD_VF_COUNT_GORC], wire_bytes + TD_IGBVF_CRC_BYTES);
	if (frame->head[0] & 1)
		td_igbvf_count(&counter[TD_VF_COUNT_MPRC], 1);
	td_igbvf_count(&rx->packets, 1);
	td_igbvf_count(&rx->bytes, wire_bytes);
}

/* A frame that was read: to the guest, if it is for it. False: it was not given. */
static bool rx_deliver(struct td_igbvf_rx *rx, struct frame *frame, const struct virtio_net_hdr_v1 *header)
{
	size_t wire_bytes = frame->len;

	td_igbvf_frame_parse(frame->head,
		td_igbvf_frame_copy_out(frame->piece, frame->pieces, 0, frame->head, TD_MIN(frame->len, sizeof(frame->head))),
		&frame->info);
	if (!is_heard(rx, frame))
		return false;
	frame->l4_ok = header->flags & VIRTIO_NET_HDR_F_DATA_VALID;
	if (header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
		frame->l4_ok = td_igbvf_frame_complete(frame->piece, frame->pieces, frame->len, header->csum_start, header->csum_offset);
	if (frame->info.tagged)
		strip_tag(rx, frame);
	if (!rx->header_bytes)
		rx_give(rx, frame);
	else if (!give_split(rx, frame))
		return false;
	count_frame(rx, frame, wire_bytes);
	return true;
}

/* 1: a frame was taken off the tap; 0: none there, or no buffers. *given counts those that the guest got. */
static int rx_receive(struct td_igbvf_rx *rx, unsigned *given)
{
	struct virtio_net_hdr_v1 header;
	struct frame frame;
	uint32_t tail;
	ssize_t len;

	if (!td_igbvf_ring_tail(&rx->ring, &tail))
		return 0;
	if (available(&rx->ring, tail) < rx->need) {
		td_igbvf_count(&rx->no_buffer, rx->ring.seen != tail);
		rx->ring.seen = tail;
		return 0;
	}
	rx->ring.seen = UINT32_MAX;
	frame.len = 0;
	if (rx->header_bytes) {
		frame.piece[0] = (struct iovec){rx->scratch, rx->frame_max};
		frame.pieces = 1;
	} else if (!fill_pieces(rx, &frame)) {
		return 0;
	}
	len = read_frame(rx, &frame, &header);
	if (len == -EMSGSIZE) {
		td_igbvf_count(&rx->dropped, 1);
		return 1;
	}
	if (len < 0) {
		rx->ready = len == -EINTR;
		return rx->ready;
	}
	*given += rx_deliver(rx, &frame, &header);
	return 1;
}

uint32_t td_igbvf_rx_rest(uint32_t count)
{
	return TD_MIN(count / 4, BURN_PORTION);
}

/* Of a ring that is well filled, so that frames find buffers all the time. */
static unsigned burn_ahead(struct td_igbvf_rx *rx)
{
	struct td_igbvf_ring *ring = &rx->ring;
	unsigned burned = 0;
	uint32_t tail, head;

	while (burned < BURN_PORTION && td_igbvf_ring_tail(ring, &tail) && available(ring, tail) > ring->count - ring->count / 4) {
		head = td_igbvf_ring_head(ring);
		if (head == 0 || head >= ring->count - td_igbvf_rx_rest(ring->count))
			break;
		__atomic_fetch_add(&rx->burned_ahead, 1, __ATOMIC_RELAXED); /* before the head shows it */
		(void)td_igbvf_rx_burn(rx);
		burned++;
	}
	return burned;
}

bool td_igbvf_rx_round(struct td_igbvf_rx *rx, const bool *stop, bool *ret_tell)
{
	unsigned given = 0, taken = 0;

	while (taken < ROUND_FRAMES && !td_igbvf_ring_asked(stop) && rx->ready && rx_receive(rx, &given))
		taken++;
	if (__atomic_exchange_n(&rx->burn_ahead, false, __ATOMIC_ACQUIRE))
		given += burn_ahead(rx);
	*ret_tell = given;
	return taken != 0;
}

bool td_igbvf_rx_burn(struct td_igbvf_rx *rx)
{
	uint32_t tail;

	if (!td_igbvf_ring_tail(&rx->ring, &tail) || tail == td_igbvf_ring_head(&rx->ring))
		return false;
	write_back(&rx->ring, 0, RXD_DD | RXD_EOP | RXD_RXE, 0, 0);
	return true;
}
