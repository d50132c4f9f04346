/* SPDX-License-Identifier: Apache-2.0 */
/* vfio_hw82576_rings_test.c - rings given to a card and taken from it: heads, bytes in the guest's ring, counters; cards and guests at
 * odds. */
#include "hw82576_card.h"

#define DATA	0x20300000U /* extended, data */
#define CONTEXT 0x20200000U
#define EOP	0x01000000U
#define RS	0x08000000U

static uint32_t *tx_desc(struct card *card, uint32_t index)
{
	return td_mem_ptr(&card->vm.mem, TD_GPA(TX_RING + index * 16), 16);
}

static uint32_t *rx_desc(struct card *card, uint32_t index)
{
	return td_mem_ptr(&card->vm.mem, TD_GPA(RX_RING + index * 16), 16);
}

/* A ring full of packets that were sent long ago: a card that reads one sends it again. */
static void fill_tx(struct card *card)
{
	for (uint32_t i = 0; i < COUNT; i++)
		memcpy(tx_desc(card, i), (const uint32_t[]){0x1000 + i, 0, DATA | EOP | RS | 60, 60U << 14 | 1}, 16);
}

static bool tx_is_as_filled(struct card *card)
{
	for (uint32_t i = 0; i < COUNT; i++)
		if (memcmp(tx_desc(card, i), (const uint32_t[]){0x1000 + i, 0, DATA | EOP | RS | 60, 60U << 14 | 1}, 16) != 0)
			return false;
	return true;
}

static bool is_off(struct card *card)
{
	return !((*card_reg(card, TD_VF_RXDCTL) | *card_reg(card, TD_VF_TXDCTL)) & TD_VF_QUEUE_ENABLE);
}

static void test_restore(void **test)
{
	struct card *card = *test;

	fill_tx(card);
	card_to_running(card);
	assert_int_equal(td_hw82576_phase(card->hw), TD_HW82576_RUNNING);
	assert_int_equal(card->head_writes, 0);
	assert_int_equal(*card_reg(card, TD_VF_TDH), 40);
	assert_int_equal(*card_reg(card, TD_VF_TDT), 40);
	assert_int_equal(*card_reg(card, TD_VF_RDT), COUNT - 1);
	assert_int_equal(card->contexts, 40);
	assert_int_equal(card->packets + card->reports, 0);
	assert_true(tx_is_as_filled(card));
	assert_int_equal(*card_reg(card, TD_VF_RDBAL), RX_RING);
	assert_int_equal(*card_reg(card, TD_VF_SRRCTL), 2U | 1U << 25);
	assert_int_equal(*card_reg(card, TD_VF_RXDCTL), card->state.rx[0].control);
	assert_int_equal(*card_reg(card, TD_VF_EIMS), 7);
	assert_int_equal(*card_reg(card, TD_VF_EICS), 7);
	assert_int_equal(td_hw82576_restore(card->hw, &card->state, NULL), -EINVAL);
	assert_int_equal(card_prepare(card, NULL), -EBUSY);
}

/* What the guest queued last is sent by the card: nothing more, nothing less. */
static void test_restore_with_queued(void **test)
{
	struct card *card = *test;

	fill_tx(card);
	card->state.tx[0].tail = 5; /* over the end */
	card_to_running(card);
	assert_int_equal(card->packets, 0);
	for (unsigned i = 0; i < COUNT / AT_A_TIME; i++)
		(void)td_hw82576_read(card->hw, TD_VF_TDH); /* the card goes on */
	assert_int_equal(card->packets, COUNT - 40 + 5);
	assert_int_equal(*card_reg(card, TD_VF_TDH), 5);
}

static void test_restore_at_zero(void **test)
{
	struct card *card = *test;

	card->state.tx[0].head = card->state.tx[0].tail = 0;
	card->state.eims = 1;
	card_to_running(card);
	assert_int_equal(card->contexts, 0);
	assert_int_equal(*card_reg(card, TD_VF_EIMS), 5);
}

/* A guest whose driver is down: bases as they are, whatever they are, and nothing on. */
static void test_restore_of_nothing(void **test)
{
	struct card *card = *test;

	memset(card->state.rx, 0, sizeof(card->state.rx));
	memset(card->state.tx, 0xff, sizeof(card->state.tx));
	for (unsigned i = 0; i < 2; i++)
		card->state.tx[i].control = 0;
	card_to_running(card);
	assert_true(is_off(card));
}

static void refused(struct card *card, int code)
{
	struct td_vf82576_state state = card->state;

	card_fill_state(&card->state);
	fill_tx(card);
	card_to_prepared(card);
	card->contexts = card->packets = 0;
	assert_int_equal(td_hw82576_restore(card->hw, &state, &card->err), code);
	assert_int_equal(td_hw82576_phase(card->hw), TD_HW82576_OPEN);
	assert_true(is_off(card));
	assert_true(tx_is_as_filled(card));
	assert_int_equal(card->packets, 0);
}

static void test_refused(void **test)
{
	struct card *card = *test;

	card->state.rx[0].base = RAM_BYTES - COUNT * 16 + 128;
	refused(card, -EINVAL);
	card->state.tx[0].base = UINT64_MAX - 127;
	refused(card, -EINVAL);
	card->state.tx[0].base += 8;
	refused(card, -EINVAL);
	card->state.rx[0].len_bytes = 0;
	refused(card, -EINVAL);
	card->state.tx[0].len_bytes = UINT32_MAX;
	refused(card, -EINVAL);
	card->state.rx[0].tail = COUNT;
	refused(card, -EINVAL);
	card->state.tx[0].head = UINT32_MAX;
	refused(card, -EINVAL);
	card->state.rx[0].head = 1;
	refused(card, -EINVAL);
	card->state.hash_count = 1;
	refused(card, -EAGAIN);
	card->state.vlan[9] = 1;
	refused(card, -EAGAIN);
	card->state.frame_max_bytes = 9000;
	refused(card, -EAGAIN);
	card->state.promisc = 1U << 17;
	refused(card, -EAGAIN);
	card->state.tx[1].control = TD_VF_QUEUE_ENABLE;
	refused(card, -EOPNOTSUPP);
	card_to_running(card);
}

static void test_card_is_stuck(void **test)
{
	struct card *card = *test;

	card->tx_stops = 20;
	refused(card, -EIO);
	assert_false(card->hw->open.bus_master);
	card->tx_stops = UINT32_MAX;
	card->enable_is_stuck = true;
	refused(card, -EIO);
	card->enable_is_stuck = false;
	card_to_running(card);
}

/* In whatever access the VF goes: the guest's ring is as it was. */
static void test_vf_goes(void **test)
{
	struct card *card = *test;
	int rc = -1;

	fill_tx(card);
	for (unsigned after = 1; rc < 0; after += 3) {
		card->gone_after = 0;
		card_to_prepared(card);
		card->accesses = 0;
		card->gone_after = after;
		rc = td_hw82576_restore(card->hw, &card->state, NULL);
		assert_true(rc == 0 || rc == -ENODEV);
		assert_true(tx_is_as_filled(card));
		assert_true(after < 500);
	}
}

/* ---- capture ---- */

static struct td_vf82576_state rings;

static void capture(struct card *card, bool expect_lost)
{
	bool lost;

	memset(&rings, 0, sizeof(rings));
	assert_int_equal(td_hw82576_capture(card->hw, &rings, &lost, NULL), 0);
	assert_int_equal(lost, expect_lost);
	assert_int_equal(td_hw82576_phase(card->hw), TD_HW82576_OPEN);
	assert_int_equal(td_hw82576_capture(card->hw, &rings, &lost, NULL), -EINVAL);
}

static void test_capture(void **test)
{
	struct card *card = *test;

	fill_tx(card);
	*card_reg(card, TD_VF_GPRC) = 0xfffffff0;
	*card_reg(card, TD_VF_GOTC) = 1000;
	card_to_running(card);
	*card_reg(card, TD_VF_GPRC) += 32;
	*card_reg(card, TD_VF_GOTC) += 64;
	assert_int_equal(td_hw82576_read(card->hw, TD_VF_GPRC), 32);
	assert_int_equal(td_hw82576_read(card->hw, TD_VF_GOTC), 64);
	*card_reg(card, TD_VF_GOTC) = 7; /* set back by a reset of the PF */
	*card_reg(card, TD_VF_TDT) = 50;
	*card_reg(card, TD_VF_RDH) = 17;
	*card_reg(card, TD_VF_RDT) = 16;
	*card_reg(card, TD_VF_EITR0 + 4) = 0x1e8; /* the guest wrote it without exit */
	capture(card, false);
	assert_int_equal(rings.eitr[1], 0x1e8);
	assert_int_equal(rings.ivar0, 0x8081);
	assert_int_equal(rings.eiac & rings.eiam & 3, 3);
	assert_int_equal(card->packets, 10);
	assert_int_equal(rings.tx[0].head, 50);
	assert_int_equal(rings.tx[0].tail, 50);
	assert_int_equal(rings.tx[0].control, card->state.tx[0].control);
	assert_int_equal(rings.rx[0].head, 17);
	assert_int_equal(rings.rx[0].tail, 16);
	assert_int_equal(rings.rx[0].base, RX_RING);
	assert_int_equal(rings.rx[0].srrctl, card->state.rx[0].srrctl);
	assert_int_equal(rings.counter[TD_VF_COUNT_GPRC], 32);
	assert_int_equal(rings.counter[TD_VF_COUNT_GOTC], 64 + 7);
	assert_true(is_off(card));
	assert_int_equal(*card_reg(card, TD_VF_EIMC), 7);
	assert_int_equal(rings.hash_count + rings.eims + rings.mailbox, 0);
	card_run(card, 5);
	assert_false(card->hw->open.bus_master);
	assert_int_equal(card->losses, 0);
}

/* Before the outside is told: the VF still runs after that. */
static void test_drain(void **test)
{
	struct card *card = *test;
	uint64_t start_ns;

	assert_true(td_hw82576_drained(card->hw, false)); /* it does not run */
	fill_tx(card);
	card_to_running(card);
	*card_reg(card, TD_VF_TDT) = 50;
	while (!td_hw82576_drained(card->hw, false))
		;
	assert_int_equal(card->packets, 10);
	assert_int_equal(td_hw82576_phase(card->hw), TD_HW82576_RUNNING);
	/* A card that sends nothing is waited for once, not twice. */
	card->tx_stops = 0;
	*card_reg(card, TD_VF_TDT) = 55;
	assert_false(td_hw82576_drained(card->hw, false) || td_hw82576_drained(card->hw, true));
	start_ns = td_now_ns();
	capture(card, false);
	assert_true(td_now_ns() - start_ns < 15000000U);
	assert_int_equal(rings.tx[0].head, 50);
	assert_int_equal(rings.tx[0].tail, 55);
}

/* The card stops in the third descriptor of a packet that begins with a context. */
static void test_capture_within_transmit(void **test)
{
	struct card *card = *test;

	fill_tx(card);
	for (uint32_t i = 0; i < 4; i++) {
		tx_desc(card, (62 + i) % COUNT)[2] = i ? DATA | 100 : CONTEXT;
		tx_desc(card, (62 + i) % COUNT)[3] = 0;
	}
	tx_desc(card, 2)[2] |= EOP | RS;
	card->state.tx[0].head = card->state.tx[0].tail = 60;
	card_to_running(card);
	*card_reg(card, TD_VF_TDT) = 10;
	card->tx_stops = 5; /* 60, 61, 62, 63, 0 */
	capture(card, false);
	assert_int_equal(*card_reg(card, TD_VF_TDH), 1);
	assert_int_equal(rings.tx[0].head, 62);
	assert_int_equal(rings.tx[0].tail, 10);
}

static void test_capture_within_receive(void **test)
{
	struct card *card = *test;

	card_to_running(card);
	*card_reg(card, TD_VF_RDH) = 3;
	rx_desc(card, 1)[2] = rx_desc(card, 2)[2] = 1;
	capture(card, false);
	assert_int_equal(rx_desc(card, 1)[2], 1);
	assert_int_equal(rx_desc(card, 2)[2], 0x80000003);
	assert_int_equal(rings.rx[0].head, 3);
}

/* Rings that the guest wrote: handed on as they are, and never followed. */
static void test_capture_of_nonsense(void **test)
{
	static const uint32_t value[] = {0, 1, 0x7f, 0x80, 0xffff, 0x7fffffff, 0xfffffff0, UINT32_MAX};
	static const uint32_t reg[] = {TD_VF_RDBAL, TD_VF_RDBAH, TD_VF_RDLEN, TD_VF_RDT, TD_VF_RDH, TD_VF_TDBAL, TD_VF_TDBAH, TD_VF_TDLEN,
		TD_VF_TDT, TD_VF_TDH, TD_VF_TDWBAL};
	struct card *card = *test;

	for (unsigned r = 0; r < TD_COUNT(reg); r++)
		for (unsigned v = 0; v < TD_COUNT(value); v++) {
			card_fill_state(&card->state);
			card_to_running(card);
			card->log_count = 0;
			card->tx_stops = 0;
			*card_reg(card, reg[r]) = value[v];
			capture(card, false);
			card->tx_stops = UINT32_MAX;
		}
	assert_int_equal(card->head_writes, 0);
}

static void test_capture_of_stuck_queues(void **test)
{
	struct card *card = *test;

	card_to_running(card);
	card->disable_is_stuck = true;
	card->hw->open.bus_master = true;
	capture(card, false);
	assert_false(card->hw->open.bus_master); /* at once: the card may still write */
	card->disable_is_stuck = false;
}

static void test_capture_of_gone(void **test)
{
	struct card *card = *test;
	unsigned after = 1;

	for (bool lost = true; lost; after++) {
		card->gone_after = 0;
		card->hw->open.lost = false; /* another VF, as it were */
		card->log_count = 0;
		card_to_running(card);
		card->accesses = 0;
		card->gone_after = after;
		memset(&rings, 0, sizeof(rings));
		assert_int_equal(td_hw82576_capture(card->hw, &rings, &lost, NULL), 0);
		assert_int_equal(rings.tx[0].head, 40);
		assert_int_equal(rings.rx[0].base, RX_RING);
		assert_int_equal(rings.rx[0].control, card->state.rx[0].control);
		assert_true(after < 500);
	}
	assert_true(after > 10);
	card->gone_after = 0;
}

/* Ten times there and back, the heads wherever they came to be. */
static void test_cycles(void **test)
{
	struct card *card = *test;

	fill_tx(card);
	for (unsigned i = 0; i < 10; i++) {
		card->log_count = 0;
		card->packets = 0;
		card->keeps_heads = i % 2;
		card_to_running(card);
		*card_reg(card, TD_VF_TDT) = (card->state.tx[0].head + 13) % COUNT;
		*card_reg(card, TD_VF_RDH) = (*card_reg(card, TD_VF_RDH) + 5) % COUNT;
		capture(card, false);
		assert_int_equal(card->packets, 13);
		assert_int_equal(rings.tx[0].head, (40 + 13 * (i + 1)) % COUNT);
		assert_int_equal(rings.rx[0].head, 5);
		memcpy(card->state.tx, rings.tx, sizeof(rings.tx));
		assert_true(tx_is_as_filled(card));
	}
	assert_int_equal(card->head_writes, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, card_setup, card_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_restore),
		TEST(test_restore_with_queued),
		TEST(test_restore_at_zero),
		TEST(test_restore_of_nothing),
		TEST(test_refused),
		TEST(test_card_is_stuck),
		TEST(test_vf_goes),
		TEST(test_capture),
		TEST(test_drain),
		TEST(test_capture_within_transmit),
		TEST(test_capture_within_receive),
		TEST(test_capture_of_nonsense),
		TEST(test_capture_of_stuck_queues),
		TEST(test_capture_of_gone),
		TEST(test_cycles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
