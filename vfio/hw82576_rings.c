/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hw82576_rings.c - rings given to the card, and taken from it, while vCPUs stand still; and before the latter, that it sends all it has.
 *
 * Theory of operation. After a reset both heads stand at 0. The receive head has to be there, which is the model's doing. The transmit head
 * is brought to where the guest's driver expects it by as many context descriptors, which send and report nothing: they stand in the
 * guest's own ring for the moment, and what stood there is put back once the card has read them. Should it not read them in time, its
 * bus mastering goes off before the guest's old descriptors come back, for it must never send those again.
 * Taking rings away: first what was queued is sent, then queues go off, and only then heads are read; they don't move any more. A queue
 * that reads as off does no DMA, so bus mastering, vectors and the reset can wait until the guest runs again: together they take
 * milliseconds.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "core/vm.h"
#include "vfio/hw82576_parts.h"

#define CARD_NS 20000000ULL

/* ---- registers of rings ---- */

static void load_rx(struct td_hw82576 *hw, const struct td_vf82576_ring *ring)
{
	td_hw82576_put(hw, TD_VF_RDBAL, (uint32_t)ring->base);
	td_hw82576_put(hw, TD_VF_RDBAH, (uint32_t)(ring->base >> 32));
	td_hw82576_put(hw, TD_VF_RDLEN, ring->len_bytes);
	td_hw82576_put(hw, TD_VF_SRRCTL, ring->srrctl);
	td_hw82576_put(hw, TD_VF_DCA_RXCTRL, ring->dca);
}

static void load_tx(struct td_hw82576 *hw, const struct td_vf82576_ring *ring)
{
	td_hw82576_put(hw, TD_VF_TDBAL, (uint32_t)ring->base);
	td_hw82576_put(hw, TD_VF_TDBAH, (uint32_t)(ring->base >> 32));
	td_hw82576_put(hw, TD_VF_TDLEN, ring->len_bytes);
	td_hw82576_put(hw, TD_VF_DCA_TXCTRL, ring->dca);
	td_hw82576_put(hw, TD_VF_TDWBAL, (uint32_t)ring->writeback);
	td_hw82576_put(hw, TD_VF_TDWBAH, (uint32_t)(ring->writeback >> 32));
}

static void read_rx(struct td_hw82576 *hw, unsigned queue, struct td_vf82576_ring *ring)
{
	ring->base = td_hw82576_get(hw, TD_HW82576_QUEUE(TD_VF_RDBAL, queue));
	ring->base |= (uint64_t)td_hw82576_get(hw, TD_HW82576_QUEUE(TD_VF_RDBAH, queue)) << 32;
	ring->len_bytes = td_hw82576_get(hw, TD_HW82576_QUEUE(TD_VF_RDLEN, queue));
	ring->srrctl = td_hw82576_get(hw, TD_HW82576_QUEUE(TD_VF_SRRCTL, queue));
	ring->dca = td_hw82576_get(hw, TD_HW82576_QUEUE(TD_VF_DCA_RXCTRL, queue));
	ring->head = td_hw82576_get(hw, TD_HW82576_QUEUE(TD_VF_RDH, queue));
	ring->tail = td_hw82576_get(hw, TD_HW82576_QUEUE(TD_VF_RDT, queue));
}

static void read_tx(struct td_hw82576 *hw, unsigned queue, struct td_vf82576_ring *ring)
{
	ring->base = td_hw82576_get(hw, TD_HW82576_QUEUE(TD_VF_TDBAL, queue));
	ring->base |= (uint64_t)td_hw82576_get(hw, TD_HW82576_QUEUE(TD_VF_TDBAH, queue)) << 32;
	ring->len_bytes = td_hw82576_get(hw, TD_HW82576_QUEUE(TD_VF_TDLEN, queue));
	ring->dca = td_hw82576_get(hw, TD_HW82576_QUEUE(TD_VF_DCA_TXCTRL, queue));
	ring->head = td_hw82576_get(hw, TD_HW82576_QUEUE(TD_VF_TDH, queue));
	ring->tail = td_hw82576_get(hw, TD_HW82576_QUEUE(TD_VF_TDT, queue));
	ring->writeback = td_hw82576_get(hw, TD_HW82576_QUEUE(TD_VF_TDWBAL, queue));
	ring->writeback |= (uint64_t)td_hw82576_get(hw, TD_HW82576_QUEUE(TD_VF_TDWBAH, queue)) << 32;
}

void td_hw82576_note_rings(struct td_hw82576 *hw)
{
	uint32_t now[4] = {
		td_hw82576_get(hw, TD_VF_RDH), td_hw82576_get(hw, TD_VF_RDT), td_hw82576_get(hw, TD_VF_TDH), td_hw82576_get(hw, TD_VF_TDT)};

	if (td_hw82576_get(hw, TD_VF_STATUS) == TD_HW82576_GONE)
		return;
	hw->known.rx[0].head = now[0];
	hw->known.rx[0].tail = now[1];
	hw->known.tx[0].head = now[2];
	hw->known.tx[0].tail = now[3];
}

/* Waits until (register & mask) == value; the time goes to *wait_ns. */
static bool await(struct td_hw82576 *hw, uint32_t reg, uint32_t mask, uint32_t value, uint64_t *wait_ns)
{
	uint64_t start_ns = td_now_ns();
	bool is = false;

	for (unsigned round = 0; !is && !td_hw82576_late(round, start_ns + CARD_NS); round++) {
		td_hw82576_nap(round);
		is = (td_hw82576_get(hw, reg) & mask) == value;
	}
	*wait_ns += td_now_ns() - start_ns;
	return is;
}

/* ---- to hardware ---- */

static int broken(struct td_hw82576 *hw, struct td_err *err, const char *what)
{
	return td_err_set(err, EINVAL, TD_REASON_DRIVER_UNKNOWN, "vf %s: the guest's driver has %s", hw->open.bdf, what);
}

static bool is_on(const struct td_vf82576_ring *ring)
{
	return ring->control & TD_VF_QUEUE_ENABLE;
}

static int check_state(struct td_hw82576 *hw, const struct td_vf82576_state *state, struct td_err *err)
{
	const struct td_vf82576_ring *rx = &state->rx[0], *tx = &state->tx[0];
	int rc = td_hw82576_check(hw, state, err);

	if (rc < 0)
		return rc;
	if (!td_vf82576_same_filters(&hw->told, state))
		return td_err_set(
			err, EAGAIN, TD_REASON_FLIP_ABORTED, "vf %s: the guest told its PF something new meanwhile", hw->open.bdf);
	if (is_on(rx) && !td_hw82576_ring_host(&hw->vm->mem, rx))
		return broken(hw, err, "a receive ring that can't be");
	if (is_on(tx) && !td_hw82576_ring_host(&hw->vm->mem, tx))
		return broken(hw, err, "a transmit ring that can't be");
	if (is_on(rx) && rx->head)
		return td_err_set(err, EINVAL, TD_REASON_INTERNAL, "vf %s: the receive head is not at 0", hw->open.bdf);
	return 0;
}

/* Brings the transmit head to ring->head. On failure the card can't reach the ring any more. */
static int advance(struct td_hw82576 *hw, const struct td_vf82576_ring *ring, struct td_err *err)
{
	size_t len = (size_t)ring->head * TD_HW82576_DESC_BYTES;
	uint8_t *desc = td_hw82576_ring_host(&hw->vm->mem, ring);
	td_auto_free uint8_t *kept = malloc(len);

	if (!kept)
		return td_err_sys(err, ENOMEM, TD_REASON_NO_MEMORY, "vf %s", hw->open.bdf);
	memcpy(kept, desc, len);
	td_hw82576_ring_dummies(desc, ring->head);
	td_hw82576_put(hw, TD_VF_TDT, ring->head);
	bool there = await(hw, TD_VF_TDH, UINT32_MAX, ring->head, &hw->times.restore_wait_ns);
	if (!there) {
		td_hw82576_queues_off(hw, CARD_NS);
		td_vfio_open_set_bus_master(&hw->open, false);
	}
	memcpy(desc, kept, len);
	return there ? 0 : td_hw82576_stuck(hw, err, "does not work its transmit ring");
}

static int start_tx(struct td_hw82576 *hw, const struct td_vf82576_ring *ring, struct td_err *err)
{
	td_hw82576_put(hw, TD_VF_TXDCTL, ring->control);
	if (!await(hw, TD_VF_TXDCTL, TD_VF_QUEUE_ENABLE, TD_VF_QUEUE_ENABLE, &hw->times.restore_wait_ns))
		return td_hw82576_stuck(hw, err, "does not enable its transmit queue");
	int rc = ring->head ? advance(hw, ring, err) : 0;
	if (rc == 0)
		td_hw82576_put(hw, TD_VF_TDT, ring->tail);
	return rc;
}

static int start_rx(struct td_hw82576 *hw, const struct td_vf82576_ring *ring, struct td_err *err)
{
	td_hw82576_put(hw, TD_VF_RXDCTL, ring->control);
	if (!await(hw, TD_VF_RXDCTL, TD_VF_QUEUE_ENABLE, TD_VF_QUEUE_ENABLE, &hw->times.restore_wait_ns))
		return td_hw82576_stuck(hw, err, "does not enable its receive queue");
	td_hw82576_put(hw, TD_VF_RDT, ring->tail);
	return 0;
}

/* Transmit first: nothing the guest has not sent goes out, whereas received frames would be lost on failure. */
static int start(struct td_hw82576 *hw, const struct td_vf82576_state *state, struct td_err *err)
{
	const struct td_vf82576_ring *rx = &state->rx[0], *tx = &state->tx[0];
	int rc = 0;

	if (td_hw82576_get(hw, TD_VF_RDH) || td_hw82576_get(hw, TD_VF_TDH))
		return td_hw82576_stuck(hw, err, "has its heads elsewhere than at 0");
	load_rx(hw, rx);
	load_tx(hw, tx);
	if (is_on(tx))
		rc = start_tx(hw, tx, err);
	else
		td_hw82576_put(hw, TD_VF_TXDCTL, tx->control);
	if (rc == 0 && is_on(rx))
		rc = start_rx(hw, rx, err);
	else if (rc == 0)
		td_hw82576_put(hw, TD_VF_RXDCTL, rx->control);
	return rc;
}

/* What happened meanwhile is not known: both queues are looked at once, and the mailbox. */
static void unmask(struct td_hw82576 *hw, const struct td_vf82576_state *state)
{
	uint32_t kick = TD_HW82576_OUR_BIT;

	for (unsigned i = 0; i < 2; i++) {
		uint32_t vector = state->ivar0 >> (8 * i) & 0xff;

		if (vector & TD_VF_IVAR_VALID)
			kick |= 1U << (vector & TD_HW82576_GUEST_VECTORS);
	}
	td_hw82576_put(hw, TD_VF_EICR, TD_HW82576_ALL_VECTORS);
	td_hw82576_put(hw, TD_VF_EIMS, (state->eims & TD_HW82576_GUEST_VECTORS) | TD_HW82576_OUR_BIT);
	td_hw82576_put(hw, TD_VF_EICS, kick & TD_HW82576_ALL_VECTORS);
}

/* The card stops; the lock stays: what waits here is short, and vCPUs stand still. */
static void give_up(struct td_hw82576 *hw)
{
	td_hw82576_put(hw, TD_VF_EIMC, TD_HW82576_ALL_VECTORS);
	td_hw82576_let_go(hw, td_hw82576_queues_off(hw, CARD_NS));
}

int td_hw82576_restore(struct td_hw82576 *hw, const struct td_vf82576_state *state, struct td_err *err)
{
	uint64_t start_ns = td_now_ns();

	hw->times.restore_wait_ns = 0;
	if (hw->phase != TD_HW82576_PREPARED)
		return td_err_set(err, EINVAL, TD_REASON_INTERNAL, "vf %s: is not prepared", hw->open.bdf);
	int rc = hw->open.lost ? td_err_set(err, ENODEV, TD_REASON_VF_LOST, "vf %s: the host has taken it away", hw->open.bdf)
			       : check_state(hw, state, err);
	if (rc == 0) {
		td_hw82576_set_registers(hw, state, &hw->told);
		rc = start(hw, state, err);
	}
	if (rc < 0) {
		give_up(hw);
		return rc;
	}
	hw->known = *state;
	hw->keeps_tx = false;
	hw->phase = TD_HW82576_RUNNING;
	td_hw82576_mail_start(hw);
	unmask(hw, state);
	hw->times.restore_ns = td_now_ns() - start_ns;
	return 0;
}

/* ---- from hardware ---- */

void td_hw82576_let_go(struct td_hw82576 *hw, bool off)
{
	td_hw82576_mail_stop(hw);
	if (!off)
		td_vfio_open_set_bus_master(&hw->open, false);
	hw->phase = TD_HW82576_OPEN;
	hw->reset_due = true;
	td_loop_post(&hw->vm->loop, &hw->reset_work);
}

void td_hw82576_reset_now(struct td_hw82576 *hw)
{
	if (!hw->reset_due)
		return;
	hw->reset_due = false;
	td_vfio_open_set_bus_master(&hw->open, false);
	if (hw->open.lost)
		td_hw82576_disconnect(hw);
	else
		td_vfio_reset_start(&hw->open); /* and lets go of the vectors first */
}

void td_hw82576_reset_run(struct td_work *work)
{
	td_hw82576_reset_now(TD_CONTAINER_OF(work, struct td_hw82576, reset_work));
}

static void drain(struct td_hw82576 *hw, const struct td_vf82576_ring *tx)
{
	if (!is_on(tx) || tx->tail >= td_hw82576_ring_count(tx))
		return;	  /* a tail that is nowhere is never reached */
	if (hw->keeps_tx) /* it was waited for already */
		return;
	hw->keeps_tx = !await(hw, TD_VF_TDH, UINT32_MAX, tx->tail, &hw->times.capture_wait_ns);
	if (hw->keeps_tx)
		td_info("%s: the VF did not send all that was queued: software sends the rest", hw->name);
}

bool td_hw82576_drained(struct td_hw82576 *hw, bool last)
{
	struct td_vf82576_ring tx = {0};

	if (hw->phase != TD_HW82576_RUNNING || hw->open.lost || td_hw82576_get(hw, TD_VF_STATUS) == TD_HW82576_GONE)
		return true;
	hw->keeps_tx = false;
	tx.control = td_hw82576_get(hw, TD_VF_TXDCTL);
	read_tx(hw, 0, &tx);
	if (!is_on(&tx) || tx.tail >= td_hw82576_ring_count(&tx) || td_hw82576_get(hw, TD_VF_TDH) == tx.tail)
		return true;
	hw->keeps_tx = last;
	if (last)
		td_info("%s: the VF did not send all that was queued: software sends the rest", hw->name);
	return false;
}

/* False: the VF is gone, and what was read means nothing. *ret_off: its queues are off. */
static bool stop(struct td_hw82576 *hw, struct td_vf82576_state *now, bool *ret_off)
{
	uint64_t start_ns;

	if (td_hw82576_get(hw, TD_VF_STATUS) == TD_HW82576_GONE)
		return false;
	td_hw82576_put(hw, TD_VF_EIMC, TD_HW82576_ALL_VECTORS);
	for (unsigned i = 0; i < TD_VF82576_QUEUES; i++) {
		now->rx[i].control = td_hw82576_get(hw, TD_HW82576_QUEUE(TD_VF_RXDCTL, i));
		now->tx[i].control = td_hw82576_get(hw, TD_HW82576_QUEUE(TD_VF_TXDCTL, i));
	}
	read_tx(hw, 0, &now->tx[0]);
	drain(hw, &now->tx[0]);
	start_ns = td_now_ns();
	*ret_off = td_hw82576_queues_off(hw, CARD_NS);
	if (!*ret_off) {
		td_warn("%s: a queue of the VF does not go off", hw->name);
		td_vfio_open_set_bus_master(&hw->open, false); /* heads that are read must not move any more */
	}
	hw->times.capture_wait_ns += td_now_ns() - start_ns;
	for (unsigned i = 0; i < TD_VF82576_QUEUES; i++) {
		read_rx(hw, i, &now->rx[i]);
		read_tx(hw, i, &now->tx[i]);
	}
	for (unsigned i = 0; i < TD_VF82576_VECTORS; i++)
		now->eitr[i] = td_hw82576_get(hw, TD_VF_EITR0 + 4 * i);
	now->ivar0 = td_hw82576_get(hw, TD_VF_IVAR0);
	now->eiac = td_hw82576_get(hw, TD_VF_EIAC);
	now->eiam = td_hw82576_get(hw, TD_VF_EIAM);
	td_hw82576_sample(hw);
	return td_hw82576_get(hw, TD_VF_STATUS) != TD_HW82576_GONE;
}

/* Nobody but us writes to the rings now. */
static void mend(struct td_hw82576 *hw, struct td_vf82576_state *rings)
{
	struct td_vf82576_ring *rx = &rings->rx[0], *tx = &rings->tx[0];
	uint8_t *rx_desc = is_on(rx) ? td_hw82576_ring_host(&hw->vm->mem, rx) : NULL;
	uint8_t *tx_desc = is_on(tx) ? td_hw82576_ring_host(&hw->vm->mem, tx) : NULL;

	if (tx_desc)
		tx->head = td_hw82576_ring_packet_start(tx_desc, tx);
	if (rx_desc && td_hw82576_ring_close_packet(rx_desc, rx))
		td_info("%s: the VF stopped within a packet, which is dropped", hw->name);
}

int td_hw82576_capture(struct td_hw82576 *hw, struct td_vf82576_state *ret_rings, bool *ret_lost, struct td_err *err)
{
	struct td_vf82576_state now = {0};
	uint64_t start_ns = td_now_ns();

	if (hw->phase != TD_HW82576_RUNNING)
		return td_err_set(err, EINVAL, TD_REASON_INTERNAL, "vf %s: does not run", hw->open.bdf);
	hw->times.capture_wait_ns = 0;
	bool off = false, alive = stop(hw, &now, &off);
	if (!alive) {
		td_warn("%s: the VF does not answer: its rings are taken as they were last seen", hw->name);
		hw->open.lost = true;
		now = hw->known;
	}
	td_hw82576_let_go(hw, off);
	mend(hw, &now);
	memcpy(ret_rings->rx, now.rx, sizeof(now.rx));
	memcpy(ret_rings->tx, now.tx, sizeof(now.tx));
	if (alive) {
		memcpy(ret_rings->eitr, now.eitr, sizeof(now.eitr));
		ret_rings->ivar0 = now.ivar0;
		ret_rings->eiac = now.eiac;
		ret_rings->eiam = now.eiam;
	}
	memcpy(ret_rings->counter, hw->counter, sizeof(hw->counter));
	*ret_lost = !alive;
	hw->times.capture_ns = td_now_ns() - start_ns;
	return 0;
}
