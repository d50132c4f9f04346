/* SPDX-License-Identifier: Apache-2.0 */
/*
 * igbvf_tx.c - from the guest's transmit rings to the tap: packets are gathered from descriptors, and what the driver asked the card to do
 * (checksum, segmentation, VLAN tag) is asked of the tap by a virtio-net header, or done in a copy of the headers. Source: Intel
 * 82576EB datasheet §7.2.2 (descriptors), §7.2.4 (segmentation), §7.2.5 (checksums).
 *
 * Theory of operation. A packet is taken when all of its descriptors are there, from its context descriptors to its last data descriptor,
 * so that the head never stands inside one: a flip to hardware may come between any two. Each descriptor is loaded once.
 */
#include "emul/igbvf_tx.h"

#include <string.h>

#define ROUND_PACKETS	 64U
#define TELL_DESCRIPTORS 64U /* done, before the guest is told */
#define TELL_BYTES	 16384U
#define TELL_NS		 2000000U

#define CMD_LEN	    0xffffU
#define CMD_TYPE    0x00f00000U
#define CMD_CTXT    0x00200000U
#define CMD_DATA    0x00300000U
#define CMD_EOP	    (1U << 24)
#define CMD_RS	    (1U << 27)
#define CMD_DEXT    (1U << 29)
#define CMD_VLE	    (1U << 30)
#define CMD_TSE	    (1U << 31)
#define IDX_SHIFT   4U /* olinfo, mss_l4len: which context */
#define IDX_MASK    1U
#define POPTS_IXSM  (1U << 8)
#define POPTS_TXSM  (1U << 9)
#define STATUS_DD   1U
#define REPORTS_MAX (2U * TD_IGBVF_SEGMENTS_MAX)

/* A packet's descriptors, staged until all are there. */
struct gathered {
	struct td_igbvf_packet packet;
	struct td_igbvf_context context[2];
	bool context_new[2];
	uint32_t next; /* the descriptor behind the last one */
	uint32_t cmd, olinfo;
	bool data; /* a data descriptor was seen */
	unsigned reports;
	uint32_t report[REPORTS_MAX]; /* descriptors that want to be told done */
};

void td_igbvf_tx_init(struct td_igbvf_tx *tx, struct td_vf82576_state *regs, const struct td_mem *mem, const char *device, int tap_fd,
	const bool *link_up)
{
	*tx = (struct td_igbvf_tx){.regs = regs, .tap_fd = tap_fd, .link_up = link_up};
	for (unsigned i = 0; i < TD_VF82576_QUEUES; i++)
		td_igbvf_ring_init(&tx->queue[i].ring, mem, device, "transmit");
}

void td_igbvf_tx_reset(struct td_igbvf_tx *tx)
{
	for (unsigned i = 0; i < TD_VF82576_QUEUES; i++) {
		memset(tx->queue[i].context, 0, sizeof(tx->queue[i].context));
		tx->queue[i].done = 0;
	}
}

void td_igbvf_tx_prepare(struct td_igbvf_tx *tx, bool may_run)
{
	for (unsigned i = 0; i < TD_VF82576_QUEUES; i++) {
		td_igbvf_ring_prepare(&tx->queue[i].ring, &tx->regs->tx[i], may_run);
		if (!tx->queue[i].ring.desc)
			tx->queue[i].context_kept = false;
	}
}

static bool ring_waiting(const struct td_igbvf_ring *ring)
{
	uint32_t tail;

	if (!ring->desc)
		return false;
	tail = __atomic_load_n(ring->tail, __ATOMIC_ACQUIRE) & TD_IGBVF_INDEX_BITS;
	return tail != td_igbvf_ring_head(ring) && tail != ring->seen;
}

bool td_igbvf_tx_waiting(const struct td_igbvf_tx *tx)
{
	for (unsigned i = 0; i < TD_VF82576_QUEUES; i++)
		if (ring_waiting(&tx->queue[i].ring))
			return true;
	return false;
}

/* ---- gathering ---- */

static void take_context(struct gathered *g, uint64_t low, uint64_t high)
{
	unsigned idx = (unsigned)(high >> 32) >> IDX_SHIFT & IDX_MASK;

	g->context[idx] = (struct td_igbvf_context){
		.vlan_macip_lens = (uint32_t)low, .type_tucmd = (uint32_t)high, .mss_l4len = (uint32_t)(high >> 32)};
	g->context_new[idx] = true;
}

/* NULL, or what is wrong. */
static const char *take_data(const struct td_igbvf_ring *ring, struct gathered *g, uint64_t addr, uint32_t cmd, uint32_t olinfo)
{
	uint32_t len = cmd & CMD_LEN;
	void *host;

	if (!g->data) {
		g->cmd = cmd;
		g->olinfo = olinfo;
		g->data = true;
	}
	if (!len)
		return NULL;
	if (g->packet.segments == TD_IGBVF_SEGMENTS_MAX || g->packet.len + len > TD_IGBVF_PACKET_MAX)
		return "a packet that is too long";
	host = td_mem_ptr(ring->mem, TD_GPA(addr), len);
	if (!host)
		return "a packet outside RAM";
	g->packet.segment[g->packet.segments++] = (struct iovec){host, len};
	g->packet.len += len;
	return NULL;
}

static const char *take_descriptor(const struct td_igbvf_ring *ring, struct gathered *g, bool *ret_end)
{
	uint64_t low = __atomic_load_n(&ring->desc[2 * g->next], __ATOMIC_RELAXED);
	uint64_t high = __atomic_load_n(&ring->desc[2 * g->next + 1], __ATOMIC_RELAXED);
	uint32_t cmd = (uint32_t)high;
	const char *why = NULL;

	if (!(cmd & CMD_DEXT) || ((cmd & CMD_TYPE) != CMD_CTXT && (cmd & CMD_TYPE) != CMD_DATA))
		return "a transmit descriptor of a kind that is not supported";
	if (cmd & CMD_RS && (cmd & CMD_TYPE) == CMD_DATA) {
		if (g->reports == REPORTS_MAX)
			return "a packet of too many descriptors";
		g->report[g->reports++] = g->next;
	}
	if ((cmd & CMD_TYPE) == CMD_CTXT) {
		if (g->data)
			return "a context descriptor inside a packet";
		take_context(g, low, high);
	} else {
		why = take_data(ring, g, low, cmd, (uint32_t)(high >> 32));
		*ret_end = cmd & CMD_EOP;
	}
	g->next = td_igbvf_ring_next(ring, g->next);
	return why;
}

/* 1: a whole packet; 0: not all of it is there yet (or contexts alone, which are taken); -1: the ring is broken. */
static int tx_gather(struct td_igbvf_tx_queue *queue, uint32_t tail, struct gathered *g)
{
	bool end = false;

	g->packet.segments = 0;
	g->packet.len = 0;
	g->context_new[0] = g->context_new[1] = false;
	g->data = false;
	g->reports = 0;
	g->next = td_igbvf_ring_head(&queue->ring);
	while (!end && g->next != tail) {
		const char *why = take_descriptor(&queue->ring, g, &end);

		if (why) {
			td_igbvf_ring_break(&queue->ring, why);
			return -1;
		}
	}
	for (unsigned i = 0; (end || !g->data) && i < TD_COUNT(g->context_new); i++)
		if (g->context_new[i])
			queue->context[i] = g->context[i];
	if (!end && !g->data)
		td_igbvf_ring_set_head(&queue->ring, g->next);
	return end;
}

/* ---- sending ---- */

static void tx_set_offloads(struct td_igbvf_tx_queue *queue, struct gathered *g)
{
	struct td_igbvf_packet *packet = &g->packet;
	unsigned idx = g->olinfo >> IDX_SHIFT & IDX_MASK;
	bool wanted = g->cmd & (CMD_VLE | CMD_TSE) || g->olinfo & (POPTS_IXSM | POPTS_TXSM);

	packet->context = queue->context[idx];
	packet->insert_tag = g->cmd & CMD_VLE;
	packet->segment_tcp = g->cmd & CMD_TSE;
	packet->sum_ip = g->olinfo & POPTS_IXSM;
	packet->sum_l4 = g->olinfo & POPTS_TXSM;
	queue->context_kept |= wanted && !g->context_new[idx];
}

static void count_packet(struct td_igbvf_tx *tx, bool sent, const struct td_igbvf_packet *packet)
{
	uint64_t *counter = tx->regs->counter;

	if (!sent) {
		td_igbvf_count(&tx->dropped, 1);
		return;
	}
	td_igbvf_count(&counter[TD_VF_COUNT_GPTC], packet->wire_frames);
	td_igbvf_count(&counter[TD_VF_COUNT_GOTC], packet->wire_bytes + (uint64_t)packet->wire_frames * TD_IGBVF_CRC_BYTES);
	td_igbvf_count(&tx->packets, packet->wire_frames);
	td_igbvf_count(&tx->bytes, packet->wire_bytes);
}

static void report_done(struct td_igbvf_tx_queue *queue, const struct gathered *g)
{
	uint32_t head = td_igbvf_ring_head(&queue->ring),
		 descriptors = g->next >= head ? g->next - head : g->next + queue->ring.count - head;

	for (unsigned i = 0; i < g->reports; i++) {
		uint32_t *status = (uint32_t *)&queue->ring.desc[2 * g->report[i] + 1] + 1;

		__atomic_store_n(status, STATUS_DD, __ATOMIC_RELEASE);
	}
	if (g->reports && !queue->done)
		queue->done_ns = td_now_ns();
	queue->done += g->reports ? descriptors : 0;
	queue->done_bytes += g->reports ? g->packet.len : 0;
}

static bool tx_transmit(struct td_igbvf_tx *tx, struct td_igbvf_tx_queue *queue)
{
	struct td_igbvf_ring *ring = &queue->ring;
	struct gathered g;
	uint32_t tail;
	int rc;

	if (!td_igbvf_ring_tail(ring, &tail) || tail == td_igbvf_ring_head(ring))
		return false;
	rc = tx_gather(queue, tail, &g);
	if (rc <= 0) {
		ring->seen = tail;
		return false;
	}
	ring->seen = UINT32_MAX;
	tx_set_offloads(queue, &g);
	count_packet(tx, __atomic_load_n(tx->link_up, __ATOMIC_RELAXED) && td_igbvf_packet_send(&g.packet, tx->tap_fd), &g.packet);
	report_done(queue, &g);
	tx->taken++;
	td_igbvf_ring_set_head(ring, g.next);
	return true;
}

bool td_igbvf_tx_round(struct td_igbvf_tx *tx, const bool *stop)
{
	bool did = false;

	for (unsigned i = 0; i < TD_VF82576_QUEUES; i++) {
		unsigned sent = 0;

		while (sent < ROUND_PACKETS && !td_igbvf_ring_asked(stop) && tx_transmit(tx, &tx->queue[i]))
			sent++;
		did |= sent != 0;
	}
	return did;
}

/*
 * An interrupt costs the guest several exits, and the driver only frees memory by it. So it is told of a few small packets together; of
 * large ones at once, for TCP sends no more while its last ones are not known to have left.
 */
static bool is_due(const struct td_igbvf_tx_queue *queue)
{
	return queue->done >= TD_MIN(TELL_DESCRIPTORS, queue->ring.count / 4) || queue->done_bytes >= TELL_BYTES;
}

uint64_t td_igbvf_tx_tell(struct td_igbvf_tx *tx, bool now, uint32_t *ret_queues)
{
	uint64_t next = TD_IGBVF_NEVER;

	*ret_queues = 0;
	for (unsigned i = 0; i < TD_VF82576_QUEUES; i++) {
		struct td_igbvf_tx_queue *queue = &tx->queue[i];

		if (!queue->done)
			continue;
		if (!now && !is_due(queue) && td_now_ns() < queue->done_ns + TELL_NS) {
			next = TD_MIN(next, queue->done_ns + TELL_NS);
			continue;
		}
		queue->done = 0;
		queue->done_bytes = 0;
		*ret_queues |= 1U << i;
	}
	return next;
}
