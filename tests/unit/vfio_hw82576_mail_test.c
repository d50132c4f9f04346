/* SPDX-License-Identifier: Apache-2.0 */
/* vfio_hw82576_mail_test.c - what the PF is told before a guest runs on the VF, and what goes to and fro while it does; PFs that misbehave.
 */
#include <sys/epoll.h>
#include <unistd.h>

#include "hw82576_card.h"

static unsigned type_of(const struct card *card, unsigned message)
{
	return card->log[message][0] & 0xff;
}

static void test_prepare(void **test)
{
	static const uint8_t order[] = {TD_VF_MAIL_RESET, TD_VF_MAIL_SET_MULTICAST, TD_VF_MAIL_SET_VLAN, TD_VF_MAIL_SET_VLAN,
		TD_VF_MAIL_SET_VLAN, TD_VF_MAIL_SET_PROMISC, TD_VF_MAIL_SET_LPE};
	struct card *card = *test;

	card->state.hash_count = 3;
	memcpy(card->state.hash, (const uint16_t[]){0x111, 0x222, 0x333}, 6);
	card->state.vlan[0] = 1U | 1U << 5;
	card->state.vlan[127] = 1U << 31;
	card->state.promisc = TD_VF_MAIL_SET_PROMISC | 2U << 16;
	card->state.frame_max_bytes = 9018;
	card->state.eitr[0] = 0x8;
	card->state.eitr[1] = 0x10;
	card->state.psrtype = 0x20;
	card->nack = 1U << TD_VF_MAIL_RESET | 1U << TD_VF_MAIL_SET_PROMISC; /* the PF has no MAC for it; it is not trusted */
	card_to_prepared(card);
	assert_int_equal(td_hw82576_phase(card->hw), TD_HW82576_PREPARED);
	assert_int_equal(card->log_count, TD_COUNT(order));
	for (unsigned i = 0; i < TD_COUNT(order); i++)
		assert_int_equal(type_of(card, i), order[i]);
	assert_int_equal(card->log[1][0], 3U << 16 | 3);
	assert_int_equal(card->log[1][1], 0x02220111);
	assert_int_equal(card->log[1][2], 0x333);
	assert_int_equal(card->log[3][1], 5);
	assert_int_equal(card->log[4][0], 1U << 16 | 4);
	assert_int_equal(card->log[4][1], 4095);
	assert_int_equal(card->log[5][0], 2U << 16 | 6);
	assert_int_equal(card->log[6][1], 9018);
	assert_int_equal(*card_reg(card, TD_VF_EITR0 + 4), 0x10);
	assert_int_equal(*card_reg(card, TD_VF_IVAR0), 0x8081);
	assert_int_equal(*card_reg(card, TD_VF_IVAR_MISC), 0x82);
	assert_int_equal(*card_reg(card, TD_VF_PSRTYPE), 0x20);
	assert_int_equal(*card_reg(card, TD_VF_EIMC), 7);
	assert_int_equal(card->head_writes, 0);
}

static void test_prepare_again(void **test)
{
	struct card *card = *test;

	card_to_prepared(card);
	card_to_prepared(card);
	assert_int_equal(card->log_count, 4); /* RESET and VLAN 0, twice */
}

/* A flip that is undone: the VF is reset when the main loop gets to it, and can be prepared again. */
static void test_unprepare(void **test)
{
	struct card *card = *test;

	td_hw82576_unprepare(card->hw); /* it is not prepared */
	assert_false(card->hw->reset_due);
	card->hw->open.bus_master = true;
	card_to_prepared(card);
	td_hw82576_unprepare(card->hw);
	assert_int_equal(td_hw82576_phase(card->hw), TD_HW82576_OPEN);
	assert_true(card->hw->reset_due);
	assert_int_equal(td_hw82576_restore(card->hw, &card->state, NULL), -EINVAL);
	card_run(card, 5);
	assert_false(card->hw->reset_due);
	assert_false(card->hw->open.bus_master);
	card_to_running(card);
	td_hw82576_unprepare(card->hw);
	assert_int_equal(td_hw82576_phase(card->hw), TD_HW82576_RUNNING);
}

static void refused(struct card *card, int code, enum td_reason reason)
{
	assert_int_equal(card_prepare(card, &card->err), code);
	assert_int_equal(card->err.reason, reason);
	assert_int_equal(td_hw82576_phase(card->hw), TD_HW82576_OPEN);
	assert_int_equal(td_hw82576_restore(card->hw, &card->state, NULL), -EINVAL);
	assert_false(*card_reg(card, TD_VF_RXDCTL) & TD_VF_QUEUE_ENABLE);
}

static void test_pf_refuses(void **test)
{
	struct card *card = *test;

	card->nack = 1U << TD_VF_MAIL_SET_VLAN;
	card_to_prepared(card); /* VLAN 0 alone */
	card->state.vlan[0] |= 1U << 7;
	refused(card, -EOPNOTSUPP, TD_REASON_PF_MAILBOX);
	card->nack = 1U << TD_VF_MAIL_SET_LPE;
	card->state.frame_max_bytes = 9018;
	refused(card, -EOPNOTSUPP, TD_REASON_PF_MAILBOX);
	card->nack = 1U << TD_VF_MAIL_SET_MULTICAST;
	card->state.hash_count = 1;
	refused(card, -EOPNOTSUPP, TD_REASON_PF_MAILBOX);
}

static void test_guest_refused(void **test)
{
	struct card *card = *test;

	card->state.rx[1].control = TD_VF_QUEUE_ENABLE;
	refused(card, -EOPNOTSUPP, TD_REASON_DRIVER_UNKNOWN);
	card->state.rx[1].control = 0;
	card->state.tx[0].writeback = 0x1001;
	refused(card, -EOPNOTSUPP, TD_REASON_DRIVER_UNKNOWN);
	card->state.tx[0].writeback = 0;
	card->state.ivar0 = 0x8082;
	refused(card, -EOPNOTSUPP, TD_REASON_DRIVER_UNKNOWN);
	card->state.ivar0 = 0x8081;
	card->state.hash_count = UINT32_MAX;
	refused(card, -EOPNOTSUPP, TD_REASON_DRIVER_UNKNOWN);
	assert_int_equal(card->log_count, 0);
}

static void test_pf_is_silent(void **test)
{
	struct card *card = *test;

	card->silent = true;
	refused(card, -ETIMEDOUT, TD_REASON_PF_MAILBOX);
	card->silent = false;
	card->request = false;
	card->resets = 1U << 30;
	refused(card, -ETIMEDOUT, TD_REASON_PF_MAILBOX);
	card->resets = 0;
	card->holds_buffer = 1U << 30;
	refused(card, -ETIMEDOUT, TD_REASON_PF_MAILBOX);
	card->holds_buffer = 0;
	card_to_prepared(card);
}

/* In whatever access the VF goes. */
static void test_vf_goes(void **test)
{
	struct card *card = *test;
	unsigned fine = 0;

	card->state.hash_count = 2;
	for (unsigned after = 1; !fine; after++) {
		card->gone_after = after;
		card->accesses = 0;
		card->mailbox = 0;
		card->request = false;
		card->log_count = 0;
		int rc = card_prepare(card, &card->err);
		fine = rc == 0;
		assert_true(fine || rc == -ENODEV);
		assert_true(after < 1000);
	}
	card->gone_after = 0;
	card_to_prepared(card);
}

static void test_pf_is_busy(void **test)
{
	struct card *card = *test;

	card->resets = 40;
	card->holds_buffer = 60;
	card->overwrite_first = true;
	card->forgets = 2;
	card_to_prepared(card);
	assert_int_equal(card->log_count, 2);
	assert_int_equal(type_of(card, 0), TD_VF_MAIL_RESET);
	card_run(card, 5);
	assert_int_equal(card->messages, 0);
}

static void test_heads(void **test)
{
	struct card *card = *test;

	card->keeps_heads = true;
	*card_reg(card, TD_VF_RDH) = 9;
	*card_reg(card, TD_VF_TDH) = 11;
	card_to_prepared(card);
	assert_int_equal(*card_reg(card, TD_VF_RDH), 0);
	assert_int_equal(*card_reg(card, TD_VF_TDH), 0);
	assert_int_equal(card->head_writes, 0); /* but for zeros */
	*card_reg(card, TD_VF_TDH) = 11;
	card->heads_are_stuck = true;
	refused(card, -EIO, TD_REASON_VFIO);
}

/* ---- while a guest runs on it ---- */

static const uint32_t promisc[TD_VF_MAIL_WORDS] = {TD_VF_MAIL_SET_PROMISC};

static void test_mail(void **test)
{
	struct card *card = *test;

	assert_int_equal(td_hw82576_mail(card->hw, promisc), -ENODEV);
	card_to_running(card);
	assert_int_equal(td_hw82576_mail(card->hw, promisc), 0);
	assert_int_equal(td_hw82576_mail(card->hw, promisc), -EBUSY);
	assert_int_equal(card_quiet(card, NULL), -EBUSY);
	card_run(card, 20);
	assert_int_equal(card->answers, 1);
	assert_int_equal(card->answer, 0xa0000006);
	card->overwrite_first = true;
	card->nack = 1U << TD_VF_MAIL_SET_PROMISC;
	assert_int_equal(td_hw82576_mail(card->hw, promisc), 0);
	card_run(card, 20);
	assert_int_equal(card->answers, 2);
	assert_int_equal(card->answer, 0x60000006);
	assert_int_equal(card->messages, 1);
	assert_int_equal(card->message, 0x20000100);
}

static void test_mail_is_lost(void **test)
{
	struct card *card = *test;
	struct td_vf82576_state rings;
	bool lost;

	card_to_running(card);
	card->silent = true;
	assert_int_equal(td_hw82576_mail(card->hw, promisc), 0);
	for (unsigned i = 0; i < 200 && !card->answers; i++)
		card_run(card, 50);
	assert_int_equal(card->answers, 1);
	assert_int_equal(card->answer, 0); /* none */
	card->silent = false;
	card->request = false;
	*card_reg(card, TD_VF_MBMEM) = 0xa0000006; /* the answer after all */
	card->mailbox |= TD_VF_MAIL_PFSTS;
	card_run(card, 600);
	assert_int_equal(card->answers + card->messages, 1);
	card->silent = true;
	assert_int_equal(td_hw82576_mail(card->hw, promisc), 0);
	assert_int_equal(td_hw82576_capture(card->hw, &rings, &lost, NULL), 0);
	card_run(card, 5);
	assert_int_equal(card->answers, 2);
	assert_int_equal(card->answer, 0);
	assert_int_equal(td_hw82576_mail(card->hw, promisc), -ENODEV);
}

static void test_pf_speaks(void **test)
{
	struct card *card = *test;

	card_to_running(card);
	*card_reg(card, TD_VF_MBMEM) = TD_VF_MAIL_PF_CONTROL;
	card->mailbox |= TD_VF_MAIL_PFSTS;
	card_run(card, 600); /* also without an interrupt */
	assert_int_equal(card->messages, 1);
	assert_int_equal(card->message, 0x100);
	card->resets = 3;
	assert_int_equal(td_hw82576_mail(card->hw, promisc), 0);
	card_run(card, 20);
	assert_int_equal(card->answers, 1);
	assert_int_equal(card->answer, 0); /* nobody answers in a reset */
	card_run(card, 2100);
	assert_int_equal(card->messages, 2);
	assert_int_equal(card->message, 0);
}

static void test_found_gone(void **test)
{
	struct card *card = *test;

	card_to_running(card);
	card->gone_after = 1;
	assert_int_equal(td_hw82576_mail(card->hw, promisc), 0);
	card_run(card, 1200);
	assert_int_equal(card->losses, 1);
	assert_int_equal(td_hw82576_mail(card->hw, promisc), -ENODEV);
	assert_int_equal(td_hw82576_read(card->hw, TD_VF_STATUS), 0);
	assert_false(td_hw82576_link_up(card->hw));
}

static void test_quiet(void **test)
{
	struct card *card = *test;

	card->state.hash_count = 1;
	card->state.hash[0] = 0x77;
	card_to_running(card);
	card->log_count = 0;
	assert_int_equal(card_quiet(card, NULL), 0);
	assert_int_equal(card->log[0][0], TD_VF_MAIL_SET_MULTICAST);
	card->overwrite_first = true;
	assert_int_equal(card_unquiet(card, NULL), 0);
	assert_int_equal(card->log[1][0], 1U << 16 | TD_VF_MAIL_SET_MULTICAST);
	assert_int_equal(card->log[1][1], 0x77);
	assert_int_equal(card->messages, 0);
	card_run(card, 5);
	assert_int_equal(card->messages, 1);
	card->silent = true;
	assert_int_equal(card_quiet(card, &card->err), -ETIMEDOUT);
	assert_int_equal(td_hw82576_phase(card->hw), TD_HW82576_RUNNING);
}

/* The guest's message waits while ours is on its way: it is answered later, not refused. */
static void test_guest_waits(void **test)
{
	struct card *card = *test;
	struct td_vf82576_state rings;
	bool lost;

	card_to_running(card);
	card->log_count = 0;
	card->guest_sends = true;
	assert_int_equal(card_quiet(card, NULL), 0);
	assert_int_equal(card->guest_result[0], 0);
	assert_int_equal(card->guest_result[1], -EBUSY);
	assert_int_equal(card->log_count, 1);
	assert_int_equal(card->answers, 0);
	assert_int_equal(card_unquiet(card, NULL), 0); /* undone at once: the guest's is still behind */
	assert_int_equal(card->answers, 0);
	card_run(card, 20);
	assert_int_equal(card->answers, 1);
	assert_int_equal(card->answer, 0xa0000006);
	assert_int_equal(card->log_count, 3);
	/* The flip goes on meanwhile: nobody asks the PF any more, and whoever waits is told. */
	card->guest_sends = true;
	assert_int_equal(card_quiet(card, NULL), 0);
	assert_int_equal(td_hw82576_capture(card->hw, &rings, &lost, NULL), 0);
	card_run(card, 5);
	assert_int_equal(card->answers, 2);
	assert_int_equal(card->answer, 0);
	assert_int_equal(card->log_count, 4);
}

/* A queue of the guest's that names our vector has none. */
static void test_ivar(void **test)
{
	struct card *card = *test;

	card_to_running(card);
	td_hw82576_write(card->hw, TD_VF_IVAR0, 0x80838182U);
	assert_int_equal(*card_reg(card, TD_VF_IVAR0), 0x80008100U);
	td_hw82576_write(card->hw, TD_VF_IVAR0, 0x8081U);
	assert_int_equal(*card_reg(card, TD_VF_IVAR0), 0x8081U);
}

/* What the guest may write and read of registers that are ours. */
static void test_registers(void **test)
{
	struct card *card = *test;

	card_to_running(card);
	td_hw82576_write(card->hw, TD_VF_EIMC, 7);
	assert_int_equal(*card_reg(card, TD_VF_EIMC), 3);
	td_hw82576_write(card->hw, TD_VF_EIAC, 1);
	assert_int_equal(*card_reg(card, TD_VF_EIAC), 5);
	td_hw82576_write(card->hw, TD_VF_IVAR_MISC, 0x80);
	assert_int_equal(*card_reg(card, TD_VF_IVAR_MISC), 0x82);
	td_hw82576_write(card->hw, TD_VF_MBMEM, 5);
	td_hw82576_write(card->hw, TD_VF_V2PMAILBOX, TD_VF_MAIL_REQ);
	assert_false(card->request);
	card->mailbox |= TD_VF_MAIL_PFSTS;
	assert_int_equal(td_hw82576_read(card->hw, TD_VF_V2PMAILBOX), 0);
	assert_true(card->mailbox & TD_VF_MAIL_PFSTS);
	assert_int_equal(td_hw82576_read(card->hw, 2), 0);
	assert_int_equal(td_hw82576_read(card->hw, TD_VF82576_BAR0_BYTES), 0);
	td_hw82576_write(card->hw, UINT32_MAX - 3, 1);
	assert_true(td_hw82576_link_up(card->hw));
	td_hw82576_reset_queues(card->hw);
	assert_false(*card_reg(card, TD_VF_RXDCTL) & TD_VF_QUEUE_ENABLE);
	assert_int_equal(*card_reg(card, TD_VF_EIMS), 4); /* ours is on */
}

/* A guest that raises our vector again and again does not keep the main loop busy. */
static void test_raised_often(void **test)
{
	struct card *card = *test;
	struct td_hw82576 *hw = card->hw;

	card_to_running(card);
	hw->mail_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	hw->mail_watch = (struct td_watch){.fd = hw->mail_fd, .ready = td_hw82576_mail_ready, .events = EPOLLIN};
	assert_int_equal(td_loop_watch(&card->vm.loop, &hw->mail_watch), 0);
	card->raises = hw->mail_fd;
	assert_int_equal(eventfd_write(card->raises, 1), 0);
	card_run(card, 50);
	assert_in_range(card->heard, 2, 250); /* a few in a millisecond */
	card->raises = 0;
	card_run(card, 5);
	assert_false(hw->mail.deaf);
	td_loop_unwatch(&card->vm.loop, &hw->mail_watch);
	close(hw->mail_fd);
	hw->mail_fd = -1;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, card_setup, card_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_prepare),
		TEST(test_prepare_again),
		TEST(test_unprepare),
		TEST(test_pf_refuses),
		TEST(test_guest_refused),
		TEST(test_pf_is_silent),
		TEST(test_vf_goes),
		TEST(test_pf_is_busy),
		TEST(test_heads),
		TEST(test_mail),
		TEST(test_mail_is_lost),
		TEST(test_pf_speaks),
		TEST(test_found_gone),
		TEST(test_quiet),
		TEST(test_guest_waits),
		TEST(test_ivar),
		TEST(test_registers),
		TEST(test_raised_often),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
