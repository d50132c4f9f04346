/* SPDX-License-Identifier: Apache-2.0 */
/* emul_igbvf_direct_test.c - a busy sender's transmit registers as memory: in, out, and whatever the guest writes there. */
#include "tests/unit/igbvf_driver.h"

#define IN_PAGE(reg) (((reg)-0x3000U) / 4)

static void take_frames(struct driver *d, unsigned count)
{
	struct virtio_net_hdr_v1 header;
	uint8_t got[200];

	for (unsigned i = 0; i < count; i++)
		assert_int_equal(driver_wire_take(d, &header, got, sizeof(got), 1000), 60);
}

/* Sends until the registers are memory. */
static void make_busy(struct driver *d)
{
	d->vm->kvm.no_slot_zap = true; /* or it is not done */
	driver_up(d);
	memset(driver_ram(d, DRIVER_DATA), 3, 100);
	for (unsigned i = 0; i < 200 && !d->dev->direct.on; i++) {
		driver_tx_frame(d, 0, 60);
		driver_tx_go(d);
		take_frames(d, 1);
	}
	assert_true(d->dev->direct.on);
}

static void poke(struct driver *d, uint32_t reg, uint32_t value)
{
	__atomic_store_n(&d->dev->direct.page[IN_PAGE(reg)], value, __ATOMIC_RELEASE);
}

static bool shows(struct driver *d, uint32_t reg, uint32_t value)
{
	const uint32_t *at = &d->dev->direct.page[IN_PAGE(reg)];

	for (unsigned i = 0; i < 500 && __atomic_load_n(at, __ATOMIC_ACQUIRE) != value; i++)
		usleep(1000);
	return __atomic_load_n(at, __ATOMIC_ACQUIRE) == value;
}

static bool is_frozen(struct driver *d)
{
	for (unsigned i = 0; i < 500 && !__atomic_load_n(&d->dev->direct.frozen, __ATOMIC_ACQUIRE); i++)
		usleep(1000);
	return d->dev->direct.frozen;
}

static void expect_left(struct driver *d)
{
	for (unsigned i = 0; i < 100 && d->dev->direct.on; i++)
		driver_run(d, 5);
	assert_false(d->dev->direct.on);
}

static void test_no_exit(void **state)
{
	struct driver *d = driver_get(state);
	uint64_t traps, slots = d->vm->kvm.slots_used;

	make_busy(d);
	assert_int_equal(__builtin_popcountll(d->vm->kvm.slots_used ^ slots), 1);
	traps = d->dev->traps;
	for (unsigned i = 0; i < 300; i++) {
		uint32_t at = d->tx_next;

		driver_tx_frame(d, 0, 60);
		poke(d, TD_VF_TDT, d->tx_next);
		take_frames(d, 1);
		assert_true(driver_tx_done(d, at));
	}
	assert_int_equal(d->dev->traps, traps);
	assert_true(d->dev->direct.on);
	/* Heads are shown; a tail beyond its 16 bits is what it would be by an exit. */
	assert_true(shows(d, TD_VF_TDH, d->tx_next));
	driver_tx_frame(d, 0, 60);
	poke(d, TD_VF_TDT, d->tx_next | 0xabcd0000);
	take_frames(d, 1);
	/* Nothing more comes: it is given up, and the next tail traps again. */
	expect_left(d);
	assert_int_equal(d->vm->kvm.slots_used, slots);
	assert_int_equal(driver_read(d, TD_VF_TDT), d->tx_next);
	driver_tx_frame(d, 0, 60);
	driver_tx_go(d);
	take_frames(d, 1);
	assert_int_equal(d->dev->direct_count, 1);
}

/* What was written while the memslot goes is seen behind it. */
static void test_tail_while_leaving(void **state)
{
	struct driver *d = driver_get(state);

	make_busy(d);
	driver_tx_frame(d, 0, 60);
	td_igbvf_rest(d->dev);
	assert_false(d->dev->direct.on);
	assert_int_equal(td_igbvf_state(d->dev)->tx[0].tail, (d->tx_next + DRIVER_SIZE - 1) % DRIVER_SIZE);
	td_igbvf_go(d->dev);
	driver_tx_go(d);
	take_frames(d, 1);
	make_busy(d);
	driver_tx_frame(d, 0, 60);
	poke(d, TD_VF_TDT, d->tx_next);
	driver_write(d, TD_VF_RXDCTL, TD_VF_QUEUE_ENABLE); /* any set-up ends it */
	assert_false(d->dev->direct.on);
	take_frames(d, 1);
}

/* As igbvf_down() and igbvf_up(), all in the page. */
static void test_driver_goes_down(void **state)
{
	struct driver *d = driver_get(state);

	make_busy(d);
	poke(d, TD_VF_TXDCTL, 0);
	assert_true(is_frozen(d));
	poke(d, TD_VF_TDT, 7); /* not sent any more */
	expect_left(d);
	assert_int_equal(driver_read(d, TD_VF_TXDCTL), 0);
	assert_int_equal(driver_read(d, TD_VF_TDT), 7);
	driver_up(d);
	driver_tx_frame(d, 0, 60);
	driver_tx_go(d);
	take_frames(d, 1);
}

static void test_head_written(void **state)
{
	struct driver *d = driver_get(state);

	make_busy(d);
	poke(d, TD_VF_TXDCTL, 0);
	assert_true(is_frozen(d));
	poke(d, TD_VF_TDH, 0);
	poke(d, TD_VF_TDT, 0);
	poke(d, TD_VF_TXDCTL, TD_VF_QUEUE_ENABLE);
	expect_left(d);
	d->tx_next = 0;
	driver_tx_frame(d, 0, 60);
	driver_tx_go(d);
	take_frames(d, 1);
	assert_true(driver_reads(d, TD_VF_TDH, 1));
}

static void test_nonsense_in_page(void **state)
{
	struct driver *d = driver_get(state);
	uint32_t seed = 7;

	for (unsigned i = 0; i < 60; i++) {
		make_busy(d);
		for (unsigned n = 0; n < 50; n++) {
			seed = seed * 1664525U + 1013904223U;
			poke(d, n % 3 ? 0x3800 + (seed >> 20 & 0x1fc) : 0x3000 + (seed >> 20 & 0xffc), n % 5 ? seed : 0);
			if (n % 16 == 0)
				usleep(100);
		}
		expect_left(d);
	}
	driver_up(d);
	struct virtio_net_hdr_v1 header;
	uint8_t got[2000];
	while (driver_wire_take(d, &header, got, sizeof(got), 20) >= 0)
		;
	driver_tx_frame(d, 0, 60);
	driver_tx_go(d);
	take_frames(d, 1);
}

static void test_reset_and_bar(void **state)
{
	struct driver *d = driver_get(state);
	struct td_access off = {.offset = 4, .width = 2, .write = true, .value = 0};

	make_busy(d);
	driver_write(d, TD_VF_CTRL, TD_VF_CTRL_RST);
	assert_false(d->dev->direct.on);
	assert_int_equal(driver_read(d, TD_VF_TXDCTL), 0);
	make_busy(d);
	td_pci_config_access(&d->vm->pci, (unsigned)d->dev->pci.slot * 8, &off);
	assert_false(d->dev->direct.on);
	off.value = 6;
	td_pci_config_access(&d->vm->pci, (unsigned)d->dev->pci.slot * 8, &off);
	make_busy(d); /* and destroyed like that */
}

/* Who answers each frame with one is not made to wait. */
static void test_answers(void **state)
{
	struct driver *d = driver_get(state);
	uint8_t frame[60];

	d->vm->kvm.no_slot_zap = true;
	driver_up(d);
	memset(driver_ram(d, DRIVER_DATA), 3, 100);
	driver_fill(frame, sizeof(frame), 1);
	for (unsigned i = 0; i < 400; i++) {
		driver_wire_send(d, NULL, frame, sizeof(frame));
		assert_true(driver_rx_wait(d) & RXD_DD);
		driver_rx_done(d);
		usleep(80); /* fewer than what is very often */
		driver_tx_frame(d, 0, 60);
		driver_tx_go(d);
		take_frames(d, 1);
	}
	assert_int_equal(d->dev->direct_count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_no_exit),
		TEST(test_tail_while_leaving),
		TEST(test_driver_goes_down),
		TEST(test_head_written),
		TEST(test_nonsense_in_page),
		TEST(test_reset_and_bar),
		TEST(test_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
