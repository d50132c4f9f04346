/* SPDX-License-Identifier: Apache-2.0 */
/* emul_igbvf_flip_test.c - the function between a software model and a hardware VF, which is a fake here: rest, state, burning, registers,
 * rings that are not to be trusted. */
#include "tests/unit/igbvf_hardware.h"

static void test_rest_and_go(void **state)
{
	struct driver *d = driver_get(state);
	uint8_t frame[60];

	driver_up(d);
	check_frames(d);
	td_igbvf_rest(d->dev);
	driver_fill(frame, sizeof(frame), 9);
	driver_wire_send(d, NULL, frame, sizeof(frame));
	driver_tx_frame(d, 0, 60);
	driver_tx_go(d);
	driver_interrupted(d, 0);
	driver_interrupted(d, 1);
	driver_write(d, TD_VF_EIMS, 7);
	td_igbvf_kick(d->dev, 1);
	usleep(30000);
	assert_false((uint32_t)d->rx[2 * d->rx_next + 1] & RXD_DD);
	assert_true(driver_quiet(d, 0, 0) && driver_quiet(d, 1, 0));
	assert_int_equal(td_igbvf_state(d->dev)->tx[0].tail, 2);
	assert_int_equal(td_igbvf_state(d->dev)->tx[0].head, 1);
	td_igbvf_go(d->dev);
	assert_true(driver_rx_wait(d) & RXD_DD);
	assert_true(driver_tx_done(d, 1));
	assert_true(driver_interrupted(d, 0) && driver_interrupted(d, 1));
	/* A frame that waits can be taken instead; not while the model runs. */
	assert_int_equal(td_igbvf_take_rx(d->dev, frame, sizeof(frame)), -EAGAIN);
}

static void test_take_rx(void **state)
{
	struct driver *d = driver_get(state);
	uint8_t frame[100] = {0}, got[200];
	struct virtio_net_hdr_v1 header = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 34, .csum_offset = 6};

	driver_up(d);
	td_igbvf_rest(d->dev);
	driver_fill(frame, sizeof(frame), 9);
	driver_wire_send(d, NULL, frame, sizeof(frame));
	driver_wire_send(d, &header, frame, sizeof(frame));
	assert_int_equal(td_igbvf_take_rx(d->dev, got, sizeof(got)), HEADER_BYTES + sizeof(frame));
	assert_memory_equal(got + HEADER_BYTES, frame, sizeof(frame));
	/* Who takes it need not know of checksums left to him. */
	assert_int_equal(td_igbvf_take_rx(d->dev, got, sizeof(got)), HEADER_BYTES + sizeof(frame));
	assert_int_equal(got[0], 0);
	assert_memory_not_equal(got + HEADER_BYTES + 40, frame + 40, 2);
	assert_int_equal(td_igbvf_take_rx(d->dev, got, sizeof(got)), -EAGAIN);
	/* Who takes it may ask whether the guest wants it. */
	assert_true(td_igbvf_hears(d->dev, (const uint8_t *)"\xff\xff\xff\xff\xff\xff"));
	assert_true(td_igbvf_hears(d->dev, driver_mac));
	assert_false(td_igbvf_hears(d->dev, (const uint8_t *)"\x01\x00\x5e\x01\x02\x03"));
	assert_true(driver_mail1(d, TD_VF_MAIL_SET_MULTICAST | 1 << 16, 0x30 << 4) & TD_VF_MAIL_ANSWER_ACK);
	assert_true(td_igbvf_hears(d->dev, (const uint8_t *)"\x01\x00\x5e\x01\x00\x30"));
}

static void test_burn(void **state)
{
	struct driver *d = driver_get(state);
	unsigned burned = 99;

	driver_up(d);
	td_igbvf_rest(d->dev);
	assert_int_equal(td_igbvf_burn_to_start(d->dev, &burned), 0);
	assert_int_equal(burned, 0); /* it stands there */
	td_igbvf_go(d->dev);
	for (unsigned i = 0; i < 10; i++)
		check_frames(d);
	assert_int_equal(driver_read(d, TD_VF_RDH), 10);
	td_igbvf_rest(d->dev);
	assert_int_equal(td_igbvf_burn_to_start(d->dev, &burned), 0);
	assert_int_equal(burned, DRIVER_SIZE - 10);
	assert_int_equal(td_igbvf_state(d->dev)->rx[0].head, 0);
	for (unsigned i = 10; i < DRIVER_SIZE; i++)
		assert_int_equal((uint32_t)d->rx[2 * i + 1], RXD_DD | RXD_EOP | RXD_RXE);
	assert_false((uint32_t)d->rx[1] & RXD_DD);
	driver_interrupted(d, 1);
	driver_write(d, TD_VF_EIMS, 7);
	td_igbvf_go(d->dev);
	assert_true(driver_interrupted(d, 1)); /* so that it posts them again */
	while ((uint32_t)d->rx[2 * d->rx_next + 1] & RXD_DD)
		driver_rx_done(d);
	check_frames(d);
}

/* While frames come and go, and at rest, when it is all there is. */
static void test_copy_state(void **state)
{
	struct driver *d = driver_get(state);
	struct td_vf82576_state copy;

	driver_up(d);
	assert_true(driver_mail1(d, TD_VF_MAIL_SET_VLAN | 1 << 16, 33) & TD_VF_MAIL_ANSWER_ACK);
	for (unsigned i = 0; i < 20; i++) {
		check_frames(d);
		td_igbvf_copy_state(d->dev, &copy);
		assert_in_range(copy.rx[0].head, i, i + 1);
	}
	driver_write(d, TD_VF_EITR0 + 4, 0x188);
	td_igbvf_rest(d->dev);
	td_igbvf_copy_state(d->dev, &copy);
	assert_memory_equal(&copy, td_igbvf_state(d->dev), sizeof(copy));
}

static void repost(struct driver *d)
{
	while ((uint32_t)d->rx[2 * d->rx_next + 1] & RXD_DD)
		driver_rx_done(d);
}

/* While frames come and go; the rest of the way is short then. */
static void test_burn_ahead(void **state)
{
	struct driver *d = driver_get(state);
	unsigned burned = 0, some;

	driver_up(d);
	assert_true(td_igbvf_burn_ahead(d->dev, false, &some)); /* it stands there */
	for (unsigned i = 0; i < 10; i++)
		check_frames(d);
	for (unsigned rounds = 0; !td_igbvf_burn_ahead(d->dev, false, &some); rounds++) {
		burned += some;
		assert_in_range(rounds, 0, 1000);
		usleep(1000);
		repost(d);
	}
	burned += some;
	assert_in_range(burned, DRIVER_SIZE / 2, DRIVER_SIZE - 10 - DRIVER_SIZE / 4);
	assert_int_equal(driver_read(d, TD_VF_RDH), 10 + burned);
	check_frames(d);
	td_igbvf_rest(d->dev);
	assert_int_equal(td_igbvf_burn_to_start(d->dev, &burned), 0);
	assert_in_range(burned, 1, DRIVER_SIZE / 4);
	td_igbvf_go(d->dev);
	usleep(10000);
	repost(d);
	check_frames(d);
}

/* A guest that posts nothing is not robbed of what it has. */
static void test_burn_ahead_of_little(void **state)
{
	struct driver *d = driver_get(state);
	unsigned some;

	driver_up(d);
	check_frames(d);
	driver_write(d, TD_VF_RDT, 20);
	for (unsigned rounds = 0; rounds < 20; rounds++) {
		assert_false(td_igbvf_burn_ahead(d->dev, false, &some));
		assert_int_equal(some, 0);
		usleep(1000);
	}
	assert_false(td_igbvf_burn_ahead(d->dev, true, &some));
}

/* One that receives much is taken where its head is near the end. */
static void test_burn_ahead_in_haste(void **state)
{
	struct driver *d = driver_get(state);
	unsigned some;

	driver_up(d);
	for (unsigned i = 0; i < DRIVER_SIZE - DRIVER_SIZE / 8; i++) {
		check_frames(d);
		driver_write(d, TD_VF_RDT, (i + 2) % DRIVER_SIZE); /* two are posted */
		assert_int_equal(td_igbvf_burn_ahead(d->dev, true, &some), i + 1 >= DRIVER_SIZE - DRIVER_SIZE / 8);
	}
	assert_false(td_igbvf_burn_ahead(d->dev, false, &some));
}

/* Too few are posted to get to the start. */
static void test_burn_again(void **state)
{
	struct driver *d = driver_get(state);
	unsigned burned;

	driver_up(d);
	driver_write(d, TD_VF_RDT, 20);
	for (unsigned i = 0; i < 10; i++) {
		uint8_t frame[60];

		driver_fill(frame, sizeof(frame), 9);
		driver_wire_send(d, NULL, frame, sizeof(frame));
		assert_true(driver_rx_wait(d));
		d->rx_next++;
	}
	td_igbvf_rest(d->dev);
	assert_int_equal(td_igbvf_burn_to_start(d->dev, &burned), -EAGAIN);
	assert_int_equal(burned, 10);
	assert_int_equal(td_igbvf_burn_to_start(d->dev, &burned), -EAGAIN);
	assert_int_equal(burned, 0);
	td_igbvf_go(d->dev);
	assert_true(driver_interrupted(d, 1));
	driver_write(d, TD_VF_RDT, 5);
	td_igbvf_rest(d->dev);
	assert_int_equal(td_igbvf_burn_to_start(d->dev, &burned), 0);
	assert_int_equal(burned, DRIVER_SIZE - 20);
}

static void test_registers_on_hardware(void **state)
{
	struct driver *d = driver_get(state);
	struct fake fake = {0};
	struct td_vf82576_state rings;

	driver_up(d);
	check_frames(d);
	rings = *td_igbvf_state(d->dev);
	to_hardware(d, &fake);
	assert_int_equal(d->dev->pci.device.ops->quiesce(&d->dev->pci.device), -EBUSY);
	d->dev->pci.device.ops->resume(&d->dev->pci.device);
	assert_int_equal(driver_read(d, TD_VF_STATUS), 0x83);
	fake.reg[TD_VF_GPRC / 4] = 41;
	assert_int_equal(driver_read(d, TD_VF_GPRC), 42); /* one by software */
	fake.reg[TD_VF_GORC / 4] = UINT32_MAX;
	assert_int_equal(driver_read(d, TD_VF_GORC), 100 + 4 - 1);
	fake.reg[TD_VF_EICR / 4] = 4;
	d->dev->state.eicr = 2;
	assert_int_equal(driver_read(d, TD_VF_EICR), 6);
	assert_int_equal(d->dev->state.eicr, 0);
	fake.writes = 0;
	driver_write(d, TD_VF_EIMC, 7);
	driver_write(d, TD_VF_EIMS, 3);
	driver_write(d, TD_VF_EITR0 + 4, 0x188);
	driver_write(d, TD_VF_EICS, 1);
	assert_int_equal(fake.writes, 4);
	assert_int_equal(fake.written[1], TD_VF_EIMS);
	assert_int_equal(fake.values[2], 0x188);
	assert_int_equal(d->dev->state.eims, 3); /* the shadow has no auto-mask */
	assert_int_equal(d->dev->state.eitr[1], 0x188);
	assert_int_equal(d->dev->state.eicr, 0); /* the hardware's cause */
	driver_write(d, TD_VF_TDT, 7);		 /* not mapped: by exits */
	assert_int_equal(fake.written[4], TD_VF_TDT);
	assert_int_equal(d->dev->state.tx[0].tail, 1);
	assert_int_equal(driver_read(d, TD_VF_RDBAL), DRIVER_RX_GPA);
	driver_write(d, TD_VF_STATUS, 0);
	driver_write(d, TD_VF_GPRC, 0);
	driver_write(d, 0x20, 1);	  /* a gap */
	assert_int_equal(fake.writes, 6); /* of these STATUS alone went through */
	memset(rings.counter, 0, sizeof(rings.counter));
	rings.counter[TD_VF_COUNT_GPRC] = 41;
	driver_interrupted(d, 0);
	driver_interrupted(d, 1);
	to_software(d, &rings);
	assert_int_equal(driver_read(d, TD_VF_GPRC), 42);
	assert_true(driver_interrupted(d, 0) && driver_interrupted(d, 1));
	check_frames(d);
}

static uint32_t last_value(const struct fake *fake, uint32_t reg)
{
	for (unsigned i = fake->writes; i > 0; i--)
		if (fake->written[i - 1] == reg)
			return fake->values[i - 1];
	fail_msg("0x%x was not written", reg);
	return 0;
}

/* What is sent while transmit is held waits for its release, or for the model; the rest goes through. */
static void test_held(void **state)
{
	struct driver *d = driver_get(state);
	struct fake fake = {0};
	struct td_vf82576_state rings;
	uint32_t tail;

	driver_up(d);
	check_frames(d);
	rings = *td_igbvf_state(d->dev);
	tail = rings.tx[0].tail;
	to_hardware_held(d, &fake);
	fake.writes = 0;
	assert_int_equal(driver_read(d, TD_VF_TDT), tail);
	driver_write(d, TD_VF_TDT, tail + 3);
	assert_int_equal(driver_read(d, TD_VF_TDT), tail + 3);
	assert_int_equal(fake.writes, 0);
	driver_write(d, TD_VF_TDT + 0x100, 5); /* of a queue that is off: as it sets it up */
	assert_int_equal(fake.writes, 1);
	driver_write(d, TD_VF_RDT, 9);
	assert_int_equal(last_value(&fake, TD_VF_RDT), 9);
	td_igbvf_release_tx(d->dev);
	assert_int_equal(last_value(&fake, TD_VF_TDT), tail + 3);
	assert_int_equal(last_value(&fake, TD_VF_TDT + 0x100), 5);
	fake.writes = 0;
	td_igbvf_release_tx(d->dev); /* nothing is held */
	assert_int_equal(fake.writes, 0);
	driver_write(d, TD_VF_TDT, tail + 4);
	assert_int_equal(last_value(&fake, TD_VF_TDT), tail + 4);

	fake.reg[TD_VF_TDT / 4] = tail + 4;
	td_igbvf_hold_tx(d->dev);
	assert_int_equal(driver_read(d, TD_VF_TDT), tail + 4);
	driver_write(d, TD_VF_TDT, tail + 5);
	td_igbvf_hold_tx(d->dev);
	assert_int_equal(last_value(&fake, TD_VF_TDT), tail + 4);
	rings.tx[0].head = rings.tx[0].tail = tail + 4;
	rings.tx[1].tail = 2;
	memset(rings.counter, 0, sizeof(rings.counter));
	rings.tx[0].control &= ~TD_VF_QUEUE_ENABLE;
	to_software(d, &rings);
	assert_int_equal(td_igbvf_state(d->dev)->tx[0].tail, tail + 5);
	assert_int_equal(td_igbvf_state(d->dev)->tx[1].tail, 2); /* the hardware's: none was held */

	td_igbvf_hold_tx(d->dev); /* in software there is nothing to hold */
	assert_false(d->dev->tx_held);
}

/* What the hardware has of its own is not touched. */
static void test_nothing_held(void **state)
{
	struct driver *d = driver_get(state);
	struct fake fake = {0};

	driver_up(d);
	to_hardware(d, &fake);
	td_igbvf_hold_tx(d->dev);
	td_igbvf_release_tx(d->dev);
	assert_int_equal(fake.writes, 0);
}

/* A driver that starts anew meanwhile has nothing to send. */
static void test_held_over_reset(void **state)
{
	struct driver *d = driver_get(state);
	struct fake fake = {0};

	driver_up(d);
	check_frames(d);
	to_hardware_held(d, &fake);
	driver_write(d, TD_VF_CTRL, TD_VF_CTRL_RST);
	fake.reg[TD_VF_TXDCTL / 4] = 0;
	fake.writes = 0;
	driver_write(d, TD_VF_TDT, 0);
	assert_int_equal(last_value(&fake, TD_VF_TDT), 0);
	fake.writes = 0;
	td_igbvf_release_tx(d->dev);
	assert_int_equal(fake.writes, 0);
}

/* Without bus mastering the VF does no DMA either, and is left where it is. */
static void test_bus_master_on_hardware(void **state)
{
	struct driver *d = driver_get(state);
	struct fake fake = {0};
	struct td_vf82576_state rings;

	driver_up(d);
	rings = *td_igbvf_state(d->dev);
	memset(rings.counter, 0, sizeof(rings.counter));
	to_hardware(d, &fake);
	driver_bus_master(d, false);
	assert_true(fake.no_dma);
	assert_false(td_igbvf_driver_up(d->dev));
	driver_bus_master(d, true);
	assert_false(fake.no_dma);
	assert_true(td_igbvf_driver_up(d->dev));
	driver_bus_master(d, false);
	to_software(d, &rings);
	assert_int_equal(td_igbvf_check(d->dev, NULL), -EOPNOTSUPP);
	driver_bus_master(d, true);
	check_frames(d);
}

/* Only a link that is another than the guest knows is news. */
static void test_link_across(void **state)
{
	struct driver *d = driver_get(state);
	struct fake fake = {0};
	struct td_vf82576_state rings;

	driver_up(d);
	rings = *td_igbvf_state(d->dev);
	driver_read(d, TD_VF_STATUS);
	to_hardware(d, &fake);
	driver_read(d, TD_VF_STATUS);
	to_software(d, &rings);
	driver_run(d, 60);
	assert_true(driver_quiet(d, 2, 0));
	to_hardware(d, &fake);
	td_igbvf_set_link(d->dev, false); /* the software path's: no matter now */
	driver_run(d, 60);
	assert_true(driver_quiet(d, 2, 0));
	to_software(d, &rings);
	driver_run(d, 60);
	assert_true(driver_interrupted(d, 2));
	assert_false(driver_read(d, TD_VF_STATUS) & TD_VF_STATUS_LU);
	/* And the other way round, once the hardware has one. */
	to_hardware(d, &fake);
	td_igbvf_tell_link(d->dev);
	driver_run(d, 60);
	assert_true(driver_interrupted(d, 2));
	assert_true(driver_read(d, TD_VF_STATUS) & TD_VF_STATUS_LU);
	td_igbvf_tell_link(d->dev);
	driver_run(d, 60);
	assert_true(driver_quiet(d, 2, 0));
}

static void test_check(void **state)
{
	struct driver *d = driver_get(state);
	struct td_err err = {0};
	static const struct {
		uint32_t reg, value;
	} strange[] = {
		{TD_VF_RXDCTL + 0x100, TD_VF_QUEUE_ENABLE}, /* the second queue */
		{TD_VF_TXDCTL + 0x100, TD_VF_QUEUE_ENABLE},
		{TD_VF_TDWBAL, 0x1001},	    /* head write-back */
		{TD_VF_SRRCTL, 0x04000002}, /* split when it can */
		{TD_VF_RDBAH, 0x100},
		{TD_VF_TDLEN, 0},
		{TD_VF_IVAR0, 0},
		{TD_VF_EIAC, 0},
		{TD_VF_EIAM, 1},
	};

	assert_int_equal(td_igbvf_check(d->dev, &err), -EOPNOTSUPP);
	driver_up(d);
	assert_int_equal(td_igbvf_check(d->dev, &err), 0);
	for (unsigned i = 0; i < TD_COUNT(strange); i++) {
		driver_write(d, strange[i].reg, strange[i].value);
		assert_int_equal(td_igbvf_check(d->dev, &err), -EOPNOTSUPP);
		assert_int_equal(err.reason, TD_REASON_DRIVER_UNKNOWN);
		driver_up(d);
		assert_int_equal(td_igbvf_check(d->dev, &err), 0);
	}
	/* On hardware it is asked there. */
	struct fake fake = {0};
	to_hardware(d, &fake);
	assert_int_equal(td_igbvf_check(d->dev, &err), 0);
	fake.reg[TD_VF_TDWBAL / 4] = 1;
	assert_int_equal(td_igbvf_check(d->dev, &err), -EOPNOTSUPP);
	memset(fake.reg, 0xff, sizeof(fake.reg)); /* gone */
	assert_false(td_igbvf_driver_up(d->dev));
}

/* Rings that come back from the guest's hands are not believed. */
static void test_hostile_rings(void **state)
{
	struct driver *d = driver_get(state);
	struct fake fake = {0};

	for (unsigned i = 0; i < 200; i++) {
		struct td_vf82576_state rings;

		driver_up(d);
		to_hardware(d, &fake);
		for (size_t n = 0; n < sizeof(rings); n++)
			((uint8_t *)&rings)[n] = (uint8_t)(n * 31 + i * (n % 7 + 1));
		rings.rx[0].control |= TD_VF_QUEUE_ENABLE;
		rings.tx[0].control |= TD_VF_QUEUE_ENABLE;
		if (i % 3 == 0)
			rings.tx[0].base = rings.rx[0].base = DRIVER_TX_GPA;
		if (i % 4 == 0)
			rings.tx[0].len_bytes = rings.rx[0].len_bytes = 1024;
		to_software(d, &rings);
		usleep(200);
	}
	driver_up(d);
	while (driver_rx_wait(d))
		driver_rx_done(d);
	check_frames(d);
}

static void test_wrong_order(void **state)
{
	struct driver *d = driver_get(state);
	struct fake fake = {0};
	const struct td_igbvf_hardware hardware = {.read = fake_read, .opaque = &fake};
	struct td_vf82576_state rings = {0};

	driver_up(d);
	assert_int_equal(td_igbvf_to_hardware(d->dev, &hardware, NULL), -EINVAL); /* not at rest */
	td_igbvf_to_software(d->dev, &rings);					  /* it is there */
	td_igbvf_rest(d->dev);
	td_igbvf_rest(d->dev);
	td_igbvf_go(d->dev);
	td_igbvf_go(d->dev);
	check_frames(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_rest_and_go),
		TEST(test_take_rx),
		TEST(test_burn),
		TEST(test_copy_state),
		TEST(test_burn_ahead),
		TEST(test_burn_ahead_of_little),
		TEST(test_burn_ahead_in_haste),
		TEST(test_burn_again),
		TEST(test_registers_on_hardware),
		TEST(test_held),
		TEST(test_nothing_held),
		TEST(test_held_over_reset),
		TEST(test_bus_master_on_hardware),
		TEST(test_link_across),
		TEST(test_check),
		TEST(test_hostile_rings),
		TEST(test_wrong_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
