/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hw82576_card.h - an 82576 VF and its PF's driver in memory, behind struct td_hw82576_bus: mailbox with bits that reading clears, queues
 * that take their time, a transmit engine that reads the ring. It has faults to be switched on, and keeps count of what no card should
 * be asked for. For the tests of vfio/hw82576*.c.
 */
#ifndef TD_TESTS_HW82576_CARD_H
#define TD_TESTS_HW82576_CARD_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/eventfd.h>

#include <cmocka.h>

#include "core/vm.h"
#include "vfio/hw82576_parts.h"

#define RAM_BYTES TD_MIB
#define RX_RING	  0x10000U
#define TX_RING	  0x20000U
#define COUNT	  64U
#define LOG_MAX	  64U
#define AT_A_TIME 4U /* descriptors that are worked between two looks at the head */

struct card {
	struct td_vm vm;
	struct td_hw82576 *hw;
	struct td_vf82576_state state;
	struct td_err err;
	uint32_t reg[TD_VF82576_BAR0_BYTES / 4];

	/* The PF. */
	uint32_t mailbox;
	bool request, silent, overwrite_first;
	unsigned holds_buffer; /* looks for which PFU is set */
	unsigned forgets;      /* requests that it leaves unread */
	unsigned resets;       /* looks for which RSTI is set */
	uint32_t nack;	       /* bit: message of this number is refused */
	bool guest_sends;      /* while the PF answers the next message, the guest sends one, and another */
	int guest_result[2];
	unsigned log_count;
	uint32_t log[LOG_MAX][TD_VF_MAIL_WORDS];

	/* The card. */
	int raises;	/* eventfd: a guest raises our vector whenever it is unmasked; 0: it does not */
	unsigned heard; /* so often it was */
	bool keeps_heads, heads_are_stuck, enable_is_stuck, disable_is_stuck;
	uint32_t tx_stops;   /* descriptors after which transmit works no more */
	unsigned gone_after; /* accesses until all reads are ones; 0: never */

	/* What it saw. */
	unsigned accesses, head_writes, contexts, packets, reports;

	/* What the loop told. */
	unsigned answers, messages, losses;
	uint32_t answer, message;
};

static inline uint32_t *card_reg(struct card *card, uint32_t reg)
{
	return &card->reg[reg / 4];
}

static inline void card_reset(struct card *card)
{
	for (unsigned q = 0; q < 2; q++) {
		*card_reg(card, TD_HW82576_QUEUE(TD_VF_RXDCTL, q)) &= ~TD_VF_QUEUE_ENABLE;
		*card_reg(card, TD_HW82576_QUEUE(TD_VF_TXDCTL, q)) &= ~TD_VF_QUEUE_ENABLE;
		if (card->keeps_heads)
			continue;
		*card_reg(card, TD_HW82576_QUEUE(TD_VF_RDH, q)) = 0;
		*card_reg(card, TD_HW82576_QUEUE(TD_VF_TDH, q)) = 0;
	}
}

static const uint32_t card_guest_mail[TD_VF_MAIL_WORDS] = {TD_VF_MAIL_SET_PROMISC};

static inline void card_guest_sends(struct card *card)
{
	card->guest_sends = false;
	for (unsigned i = 0; i < TD_COUNT(card->guest_result); i++)
		card->guest_result[i] = td_hw82576_mail(card->hw, card_guest_mail);
}

static inline void card_pf_answers(struct card *card)
{
	uint32_t *words = card_reg(card, TD_VF_MBMEM), type = words[0] & 0xff;

	card->request = false;
	if (card->forgets) {
		card->forgets--;
		return;
	}
	if (card->overwrite_first) {
		card->overwrite_first = false;
		words[0] = TD_VF_MAIL_PF_CONTROL | TD_VF_MAIL_ANSWER_CTS;
		card->mailbox |= TD_VF_MAIL_PFSTS;
		return;
	}
	if (card->guest_sends)
		card_guest_sends(card);
	assert_true(card->log_count < LOG_MAX);
	memcpy(card->log[card->log_count++], words, TD_VF_MAIL_WORDS * 4);
	words[0] |= card->nack & 1U << type ? TD_VF_MAIL_ANSWER_NACK : TD_VF_MAIL_ANSWER_ACK;
	if (type != TD_VF_MAIL_RESET)
		words[0] |= TD_VF_MAIL_ANSWER_CTS;
	card->mailbox |= TD_VF_MAIL_PFACK | TD_VF_MAIL_PFSTS;
}

static inline uint32_t card_read_mailbox(struct card *card)
{
	uint32_t now;

	if (card->resets) {
		if (--card->resets == 0)
			card->mailbox |= TD_VF_MAIL_RSTD;
		return TD_VF_MAIL_RSTI;
	}
	if (card->holds_buffer && --card->holds_buffer == 0)
		card->mailbox &= ~(uint32_t)TD_VF_MAIL_PFU;
	if (card->request && !card->silent && !(card->mailbox & TD_VF_MAIL_VFU))
		card_pf_answers(card);
	now = card->mailbox;
	card->mailbox &= ~(uint32_t)(TD_VF_MAIL_PFSTS | TD_VF_MAIL_PFACK | TD_VF_MAIL_RSTD);
	return now;
}

static inline void card_write_mailbox(struct card *card, uint32_t value)
{
	if (value & TD_VF_MAIL_VFU && !card->holds_buffer)
		card->mailbox |= TD_VF_MAIL_VFU;
	else if (!(value & TD_VF_MAIL_VFU))
		card->mailbox &= ~(uint32_t)TD_VF_MAIL_VFU;
	card->request |= (value & TD_VF_MAIL_REQ) != 0;
}

/* Reads descriptors up to the tail, as the hardware does when it is let. */
static inline void card_transmit(struct card *card)
{
	uint32_t count = *card_reg(card, TD_VF_TDLEN) / 16, *head = card_reg(card, TD_VF_TDH), tail = *card_reg(card, TD_VF_TDT);
	uint64_t base = *card_reg(card, TD_VF_TDBAL) | (uint64_t)*card_reg(card, TD_VF_TDBAH) << 32;

	if (!(*card_reg(card, TD_VF_TXDCTL) & TD_VF_QUEUE_ENABLE) || tail >= count)
		return;
	for (unsigned i = 0; i < AT_A_TIME && *head != tail && card->tx_stops;
		i++, *head = *head + 1 < count ? *head + 1 : 0, card->tx_stops--) {
		const uint32_t *desc = td_mem_ptr(&card->vm.mem, TD_GPA(base + *head * 16), 16);

		assert_non_null(desc);
		card->contexts += (desc[2] >> 20 & 15) == 2;
		card->packets += (desc[2] >> 20 & 15) == 3 && desc[2] & 1U << 24;
		card->reports += (desc[2] & 1U << 27) != 0;
	}
}

static inline uint32_t card_read(void *opaque, uint32_t reg)
{
	struct card *card = opaque;

	assert_true(reg % 4 == 0 && reg < TD_VF82576_BAR0_BYTES);
	if (card->gone_after && ++card->accesses > card->gone_after)
		return TD_HW82576_GONE;
	if (reg == TD_VF_V2PMAILBOX)
		return card_read_mailbox(card);
	if (reg == TD_VF_TDH)
		card_transmit(card);
	return *card_reg(card, reg);
}

static inline void card_write(void *opaque, uint32_t reg, uint32_t value)
{
	struct card *card = opaque;
	uint32_t *at = card_reg(card, reg), old = *at;

	assert_true(reg % 4 == 0 && reg < TD_VF82576_BAR0_BYTES);
	if (card->gone_after && ++card->accesses > card->gone_after)
		return;
	if (reg == TD_VF_EIMS && card->raises) {
		card->heard++;
		assert_int_equal(eventfd_write(card->raises, 1), 0);
	}
	switch (reg & ~0x100U) {
	case TD_VF_CTRL:
		if (value & TD_VF_CTRL_RST)
			card_reset(card);
		return;
	case TD_VF_RDH:
	case TD_VF_TDH:
		card->head_writes += value != 0;
		if (card->heads_are_stuck)
			return;
		break;
	case TD_VF_RXDCTL:
	case TD_VF_TXDCTL:
		if ((value & ~old & TD_VF_QUEUE_ENABLE && card->enable_is_stuck) ||
			(old & ~value & TD_VF_QUEUE_ENABLE && card->disable_is_stuck))
			value ^= TD_VF_QUEUE_ENABLE;
		break;
	}
	if (reg == TD_VF_V2PMAILBOX)
		card_write_mailbox(card, value);
	else
		*at = value;
}

static inline void card_on_answer(void *opaque, const uint32_t *words)
{
	struct card *card = opaque;

	card->answers++;
	card->answer = words ? words[0] : 0;
}

static inline void card_on_message(void *opaque, const uint32_t words[TD_VF_MAIL_WORDS])
{
	struct card *card = opaque;

	card->messages++;
	card->message = words[0];
}

static inline void card_on_lost(void *opaque, bool release_requested)
{
	struct card *card = opaque;

	assert_false(release_requested);
	card->losses++;
}

/* What igbvf would have made of it. */
static inline void card_fill_state(struct td_vf82576_state *state)
{
	memset(state, 0, sizeof(*state));
	state->rx[0] = (struct td_vf82576_ring){.base = RX_RING,
		.len_bytes = COUNT * 16,
		.tail = COUNT - 1,
		.control = TD_VF_QUEUE_ENABLE | 0x10810,
		.srrctl = 2U | 1U << 25};
	state->tx[0] = (struct td_vf82576_ring){
		.base = TX_RING, .len_bytes = COUNT * 16, .head = 40, .tail = 40, .control = TD_VF_QUEUE_ENABLE | 0x10810};
	state->eims = state->eiac = state->eiam = 7;
	state->ivar0 = 0x8081;
	state->ivar_misc = 0x82;
	state->handshaken = true;
	state->frame_max_bytes = TD_VF82576_FRAME_BYTES;
	state->vlan[0] = 1;
}

static inline int card_setup(void **test)
{
	struct card *card = test_calloc(1, sizeof(*card));
	struct td_mem_config mem = {.size_bytes = RAM_BYTES};
	struct td_hw82576_config config = {
		.name = "net0", .bdf = "0000:02:10.0", .group = 7, .events = {card_on_message, card_on_answer, card_on_lost, card}};

	assert_int_equal(td_mem_init(&card->vm.mem, &mem, NULL), 0);
	assert_int_equal(td_loop_init(&card->vm.loop, NULL, NULL), 0);
	assert_int_equal(td_hw82576_create(&card->vm, NULL, &config, &card->hw, NULL), 0);
	card->hw->bus = (struct td_hw82576_bus){card_read, card_write, card};
	card->hw->phase = TD_HW82576_OPEN;
	*card_reg(card, TD_VF_STATUS) = TD_VF_STATUS_FD | TD_VF_STATUS_LU;
	card->tx_stops = UINT32_MAX;
	card_fill_state(&card->state);
	*test = card;
	return 0;
}

static inline int card_teardown(void **test)
{
	struct card *card = *test;

	td_hw82576_destroy(card->hw);
	td_loop_fini(&card->vm.loop);
	td_mem_fini(&card->vm.mem);
	test_free(card);
	return 0;
}

struct card_stop {
	struct td_timer timer;
	struct td_loop *loop;
};

static inline void card_stop_loop(struct td_timer *timer)
{
	td_loop_stop(TD_CONTAINER_OF(timer, struct card_stop, timer)->loop);
}

/* Runs the main loop for so long. */
static inline void card_run(struct card *card, unsigned ms)
{
	struct card_stop stop = {.timer.expired = card_stop_loop, .loop = &card->vm.loop};

	td_loop_arm(stop.loop, &stop.timer, ms * 1000000ULL);
	assert_int_equal(td_loop_run(stop.loop), 0);
}

/* All parts of a call, as its job would run them. */

static inline int card_prepare(struct card *card, struct td_err *err)
{
	int rc = td_hw82576_prepare(card->hw, &card->state, err);

	return rc < 0 ? rc : td_hw82576_prepare_end(card->hw, td_hw82576_prepare_wait(card->hw, err), err);
}

static inline int card_finish_telling(struct card *card, int rc, struct td_err *err)
{
	if (rc < 0)
		return rc;
	rc = td_hw82576_quiet_wait(card->hw, err);
	td_hw82576_quiet_end(card->hw);
	return rc;
}

static inline int card_quiet(struct card *card, struct td_err *err)
{
	return card_finish_telling(card, td_hw82576_quiet(card->hw, err), err);
}

static inline int card_unquiet(struct card *card, struct td_err *err)
{
	return card_finish_telling(card, td_hw82576_unquiet(card->hw, &card->state, err), err);
}

static inline void card_to_prepared(struct card *card)
{
	if (card_prepare(card, &card->err) < 0)
		fail_msg("%s", card->err.text);
}

static inline void card_to_running(struct card *card)
{
	card_to_prepared(card);
	if (td_hw82576_restore(card->hw, &card->state, &card->err) < 0)
		fail_msg("%s", card->err.text);
}

#endif
