/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration space, BARs and hot-plug of the root bus, over real buses and memory; no KVM (the window falls back to trapping). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/acpi.h"
#include "core/vm.h"

#define MEM_BAR	   0U
#define MEM64_BAR  2U
#define IO_BAR	   4U
#define MEM_BYTES  0x2000U
#define BIG_BYTES  0x100000U
#define IO_BYTES   32U
#define SCRATCH	   0x80U /* writable dword in configuration space */
#define SCRATCH_RC 0x84U /* write-1-to-clear dword */

struct fake {
	struct td_pci_dev dev;
	int mapped[TD_PCI_BARS]; /* 0 or 1; anything else: on and off did not alternate */
	unsigned transitions, accesses, config_writes, last_offset, ejections;
	uint64_t last_addr;
};

static enum td_result fake_access(struct td_pci_dev *dev, unsigned bar, struct td_access *access)
{
	struct fake *fake = (struct fake *)dev;

	fake->accesses++;
	fake->last_offset = (unsigned)access->offset;
	if (!access->write)
		access->value = bar;
	return TD_DONE;
}

static void fake_mapped(struct td_pci_dev *dev, unsigned bar, bool on)
{
	struct fake *fake = (struct fake *)dev;

	fake->mapped[bar] += on ? 1 : -1;
	assert_in_range(fake->mapped[bar], 0, 1);
	assert_true(dev->bar[bar].mapped);
	fake->last_addr = dev->bar[bar].addr;
	fake->transitions++;
}

static void fake_written(struct td_pci_dev *dev, unsigned offset, unsigned width)
{
	(void)offset, (void)width;
	((struct fake *)dev)->config_writes++;
}

static void fake_ejected(struct td_pci_dev *dev)
{
	assert_int_equal(dev->slot, -1);
	((struct fake *)dev)->ejections++;
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

static const struct td_pci_ops fake_ops = {fake_access, fake_mapped, fake_written, fake_ejected};
static const struct td_device_ops fake_device_ops = {fake_nothing, fake_quiesce, fake_nothing, fake_nothing};

static void fake_init(struct fake *fake, struct td_vm *vm, const char *name)
{
	static const struct td_pci_ids ids = {0x1234, 0x5678, 0x9abc, 0xdef0, 0x42, 0x020000};

	*fake = (struct fake){0};
	assert_int_equal(td_pci_dev_init(&fake->dev, vm, name, &fake_ops, &fake_device_ops, &ids, NULL), 0);
	td_pci_dev_set_bar(&fake->dev, MEM_BAR, TD_PCI_BAR_MEM32, false, MEM_BYTES);
	td_pci_dev_set_bar(&fake->dev, MEM64_BAR, TD_PCI_BAR_MEM64, true, BIG_BYTES);
	td_pci_dev_set_bar(&fake->dev, IO_BAR, TD_PCI_BAR_IO, false, IO_BYTES);
	td_pci_set32(fake->dev.writable, SCRATCH, 0x00ffff00);
	fake->dev.w1c = calloc(1, TD_PCI_CONFIG_BYTES);
	assert_non_null(fake->dev.w1c);
	td_pci_set32(fake->dev.w1c, SCRATCH_RC, 0xff);
	td_pci_set32(fake->dev.config, SCRATCH_RC, 0x0f);
}

static int setup(void **state)
{
	static const struct td_mem_config mem = {.size_bytes = 4 * TD_MIB};
	struct td_vm *vm = calloc(1, sizeof(*vm));

	assert_non_null(vm);
	td_log_set_level(TD_LOG_ERROR);
	vm->kvm.fd = vm->kvm.vm_fd = -1;
	vm->kvm.phys_bits = 40;
	vm->irq.kvm = &vm->kvm;
	vm->devices_tail = &vm->devices;
	assert_int_equal(td_mem_init(&vm->mem, &mem, NULL), 0);
	assert_int_equal(td_pci_init(&vm->pci, vm, NULL), 0);
	*state = vm;
	return 0;
}

static int teardown(void **state)
{
	struct td_vm *vm = *state;

	td_pci_fini(&vm->pci);
	assert_int_equal(vm->mmio.count, 0);
	assert_int_equal(vm->pio.count, 0);
	td_bus_fini(&vm->mmio);
	td_bus_fini(&vm->pio);
	td_mem_fini(&vm->mem);
	free(vm);
	return 0;
}

static uint64_t ecam_read(struct td_vm *vm, unsigned devfn, unsigned offset, unsigned width)
{
	struct td_access access = {.offset = TD_PCI_ECAM_BASE + devfn * 4096ULL + offset, .width = (uint8_t)width};

	assert_int_equal(td_bus_dispatch(&vm->mmio, &access), TD_DONE);
	return access.value;
}

static void ecam_write(struct td_vm *vm, unsigned devfn, unsigned offset, unsigned width, uint64_t value)
{
	struct td_access access = {
		.offset = TD_PCI_ECAM_BASE + devfn * 4096ULL + offset, .width = (uint8_t)width, .write = true, .value = value};

	assert_int_equal(td_bus_dispatch(&vm->mmio, &access), TD_DONE);
}

static uint64_t port_access(struct td_vm *vm, unsigned port, unsigned width, bool write, uint64_t value, enum td_result expected)
{
	struct td_access access = {.offset = port, .width = (uint8_t)width, .write = write, .value = value};

	assert_int_equal(td_bus_dispatch(&vm->pio, &access), expected);
	return access.value;
}

static uint64_t in(struct td_vm *vm, unsigned port, unsigned width)
{
	return port_access(vm, port, width, false, 0, TD_DONE);
}

static void out(struct td_vm *vm, unsigned port, unsigned width, uint64_t value)
{
	port_access(vm, port, width, true, value, TD_DONE);
}

static void header_and_ports(void **state)
{
	struct td_vm *vm = *state;
	struct fake fake;

	fake_init(&fake, vm, "fake");
	assert_int_equal(td_pci_attach(&vm->pci, &fake.dev, 3, NULL), 0);
	assert_int_equal(ecam_read(vm, 24, 0, 4), 0x56781234);
	assert_int_equal(ecam_read(vm, 24, 8, 4), 0x02000042);
	assert_int_equal(ecam_read(vm, 24, 0x2c, 4), 0xdef09abc);
	assert_int_equal(ecam_read(vm, 24, 0x0e, 1), 0);
	assert_int_equal(ecam_read(vm, 25, 0, 4), 0xffffffff); /* function 1 */
	assert_int_equal(ecam_read(vm, 32, 0, 4), 0xffffffff); /* slot 4 */
	ecam_write(vm, 24, 0, 4, 0);
	ecam_write(vm, 25, 4, 2, 7);
	assert_int_equal(ecam_read(vm, 24, 0, 4), 0x56781234);

	out(vm, 0xcf8, 4, 0x7f000000 | 0x80001800 | 3);
	assert_int_equal(in(vm, 0xcf8, 4), 0x80001800);
	assert_int_equal(in(vm, 0xcfc, 4), 0x56781234);
	assert_int_equal(in(vm, 0xcfe, 2), 0x5678);
	assert_int_equal(in(vm, 0xcff, 1), 0x56);
	out(vm, 0xcfb, 1, 1); /* Linux's probe: no part of the address register */
	assert_int_equal(in(vm, 0xcf8, 4), 0x80001800);
	port_access(vm, 0xcfe, 4, false, 0, TD_UNCLAIMED);
	out(vm, 0xcf8, 4, 0x80001900);
	assert_int_equal(in(vm, 0xcfc, 4), 0xffffffff);
	out(vm, 0xcf8, 4, 0x80011800); /* bus 1 */
	assert_int_equal(in(vm, 0xcfc, 2), 0xffff);
	out(vm, 0xcf8, 4, 0x00001800);
	assert_int_equal(in(vm, 0xcfc, 1), 0xff);
	td_pci_dev_fini(&fake.dev);
}

static void masks_and_widths(void **state)
{
	struct td_vm *vm = *state;
	struct fake fake;

	fake_init(&fake, vm, "fake");
	assert_int_equal(td_pci_attach(&vm->pci, &fake.dev, 1, NULL), 0);
	ecam_write(vm, 8, SCRATCH, 4, 0x12345678);
	assert_int_equal(ecam_read(vm, 8, SCRATCH, 4), 0x00345600);
	ecam_write(vm, 8, SCRATCH + 1, 1, 0xaa);
	assert_int_equal(ecam_read(vm, 8, SCRATCH, 4), 0x0034aa00);
	ecam_write(vm, 8, SCRATCH + 1, 2, 0xffff); /* not aligned: no PCI cycle carries it */
	assert_int_equal(ecam_read(vm, 8, SCRATCH, 4), 0x0034aa00);
	assert_int_equal(ecam_read(vm, 8, SCRATCH_RC, 4), 0x0f);
	ecam_write(vm, 8, SCRATCH_RC, 4, 0xfffffff5);
	assert_int_equal(ecam_read(vm, 8, SCRATCH_RC, 4), 0x0a);
	ecam_write(vm, 8, SCRATCH, 8, 0x00000002ffffffff);
	assert_int_equal(ecam_read(vm, 8, SCRATCH, 8), 0x0000000800ffff00);
	ecam_write(vm, 8, 0xffc, 8, ~0ULL); /* over the end */
	ecam_write(vm, 8, 0xffe, 4, ~0ULL);
	assert_int_equal(ecam_read(vm, 8, 0xffe, 4), 0xffffffff);
	assert_int_equal(ecam_read(vm, 8, 0xffc, 4), 0);
	td_pci_dev_fini(&fake.dev);
}

static void sizing_and_moving_bars(void **state)
{
	struct td_vm *vm = *state;
	struct td_access access = {.width = 4};
	struct fake fake;
	uint64_t at, at64;

	fake_init(&fake, vm, "fake");
	assert_int_equal(td_pci_attach(&vm->pci, &fake.dev, -1, NULL), 0);
	assert_int_equal(fake.dev.slot, 1);
	assert_int_equal(fake.transitions, 3);
	assert_int_equal(ecam_read(vm, 8, 4, 2), 3);
	at = ecam_read(vm, 8, 0x10, 4);
	at64 = ecam_read(vm, 8, 0x18, 8);
	assert_in_range(at, TD_PCI_MMIO32_BASE, TD_PCI_MMIO32_BASE + TD_PCI_MMIO32_BYTES - MEM_BYTES);
	assert_int_equal(at64 & 15, 0xc);
	assert_int_equal(at64 & ~15ULL, vm->pci.mmio64_base);

	access.offset = at + 0x1ffc;
	assert_int_equal(td_bus_dispatch(&vm->mmio, &access), TD_DONE);
	assert_int_equal(fake.last_offset, 0x1ffc);
	access.offset = at + 0x1ffe;
	assert_int_equal(td_bus_dispatch(&vm->mmio, &access), TD_UNCLAIMED);

	/* Sizing with decoding on: the BAR goes off and comes back where it was. */
	ecam_write(vm, 8, 0x10, 4, 0xffffffff);
	assert_int_equal(ecam_read(vm, 8, 0x10, 4), 0xffffe000);
	assert_int_equal(fake.mapped[MEM_BAR], 0);
	ecam_write(vm, 8, 0x10, 4, at);
	assert_int_equal(fake.mapped[MEM_BAR], 1);
	assert_int_equal(fake.last_addr, at);
	ecam_write(vm, 8, 0x18, 4, 0xffffffff);
	ecam_write(vm, 8, 0x1c, 4, 0xffffffff);
	assert_int_equal(ecam_read(vm, 8, 0x18, 8), 0xfffffffffff0000cULL);
	ecam_write(vm, 8, 0x18, 8, at64);
	assert_int_equal(fake.mapped[MEM64_BAR], 1);
	ecam_write(vm, 8, 0x20, 4, 0xffffffff);
	assert_int_equal(ecam_read(vm, 8, 0x20, 4), 0xffffffe1);
	assert_int_equal(fake.mapped[IO_BAR], 0);

	/* Addresses that no window forwards: RAM, ECAM, the IOAPIC, past the end. */
	static const uint32_t hostile[] = {0, 0x100000, 0xe0000000, 0xfec00000, 0xdffff000 + MEM_BYTES, 0xbfffe000};
	for (unsigned i = 0; i < TD_COUNT(hostile); i++) {
		ecam_write(vm, 8, 0x10, 4, hostile[i]);
		assert_int_equal(fake.mapped[MEM_BAR], 0);
	}
	ecam_write(vm, 8, 0x10, 4, 0xdfffe000);
	assert_int_equal(fake.mapped[MEM_BAR], 1);
	fake.transitions = 0;
	ecam_write(vm, 8, 0x10, 4, 0xdfffe000); /* nothing changes: no transition */
	ecam_write(vm, 8, 4, 2, 0x0407);
	assert_int_equal(fake.transitions, 0);
	ecam_write(vm, 8, 0x10, 4, 0xdfff0000); /* a move: off, then on */
	assert_int_equal(fake.transitions, 2);
	assert_int_equal(fake.last_addr, 0xdfff0000);
	ecam_write(vm, 8, 4, 2, 0);
	assert_int_equal(fake.mapped[MEM_BAR] + fake.mapped[MEM64_BAR] + fake.mapped[IO_BAR], 0);
	td_pci_dev_fini(&fake.dev);
}

static void overlapping_bars_wait(void **state)
{
	struct td_vm *vm = *state;
	struct fake a, b;
	uint64_t at_a, at_b;

	fake_init(&a, vm, "a");
	fake_init(&b, vm, "b");
	assert_int_equal(td_pci_attach(&vm->pci, &a.dev, -1, NULL), 0);
	assert_int_equal(td_pci_attach(&vm->pci, &b.dev, -1, NULL), 0);
	at_a = ecam_read(vm, 8, 0x10, 4);
	at_b = ecam_read(vm, 16, 0x10, 4);
	assert_int_not_equal(at_a, at_b);
	ecam_write(vm, 16, 0x10, 4, at_a);
	assert_int_equal(b.mapped[MEM_BAR], 0);
	assert_int_equal(a.mapped[MEM_BAR], 1);
	ecam_write(vm, 8, 0x10, 4, at_b); /* they change places */
	assert_int_equal(a.mapped[MEM_BAR], 1);
	assert_int_equal(b.mapped[MEM_BAR], 1);
	assert_int_equal(b.last_addr, at_a);
	ecam_write(vm, 16, 0x10, 4, at_b);
	assert_int_equal(b.mapped[MEM_BAR], 0);
	td_pci_detach(&a.dev);
	assert_int_equal(b.mapped[MEM_BAR], 1);
	assert_int_equal(a.mapped[MEM_BAR] + a.mapped[MEM64_BAR] + a.mapped[IO_BAR], 0);
	td_pci_dev_fini(&a.dev);
	td_pci_dev_fini(&b.dev);
}

static void capabilities_chain(void **state)
{
	struct td_vm *vm = *state;
	struct fake fake;
	int first, second;

	fake_init(&fake, vm, "fake");
	first = td_pci_add_cap(&fake.dev, 0x10, 0x3c);
	second = td_pci_add_cap(&fake.dev, 0x11, 13);
	assert_int_equal(first, 0x40);
	assert_int_equal(second, 0x7c);
	assert_int_equal(td_pci_add_cap(&fake.dev, 0x05, 0x80), -28);
	assert_int_equal(td_pci_add_cap(&fake.dev, 0x05, 1), -28);
	assert_int_equal(td_pci_attach(&vm->pci, &fake.dev, -1, NULL), 0);
	assert_int_equal(ecam_read(vm, 8, 6, 2) & 0x10, 0x10);
	assert_int_equal(ecam_read(vm, 8, 0x34, 1), first);
	assert_int_equal(ecam_read(vm, 8, (unsigned)first, 2), 0x7c10);
	assert_int_equal(ecam_read(vm, 8, (unsigned)second, 2), 0x0011);
	ecam_write(vm, 8, (unsigned)first, 4, 0);
	ecam_write(vm, 8, 0x34, 1, 0);
	assert_int_equal(ecam_read(vm, 8, (unsigned)first, 2), 0x7c10);
	assert_int_equal(ecam_read(vm, 8, 0x34, 1), first);
	td_pci_dev_fini(&fake.dev);
}

static void slots_run_out(void **state)
{
	struct td_vm *vm = *state;
	static struct fake fake[TD_PCI_SLOTS];
	struct td_err err;

	for (unsigned i = 0; i < TD_PCI_SLOTS - 1; i++) {
		fake_init(&fake[i], vm, "fake");
		assert_int_equal(td_pci_attach(&vm->pci, &fake[i].dev, -1, &err), 0);
		for (unsigned b = 0; b < TD_PCI_BARS; b++)
			assert_int_equal(fake[i].mapped[b], fake[i].dev.bar[b].kind != TD_PCI_BAR_NONE);
	}
	fake_init(&fake[31], vm, "last");
	assert_int_equal(td_pci_attach(&vm->pci, &fake[31].dev, -1, &err), -28);
	assert_int_equal(td_pci_attach(&vm->pci, &fake[31].dev, 5, &err), -16);
	assert_int_equal(td_pci_attach(&vm->pci, &fake[31].dev, 32, &err), -22);
	assert_int_equal(td_pci_attach(&vm->pci, &fake[0].dev, -1, &err), -16);
	assert_int_equal(td_pci_plug(&vm->pci, &fake[31].dev, &err), -28);
	for (unsigned i = 0; i < TD_PCI_SLOTS; i++)
		td_pci_dev_fini(&fake[i].dev);
}

static void windows_run_out(void **state)
{
	struct td_vm *vm = *state;
	struct fake a, b;
	struct td_err err;

	fake_init(&a, vm, "a");
	fake_init(&b, vm, "b");
	td_pci_dev_set_bar(&a.dev, MEM_BAR, TD_PCI_BAR_MEM32, false, 256 * TD_MIB);
	td_pci_dev_set_bar(&b.dev, MEM_BAR, TD_PCI_BAR_MEM32, false, 512 * TD_MIB);
	assert_int_equal(td_pci_attach(&vm->pci, &a.dev, -1, &err), 0);
	assert_int_equal(td_pci_attach(&vm->pci, &b.dev, -1, &err), -28);
	assert_int_equal(b.dev.slot, -1);
	td_pci_detach(&a.dev);
	assert_int_equal(td_pci_attach(&vm->pci, &b.dev, -1, &err), 0);
	td_pci_dev_fini(&a.dev);
	td_pci_dev_fini(&b.dev);
}

static void plug_request_eject(void **state)
{
	struct td_vm *vm = *state;
	struct fake boot, hot;

	fake_init(&boot, vm, "boot");
	fake_init(&hot, vm, "hot");
	assert_int_equal(td_pci_attach(&vm->pci, &boot.dev, -1, NULL), 0);
	assert_int_equal(td_pci_unplug_request(&hot.dev), -19);
	assert_int_equal(td_pci_unplug_request(&boot.dev), -1);
	assert_int_equal(td_pci_plug(&vm->pci, &hot.dev, NULL), 0);
	assert_int_equal(hot.dev.slot, 2);
	assert_int_equal(ecam_read(vm, 16, 0x10, 4), 0);
	assert_int_equal(ecam_read(vm, 16, 4, 2), 0);
	assert_int_equal(hot.transitions, 0);
	assert_int_equal(in(vm, TD_ACPI_PORT_HOTPLUG, 4), 1 << 2);
	assert_int_equal(in(vm, TD_ACPI_PORT_HOTPLUG, 4), 0);

	ecam_write(vm, 16, 0x10, 4, 0xd0000000);
	ecam_write(vm, 16, 4, 2, 2);
	assert_int_equal(hot.mapped[MEM_BAR], 1);
	assert_int_equal(td_pci_unplug_request(&hot.dev), 0);
	assert_int_equal(td_pci_unplug_request(&hot.dev), 0);
	assert_int_equal(in(vm, TD_ACPI_PORT_HOTPLUG + 4, 4), 1 << 2);
	assert_int_equal(in(vm, TD_ACPI_PORT_HOTPLUG + 4, 4), 0);
	out(vm, TD_ACPI_PORT_HOTPLUG + 8, 4, 0xffffffff); /* the bridge and `boot` stay */
	assert_int_equal(hot.ejections, 1);
	assert_int_equal(boot.ejections, 0);
	assert_int_equal(hot.mapped[MEM_BAR], 0);
	assert_int_equal(ecam_read(vm, 16, 0, 4), 0xffffffff);
	assert_int_equal(ecam_read(vm, 0, 0, 4), 0x00081b36);
	assert_int_equal(ecam_read(vm, 8, 0, 4), 0x56781234);

	/* Again: the configuration is as new. A guest may eject without being asked. */
	assert_int_equal(td_pci_plug(&vm->pci, &hot.dev, NULL), 0);
	assert_int_equal(ecam_read(vm, 16, 0x10, 4), 0);
	out(vm, TD_ACPI_PORT_HOTPLUG + 8, 4, 1 << 2);
	assert_int_equal(hot.ejections, 2);
	assert_int_equal(in(vm, TD_ACPI_PORT_HOTPLUG, 4), 0);

	port_access(vm, TD_ACPI_PORT_HOTPLUG, 4, true, 0, TD_FAULT);
	port_access(vm, TD_ACPI_PORT_HOTPLUG + 8, 4, false, 0, TD_FAULT);
	port_access(vm, TD_ACPI_PORT_HOTPLUG + 1, 4, false, 0, TD_FAULT);
	port_access(vm, TD_ACPI_PORT_HOTPLUG, 2, false, 0, TD_FAULT);
	td_pci_dev_fini(&boot.dev);
	td_pci_dev_fini(&hot.dev);
}

/* A guest that stands still while its device goes away hears of it when it goes on, and gets nothing else in its place before. */
static void ghost_is_ejected(void **state)
{
	struct td_vm *vm = *state;
	struct fake boot, hot;

	fake_init(&boot, vm, "boot");
	fake_init(&hot, vm, "hot");
	assert_int_equal(td_pci_attach(&vm->pci, &boot.dev, -1, NULL), 0);
	td_pci_abandon(&hot.dev); /* not plugged: nobody to miss it */
	assert_false(td_pci_has_ghost(&vm->pci));
	assert_int_equal(td_pci_plug(&vm->pci, &hot.dev, NULL), 0);
	assert_int_equal(hot.dev.slot, 2);
	assert_int_equal(in(vm, TD_ACPI_PORT_HOTPLUG, 4), 1 << 2);
	assert_int_equal(td_pci_unplug_request(&hot.dev), 0);
	td_pci_abandon(&hot.dev);
	assert_int_equal(hot.dev.slot, -1);
	assert_true(td_pci_has_ghost(&vm->pci));
	assert_int_equal(ecam_read(vm, 16, 0, 4), 0xffffffff);
	assert_int_equal(in(vm, TD_ACPI_PORT_HOTPLUG + 4, 4), 1 << 2);
	assert_int_equal(in(vm, TD_ACPI_PORT_HOTPLUG + 4, 4), 0);
	assert_true(vm->pci.ghost_timer.armed);
	vm->pci.ghost_timer.expired(&vm->pci.ghost_timer);
	assert_int_equal(in(vm, TD_ACPI_PORT_HOTPLUG + 4, 4), 1 << 2); /* asked again */

	assert_int_equal(td_pci_plug(&vm->pci, &hot.dev, NULL), 0);
	assert_int_equal(hot.dev.slot, 3);
	out(vm, TD_ACPI_PORT_HOTPLUG + 8, 4, 1 << 2);
	assert_false(td_pci_has_ghost(&vm->pci));
	assert_int_equal(hot.ejections, 0);
	vm->pci.ghost_timer.expired(&vm->pci.ghost_timer);
	assert_int_equal(in(vm, TD_ACPI_PORT_HOTPLUG + 4, 4), 0);

	td_pci_abandon(&hot.dev);
	td_pci_reset(&vm->pci); /* a guest that starts anew finds no device */
	assert_false(td_pci_has_ghost(&vm->pci));
	assert_int_equal(in(vm, TD_ACPI_PORT_HOTPLUG + 4, 4), 0);
	td_pci_dev_fini(&boot.dev);
	td_pci_dev_fini(&hot.dev);
}

static void reset_gives_back_the_firmwares_state(void **state)
{
	struct td_vm *vm = *state;
	struct fake boot, hot;
	uint64_t at;

	fake_init(&boot, vm, "boot");
	fake_init(&hot, vm, "hot");
	assert_int_equal(td_pci_attach(&vm->pci, &boot.dev, -1, NULL), 0);
	assert_int_equal(td_pci_plug(&vm->pci, &hot.dev, NULL), 0);
	assert_int_equal(td_pci_unplug_request(&hot.dev), 0);
	at = ecam_read(vm, 8, 0x10, 4);
	ecam_write(vm, 8, SCRATCH, 4, ~0ULL);
	ecam_write(vm, 8, SCRATCH_RC, 4, ~0ULL);
	ecam_write(vm, 8, 0x10, 4, 0xd0000000);
	ecam_write(vm, 8, 4, 2, 0x406);
	td_pci_set32(boot.dev.config, 0x88, 0x1234); /* the device's own, no guest's */
	td_pci_reset(&vm->pci);
	assert_int_equal(ecam_read(vm, 8, 0x10, 4), at);
	assert_int_equal(ecam_read(vm, 8, 4, 2), 3);
	assert_int_equal(ecam_read(vm, 8, SCRATCH, 4), 0);
	assert_int_equal(ecam_read(vm, 8, SCRATCH_RC, 4), 0x0f);
	assert_int_equal(ecam_read(vm, 8, 0x88, 4), 0x1234);
	assert_int_equal(boot.last_addr & 0xfff, 0);
	assert_int_equal(hot.dev.slot, 2);
	assert_int_equal(hot.mapped[MEM_BAR], 1); /* the "firmware" gave it an address too */
	assert_false(hot.dev.unplug_requested);
	assert_int_equal(in(vm, TD_ACPI_PORT_HOTPLUG, 4), 0);
	assert_int_equal(in(vm, TD_ACPI_PORT_HOTPLUG + 4, 4), 0);
	td_pci_dev_reset(&boot.dev);
	assert_int_equal(ecam_read(vm, 8, 4, 2), 0);
	assert_int_equal(boot.mapped[MEM_BAR], 0);
	td_pci_dev_fini(&boot.dev);
	td_pci_dev_fini(&hot.dev);
}

static void too_much_memory_for_the_cpu(void **state)
{
	struct td_vm *vm = *state;
	struct td_pci pci;
	struct td_err err;

	vm->kvm.phys_bits = 35;
	assert_int_equal(td_pci_init(&pci, vm, &err), -22);
	assert_non_null(strstr(err.text, "35"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(header_and_ports, setup, teardown),
		cmocka_unit_test_setup_teardown(masks_and_widths, setup, teardown),
		cmocka_unit_test_setup_teardown(sizing_and_moving_bars, setup, teardown),
		cmocka_unit_test_setup_teardown(overlapping_bars_wait, setup, teardown),
		cmocka_unit_test_setup_teardown(capabilities_chain, setup, teardown),
		cmocka_unit_test_setup_teardown(slots_run_out, setup, teardown),
		cmocka_unit_test_setup_teardown(windows_run_out, setup, teardown),
		cmocka_unit_test_setup_teardown(plug_request_eject, setup, teardown),
		cmocka_unit_test_setup_teardown(ghost_is_ejected, setup, teardown),
		cmocka_unit_test_setup_teardown(reset_gives_back_the_firmwares_state, setup, teardown),
		cmocka_unit_test_setup_teardown(too_much_memory_for_the_cpu, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
