/* SPDX-License-Identifier: Apache-2.0 */
/*
 * igbvf_flip.c - what a flip needs of the function: that it comes to rest, gives its state away and takes one, and stands in front of a
 * hardware VF. The sequence, and the hardware's part, are others' business.
 */
#include <errno.h>
#include <linux/virtio_net.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "core/vm.h"
#include "emul/igbvf_frame.h"
#include "emul/igbvf_parts.h"

#define SRRCTL_TYPE	    0x0e000000U
#define SRRCTL_ONE_BUFFER   0x02000000U
#define SRRCTL_SPLIT_ALWAYS 0x0a000000U
#define WRITEBACK_ON	    1U
#define QUEUE_STEP	    0x100U

/* ---- rest ---- */

void td_igbvf_rest(struct td_igbvf *dev)
{
	td_igbvf_io_hold(dev, TD_IGBVF_HOLD_REST);
	__atomic_store_n(&dev->rx.burn_ahead, false, __ATOMIC_RELAXED);
}

void td_igbvf_go(struct td_igbvf *dev)
{
	td_igbvf_io_release(dev, TD_IGBVF_HOLD_REST);
	__atomic_store_n(&dev->rx.burned_ahead, 0, __ATOMIC_RELAXED);
}

const struct td_vf82576_state *td_igbvf_state(struct td_igbvf *dev)
{
	return &dev->state;
}

/* Those of a ring that the I/O thread writes, or that a guest may write without an exit. */
static void copy_ring(struct td_vf82576_ring *to, const struct td_vf82576_ring *from)
{
	*to = (struct td_vf82576_ring){.base = from->base,
		.len_bytes = from->len_bytes,
		.head = __atomic_load_n(&from->head, __ATOMIC_RELAXED),
		.tail = __atomic_load_n(&from->tail, __ATOMIC_RELAXED),
		.control = from->control,
		.dca = from->dca,
		.srrctl = from->srrctl,
		.writeback = from->writeback};
}

static void copy_filters(struct td_vf82576_state *to, const struct td_vf82576_state *from)
{
	to->psrtype = from->psrtype;
	to->mailbox = from->mailbox;
	memcpy(to->mail, from->mail, sizeof(to->mail));
	to->handshaken = from->handshaken;
	memcpy(to->mac, from->mac, sizeof(to->mac));
	memcpy(to->hash, from->hash, sizeof(to->hash));
	to->hash_count = from->hash_count;
	memcpy(to->vlan, from->vlan, sizeof(to->vlan));
	to->frame_max_bytes = from->frame_max_bytes;
	to->promisc = from->promisc;
}

void td_igbvf_copy_state(struct td_igbvf *dev, struct td_vf82576_state *ret_state)
{
	const struct td_vf82576_state *from = &dev->state;

	memset(ret_state, 0, sizeof(*ret_state));
	for (unsigned i = 0; i < TD_VF82576_QUEUES; i++) {
		copy_ring(&ret_state->rx[i], &from->rx[i]);
		copy_ring(&ret_state->tx[i], &from->tx[i]);
	}
	copy_filters(ret_state, from);
	for (unsigned i = 0; i < TD_VF82576_COUNTERS; i++)
		ret_state->counter[i] = __atomic_load_n(&from->counter[i], __ATOMIC_RELAXED);
	td_igbvf_irq_copy(&dev->irq, ret_state);
}

bool td_igbvf_mail_pending(const struct td_igbvf *dev)
{
	return dev->mail.pending;
}

void td_igbvf_kick(struct td_igbvf *dev, unsigned vector)
{
	if (vector >= TD_VF82576_VECTORS)
		return;
	if (dev->on_hardware)
		td_msix_raise(&dev->msix, vector);
	else
		td_igbvf_irq_set_causes(&dev->irq, 1U << vector);
}

void td_igbvf_listen(struct td_igbvf *dev, bool on)
{
	dev->listen = on;
	if (dev->on_hardware)
		td_igbvf_update_tap(dev);
}

bool td_igbvf_await_rx(struct td_igbvf *dev, uint64_t limit_ns)
{
	const struct timespec limit = {.tv_nsec = (long)limit_ns};
	struct pollfd tap = {.fd = dev->tap.fd[0], .events = POLLIN};

	return ppoll(&tap, 1, &limit, NULL) > 0;
}

ssize_t td_igbvf_take_rx(struct td_igbvf *dev, void *frame, size_t room_bytes)
{
	ssize_t got = dev->held ? read(dev->tap.fd[0], frame, room_bytes) : -1;
	struct virtio_net_hdr_v1 header;
	struct iovec iov;

	if (got < (ssize_t)sizeof(header))
		return -EAGAIN;
	memcpy(&header, frame, sizeof(header));
	if (!(header.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM))
		return got;
	iov = (struct iovec){(uint8_t *)frame + sizeof(header), (size_t)got - sizeof(header)};
	td_igbvf_frame_complete(&iov, 1, iov.iov_len, header.csum_start, header.csum_offset);
	memset(frame, 0, sizeof(header));
	return got;
}

/* ---- can it be moved? ---- */

static uint32_t flip_read_reg(const struct td_igbvf *dev, uint32_t reg)
{
	return dev->hardware.read(dev->hardware.opaque, reg);
}

bool td_igbvf_driver_up(const struct td_igbvf *dev)
{
	uint32_t rxdctl = dev->on_hardware ? flip_read_reg(dev, TD_VF_RXDCTL) : dev->state.rx[0].control;

	return td_igbvf_may_dma(dev) && dev->state.handshaken && rxdctl != UINT32_MAX && rxdctl & TD_VF_QUEUE_ENABLE;
}

/* What the hardware can be asked without harm while it runs. */
static void read_rings(const struct td_igbvf *dev, struct td_vf82576_ring *rx, struct td_vf82576_ring *tx)
{
	for (uint32_t i = 0; i < TD_VF82576_QUEUES; i++) {
		uint32_t step = i * QUEUE_STEP;

		rx[i] = (struct td_vf82576_ring){
			.base = flip_read_reg(dev, TD_VF_RDBAL + step) | (uint64_t)flip_read_reg(dev, TD_VF_RDBAH + step) << 32,
			.len_bytes = flip_read_reg(dev, TD_VF_RDLEN + step),
			.head = flip_read_reg(dev, TD_VF_RDH + step),
			.tail = flip_read_reg(dev, TD_VF_RDT + step),
			.control = flip_read_reg(dev, TD_VF_RXDCTL + step),
			.srrctl = flip_read_reg(dev, TD_VF_SRRCTL + step),
		};
		tx[i] = (struct td_vf82576_ring){
			.base = flip_read_reg(dev, TD_VF_TDBAL + step) | (uint64_t)flip_read_reg(dev, TD_VF_TDBAH + step) << 32,
			.len_bytes = flip_read_reg(dev, TD_VF_TDLEN + step),
			.head = flip_read_reg(dev, TD_VF_TDH + step),
			.tail = flip_read_reg(dev, TD_VF_TDT + step),
			.control = flip_read_reg(dev, TD_VF_TXDCTL + step),
			.writeback = flip_read_reg(dev, TD_VF_TDWBAL + step),
		};
	}
}

static const char *check_ring(const struct td_igbvf *dev, const struct td_vf82576_ring *ring)
{
	uint32_t count = ring->len_bytes / TD_IGBVF_DESC_BYTES;

	if (!count || ring->len_bytes % 128 || ring->base % 128)
		return "a ring of a length or at a place that no ring has";
	if (!td_mem_ptr(&dev->pci.vm->mem, TD_GPA(ring->base), ring->len_bytes))
		return "a ring outside RAM";
	return ring->head < count && ring->tail < count ? NULL : "a head or tail beyond the ring's end";
}

static const char *check_rings(const struct td_igbvf *dev, const struct td_vf82576_ring *rx, const struct td_vf82576_ring *tx)
{
	uint32_t type = rx->srrctl & SRRCTL_TYPE;
	const char *why = check_ring(dev, rx);

	if (!why && tx->control & TD_VF_QUEUE_ENABLE)
		why = check_ring(dev, tx);
	if (why)
		return why;
	if ((rx[1].control | tx[1].control) & TD_VF_QUEUE_ENABLE)
		return "its second queue is on";
	if (type != SRRCTL_ONE_BUFFER && type != SRRCTL_SPLIT_ALWAYS)
		return "its receive descriptors are of another kind";
	return tx->writeback & WRITEBACK_ON ? "it has the transmit head written back to memory" : NULL;
}

/*
 * igbvf leaves clearing and masking of its vectors to the device and never polls without interrupts. A driver that does, DPDK's above all,
 * also keeps transmit contexts in the device between packets, where nobody can read them.
 */
static const char *check_driver(const struct td_igbvf *dev)
{
	const struct td_vf82576_state *state = &dev->state;
	const char *why;

	if (dev->irq_unseen)
		why = td_igbvf_irq_unlike_igbvf(
			flip_read_reg(dev, TD_VF_IVAR0), flip_read_reg(dev, TD_VF_EIAC), flip_read_reg(dev, TD_VF_EIAM));
	else
		why = td_igbvf_irq_unlike_igbvf(state->ivar0, state->eiac, state->eiam);
	if (why)
		return why;
	if (!dev->on_hardware && dev->tx.queue[0].context_kept)
		return "it keeps transmit contexts in the device";
	return dev->rx.ring.why && !dev->on_hardware ? dev->rx.ring.why : NULL;
}

int td_igbvf_check(struct td_igbvf *dev, struct td_err *err)
{
	struct td_vf82576_ring rx[TD_VF82576_QUEUES], tx[TD_VF82576_QUEUES];
	const char *why;

	if (!td_igbvf_driver_up(dev))
		return td_err_set(err, EOPNOTSUPP, TD_REASON_DRIVER_UNKNOWN, "%s: no driver runs it in the guest", td_igbvf_name(dev));
	memcpy(rx, dev->state.rx, sizeof(rx));
	memcpy(tx, dev->state.tx, sizeof(tx));
	if (dev->on_hardware)
		read_rings(dev, rx, tx);
	why = check_driver(dev);
	if (!why)
		why = check_rings(dev, rx, tx);
	if (why)
		return td_err_set(err, EOPNOTSUPP, TD_REASON_DRIVER_UNKNOWN, "%s: the guest's driver is not igbvf as it is known: %s",
			td_igbvf_name(dev), why);
	return 0;
}

/* ---- to hardware ---- */

bool td_igbvf_burn_ahead(struct td_igbvf *dev, bool hasty, unsigned *ret_burned)
{
	const struct td_vf82576_ring *ring = &dev->state.rx[0];
	uint32_t count = ring->len_bytes / TD_IGBVF_DESC_BYTES;
	uint32_t head = __atomic_load_n(&ring->head, __ATOMIC_RELAXED), tail = __atomic_load_n(&ring->tail, __ATOMIC_RELAXED);

	*ret_burned = __atomic_exchange_n(&dev->rx.burned_ahead, 0, __ATOMIC_RELAXED);
	if (dev->held || !(ring->control & TD_VF_QUEUE_ENABLE) || head >= count || tail >= count)
		return true;
	if (hasty ? head == 0 || head >= count - count / 8
		  : head == 0 || (head >= count - td_igbvf_rx_rest(count) && (tail + count - head) % count >= count - count / 4))
		return true;
	__atomic_store_n(&dev->rx.burn_ahead, true, __ATOMIC_RELEASE);
	td_igbvf_io_wake(dev);
	return false;
}

int td_igbvf_burn_to_start(struct td_igbvf *dev, unsigned *ret_burned)
{
	unsigned ahead = __atomic_exchange_n(&dev->rx.burned_ahead, 0, __ATOMIC_RELAXED), burned = 0;

	td_igbvf_rx_prepare(&dev->rx, td_igbvf_may_run(dev));
	while (dev->rx.ring.desc && td_igbvf_ring_head(&dev->rx.ring) && td_igbvf_rx_burn(&dev->rx))
		burned++;
	if (burned)
		td_igbvf_irq_note(&dev->irq, TD_IGBVF_CAUSE_RX(0));
	*ret_burned = ahead + burned;
	return dev->state.rx[0].head && dev->state.rx[0].control & TD_VF_QUEUE_ENABLE ? -EAGAIN : 0;
}

int td_igbvf_to_hardware(struct td_igbvf *dev, const struct td_igbvf_hardware *hardware, struct td_err *err)
{
	if (!(dev->held & TD_IGBVF_HOLD_REST) || dev->on_hardware)
		return td_err_set(err, EINVAL, TD_REASON_INTERNAL, "%s: to hardware, but not at rest", td_igbvf_name(dev));
	dev->hardware = *hardware;
	td_igbvf_io_hold(dev, TD_IGBVF_HOLD_HARDWARE);
	td_igbvf_io_release(dev, TD_IGBVF_HOLD_REST);
	dev->on_hardware = dev->tx_held = dev->traps_all = true;
	for (unsigned i = 0; i < TD_VF82576_QUEUES; i++)
		dev->tx_kept[i] = dev->state.tx[i].control & TD_VF_QUEUE_ENABLE;
	dev->listen = true;
	td_igbvf_update_tap(dev);
	return 0;
}

void td_igbvf_hold_tx(struct td_igbvf *dev)
{
	if (!dev->on_hardware || dev->tx_held)
		return;
	dev->tx_held = dev->traps_all = true;
	for (unsigned i = 0; i < TD_VF82576_QUEUES; i++)
		dev->tx_kept[i] = false;
	td_igbvf_pages_update(dev, false);
}

void td_igbvf_release_tx(struct td_igbvf *dev)
{
	if (!dev->tx_held)
		return;
	dev->tx_held = false;
	for (uint32_t i = 0; i < TD_VF82576_QUEUES; i++)
		if (dev->tx_kept[i])
			dev->hardware.write(dev->hardware.opaque, TD_VF_TDT + i * QUEUE_STEP, dev->state.tx[i].tail);
}

void td_igbvf_give_pages(struct td_igbvf *dev)
{
	if (dev->tx_held)
		return;
	dev->traps_all = false;
	td_igbvf_pages_update(dev, dev->pci.bar[TD_IGBVF_BAR_REGS].mapped);
}

/* ---- to software ---- */

void td_igbvf_to_software(struct td_igbvf *dev, const struct td_vf82576_state *rings)
{
	struct td_vf82576_state *state = &dev->state;

	if (!dev->on_hardware)
		return;
	if (dev->irq_unseen)
		td_igbvf_irq_take_back(&dev->irq, rings);
	dev->irq_unseen = false;
	td_igbvf_pages_update(dev, false);
	dev->on_hardware = false;
	memcpy(state->rx, rings->rx, sizeof(state->rx));
	for (unsigned i = 0; i < TD_VF82576_QUEUES; i++) {
		uint32_t tail = state->tx[i].tail;

		state->tx[i] = rings->tx[i];
		if (dev->tx_held && dev->tx_kept[i])
			state->tx[i].tail = tail;
	}
	dev->tx_held = dev->traps_all = false;
	for (unsigned i = 0; i < TD_VF82576_COUNTERS; i++)
		state->counter[i] += rings->counter[i];
	td_igbvf_mail_unanswered(&dev->mail);
	td_igbvf_irq_note(&dev->irq, TD_IGBVF_CAUSE_RX(0));
	td_igbvf_irq_note(&dev->irq, TD_IGBVF_CAUSE_TX(0));
	td_igbvf_update_tap(dev);
	td_igbvf_io_release(dev, TD_IGBVF_HOLD_HARDWARE | TD_IGBVF_HOLD_REST);
	td_igbvf_tell_link(dev);
}

/* ---- after either ---- */

void td_igbvf_tell_link(struct td_igbvf *dev)
{
	uint32_t status = dev->on_hardware ? flip_read_reg(dev, TD_VF_STATUS) : 0;
	bool up = dev->on_hardware ? status & TD_VF_STATUS_LU : dev->link_up;

	if (status != UINT32_MAX && up != dev->link_shown)
		td_igbvf_mail_link_changed(&dev->mail);
}
