/* SPDX-License-Identifier: Apache-2.0 */
/* emul_igbvf_mail_test.c - the guest's mail to a PF while a hardware VF stands behind the function: who answers, and whose answer it is. */
#include "tests/unit/igbvf_hardware.h"

static void test_mail_on_hardware(void **state)
{
	struct driver *d = driver_get(state);
	struct fake fake = {0};
	uint32_t answer[TD_VF_MAIL_WORDS] = {TD_VF_MAIL_SET_VLAN | 1 << 16 | TD_VF_MAIL_ANSWER_CTS | TD_VF_MAIL_ANSWER_ACK};

	driver_up(d);
	to_hardware(d, &fake);
	assert_int_equal(driver_mail1(d, TD_VF_MAIL_SET_VLAN | 1 << 16, 33), 0); /* no answer yet */
	assert_int_equal(fake.mails, 1);
	assert_int_equal(fake.mail[1], 33);
	assert_true(td_igbvf_mail_pending(d->dev));
	assert_int_equal(d->dev->state.vlan[1], 0);
	driver_write(d, TD_VF_V2PMAILBOX, TD_VF_MAIL_VFU);
	assert_false(driver_read(d, TD_VF_V2PMAILBOX) & TD_VF_MAIL_VFU); /* the PF has it */
	td_igbvf_answer(d->dev, answer);
	assert_false(td_igbvf_mail_pending(d->dev));
	assert_int_equal(d->dev->state.vlan[1], 2);
	assert_int_equal(driver_read(d, TD_VF_V2PMAILBOX), TD_VF_MAIL_PFSTS | TD_VF_MAIL_PFACK);
	assert_int_equal(driver_read(d, TD_VF_MBMEM), answer[0]);
	td_igbvf_answer(d->dev, answer); /* nobody asked */
	assert_int_equal(driver_read(d, TD_VF_V2PMAILBOX), 0);
	/* The PF says no: nothing is kept. */
	driver_mail1(d, TD_VF_MAIL_SET_VLAN | 1 << 16, 34);
	answer[0] = TD_VF_MAIL_SET_VLAN | 1 << 16 | TD_VF_MAIL_ANSWER_CTS | TD_VF_MAIL_ANSWER_NACK;
	td_igbvf_answer(d->dev, answer);
	assert_int_equal(d->dev->state.vlan[1], 2);
	/* What no PF would grant does not get that far; what can't be asked is refused. */
	assert_int_equal(fake.mails, 2);
	assert_true(driver_mail1(d, 0x99, 0) & TD_VF_MAIL_ANSWER_NACK);
	assert_int_equal(fake.mails, 2);
	fake.mail_result = -EIO;
	assert_true(driver_mail1(d, TD_VF_MAIL_SET_LPE, 2000) & TD_VF_MAIL_ANSWER_NACK);
	assert_false(td_igbvf_mail_pending(d->dev));
	fake.mail_result = 0;
	fake.answer_at_once = d->dev;
	assert_true(driver_mail1(d, TD_VF_MAIL_SET_LPE, 2000) & TD_VF_MAIL_ANSWER_ACK);
	assert_int_equal(d->dev->state.frame_max_bytes, 2000);
}

/* The driver resets itself while the PF still thinks: the old answer is not taken for the new one. */
static void test_reset_with_mail_pending(void **state)
{
	struct driver *d = driver_get(state);
	struct fake fake = {0};
	uint32_t stale[TD_VF_MAIL_WORDS] = {TD_VF_MAIL_SET_LPE | TD_VF_MAIL_ANSWER_CTS | TD_VF_MAIL_ANSWER_ACK};
	uint32_t answer[TD_VF_MAIL_WORDS] = {TD_VF_MAIL_RESET | TD_VF_MAIL_ANSWER_ACK};

	driver_up(d);
	to_hardware(d, &fake);
	driver_mail1(d, TD_VF_MAIL_SET_LPE, 2000);
	driver_write(d, TD_VF_CTRL, TD_VF_CTRL_RST);
	assert_int_equal(fake.resets, 1);
	driver_write(d, TD_VF_MBMEM, TD_VF_MAIL_RESET);
	driver_write(d, TD_VF_V2PMAILBOX, TD_VF_MAIL_REQ);
	assert_int_equal(fake.mails, 1);
	td_igbvf_answer(d->dev, stale);
	assert_int_equal(fake.mails, 2);
	assert_int_equal(fake.mail[0], TD_VF_MAIL_RESET);
	assert_int_equal(driver_read(d, TD_VF_V2PMAILBOX), 0);
	assert_false(d->dev->state.handshaken);
	td_igbvf_answer(d->dev, answer);
	assert_true(d->dev->state.handshaken);
	assert_int_equal(driver_read(d, TD_VF_MBMEM), answer[0]);
}

/* The driver resets itself, and the old answer comes before it has said anything: it is nobody's. */
static void test_answer_after_reset(void **state)
{
	struct driver *d = driver_get(state);
	struct fake fake = {0};
	struct td_vf82576_state rings;
	uint32_t stale[TD_VF_MAIL_WORDS] = {TD_VF_MAIL_SET_LPE | TD_VF_MAIL_ANSWER_CTS | TD_VF_MAIL_ANSWER_ACK};

	driver_up(d);
	rings = *td_igbvf_state(d->dev);
	memset(rings.counter, 0, sizeof(rings.counter));
	to_hardware(d, &fake);
	driver_mail1(d, TD_VF_MAIL_SET_LPE, 2000);
	driver_write(d, TD_VF_CTRL, TD_VF_CTRL_RST);
	td_igbvf_answer(d->dev, stale);
	assert_false(td_igbvf_mail_pending(d->dev));
	assert_int_equal(driver_read(d, TD_VF_V2PMAILBOX), 0);
	assert_int_equal(d->dev->state.frame_max_bytes, TD_VF82576_FRAME_BYTES);
	/* The next is a message like any other. */
	fake.answer_at_once = d->dev;
	driver_write(d, TD_VF_MBMEM, TD_VF_MAIL_RESET);
	driver_write(d, TD_VF_V2PMAILBOX, TD_VF_MAIL_REQ);
	assert_int_equal(fake.mails, 2);
	assert_int_equal(driver_read(d, TD_VF_V2PMAILBOX), TD_VF_MAIL_PFSTS | TD_VF_MAIL_PFACK);
	/* Nor does the software path answer one that a reset has called off. */
	fake.answer_at_once = NULL;
	driver_mail1(d, TD_VF_MAIL_SET_LPE, 2000);
	driver_write(d, TD_VF_CTRL, TD_VF_CTRL_RST);
	to_software(d, &rings);
	assert_int_equal(driver_read(d, TD_VF_V2PMAILBOX), 0);
}

/* The hardware goes with a message unanswered: the software path answers. */
static void test_hardware_lost_with_mail_pending(void **state)
{
	struct driver *d = driver_get(state);
	struct fake fake = {0};
	struct td_vf82576_state rings;

	driver_up(d);
	rings = *td_igbvf_state(d->dev);
	memset(rings.counter, 0, sizeof(rings.counter));
	to_hardware(d, &fake);
	driver_mail1(d, TD_VF_MAIL_SET_VLAN | 1 << 16, 33);
	to_software(d, &rings);
	assert_int_equal(driver_read(d, TD_VF_V2PMAILBOX), TD_VF_MAIL_PFSTS | TD_VF_MAIL_PFACK);
	assert_int_equal(d->dev->state.vlan[1], 2);
	check_frames(d);
}

static void test_pf_speaks(void **state)
{
	struct driver *d = driver_get(state);
	struct fake fake = {0};
	const uint32_t control[TD_VF_MAIL_WORDS] = {TD_VF_MAIL_PF_CONTROL | TD_VF_MAIL_ANSWER_CTS}, reset[TD_VF_MAIL_WORDS] = {0};

	driver_up(d);
	to_hardware(d, &fake);
	driver_run(d, 30);
	td_igbvf_pf_message(d->dev, control);
	driver_run(d, 30);
	assert_true(driver_interrupted(d, 2));
	assert_int_equal(driver_read(d, TD_VF_V2PMAILBOX), TD_VF_MAIL_PFSTS);
	assert_int_equal(driver_read(d, TD_VF_MBMEM), control[0]);
	assert_true(td_igbvf_driver_up(d->dev));
	driver_run(d, 30);
	td_igbvf_pf_message(d->dev, reset);
	driver_run(d, 30);
	assert_true(driver_interrupted(d, 2));
	assert_int_equal(driver_read(d, TD_VF_V2PMAILBOX), TD_VF_MAIL_PFSTS | TD_VF_MAIL_RSTD);
	assert_false(td_igbvf_driver_up(d->dev));
}

/* Half a message when the hardware takes over, the other half after that; and the other way round. It arrives once, and whole. */
static void test_half_a_message_across(void **state)
{
	struct driver *d = driver_get(state);
	struct fake fake = {.answer_at_once = d->dev};
	struct td_vf82576_state rings;

	driver_up(d);
	rings = *td_igbvf_state(d->dev);
	memset(rings.counter, 0, sizeof(rings.counter));
	driver_write(d, TD_VF_V2PMAILBOX, TD_VF_MAIL_VFU);
	driver_write(d, TD_VF_MBMEM, TD_VF_MAIL_SET_VLAN | 1 << 16);
	to_hardware(d, &fake);
	assert_false(td_igbvf_mail_pending(d->dev));
	driver_write(d, TD_VF_MBMEM + 4, 33);
	driver_write(d, TD_VF_V2PMAILBOX, TD_VF_MAIL_REQ);
	assert_int_equal(fake.mails, 1);
	assert_int_equal(fake.mail[0], TD_VF_MAIL_SET_VLAN | 1 << 16);
	assert_int_equal(fake.mail[1], 33);
	assert_true(driver_read(d, TD_VF_MBMEM) & TD_VF_MAIL_ANSWER_ACK);
	driver_write(d, TD_VF_V2PMAILBOX, TD_VF_MAIL_VFU);
	driver_write(d, TD_VF_MBMEM, TD_VF_MAIL_SET_VLAN | 1 << 16);
	to_software(d, &rings);
	driver_write(d, TD_VF_MBMEM + 4, 34);
	driver_write(d, TD_VF_V2PMAILBOX, TD_VF_MAIL_REQ);
	assert_int_equal(fake.mails, 1);
	assert_int_equal(d->dev->state.vlan[1], 6);
	/* Half a message and no more: nobody waits for the rest. */
	driver_write(d, TD_VF_V2PMAILBOX, TD_VF_MAIL_VFU);
	driver_write(d, TD_VF_MBMEM, TD_VF_MAIL_SET_LPE);
	assert_false(td_igbvf_mail_pending(d->dev));
	assert_int_equal(td_igbvf_check(d->dev, NULL), 0);
	check_frames(d);
}

/* Resets without end, each with a handshake that is not waited for: the PF is asked one thing at a time, and in the end the last. */
static void test_resets_without_end(void **state)
{
	struct driver *d = driver_get(state);
	struct fake fake = {0};
	struct td_vf82576_state rings;
	uint32_t answer[TD_VF_MAIL_WORDS] = {TD_VF_MAIL_RESET | TD_VF_MAIL_ANSWER_ACK};

	driver_up(d);
	to_hardware(d, &fake);
	for (unsigned i = 0; i < 10000; i++) {
		driver_write(d, TD_VF_CTRL, TD_VF_CTRL_RST);
		driver_write(d, TD_VF_MBMEM, TD_VF_MAIL_RESET);
		driver_write(d, TD_VF_V2PMAILBOX, TD_VF_MAIL_REQ);
	}
	assert_int_equal(fake.mails, 1);
	assert_int_equal(fake.resets, 10000);
	td_igbvf_answer(d->dev, answer);
	assert_int_equal(fake.mails, 2);
	assert_false(d->dev->state.handshaken);
	td_igbvf_answer(d->dev, answer);
	assert_int_equal(fake.mails, 2);
	assert_true(d->dev->state.handshaken);
	memset(&rings, 0, sizeof(rings));
	to_software(d, &rings);
	for (unsigned i = 0; i < 1000; i++)
		driver_write(d, TD_VF_CTRL, TD_VF_CTRL_RST);
	driver_up(d);
	check_frames(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_mail_on_hardware),
		TEST(test_reset_with_mail_pending),
		TEST(test_answer_after_reset),
		TEST(test_hardware_lost_with_mail_pending),
		TEST(test_pf_speaks),
		TEST(test_half_a_message_across),
		TEST(test_resets_without_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
