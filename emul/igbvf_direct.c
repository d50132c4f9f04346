/* SPDX-License-Identifier: Apache-2.0 */
/*
 * igbvf_direct.c - a busy sender's transmit registers as plain memory, so that sending makes no exit.
 *
 * Theory of operation. igbvf writes the transmit tail for each packet, and each trapped write is an exit. Once such writes come often, page
 * 3 of BAR 0 becomes a memslot: the guest writes its tails into memory, and the I/O thread looks there, again and again, with naps that
 * follow how much it finds. A nap delays what is sent, so this is for a guest that sends more than it gets; one that answers each frame
 * with one of its own is left to its exits, unless it does so very often. When too little comes to be worth that, or anything else in the
 * page changes, the main loop takes the memslot away again and brings the registers up to date; what the guest wrote meanwhile is not lost,
 * for the thread looks at them afterwards. Parking the thread ends it too: whoever parks it finds all registers where they belong. A write
 * of another register is so seen some 200 us late, and of several to one register the last. igbvf disables the queue first and then waits
 * 10 ms.
 */
#include <string.h>
#include <sys/mman.h>

#include "core/vm.h"
#include "emul/igbvf_parts.h"

#define PAGE_AT	      0x3000U
#define ENTER_WRITES  32U /* so many in ENTER_NS */
#define ENTER_NS      20000000ULL
#define LEAVE_PACKETS 50U /* fewer than that in LEAVE_NS */
#define LEAVE_NS      50000000ULL
#define OFTEN_NS      50000U /* a packet in that time is very often */
#define ASKED_FACTOR  2U     /* a sender sends so many for each frame it gets */
#define NAP_MIN_NS    50000U
#define NAP_MAX_NS    200000U
#define NAP_FEW	      4U /* found after a nap: it may be longer */
#define NAP_MANY      32U
#define QUEUE_STEP    0x100U

/* Registers of a queue, but for the tail: where they are, and in the ring. */
static const struct {
	uint32_t at;
	size_t field;
} fields[] = {
	{TD_VF_TDBAL, offsetof(struct td_vf82576_ring, base)},
	{TD_VF_TDBAH, offsetof(struct td_vf82576_ring, base) + 4},
	{TD_VF_TDLEN, offsetof(struct td_vf82576_ring, len_bytes)},
	{TD_VF_TDH, offsetof(struct td_vf82576_ring, head)},
	{TD_VF_DCA_TXCTRL, offsetof(struct td_vf82576_ring, dca)},
	{TD_VF_TXDCTL, offsetof(struct td_vf82576_ring, control)},
	{TD_VF_TDWBAL, offsetof(struct td_vf82576_ring, writeback)},
	{TD_VF_TDWBAH, offsetof(struct td_vf82576_ring, writeback) + 4},
};

static uint32_t *in_page(struct td_igbvf *dev, uint32_t at, unsigned queue)
{
	return &dev->direct.page[(at - PAGE_AT + queue * QUEUE_STEP) / 4];
}

static uint32_t *in_ring(struct td_igbvf *dev, size_t field, unsigned queue)
{
	return (uint32_t *)(void *)((char *)&dev->state.tx[queue] + field);
}

static uint32_t direct_load(const uint32_t *at)
{
	return __atomic_load_n(at, __ATOMIC_RELAXED);
}

static uint64_t direct_load64(const uint64_t *at)
{
	return __atomic_load_n(at, __ATOMIC_RELAXED);
}

/* Of one that has sent `packets` in `ns`, since it had got rx_frames. */
static bool is_sender(const struct td_igbvf *dev, uint32_t packets, uint64_t rx_frames, uint64_t ns)
{
	return packets >= ASKED_FACTOR * (direct_load64(&dev->rx.packets) - rx_frames) || (uint64_t)packets * OFTEN_NS >= ns;
}

/* ---- in and out: with the VM's lock ---- */

static void direct_enter(struct td_igbvf *dev)
{
	struct td_igbvf_direct *direct = &dev->direct;
	const struct td_pci_bar *bar = &dev->pci.bar[TD_IGBVF_BAR_REGS];

	/* Where taking a memslot away drops all mappings of the guest, that would cost more than the exits do. */
	if (!bar->mapped || dev->held || !dev->pci.vm->kvm.no_slot_zap)
		return;
	memset(direct->page, 0, TD_PAGE);
	for (unsigned queue = 0; queue < TD_VF82576_QUEUES; queue++) {
		for (unsigned i = 0; i < TD_COUNT(fields); i++)
			*in_page(dev, fields[i].at, queue) = direct_load(in_ring(dev, fields[i].field, queue));
		*in_page(dev, TD_VF_TDT, queue) = direct_load(&dev->state.tx[queue].tail);
	}
	if (td_kvm_slot_add(&dev->pci.vm->kvm, TD_GPA(bar->addr + PAGE_AT), TD_PAGE, direct->page, 0, &direct->memslot) < 0)
		return;
	td_igbvf_count(&dev->direct_count, 1);
	__atomic_store_n(&direct->on, true, __ATOMIC_RELEASE);
	td_igbvf_io_wake(dev);
}

void td_igbvf_direct_leave(struct td_igbvf *dev)
{
	struct td_igbvf_direct *direct = &dev->direct;

	if (!direct->on)
		return;
	td_kvm_slot_del(&dev->pci.vm->kvm, direct->memslot);
	for (unsigned queue = 0; queue < TD_VF82576_QUEUES; queue++) {
		for (unsigned i = 0; i < TD_COUNT(fields); i++)
			if (fields[i].at != TD_VF_TDH || direct->seen) /* else the thread went on past the head in the page */
				td_igbvf_regs_set(dev, fields[i].at + queue * QUEUE_STEP, direct_load(in_page(dev, fields[i].at, queue)));
		td_igbvf_regs_set(dev, TD_VF_TDT + queue * QUEUE_STEP, direct_load(in_page(dev, TD_VF_TDT, queue)));
	}
	direct->on = direct->seen = direct->frozen = false;
	direct->writes = 0;
}

void td_igbvf_direct_tail_written(struct td_igbvf *dev, unsigned queue, uint32_t tail)
{
	struct td_igbvf_direct *direct = &dev->direct;
	uint64_t now;

	if (direct->on) { /* trapped before the memslot was there */
		__atomic_store_n(in_page(dev, TD_VF_TDT, queue), tail, __ATOMIC_RELEASE);
		return;
	}
	if (!direct->page)
		return;
	now = td_now_ns();
	if (now - direct->since_ns > ENTER_NS) {
		direct->since_ns = now;
		direct->writes = 0;
		direct->rx_frames = direct_load64(&dev->rx.packets);
	}
	direct->writes++;
	if (direct->writes >= ENTER_WRITES && is_sender(dev, direct->writes, direct->rx_frames, now - direct->since_ns))
		direct_enter(dev);
}

static void leave_now(struct td_work *work)
{
	struct td_igbvf *dev = TD_CONTAINER_OF(work, struct td_igbvf, direct.leave);

	td_igbvf_io_hold(dev, TD_IGBVF_HOLD_REGISTER);
	td_igbvf_io_release(dev, TD_IGBVF_HOLD_REGISTER);
}

/* ---- on the I/O thread ---- */

static bool is_changed(struct td_igbvf *dev)
{
	for (unsigned queue = 0; queue < TD_VF82576_QUEUES; queue++)
		for (unsigned i = 0; i < TD_COUNT(fields); i++)
			if (direct_load(in_page(dev, fields[i].at, queue)) != direct_load(in_ring(dev, fields[i].field, queue)))
				return true;
	return false;
}

static void direct_begin(struct td_igbvf *dev)
{
	struct td_igbvf_direct *direct = &dev->direct;

	direct->seen = true;
	direct->nap_ns = NAP_MIN_NS;
	direct->look_ns = td_now_ns();
	direct->packets_at_look = direct->packets_at_nap = dev->tx.taken;
	direct->rx_at_look = direct_load64(&dev->rx.packets);
	for (unsigned queue = 0; queue < TD_VF82576_QUEUES; queue++) {
		struct td_igbvf_ring *ring = &dev->tx.queue[queue].ring;

		ring->tail = in_page(dev, TD_VF_TDT, queue);
		ring->head_shown = in_page(dev, TD_VF_TDH, queue);
		td_igbvf_ring_set_head(ring, td_igbvf_ring_head(ring)); /* went on since direct_enter() */
	}
}

void td_igbvf_direct_round(struct td_igbvf *dev)
{
	struct td_igbvf_direct *direct = &dev->direct;
	bool enough = true;
	uint64_t now;

	if (!__atomic_load_n(&direct->on, __ATOMIC_ACQUIRE) || direct->frozen)
		return;
	if (!direct->seen)
		direct_begin(dev);
	now = td_now_ns();
	if (now - direct->look_ns >= LEAVE_NS) {
		uint32_t packets = dev->tx.taken - direct->packets_at_look;

		enough = packets >= LEAVE_PACKETS && is_sender(dev, packets, direct->rx_at_look, now - direct->look_ns);
		direct->packets_at_look = dev->tx.taken;
		direct->rx_at_look = direct_load64(&dev->rx.packets);
		direct->look_ns = now;
	}
	direct->frozen = is_changed(dev);
	if (direct->frozen || !enough)
		td_loop_post(&dev->pci.vm->loop, &direct->leave);
}

uint64_t td_igbvf_direct_nap(struct td_igbvf *dev)
{
	struct td_igbvf_direct *direct = &dev->direct;
	uint32_t found = dev->tx.taken - direct->packets_at_nap;

	if (!direct->seen || direct->frozen)
		return TD_IGBVF_NEVER;
	if (found < NAP_FEW)
		direct->nap_ns = TD_MIN(direct->nap_ns * 2, NAP_MAX_NS);
	else if (found > NAP_MANY)
		direct->nap_ns = TD_MAX(direct->nap_ns / 2, NAP_MIN_NS);
	direct->packets_at_nap = dev->tx.taken;
	return td_now_ns() + direct->nap_ns;
}

/* ---- life ---- */

void td_igbvf_direct_init(struct td_igbvf *dev)
{
	void *page = mmap(NULL, TD_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	dev->direct.leave.run = leave_now;
	dev->direct.page = page == MAP_FAILED ? NULL : page; /* without it all is trapped */
}

void td_igbvf_direct_fini(struct td_igbvf *dev)
{
	td_igbvf_direct_leave(dev);
	td_loop_cancel(&dev->pci.vm->loop, &dev->direct.leave);
	if (dev->direct.page)
		munmap(dev->direct.page, TD_PAGE);
	dev->direct.page = NULL;
}
