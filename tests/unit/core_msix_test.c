/* SPDX-License-Identifier: Apache-2.0 */
/* MSI-X over a real KVM VM (irqfds and routes): masks, pending bits, connections, hostile set-up. Skipped where there is no /dev/kvm. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/msix.h"
#include "core/vm.h"

#define BAR	  1U
#define BAR_BYTES 0x1000U
#define TABLE	  0U
#define PBA	  0x800U
#define VECTORS	  5U
#define ENABLE	  0x8000U
#define MASK_ALL  0x4000U

struct fake {
	struct td_pci_dev dev;
	struct td_msix msix;
	unsigned connects, disconnects;
};

static enum td_result fake_access(struct td_pci_dev *dev, unsigned bar, struct td_access *access)
{
	enum td_result result;

	return td_msix_bar_access(&((struct fake *)dev)->msix, bar, access, &result) ? result : TD_UNCLAIMED;
}

static void fake_mapped(struct td_pci_dev *dev, unsigned bar, bool on)
{
	(void)dev, (void)bar, (void)on;
}

static void fake_written(struct td_pci_dev *dev, unsigned offset, unsigned width)
{
	td_msix_config_written(&((struct fake *)dev)->msix, offset, width);
}

static void fake_ejected(struct td_pci_dev *dev)
{
	(void)dev;
}

static void fake_nothing(struct td_device *device)
{
	(void)device;
}

static int fake_quiesce(struct td_device *device)
{
	(void)device;
	return 0;
}

static const struct td_pci_ops ops = {fake_access, fake_mapped, fake_written, fake_ejected};
static const struct td_device_ops device_ops = {fake_nothing, fake_quiesce, fake_nothing, fake_nothing};

static void changed(struct td_msix *msix, unsigned vector, bool connected)
{
	struct fake *fake = TD_CONTAINER_OF(msix, struct fake, msix);

	assert_int_equal(msix->vector[vector].msi.attached, connected);
	fake->connects += connected;
	fake->disconnects += !connected;
}

struct fixture {
	struct td_vm vm;
	struct fake fake;
};

static int setup(void **state)
{
	static const struct td_mem_config mem = {.size_bytes = 4 * TD_MIB};
	static const struct td_pci_ids ids = {0x1234, 0x5678, 0, 0, 0, 0x020000};
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	td_log_set_level(TD_LOG_ERROR);
	f->vm.devices_tail = &f->vm.devices;
	assert_int_equal(td_kvm_init(&f->vm.kvm, NULL), 0);
	assert_int_equal(td_irq_init(&f->vm.irq, &f->vm.kvm, NULL), 0);
	assert_int_equal(td_mem_init(&f->vm.mem, &mem, NULL), 0);
	assert_int_equal(td_pci_init(&f->vm.pci, &f->vm, NULL), 0);
	assert_int_equal(td_pci_dev_init(&f->fake.dev, &f->vm, "fake", &ops, &device_ops, &ids, NULL), 0);
	td_pci_dev_set_bar(&f->fake.dev, BAR, TD_PCI_BAR_MEM32, false, BAR_BYTES);
	assert_int_equal(td_msix_init(&f->fake.msix, &f->fake.dev, VECTORS, BAR, TABLE, BAR, PBA, NULL), 0);
	f->fake.msix.vector_changed = changed;
	assert_int_equal(td_pci_attach(&f->vm.pci, &f->fake.dev, 1, NULL), 0);
	*state = f;
	return 0;
}

static unsigned open_fds(void)
{
	unsigned count = 0;

	for (int fd = 0; fd < 1024; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	unsigned before = open_fds();

	td_msix_fini(&f->fake.msix);
	assert_int_equal(open_fds(), before - VECTORS);
	td_pci_dev_fini(&f->fake.dev);
	td_pci_fini(&f->vm.pci);
	assert_int_equal(f->vm.kvm.slots_used, 0);
	td_bus_fini(&f->vm.mmio);
	td_bus_fini(&f->vm.pio);
	td_irq_fini(&f->vm.irq);
	td_kvm_fini(&f->vm.kvm);
	td_mem_fini(&f->vm.mem);
	free(f);
	return 0;
}

static enum td_result bar_access(struct fixture *f, uint64_t offset, unsigned width, bool write, uint64_t *value)
{
	struct td_access access = {.offset = f->fake.dev.bar[BAR].addr + offset, .width = (uint8_t)width, .write = write, .value = *value};
	enum td_result result = td_bus_dispatch(&f->vm.mmio, &access);

	*value = access.value;
	return result;
}

static void put(struct fixture *f, uint64_t offset, unsigned width, uint64_t value)
{
	assert_int_equal(bar_access(f, offset, width, true, &value), TD_DONE);
}

static uint64_t get(struct fixture *f, uint64_t offset, unsigned width)
{
	uint64_t value = 0;

	assert_int_equal(bar_access(f, offset, width, false, &value), TD_DONE);
	return value;
}

static void control(struct fixture *f, uint16_t value)
{
	struct td_access access = {.offset = f->fake.msix.cap + 2, .width = 2, .write = true, .value = value};

	td_pci_config_access(&f->vm.pci, 8, &access);
}

static bool attached(const struct fixture *f, unsigned vector)
{
	return f->fake.msix.vector[vector].msi.attached;
}

static void program(struct fixture *f, unsigned vector, bool masked)
{
	put(f, vector * 16, 8, 0xfee00000);
	put(f, vector * 16 + 8, 4, 0x30 + vector);
	put(f, vector * 16 + 12, 4, masked);
}

static void registers(void **state)
{
	struct fixture *f = *state;
	const uint8_t *config = f->fake.dev.config;
	unsigned cap = f->fake.msix.cap;

	assert_int_equal(config[cap], 0x11);
	assert_int_equal(td_pci_get16(config, cap + 2), VECTORS - 1);
	assert_int_equal(td_pci_get32(config, cap + 4), TABLE | BAR);
	assert_int_equal(td_pci_get32(config, cap + 8), PBA | BAR);
	control(f, 0xffff);
	assert_int_equal(td_pci_get16(config, cap + 2), ENABLE | MASK_ALL | (VECTORS - 1));
	assert_int_equal(get(f, 12, 4), 1);
	put(f, 16, 8, 0x1122334455667788);
	put(f, 24, 8, 0xfffffffe99aabbcc);
	assert_int_equal(get(f, 16, 4), 0x55667788);
	assert_int_equal(get(f, 20, 4), 0x11223344);
	assert_int_equal(get(f, 24, 8), 0x99aabbcc);
	put(f, 20, 4, 0xdeadbeef);
	assert_int_equal(get(f, 16, 8), 0xdeadbeef55667788);
}

static void connects_only_when_all_masks_are_off(void **state)
{
	struct fixture *f = *state;

	program(f, 2, false);
	assert_false(attached(f, 2));
	control(f, ENABLE | MASK_ALL);
	assert_true(td_msix_enabled(&f->fake.msix));
	assert_false(attached(f, 2));
	control(f, ENABLE);
	assert_true(attached(f, 2));
	assert_false(attached(f, 1));
	assert_int_equal(f->fake.connects, 1);
	control(f, ENABLE);
	put(f, 2 * 16 + 12, 4, 0);
	assert_int_equal(f->fake.connects, 1);
	put(f, 2 * 16 + 12, 4, 1);
	assert_false(attached(f, 2));
	put(f, 2 * 16 + 12, 4, 0);
	control(f, 0);
	assert_false(attached(f, 2));
	assert_int_equal(f->fake.connects, 2);
	assert_int_equal(f->fake.disconnects, 2);
}

static void routes_change_only_when_they_must(void **state)
{
	struct fixture *f = *state;
	uint64_t before;

	control(f, ENABLE);
	program(f, 0, false);
	before = f->vm.irq.route_updates;
	for (unsigned i = 0; i < 10; i++) {
		put(f, 12, 4, 1);
		put(f, 12, 4, 0);
	}
	assert_int_equal(f->vm.irq.route_updates, before);
	put(f, 8, 4, 0x55);
	assert_int_equal(f->vm.irq.route_updates, before + 1);
}

static void masked_signals_are_pending_bits(void **state)
{
	struct fixture *f = *state;
	uint64_t value;

	control(f, ENABLE);
	program(f, 3, true);
	assert_int_equal(get(f, PBA, 8), 0);
	td_msix_raise(&f->fake.msix, 3);
	td_msix_raise(&f->fake.msix, 1);
	td_msix_raise(&f->fake.msix, VECTORS);
	assert_int_equal(get(f, PBA, 8), 1 << 3 | 1 << 1);
	assert_int_equal(get(f, PBA, 4), 1 << 3 | 1 << 1);
	assert_int_equal(get(f, PBA + 4, 4), 0);
	put(f, PBA, 8, ~0ULL);
	assert_int_equal(get(f, PBA, 8), 1 << 3 | 1 << 1);
	put(f, 3 * 16 + 12, 4, 0);
	assert_int_equal(get(f, PBA, 8), 1 << 1);
	put(f, 3 * 16 + 12, 4, 1);
	assert_int_equal(get(f, PBA, 8), 1 << 1); /* KVM took it when the vector was connected */
	assert_true(read(td_msix_fd(&f->fake.msix, 3), &value, sizeof(value)) < 0);
	td_msix_reset(&f->fake.msix);
	assert_int_equal(get(f, PBA, 8), 0);
}

static void reset_forgets_everything(void **state)
{
	struct fixture *f = *state;

	control(f, ENABLE);
	program(f, 0, false);
	program(f, 4, false);
	assert_true(attached(f, 4));
	td_msix_reset(&f->fake.msix);
	assert_false(attached(f, 0) || attached(f, 4));
	assert_false(td_msix_enabled(&f->fake.msix));
	assert_int_equal(get(f, 4 * 16, 8), 0);
	assert_int_equal(get(f, 4 * 16 + 8, 8), 1ULL << 32);
	assert_int_equal(f->fake.disconnects, 2);
}

static void hostile_accesses(void **state)
{
	struct fixture *f = *state;
	static const struct {
		uint64_t offset;
		unsigned width;
		enum td_result expected;
	} cases[] = {
		{0, 1, TD_FAULT},
		{0, 2, TD_FAULT},
		{2, 4, TD_FAULT},
		{4, 8, TD_FAULT},
		{VECTORS * 16 - 1, 1, TD_FAULT},
		{VECTORS * 16 - 4, 8, TD_FAULT},
		{VECTORS * 16, 4, TD_UNCLAIMED},
		{PBA - 4, 8, TD_FAULT},
		{PBA + 1, 1, TD_FAULT},
		{PBA + 8, 4, TD_UNCLAIMED},
	};

	control(f, ENABLE);
	for (unsigned i = 0; i < TD_COUNT(cases); i++) {
		for (unsigned write = 0; write < 2; write++) {
			uint64_t value = ~0ULL;

			assert_int_equal(bar_access(f, cases[i].offset, cases[i].width, write, &value), cases[i].expected);
		}
	}
	/* Garbage as address: connected or not, nothing breaks, and other vectors work. */
	put(f, 0, 8, ~0ULL);
	put(f, 8, 4, ~0U);
	put(f, 12, 4, 0);
	program(f, 1, false);
	assert_true(attached(f, 1));
	td_msix_raise(&f->fake.msix, 0);
}

static void refuses_a_bad_layout(void **state)
{
	struct fixture *f = *state;
	static const struct {
		unsigned count, table_bar;
		uint32_t table;
		unsigned pba_bar;
		uint32_t pba;
	} bad[] = {
		{0, BAR, 0, BAR, PBA},
		{TD_MSIX_VECTORS_MAX + 1, BAR, 0, BAR, PBA},
		{4, BAR, 4, BAR, PBA},
		{4, BAR, BAR_BYTES - 56, BAR, PBA},
		{4, BAR, 0, BAR, BAR_BYTES},
		{4, 0, 0, BAR, PBA},
		{4, 6, 0, BAR, PBA},
	};
	unsigned before = open_fds();

	for (unsigned i = 0; i < TD_COUNT(bad); i++) {
		struct td_msix msix;

		assert_int_equal(
			td_msix_init(&msix, &f->fake.dev, bad[i].count, bad[i].table_bar, bad[i].table, bad[i].pba_bar, bad[i].pba, NULL),
			-22);
	}
	assert_int_equal(open_fds(), before);
}

static void reads_of_ecam_come_from_the_window(void **state)
{
	struct fixture *f = *state;
	const struct td_pci_window *window = &f->vm.pci.window;
	const uint8_t *slot1;

	assert_non_null(window->host);
	slot1 = window->host + 8 * TD_PAGE;
	assert_ptr_equal(f->fake.dev.config, slot1);
	assert_int_equal(td_pci_get32(slot1, 0), 0x56781234);
	assert_int_equal(td_pci_get32(slot1, TD_PAGE), 0xffffffff);
	assert_int_equal(td_pci_get32(slot1, 7 * TD_PAGE + 4092), 0xffffffff);
	assert_int_equal(td_pci_get32(slot1, 8 * TD_PAGE), 0xffffffff);
	assert_int_equal(td_pci_get32(window->host, 0), 0x00081b36);
	assert_int_equal(td_pci_get32(window->host, TD_PCI_ECAM_BYTES - 4), 0xffffffff);
	control(f, ENABLE);
	assert_int_equal(td_pci_get16(slot1, f->fake.msix.cap + 2), ENABLE | (VECTORS - 1));
	td_pci_detach(&f->fake.dev);
	assert_int_equal(td_pci_get32(slot1, 0), 0xffffffff);
	assert_int_equal(td_pci_get32(slot1, 0x40), 0xffffffff);
	assert_int_equal(td_pci_get32(f->fake.dev.config, 0), 0x56781234);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(registers),
		TEST(connects_only_when_all_masks_are_off),
		TEST(routes_change_only_when_they_must),
		TEST(masked_signals_are_pending_bits),
		TEST(reset_forgets_everything),
		TEST(hostile_accesses),
		TEST(refuses_a_bad_layout),
		TEST(reads_of_ecam_come_from_the_window),
	};

	if (access("/dev/kvm", R_OK | W_OK)) {
		printf("SKIP: all of core_msix_test: no /dev/kvm\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
