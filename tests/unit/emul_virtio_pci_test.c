/* SPDX-License-Identifier: Apache-2.0 */
/* emul_virtio_pci_test.c - the transport's registers, by drivers that keep the rules and drivers that do not. */
#include "tests/unit/virtio_driver.h"

#define V1	  (1ULL << VIRTIO_F_VERSION_1)
#define OFFERED	  0x5ULL
#define REFUSED	  0x4ULL /* offered, but the device says no */
#define VECTOR_0  1
#define CONFIG_AT TD_VIRTIO_AT_DEVICE

struct fake {
	struct td_virtio_pci dev; /* first */
	unsigned starts, stops, resets, brokens, kicks, vector_changes;
	int start_result, stop_result;
};

static struct fake *fake_of(const struct td_virtio_pci *dev)
{
	return (struct fake *)(uintptr_t)dev;
}

static bool fake_features_ok(const struct td_virtio_pci *dev, uint64_t features)
{
	(void)dev;
	return !(features & REFUSED);
}

static int fake_start(struct td_virtio_pci *dev)
{
	fake_of(dev)->starts++;
	return fake_of(dev)->start_result;
}

static int fake_stop(struct td_virtio_pci *dev, enum td_virtio_stop how)
{
	fake_of(dev)->stops++;
	return how == TD_VIRTIO_DROP || fake_of(dev)->stop_result == -ETIMEDOUT ? fake_of(dev)->stop_result : 0;
}

static void fake_reset(struct td_virtio_pci *dev)
{
	fake_of(dev)->resets++;
}

static void fake_broken(struct td_virtio_pci *dev)
{
	fake_of(dev)->brokens++;
}

static void fake_kicked(struct td_virtio_pci *dev, unsigned queue)
{
	(void)queue;
	fake_of(dev)->kicks++;
}

static void fake_vector_changed(struct td_virtio_pci *dev, unsigned queue)
{
	(void)queue;
	fake_of(dev)->vector_changes++;
}

static void fake_destroy(struct td_virtio_pci *dev)
{
	free(dev);
}

static const struct td_virtio_ops fake_ops = {
	.features_ok = fake_features_ok,
	.start = fake_start,
	.stop = fake_stop,
	.reset = fake_reset,
	.broken = fake_broken,
	.kicked = fake_kicked,
	.vector_changed = fake_vector_changed,
	.destroy = fake_destroy,
};

static int setup(void **state)
{
	struct td_virtio_pci_config config = {
		.name = "fake0", .type = 42, .class_code = 0xff0000, .features = OFFERED, .ops = &fake_ops, .config_len = 10};
	struct td_vm *vm = driver_make_vm();

	*state = NULL;
	if (!vm)
		return 0;
	struct fake *fake = calloc(1, sizeof(*fake));
	assert_int_equal(td_virtio_pci_init(&fake->dev, vm, &config, NULL), 0);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(td_virtio_pci_add_queue(&fake->dev, 64, true, NULL), 0);
	for (unsigned i = 0; i < 10; i++)
		fake->dev.config[i] = (uint8_t)(0xa0 + i);
	assert_int_equal(td_virtio_pci_attach(&fake->dev, NULL), 0);
	*state = fake;
	return 0;
}

static int teardown(void **state)
{
	struct fake *fake = *state;

	if (fake)
		driver_free_vm(fake->dev.pci.vm);
	return 0;
}

static struct fake *get(void **state)
{
	if (!*state)
		skip();
	return *state;
}

static void bring_up(struct fake *fake, struct driver_queue *queue)
{
	assert_int_equal(driver_negotiate(&fake->dev, V1 | 1), DRIVER_OK_ALL & ~VIRTIO_CONFIG_S_DRIVER_OK);
	assert_int_equal(driver_set_up_queue(&fake->dev, 0, 32, queue), TD_DONE);
	driver_go(&fake->dev);
	assert_int_equal(driver_status(&fake->dev), DRIVER_OK_ALL);
	assert_int_equal(fake->starts, 1);
}

static void expect_broken(struct fake *fake)
{
	assert_true(fake->dev.pci.device.broken);
	assert_int_equal(fake->brokens, 1);
	assert_true(driver_status(&fake->dev) & VIRTIO_CONFIG_S_NEEDS_RESET);
	assert_false(fake->dev.running);
	driver_write(&fake->dev, VIRTIO_PCI_COMMON_STATUS, 1, 0);
	assert_int_equal(driver_status(&fake->dev), 0);
	assert_false(fake->dev.pci.device.broken);
}

static void test_capabilities(void **state)
{
	struct fake *fake = get(state);
	const uint8_t *config = fake->dev.pci.config;
	unsigned seen[9] = {0}, first_notify_bar = 99;

	assert_int_equal(td_pci_get16(config, 0), 0x1af4);
	assert_int_equal(td_pci_get16(config, 2), 0x1040 + 42);
	for (unsigned cap = config[0x34], n = 0; cap && n < 48; cap = config[cap + 1], n++) {
		if (config[cap] != 9)
			continue;
		assert_true(config[cap + 3] < 9);
		if (config[cap + 3] == VIRTIO_PCI_CAP_NOTIFY_CFG && !seen[VIRTIO_PCI_CAP_NOTIFY_CFG])
			first_notify_bar = config[cap + 4];
		seen[config[cap + 3]]++;
		if (config[cap + 3] != VIRTIO_PCI_CAP_PCI_CFG)
			assert_true(td_pci_get32(config, cap + 8) + td_pci_get32(config, cap + 12) <=
				    fake->dev.pci.bar[config[cap + 4]].size_bytes);
	}
	assert_int_equal(first_notify_bar, TD_VIRTIO_BAR_PORTS);
	assert_int_equal(seen[VIRTIO_PCI_CAP_COMMON_CFG], 1);
	assert_int_equal(seen[VIRTIO_PCI_CAP_NOTIFY_CFG], 2);
	assert_int_equal(seen[VIRTIO_PCI_CAP_ISR_CFG], 1);
	assert_int_equal(seen[VIRTIO_PCI_CAP_DEVICE_CFG], 1);
	assert_int_equal(seen[VIRTIO_PCI_CAP_PCI_CFG], 1);
}

static void test_negotiation(void **state)
{
	struct fake *fake = get(state);
	struct td_virtio_pci *dev = &fake->dev;
	const uint8_t ok = VIRTIO_CONFIG_S_FEATURES_OK;

	driver_write(dev, VIRTIO_PCI_COMMON_DFSELECT, 4, 1);
	assert_int_equal(driver_read(dev, VIRTIO_PCI_COMMON_DF, 4), 1);
	driver_write(dev, VIRTIO_PCI_COMMON_DFSELECT, 4, 7);
	assert_int_equal(driver_read(dev, VIRTIO_PCI_COMMON_DF, 4), 0);
	assert_false(driver_negotiate(dev, 1) & ok);		/* no VERSION_1: a legacy driver */
	assert_false(driver_negotiate(dev, V1 | 2) & ok);	/* not offered */
	assert_false(driver_negotiate(dev, V1 | REFUSED) & ok); /* the device says no */
	assert_false(driver_negotiate(dev, V1 | 1ULL << 63) & ok);
	assert_true(driver_negotiate(dev, V1 | 1) & ok);
	assert_int_equal(driver_write(dev, VIRTIO_PCI_COMMON_GF, 4, 0), TD_FAULT); /* too late */
	assert_int_equal(dev->negotiated, V1 | 1);
	assert_false(dev->pci.device.broken);
}

static void test_driver_ok_too_early(void **state)
{
	struct fake *fake = get(state);

	driver_write(&fake->dev, VIRTIO_PCI_COMMON_STATUS, 1, VIRTIO_CONFIG_S_DRIVER_OK);
	assert_int_equal(fake->starts, 0);
	expect_broken(fake);
}

static void test_life(void **state)
{
	struct fake *fake = get(state);
	struct td_virtio_pci *dev = &fake->dev;
	struct driver_queue queue;

	bring_up(fake, &queue);
	driver_run(dev->pci.vm, 10);
	assert_int_equal(fake->kicks, 1); /* what the driver offered before DRIVER_OK */
	driver_kick(dev, 0);
	driver_run(dev->pci.vm, 10);
	assert_int_equal(fake->kicks, 2);
	assert_int_equal(dev->pci.device.ops->quiesce(&dev->pci.device), 0);
	assert_int_equal(fake->stops, 1);
	driver_kick(dev, 0);
	driver_run(dev->pci.vm, 10);
	assert_int_equal(fake->kicks, 2);
	dev->pci.device.ops->resume(&dev->pci.device);
	assert_int_equal(fake->starts, 2);
	driver_run(dev->pci.vm, 10);
	assert_int_equal(fake->kicks, 3);
	dev->pci.device.ops->reset(&dev->pci.device);
	assert_int_equal(fake->stops, 2);
	assert_int_equal(driver_status(dev), 0);
	assert_false(dev->queue[0].enabled);
	fake->starts = 0;
	bring_up(fake, &queue);
}

/* Requests are under way when the driver resets: the status is 0 when they have ended, and nothing else works until then. */
static void test_slow_reset(void **state)
{
	struct fake *fake = get(state);
	struct td_virtio_pci *dev = &fake->dev;
	struct driver_queue queue;

	bring_up(fake, &queue);
	unsigned resets = fake->resets;
	fake->stop_result = -EINPROGRESS;
	assert_int_equal(driver_write(dev, VIRTIO_PCI_COMMON_STATUS, 1, 0), TD_DONE);
	assert_true(driver_status(dev) & VIRTIO_CONFIG_S_DRIVER_OK);
	assert_int_equal(driver_write(dev, VIRTIO_PCI_COMMON_STATUS, 1, VIRTIO_CONFIG_S_ACKNOWLEDGE), TD_FAULT);
	assert_int_equal(driver_write(dev, VIRTIO_PCI_COMMON_GFSELECT, 4, 0), TD_FAULT);
	assert_int_equal(driver_write(dev, VIRTIO_PCI_COMMON_STATUS, 1, 0), TD_DONE); /* again, in vain */
	assert_true(driver_status(dev) != 0);
	assert_false(dev->running);
	assert_int_equal(fake->resets, resets);
	td_virtio_pci_stopped(dev);
	assert_int_equal(driver_status(dev), 0);
	assert_int_equal(fake->resets, resets + 1);
	fake->stop_result = 0;
	fake->starts = 0;
	bring_up(fake, &queue);
	assert_true(dev->running);

	/* Broken first, then reset: the same. */
	fake->stop_result = -EINPROGRESS;
	td_virtio_pci_break(dev, "for the test");
	td_virtio_pci_stopped(dev);
	assert_true(driver_status(dev) & VIRTIO_CONFIG_S_NEEDS_RESET);
	driver_write(dev, VIRTIO_PCI_COMMON_STATUS, 1, 0);
	assert_int_equal(driver_status(dev), 0);
}

/* What does not come to rest goes on; what can't be reset ends the VM, as the next kernel would be written into. */
static void test_stop_takes_too_long(void **state)
{
	struct fake *fake = get(state);
	struct td_device *device = &fake->dev.pci.device;
	struct driver_queue queue;

	bring_up(fake, &queue);
	unsigned starts = fake->starts;
	fake->stop_result = -ETIMEDOUT;
	assert_int_equal(device->ops->quiesce(device), -ETIMEDOUT);
	assert_true(fake->dev.running);
	assert_int_equal(fake->starts, starts + 1);
	device->ops->reset(device);
	assert_int_equal(fake->dev.pci.vm->end, TD_VM_END_ERROR);
	/* A pause while the reset waits: it is then done. */
	fake->stop_result = 0;
	assert_int_equal(device->ops->quiesce(device), 0);
	assert_int_equal(driver_status(&fake->dev), 0);
}

static void test_start_fails(void **state)
{
	struct fake *fake = get(state);

	fake->start_result = -EIO;
	driver_negotiate(&fake->dev, V1);
	driver_go(&fake->dev);
	expect_broken(fake);
}

/* Each breaks the device, and a reset mends it. */
static void test_bad_queue_setup(void **state)
{
	struct fake *fake = get(state);
	struct td_virtio_pci *dev = &fake->dev;
	static const struct {
		const char *what;
		uint64_t offset;
		uint8_t width;
		uint64_t value;
	} bad[] = {
		{"size 0", VIRTIO_PCI_COMMON_Q_SIZE, 2, 0},
		{"size no power of two", VIRTIO_PCI_COMMON_Q_SIZE, 2, 48},
		{"size above the limit", VIRTIO_PCI_COMMON_Q_SIZE, 2, 128},
		{"enable 2", VIRTIO_PCI_COMMON_Q_ENABLE, 2, 2},
		{"enable without addresses", VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1},
	};

	for (unsigned i = 0; i < TD_COUNT(bad); i++) {
		fake->brokens = 0;
		driver_negotiate(dev, V1);
		driver_write(dev, VIRTIO_PCI_COMMON_Q_SELECT, 2, 1);
		assert_int_equal(driver_write(dev, bad[i].offset, bad[i].width, bad[i].value), TD_FAULT);
		expect_broken(fake);
	}
}

static void test_bad_queue_addresses(void **state)
{
	struct fake *fake = get(state);
	struct td_virtio_pci *dev = &fake->dev;
	static const uint64_t bad[][3] = {
		{DRIVER_RAM_BYTES, 0x4000, 0x8000},
		{0x1000, DRIVER_RAM_BYTES - 4, 0x8000},
		{0x1000, 0x4000, ~3ULL},
		{0x1001, 0x4000, 0x8000},
		{0x1000, 0x4001, 0x8000},
		{0x1000, 0x4000, 0x8001},
	};

	for (unsigned i = 0; i < TD_COUNT(bad); i++) {
		fake->brokens = 0;
		driver_negotiate(dev, V1);
		driver_write(dev, VIRTIO_PCI_COMMON_Q_SELECT, 2, 0);
		for (unsigned k = 0; k < 3; k++)
			driver_write(dev, VIRTIO_PCI_COMMON_Q_DESCLO + 8 * k, 8, bad[i][k]);
		assert_int_equal(driver_write(dev, VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1), TD_FAULT);
		expect_broken(fake);
	}
}

static void test_set_up_twice(void **state)
{
	struct fake *fake = get(state);
	struct driver_queue queue;
	static const struct {
		uint64_t offset, value;
		uint8_t width;
	} again[] = {
		{VIRTIO_PCI_COMMON_Q_ENABLE, 1, 2},
		{VIRTIO_PCI_COMMON_Q_SIZE, 16, 2},
		{VIRTIO_PCI_COMMON_Q_USEDHI, 0, 4},
		{VIRTIO_PCI_COMMON_Q_DESCLO, 0x1000, 8},
	};

	for (unsigned i = 0; i < TD_COUNT(again); i++) {
		fake->brokens = fake->starts = 0;
		bring_up(fake, &queue);
		driver_write(&fake->dev, VIRTIO_PCI_COMMON_MSIX, 2, 0);
		assert_int_equal(driver_write(&fake->dev, again[i].offset, again[i].width, again[i].value), TD_FAULT);
		assert_true(driver_signalled(&fake->dev, 0)); /* DEVICE_NEEDS_RESET comes with an interrupt */
		expect_broken(fake);
	}
}

static void test_enable_too_late_or_early(void **state)
{
	struct fake *fake = get(state);
	struct driver_queue queue;

	bring_up(fake, &queue);
	assert_int_equal(driver_set_up_queue(&fake->dev, 1, 32, &queue), TD_FAULT);
	expect_broken(fake);
	fake->brokens = 0;
	assert_int_equal(driver_set_up_queue(&fake->dev, 1, 32, &queue), TD_FAULT);
	expect_broken(fake);
}

static void test_queue_that_is_not_there(void **state)
{
	struct fake *fake = get(state);

	driver_negotiate(&fake->dev, V1);
	driver_write(&fake->dev, VIRTIO_PCI_COMMON_Q_SELECT, 2, 3);
	assert_int_equal(driver_read(&fake->dev, VIRTIO_PCI_COMMON_Q_SIZE, 2), 0);
	assert_int_equal(driver_write(&fake->dev, VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1), TD_FAULT);
	assert_false(fake->dev.pci.device.broken);
	driver_write(&fake->dev, VIRTIO_PCI_COMMON_Q_SELECT, 2, 0xffff);
	assert_int_equal(driver_write(&fake->dev, VIRTIO_PCI_COMMON_Q_SIZE, 2, 3), TD_FAULT);
}

static void test_vectors(void **state)
{
	struct fake *fake = get(state);
	struct td_virtio_pci *dev = &fake->dev;
	struct driver_queue queue;

	driver_write(dev, VIRTIO_PCI_COMMON_MSIX, 2, 4); /* 0..3 exist */
	assert_int_equal(driver_read(dev, VIRTIO_PCI_COMMON_MSIX, 2), TD_VIRTIO_NO_VECTOR);
	bring_up(fake, &queue);
	assert_int_equal(driver_read(dev, VIRTIO_PCI_COMMON_Q_MSIX, 2), VECTOR_0);
	td_virtio_pci_signal(dev, 0);
	assert_true(driver_signalled(dev, VECTOR_0));
	assert_int_equal(td_virtio_pci_signal_fd(dev, 0), td_msix_fd(&dev->msix, VECTOR_0));
	driver_write(dev, VIRTIO_PCI_COMMON_Q_MSIX, 2, 77);
	assert_int_equal(driver_read(dev, VIRTIO_PCI_COMMON_Q_MSIX, 2), TD_VIRTIO_NO_VECTOR);
	assert_int_equal(fake->vector_changes, 1);
	assert_int_equal(td_virtio_pci_signal_fd(dev, 0), -1);
	td_virtio_pci_signal(dev, 0);
	assert_false(driver_signalled(dev, VECTOR_0));
}

static void test_config_change(void **state)
{
	struct fake *fake = get(state);
	struct td_virtio_pci *dev = &fake->dev;
	struct driver_queue queue;
	uint64_t generation;

	bring_up(fake, &queue);
	driver_write(dev, VIRTIO_PCI_COMMON_MSIX, 2, 0);
	generation = driver_read(dev, VIRTIO_PCI_COMMON_CFGGENERATION, 1);
	td_virtio_pci_config_changed(dev);
	assert_true(driver_signalled(dev, 0));
	assert_int_not_equal(driver_read(dev, VIRTIO_PCI_COMMON_CFGGENERATION, 1), generation);
	assert_int_equal(driver_read(dev, TD_VIRTIO_AT_ISR, 1), VIRTIO_PCI_ISR_CONFIG);
	assert_int_equal(driver_read(dev, TD_VIRTIO_AT_ISR, 1), 0); /* reading clears */
}

static void test_device_config(void **state)
{
	struct fake *fake = get(state);

	assert_int_equal(driver_read(&fake->dev, CONFIG_AT, 8), 0xa7a6a5a4a3a2a1a0);
	assert_int_equal(driver_read(&fake->dev, CONFIG_AT + 9, 1), 0xa9);
	assert_int_equal(driver_read(&fake->dev, CONFIG_AT + 9, 2), ~0ULL); /* ends outside */
	assert_int_equal(driver_read(&fake->dev, CONFIG_AT + 10, 1), ~0ULL);
	assert_int_equal(driver_write(&fake->dev, CONFIG_AT, 1, 0), TD_FAULT);
}

/* Every width at every offset: nothing breaks, nothing starts, and what is no register is a fault. */
static void test_odd_accesses(void **state)
{
	struct fake *fake = get(state);
	struct td_virtio_pci *dev = &fake->dev;
	static const uint8_t widths[] = {1, 2, 4, 8};

	for (uint64_t offset = 0; offset < TD_VIRTIO_BAR_BYTES; offset++)
		for (unsigned w = 0; w < TD_COUNT(widths); w++) {
			driver_read(dev, offset, widths[w]);
			driver_write(dev, offset, widths[w], 0);
		}
	assert_int_equal(driver_write(dev, VIRTIO_PCI_COMMON_STATUS, 4, 1), TD_FAULT);
	assert_int_equal(driver_write(dev, VIRTIO_PCI_COMMON_Q_DESCLO + 4, 8, 1), TD_FAULT);
	assert_int_equal(driver_write(dev, VIRTIO_PCI_COMMON_Q_DESCLO + 2, 2, 1), TD_FAULT);
	assert_int_equal(driver_write(dev, VIRTIO_PCI_COMMON_NUMQ, 2, 1), TD_FAULT);
	assert_int_equal(driver_read(dev, sizeof(struct virtio_pci_common_cfg) - 2, 4), ~0ULL);
	assert_int_equal(fake->starts, 0);
}

static void test_notify(void **state)
{
	struct fake *fake = get(state);
	struct td_virtio_pci *dev = &fake->dev;
	struct driver_queue queue;
	struct td_access port = {.offset = 0, .width = 2, .write = true};

	bring_up(fake, &queue);
	driver_run(dev->pci.vm, 10);
	fake->kicks = 0;
	assert_int_equal(dev->pci.ops->bar_access(&dev->pci, TD_VIRTIO_BAR_PORTS, &port), TD_DONE);
	driver_run(dev->pci.vm, 10);
	assert_int_equal(fake->kicks, 1);
	port.offset = 4; /* queue 1 is not enabled */
	assert_int_equal(dev->pci.ops->bar_access(&dev->pci, TD_VIRTIO_BAR_PORTS, &port), TD_FAULT);
	port.offset = 1;
	assert_int_equal(dev->pci.ops->bar_access(&dev->pci, TD_VIRTIO_BAR_PORTS, &port), TD_FAULT);
	port.offset = 12;
	assert_int_equal(dev->pci.ops->bar_access(&dev->pci, TD_VIRTIO_BAR_PORTS, &port), TD_FAULT);
	assert_int_equal(driver_write(dev, TD_VIRTIO_AT_NOTIFY + 4 * 16, 2, 0), TD_FAULT);
	assert_int_equal(driver_write(dev, TD_VIRTIO_AT_NOTIFY, 1, 0), TD_FAULT);
	assert_int_equal(driver_read(dev, TD_VIRTIO_AT_NOTIFY, 2), ~0ULL);
}

static void config_write(struct td_virtio_pci *dev, unsigned offset, uint8_t width, uint64_t value)
{
	struct td_access access = {.offset = offset, .width = width, .write = true, .value = value};

	td_pci_config_access(&dev->pci.vm->pci, (unsigned)dev->pci.slot * 8, &access);
}

/* Registers reached by the configuration access capability alone. */
static void test_access_capability(void **state)
{
	struct fake *fake = get(state);
	struct td_virtio_pci *dev = &fake->dev;
	unsigned cap = dev->access_cap;

	config_write(dev, cap + 4, 1, TD_VIRTIO_BAR_MEMORY);
	config_write(dev, cap + 8, 4, CONFIG_AT + 4);
	config_write(dev, cap + 12, 4, 4);
	assert_int_equal(td_pci_get32(dev->pci.config, cap + 16), 0xa7a6a5a4);
	config_write(dev, cap + 12, 4, 1);
	config_write(dev, cap + 8, 4, VIRTIO_PCI_COMMON_STATUS);
	config_write(dev, cap + 16, 1, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	assert_int_equal(driver_status(dev), VIRTIO_CONFIG_S_ACKNOWLEDGE);
	assert_int_equal(dev->pci.config[cap + 16], VIRTIO_CONFIG_S_ACKNOWLEDGE);
	/* Windows onto nothing. */
	static const uint32_t bad[][3] = {{1, 0, 4}, {5, 0, 4}, {2, 0, 3}, {2, 0, 0}, {2, 1, 2}, {2, TD_VIRTIO_BAR_BYTES, 4}, {2, ~3U, 4}};
	for (unsigned i = 0; i < TD_COUNT(bad); i++) {
		config_write(dev, cap + 4, 1, bad[i][0]);
		config_write(dev, cap + 8, 4, bad[i][1]);
		config_write(dev, cap + 12, 4, bad[i][2]);
		config_write(dev, cap + 16, 4, 0xffffffff);
	}
	assert_int_equal(driver_status(dev), VIRTIO_CONFIG_S_ACKNOWLEDGE);
}

static void test_break_later(void **state)
{
	struct fake *fake = get(state);
	struct driver_queue queue;

	bring_up(fake, &queue);
	td_virtio_pci_break_later(&fake->dev, "said by a test");
	assert_false(fake->dev.pci.device.broken);
	driver_run(fake->dev.pci.vm, 10);
	expect_broken(fake);
	/* Found before a reset: what comes after it is not to blame. */
	fake->brokens = fake->starts = 0;
	bring_up(fake, &queue);
	td_virtio_pci_break_later(&fake->dev, "said by a test");
	fake->starts = 0;
	bring_up(fake, &queue);
	driver_run(fake->dev.pci.vm, 10);
	assert_false(fake->dev.pci.device.broken);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_capabilities),
		TEST(test_negotiation),
		TEST(test_driver_ok_too_early),
		TEST(test_life),
		TEST(test_slow_reset),
		TEST(test_stop_takes_too_long),
		TEST(test_start_fails),
		TEST(test_bad_queue_setup),
		TEST(test_bad_queue_addresses),
		TEST(test_set_up_twice),
		TEST(test_enable_too_late_or_early),
		TEST(test_queue_that_is_not_there),
		TEST(test_vectors),
		TEST(test_config_change),
		TEST(test_device_config),
		TEST(test_odd_accesses),
		TEST(test_notify),
		TEST(test_access_capability),
		TEST(test_break_later),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
