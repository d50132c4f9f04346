/* SPDX-License-Identifier: Apache-2.0 */
/* emul_igbvf_test.c - the software 82576 VF as its driver sees it: handshake, rings, interrupts, link; and drivers that break the rules. */
#include "tests/unit/igbvf_driver.h"

static void send_and_expect(struct driver *d, size_t len, uint8_t seed)
{
	uint8_t frame[2000];
	const uint8_t *got;
	size_t got_len;

	driver_fill(frame, len, seed);
	driver_wire_send(d, NULL, frame, len);
	assert_true(driver_rx_wait(d) & RXD_EOP);
	got = driver_rx_data(d, &got_len);
	assert_int_equal(got_len, len);
	assert_memory_equal(got, frame, len);
	driver_rx_done(d);
}

static void transmit_and_expect(struct driver *d, uint32_t len, uint8_t seed)
{
	uint32_t at = d->tx_next;
	struct virtio_net_hdr_v1 header;
	uint8_t *frame = driver_ram(d, DRIVER_DATA), got[2000];

	driver_fill(frame, len, seed);
	driver_tx_frame(d, 0, len);
	driver_tx_go(d);
	assert_int_equal(driver_wire_take(d, &header, got, sizeof(got), 1000), TD_MAX(len, 60U));
	assert_memory_equal(got, frame, len);
	assert_int_equal(header.flags, 0);
	assert_int_equal(header.gso_type, 0);
	assert_true(driver_tx_done(d, at));
}

static void test_handshake(void **state)
{
	struct driver *d = driver_get(state);
	uint32_t mac[2];

	assert_false(td_igbvf_driver_up(d->dev));
	driver_reset(d);
	mac[0] = driver_read(d, TD_VF_MBMEM + 4);
	mac[1] = driver_read(d, TD_VF_MBMEM + 8);
	assert_memory_equal(mac, driver_mac, 6);
	assert_false(td_igbvf_driver_up(d->dev)); /* no receive queue yet */
	driver_rings(d, 0);
	assert_true(td_igbvf_driver_up(d->dev));
	driver_write(d, TD_VF_CTRL, TD_VF_CTRL_RST);
	assert_false(td_igbvf_driver_up(d->dev));
	assert_int_equal(driver_read(d, TD_VF_RXDCTL), 0);
}

static void test_frames(void **state)
{
	struct driver *d = driver_get(state);
	struct td_igbvf_stats stats;
	struct td_net_counters counters;

	driver_up(d);
	for (unsigned i = 0; i < 300; i++) { /* several times around both rings */
		send_and_expect(d, 60 + i * 4 % 1450, (uint8_t)i);
		transmit_and_expect(d, 14 + i * 5 % 1490, (uint8_t)(i + 100));
	}
	td_igbvf_stats(d->dev, &stats);
	assert_int_equal(stats.rx_frames, 300);
	assert_int_equal(stats.tx_frames, 300);
	assert_int_equal(stats.bad_descriptors, 0);
	td_igbvf_counters(d->dev, &counters);
	assert_int_equal(counters.rx_packets, 300);
	assert_int_equal(counters.tx_packets, 300);
	assert_int_equal(driver_read(d, TD_VF_GPRC), 300);
	assert_int_equal(driver_read(d, TD_VF_GPTC), 300);
	assert_int_equal(driver_read(d, TD_VF_GORC), counters.rx_bytes + 300 * 4);
	assert_int_equal(driver_read(d, TD_VF_GOTC), counters.tx_bytes + 300 * 4);
}

/* Frames that come before the driver runs are not given to it later; none is lost while it is slow. */
static void test_slow_driver(void **state)
{
	struct driver *d = driver_get(state);
	uint8_t frame[100];
	size_t len;

	driver_up(d);
	for (uint8_t i = 0; i < 200; i++) {
		driver_fill(frame, sizeof(frame), i);
		driver_wire_send(d, NULL, frame, sizeof(frame));
	}
	usleep(50000);
	for (uint8_t i = 0; i < 200; i++) {
		assert_true(driver_rx_wait(d) & RXD_EOP);
		assert_int_equal(driver_rx_data(d, &len)[20], (uint8_t)(i + 140));
		driver_rx_done(d);
	}
}

static void test_interrupts(void **state)
{
	struct driver *d = driver_get(state);

	driver_up(d);
	send_and_expect(d, 60, 1);
	assert_true(driver_interrupted(d, 1));
	assert_int_equal(driver_read(d, TD_VF_EIMS), 5); /* masked by having fired */
	send_and_expect(d, 60, 2);
	assert_true(driver_quiet(d, 1, 50));
	assert_int_equal(driver_read(d, TD_VF_EICR), 2);
	driver_write(d, TD_VF_EICS, 2); /* sets and unmasks */
	assert_true(driver_interrupted(d, 1));
	send_and_expect(d, 60, 3);
	assert_true(driver_quiet(d, 1, 20));
	driver_write(d, TD_VF_EIMS, 2); /* what waited fires now */
	assert_true(driver_interrupted(d, 1));
	transmit_and_expect(d, 60, 4);
	assert_true(driver_interrupted(d, 0));
	assert_true(driver_quiet(d, 2, 20));
	driver_write(d, TD_VF_EIMC, ~0U);
	assert_int_equal(driver_read(d, TD_VF_EIMS), 0);
}

/* Without auto-clear (igbvf between the masking of its interrupts and its reset) unmasking a vector does not repeat its last message. */
static void test_interrupts_without_auto_clear(void **state)
{
	struct driver *d = driver_get(state);

	driver_up(d);
	driver_write(d, TD_VF_EIAC, 0);
	transmit_and_expect(d, 60, 1);
	assert_true(driver_interrupted(d, 0));
	driver_write(d, TD_VF_EIMS, 1);
	assert_true(driver_quiet(d, 0, 20));
	transmit_and_expect(d, 60, 2); /* comes again */
	assert_true(driver_interrupted(d, 0));
	transmit_and_expect(d, 60, 3);
	assert_true(driver_quiet(d, 0, 20));
	driver_write(d, TD_VF_EIMS, 1); /* while it was masked */
	assert_true(driver_interrupted(d, 0));
	driver_write(d, TD_VF_EICS, 1);
	assert_true(driver_interrupted(d, 0));
	assert_int_equal(driver_read(d, TD_VF_EICR), 1);
}

/* No more messages than EITR allows, and the last cause is never forgotten. */
static void test_moderation(void **state)
{
	struct driver *d = driver_get(state);
	uint64_t start = td_now_ns(), took;
	unsigned fired = 0;

	driver_up(d);
	driver_write(d, TD_VF_EITR0 + 4, 20000U << 2); /* 20 ms */
	assert_int_equal(driver_read(d, TD_VF_EITR0 + 4), 20000U << 2);
	driver_write(d, TD_VF_EITR0 + 4, 8000U << 2); /* 8 ms: as much as the field holds is 8191 */
	/* A busy machine gets a longer look. */
	while (td_now_ns() - start < 100000000ULL || (fired < 2 && td_now_ns() - start < 5000000000ULL)) {
		eventfd_t count;

		send_and_expect(d, 60, 1);
		fired += eventfd_read(td_igbvf_msix_fd(d->dev, 1), &count) == 0;
		driver_write(d, TD_VF_EIMS, 2);
	}
	took = td_now_ns() - start;
	assert_true(fired >= 2);
	assert_true(fired <= took / 8000000 + 2);
	usleep(10000);
	driver_interrupted(d, 1);
	driver_write(d, TD_VF_EIMS, 2);
	send_and_expect(d, 60, 1);
	assert_true(driver_interrupted(d, 1));
	driver_write(d, TD_VF_EIMS, 2);
	send_and_expect(d, 60, 1); /* too early: comes by the timer */
	assert_true(driver_interrupted(d, 1));
}

static void test_mail(void **state)
{
	struct driver *d = driver_get(state);
	static const uint32_t other_mac[] = {TD_VF_MAIL_SET_MAC, 0x04030252, 0x0605};
	uint32_t own_mac[3] = {TD_VF_MAIL_SET_MAC};
	const uint32_t answered = TD_VF_MAIL_ANSWER_CTS, ack = answered | TD_VF_MAIL_ANSWER_ACK, nack = answered | TD_VF_MAIL_ANSWER_NACK;

	/* Before the handshake nothing is to be had. */
	assert_int_equal(driver_mail1(d, TD_VF_MAIL_SET_LPE, 1522), TD_VF_MAIL_SET_LPE | TD_VF_MAIL_ANSWER_NACK);
	driver_reset(d);
	memcpy(&own_mac[1], driver_mac, 6);
	assert_int_equal(driver_mail(d, own_mac, 3), TD_VF_MAIL_SET_MAC | ack);
	assert_int_equal(driver_mail(d, other_mac, 3), TD_VF_MAIL_SET_MAC | nack);
	assert_int_equal(driver_mail1(d, TD_VF_MAIL_SET_MAC | 1 << 16, 0), TD_VF_MAIL_SET_MAC | 1 << 16 | ack);
	assert_int_equal(driver_mail1(d, TD_VF_MAIL_SET_MAC | 2 << 16, 0x1234), TD_VF_MAIL_SET_MAC | 2 << 16 | nack);
	assert_int_equal(driver_mail1(d, TD_VF_MAIL_SET_VLAN | 1 << 16, 100), TD_VF_MAIL_SET_VLAN | 1 << 16 | ack);
	assert_int_equal(d->dev->state.vlan[3], 1 << 4);
	assert_int_equal(driver_mail1(d, TD_VF_MAIL_SET_VLAN, 100), TD_VF_MAIL_SET_VLAN | ack);
	assert_int_equal(d->dev->state.vlan[3], 0);
	assert_int_equal(driver_mail1(d, TD_VF_MAIL_SET_VLAN | 1 << 16, 4096), TD_VF_MAIL_SET_VLAN | 1 << 16 | nack);
	assert_int_equal(driver_mail1(d, TD_VF_MAIL_SET_LPE, 9238), TD_VF_MAIL_SET_LPE | ack);
	assert_int_equal(d->dev->state.frame_max_bytes, 9238);
	assert_int_equal(driver_mail1(d, TD_VF_MAIL_SET_LPE, 0), TD_VF_MAIL_SET_LPE | nack);
	assert_int_equal(driver_mail1(d, TD_VF_MAIL_SET_LPE, UINT32_MAX), TD_VF_MAIL_SET_LPE | nack);
	assert_int_equal(driver_mail1(d, TD_VF_MAIL_SET_MULTICAST | 2 << 16, 0x0aaa0bbb), TD_VF_MAIL_SET_MULTICAST | 2 << 16 | ack);
	assert_int_equal(d->dev->state.hash_count, 2);
	assert_int_equal(d->dev->state.hash[1], 0x0aaa);
	assert_int_equal(driver_mail1(d, TD_VF_MAIL_SET_MULTICAST | 31 << 16, 0), TD_VF_MAIL_SET_MULTICAST | 31 << 16 | nack);
	assert_int_equal(driver_mail1(d, TD_VF_MAIL_SET_PROMISC | 2 << 16, 0), TD_VF_MAIL_SET_PROMISC | 2 << 16 | ack);
	assert_int_equal(driver_mail1(d, TD_VF_MAIL_SET_PROMISC | 1 << 16, 0), TD_VF_MAIL_SET_PROMISC | 1 << 16 | nack);
	assert_int_equal(driver_mail1(d, 0x77, 0), 0x77 | nack);
	driver_reset(d); /* forgets them all */
	assert_int_equal(d->dev->state.hash_count, 0);
	assert_int_equal(d->dev->state.frame_max_bytes, TD_VF82576_FRAME_BYTES);
}

/* Half a message, a request without the buffer, endless requests: nothing but odd answers. */
static void test_mail_misuse(void **state)
{
	struct driver *d = driver_get(state);

	driver_reset(d);
	driver_write(d, TD_VF_V2PMAILBOX, TD_VF_MAIL_VFU);
	driver_write(d, TD_VF_MBMEM, TD_VF_MAIL_SET_LPE);
	driver_write(d, TD_VF_CTRL, TD_VF_CTRL_RST);
	assert_int_equal(driver_read(d, TD_VF_V2PMAILBOX), 0);
	driver_write(d, TD_VF_V2PMAILBOX, TD_VF_MAIL_REQ);
	assert_true(driver_read(d, TD_VF_V2PMAILBOX) & TD_VF_MAIL_PFACK);
	assert_int_equal(driver_read(d, TD_VF_V2PMAILBOX), 0); /* cleared by reading */
	for (unsigned i = 0; i < 10000; i++) {
		driver_write(d, TD_VF_MBMEM + 4 * (i % TD_VF_MAIL_WORDS), i * 0x9e3779b1U);
		driver_write(d, TD_VF_V2PMAILBOX, i);
	}
	driver_up(d);
	send_and_expect(d, 60, 1);
}

static void test_link(void **state)
{
	struct driver *d = driver_get(state);

	driver_up(d);
	assert_true(driver_read(d, TD_VF_STATUS) & TD_VF_STATUS_LU);
	td_igbvf_set_link(d->dev, true); /* no change */
	driver_run(d, 50);
	assert_true(driver_quiet(d, 2, 0));
	td_igbvf_set_link(d->dev, false);
	driver_run(d, 50);
	assert_true(driver_interrupted(d, 2));
	assert_false(driver_read(d, TD_VF_STATUS) & TD_VF_STATUS_LU);
	assert_true(driver_read(d, TD_VF_V2PMAILBOX) & TD_VF_MAIL_PFSTS);
	assert_int_equal(driver_read(d, TD_VF_MBMEM), TD_VF_MAIL_PF_CONTROL | TD_VF_MAIL_ANSWER_CTS);
	driver_write(d, TD_VF_EIMS, 4);
	td_igbvf_set_link(d->dev, true);
	/* Not while the driver is in the mailbox. */
	driver_write(d, TD_VF_V2PMAILBOX, TD_VF_MAIL_VFU);
	driver_write(d, TD_VF_MBMEM, 0x1234);
	driver_run(d, 60);
	assert_int_equal(driver_read(d, TD_VF_MBMEM), 0x1234);
	assert_true(driver_quiet(d, 2, 0));
	driver_write(d, TD_VF_V2PMAILBOX, TD_VF_MAIL_ACK);
	driver_run(d, 80);
	assert_true(driver_interrupted(d, 2));
	assert_int_equal(driver_read(d, TD_VF_MBMEM), TD_VF_MAIL_PF_CONTROL | TD_VF_MAIL_ANSWER_CTS);
	send_and_expect(d, 60, 1);
}

/* ---- drivers that break the rules ---- */

static void expect_bad(struct driver *d, uint64_t before)
{
	struct td_igbvf_stats stats;

	for (unsigned i = 0; i < 200; i++) {
		td_igbvf_stats(d->dev, &stats);
		if (stats.bad_descriptors > before)
			break;
		usleep(1000);
	}
	assert_true(stats.bad_descriptors > before);
	driver_up(d); /* a reset mends it */
	send_and_expect(d, 60, 1);
	transmit_and_expect(d, 60, 2);
}

static uint64_t bad_count(struct driver *d)
{
	struct td_igbvf_stats stats;

	td_igbvf_stats(d->dev, &stats);
	return stats.bad_descriptors;
}

static void test_bad_rings(void **state)
{
	struct driver *d = driver_get(state);
	static const struct {
		uint32_t reg, value;
	} bad[] = {
		{TD_VF_TDBAH, 0x10},			 /* outside RAM */
		{TD_VF_TDBAL, 0xffffff80},		 /* in a hole */
		{TD_VF_TDBAL, DRIVER_RAM_BYTES - 0x100}, /* half of it outside */
		{TD_VF_TDLEN, 0}, {TD_VF_TDLEN, 0xffffffff}, {TD_VF_TDH, DRIVER_SIZE}, {TD_VF_TDH, 0xffff}, {TD_VF_TDT, DRIVER_SIZE},
		{TD_VF_TDT, 0xffff}, {TD_VF_RDBAH, 0x10}, {TD_VF_RDBAL, DRIVER_RAM_BYTES - 0x100}, {TD_VF_RDLEN, 0},
		{TD_VF_RDLEN, 0xffffffff}, {TD_VF_RDH, 0xffff}, {TD_VF_RDT, 0xffff}, {TD_VF_SRRCTL, 0}, /* no buffer */
		{TD_VF_SRRCTL, 0x02000000},								/* of no length */
		{TD_VF_SRRCTL, 0x00000002},								/* legacy descriptors */
	};

	for (unsigned i = 0; i < TD_COUNT(bad); i++) {
		uint64_t before = bad_count(d);
		uint8_t frame[60];

		driver_up(d);
		driver_write(d, bad[i].reg, bad[i].value);
		driver_fill(frame, sizeof(frame), 1);
		driver_wire_send(d, NULL, frame, sizeof(frame));
		if (bad[i].reg != TD_VF_TDT)
			driver_write(d, TD_VF_TDT, 1);
		for (unsigned n = 0; n < 200 && bad_count(d) == before; n++)
			usleep(1000);
		assert_true(bad_count(d) > before);
		/* Drains what the bad ring left on the wire. */
		driver_up(d);
		assert_true(driver_rx_wait(d) || true);
		while ((uint32_t)d->rx[2 * d->rx_next + 1] & RXD_DD)
			driver_rx_done(d);
		send_and_expect(d, 60, 1);
	}
}

static void test_bad_descriptors(void **state)
{
	struct driver *d = driver_get(state);
	static const struct {
		uint64_t low;
		uint32_t cmd;
	} bad[] = {
		{1ULL << 40, TXD_DATA | TXD_EOP | 60},		  /* outside RAM */
		{DRIVER_RAM_BYTES - 10, TXD_DATA | TXD_EOP | 60}, /* half outside */
		{UINT64_MAX - 5, TXD_DATA | TXD_EOP | 60},	  /* wraps */
		{DRIVER_DATA, TXD_EOP | 60},			  /* legacy */
		{DRIVER_DATA, 0x20400000U | TXD_EOP | 60},	  /* of an unknown kind */
	};

	for (unsigned i = 0; i < TD_COUNT(bad); i++) {
		uint64_t before = bad_count(d);

		driver_up(d);
		driver_tx_put(d, bad[i].low, bad[i].cmd, 0);
		driver_tx_go(d);
		expect_bad(d, before);
	}
	/* A packet of 64 KiB pieces without end; one of too many pieces; a context inside. */
	for (unsigned kind = 0; kind < 3; kind++) {
		uint64_t before = bad_count(d);

		driver_up(d);
		for (unsigned i = 0; i < DRIVER_SIZE - 1; i++)
			driver_tx_put(d, DRIVER_DATA, kind == 2 && i ? TXD_CONTEXT : TXD_DATA | (kind ? 1 : 0xffff), 0);
		driver_tx_go(d);
		if (kind == 1) {
			usleep(20000); /* 63 pieces and no end: it is waited for */
			assert_int_equal(bad_count(d), before);
			assert_int_equal(driver_read(d, TD_VF_TDH), 0);
			continue;
		}
		expect_bad(d, before);
	}
	uint64_t before = bad_count(d);
	uint8_t frame[60];
	driver_up(d);
	d->rx[0] = 1ULL << 40;
	driver_fill(frame, sizeof(frame), 1);
	driver_wire_send(d, NULL, frame, sizeof(frame));
	for (unsigned n = 0; n < 200 && bad_count(d) == before; n++)
		usleep(1000);
	assert_true(bad_count(d) > before);
}

/* Everything rewritten while frames come and go; whatever happens, a reset mends it. */
static void test_rewritten_mid_run(void **state)
{
	struct driver *d = driver_get(state);
	uint32_t seed = 1;
	uint8_t frame[200];

	driver_up(d);
	driver_fill(frame, sizeof(frame), 1);
	for (unsigned i = 0; i < 3000; i++) {
		uint32_t reg;

		seed = seed * 1664525U + 1013904223U;
		reg = (seed >> 8 & 1 ? TD_VF_RDBAL : TD_VF_TDBAL) + (seed >> 12 & 0x3c);
		driver_write(d, reg, seed >> 16 & 1 ? seed : reg & 0x1000 ? (uint32_t)DRIVER_TX_GPA : (uint32_t)DRIVER_RX_GPA);
		if (i % 16 == 0)
			(void)!write(d->wire, frame, sizeof(frame));
		if (i % 64 == 0)
			driver_rings(d, 0);
		if (i % 640 == 0)
			driver_reset(d);
	}
	while (read(d->wire, frame, sizeof(frame)) > 0)
		;
	driver_up(d);
	while (driver_rx_wait(d) & RXD_DD)
		driver_rx_done(d);
	send_and_expect(d, 60, 1);
	while (read(d->wire, frame, sizeof(frame)) > 0)
		;
	transmit_and_expect(d, 60, 2);
}

static void test_widths(void **state)
{
	struct driver *d = driver_get(state);
	static const uint8_t widths[] = {1, 2, 8};

	for (unsigned i = 0; i < TD_COUNT(widths); i++) {
		struct td_access access = {.offset = TD_VF_STATUS, .width = widths[i]};

		assert_int_equal(d->dev->pci.ops->bar_access(&d->dev->pci, 0, &access), TD_FAULT);
	}
	/* Gaps read zero and take anything. */
	for (uint32_t at = 0; at < TD_VF82576_BAR0_BYTES; at += 4) {
		driver_write(d, at, 0xffffffff);
		driver_read(d, at);
	}
	driver_up(d);
	send_and_expect(d, 60, 1);
}

static void test_function_reset(void **state)
{
	struct driver *d = driver_get(state);
	struct td_access flr = {.offset = d->dev->pcie_cap + 8, .width = 2, .write = true, .value = 0x8000};

	driver_up(d);
	assert_true(d->dev->pci.bar[0].mapped);
	td_pci_config_access(&d->vm->pci, (unsigned)d->dev->pci.slot * 8, &flr);
	assert_false(td_igbvf_driver_up(d->dev));
	assert_false(d->dev->pci.bar[0].mapped);
	assert_int_equal(td_pci_get16(d->dev->pci.config, d->dev->pcie_cap + 8), 0);
	driver_up(d);
	d->dev->pci.device.ops->reset(&d->dev->pci.device);
	assert_false(td_igbvf_driver_up(d->dev));
}

static void test_quiesce(void **state)
{
	struct driver *d = driver_get(state);
	struct td_device *device = &d->dev->pci.device;
	uint8_t frame[60];

	driver_up(d);
	assert_int_equal(device->ops->quiesce(device), 0);
	driver_fill(frame, sizeof(frame), 9);
	driver_wire_send(d, NULL, frame, sizeof(frame));
	driver_tx_frame(d, 0, 60);
	driver_tx_go(d);
	usleep(20000);
	assert_false((uint32_t)d->rx[1] & RXD_DD);
	assert_true(driver_quiet(d, 0, 0) && driver_quiet(d, 1, 0));
	device->ops->resume(device);
	assert_true(driver_rx_wait(d) & RXD_DD);
	assert_true(driver_tx_done(d, 0));
	assert_true(driver_interrupted(d, 0) && driver_interrupted(d, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_handshake),
		TEST(test_frames),
		TEST(test_slow_driver),
		TEST(test_interrupts),
		TEST(test_interrupts_without_auto_clear),
		TEST(test_moderation),
		TEST(test_mail),
		TEST(test_mail_misuse),
		TEST(test_link),
		TEST(test_bad_rings),
		TEST(test_bad_descriptors),
		TEST(test_rewritten_mid_run),
		TEST(test_widths),
		TEST(test_function_reset),
		TEST(test_quiesce),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
