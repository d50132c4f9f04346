/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pci_config_fuzz.c - a hostile guest at the PCI root bus: any access to configuration space (ECAM and ports), to BARs wherever they have
 * been moved, to MSI-X tables and hot-plug registers, mixed with plugging, unplug requests, function and guest resets. Checked after each
 * step: on and off alternate, what is mapped lies in a window and overlaps nothing, the read-only registers have not moved.
 *
 * Input: records of 12 bytes: operation, width, offset (2 bytes), value (8 bytes). Without KVM: vectors never get connected.
 */
#include <stdlib.h>
#include <string.h>

#include "core/acpi.h"
#include "core/msix.h"
#include "core/vm.h"

#define DEVICES 3U

struct fuzzed {
	struct td_pci_dev dev;
	struct td_msix msix;
	bool on[TD_PCI_BARS];
};

struct record {
	uint8_t operation, width;
	uint16_t offset;
	uint64_t value;
} __attribute__((packed));

static void check(bool ok)
{
	if (!ok)
		abort();
}

static enum td_result bar_access(struct td_pci_dev *dev, unsigned bar, struct td_access *access)
{
	enum td_result result;

	check(access->offset + access->width <= dev->bar[bar].size_bytes);
	return td_msix_bar_access(&((struct fuzzed *)dev)->msix, bar, access, &result) ? result : TD_DONE;
}

static void bar_mapped(struct td_pci_dev *dev, unsigned bar, bool on)
{
	struct fuzzed *f = (struct fuzzed *)dev;

	check(f->on[bar] != on && dev->bar[bar].mapped && dev->slot >= 0);
	f->on[bar] = on;
}

static void config_written(struct td_pci_dev *dev, unsigned offset, unsigned width)
{
	check(offset + width <= TD_PCI_CONFIG_BYTES);
	td_msix_config_written(&((struct fuzzed *)dev)->msix, offset, width);
}

static void ejected(struct td_pci_dev *dev)
{
	check(dev->slot == -1);
}

static void nothing(struct td_device *device)
{
	(void)device;
}

static int quiesce(struct td_device *device)
{
	(void)device;
	return 0;
}

static const struct td_pci_ops ops = {bar_access, bar_mapped, config_written, ejected};
static const struct td_device_ops device_ops = {nothing, quiesce, nothing, nothing};

static void make_device(struct fuzzed *f, struct td_vm *vm)
{
	static const struct td_pci_ids ids = {0x1234, 0x5678, 0, 0, 0, 0x020000};

	check(td_pci_dev_init(&f->dev, vm, "fuzzed", &ops, &device_ops, &ids, NULL) == 0);
	td_pci_dev_set_bar(&f->dev, 0, TD_PCI_BAR_MEM32, false, 0x4000);
	td_pci_dev_set_bar(&f->dev, 1, TD_PCI_BAR_IO, false, 64);
	td_pci_dev_set_bar(&f->dev, 2, TD_PCI_BAR_MEM64, true, 0x1000);
	td_pci_dev_set_bar(&f->dev, 4, TD_PCI_BAR_MEM64, false, 16);
	check(td_pci_add_cap(&f->dev, 0x10, 0x3c) > 0);
	check(td_msix_init(&f->msix, &f->dev, 9, 0, 0x1000, 2, 0x800, NULL) == 0);
	f->dev.w1c = calloc(1, TD_PCI_CONFIG_BYTES);
	check(f->dev.w1c != NULL);
	f->dev.w1c[0x4a] = 0x0f;
}

static void check_bus(const struct td_bus *bus)
{
	for (unsigned i = 1; i < bus->count; i++)
		check(bus->region[i - 1]->base + bus->region[i - 1]->len <= bus->region[i]->base);
}

static void check_device(const struct td_vm *vm, const struct fuzzed *f)
{
	const struct td_pci_bar *bar = f->dev.bar;

	check(td_pci_get32(f->dev.config, 0) == 0x56781234 && f->dev.config[0x34] == 0x40 && f->dev.config[0x41] == f->msix.cap);
	for (unsigned i = 0; i < TD_PCI_BARS; i++) {
		check(f->on[i] == bar[i].mapped);
		if (bar[i].mapped && bar[i].kind != TD_PCI_BAR_IO)
			check((bar[i].addr >= TD_PCI_MMIO32_BASE && bar[i].addr + bar[i].size_bytes <= TD_PCI_ECAM_BASE) ||
				bar[i].addr >= vm->pci.mmio64_base);
	}
}

static void dispatch(struct td_bus *bus, uint64_t base, const struct record *r, bool write)
{
	struct td_access access = {.offset = base + r->offset, .width = (uint8_t)(1U << (r->width & 3)), .write = write, .value = r->value};

	td_bus_dispatch(bus, &access);
}

static void step(struct td_vm *vm, struct fuzzed *f, const struct record *r)
{
	struct fuzzed *one = &f[r->width / 4 % DEVICES];
	const struct td_pci_bar *bar = &one->dev.bar[r->width / 16 % TD_PCI_BARS];
	bool write = r->operation & 0x80;

	switch (r->operation % 10) {
	case 0: /* small offsets in function 0 of the first slots: where the registers are */
		dispatch(&vm->mmio, TD_PCI_ECAM_BASE + (uint64_t)(r->width / 4 % 4) * 0x8000 - (r->offset & 0xff00U), r, write);
		break;
	case 1:
		dispatch(&vm->mmio, TD_PCI_ECAM_BASE + (r->value >> 48) % 16 * 0x10000, r, write);
		break;
	case 2:
		vm->pci.cf8 = (uint32_t)(r->value >> 32);
		dispatch(&vm->pio, 0xcf8 - (r->offset & ~7ULL), r, write);
		break;
	case 3:
	case 4:
		if (bar->mapped)
			dispatch(bar->kind == TD_PCI_BAR_IO ? &vm->pio : &vm->mmio, bar->addr, r, write);
		break;
	case 5:
		dispatch(&vm->pio, TD_ACPI_PORT_HOTPLUG - (r->offset & ~15ULL), r, write);
		break;
	case 6:
		td_pci_plug(&vm->pci, &one->dev, NULL);
		break;
	case 7:
		td_pci_unplug_request(&one->dev);
		break;
	case 8:
		td_pci_dev_reset(&one->dev);
		td_msix_raise(&one->msix, r->offset);
		break;
	case 9:
		if (write)
			td_pci_reset(&vm->pci);
		else
			td_msix_reset(&one->msix);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len_bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len_bytes)
{
	static const struct td_mem_config mem = {.size_bytes = TD_MIB};
	struct td_vm vm = {.kvm = {.fd = -1, .vm_fd = -1, .phys_bits = 40}};
	struct kvm_irq_routing *no_table = calloc(1, 65536);
	struct fuzzed f[DEVICES] = {0};
	struct record r;

	td_log_set_level(TD_LOG_ERROR);
	vm.irq.kvm = &vm.kvm;
	vm.irq.table = no_table; /* td_irq_init() wants KVM; without it each attach fails, as it may */
	check(no_table && td_mem_init(&vm.mem, &mem, NULL) == 0 && td_pci_init(&vm.pci, &vm, NULL) == 0);
	for (unsigned i = 0; i < DEVICES; i++)
		make_device(&f[i], &vm);
	check(td_pci_attach(&vm.pci, &f[0].dev, -1, NULL) == 0);
	for (; len_bytes >= sizeof(r); data += sizeof(r), len_bytes -= sizeof(r)) {
		memcpy(&r, data, sizeof(r));
		step(&vm, f, &r);
		check_bus(&vm.mmio);
		check_bus(&vm.pio);
		for (unsigned i = 0; i < DEVICES; i++)
			check_device(&vm, &f[i]);
	}
	for (unsigned i = 0; i < DEVICES; i++) {
		td_msix_fini(&f[i].msix);
		td_pci_dev_fini(&f[i].dev);
	}
	td_pci_fini(&vm.pci);
	check(vm.mmio.count == 0 && vm.pio.count == 0);
	td_bus_fini(&vm.mmio);
	td_bus_fini(&vm.pio);
	td_mem_fini(&vm.mem);
	free(no_table);
	return 0;
}
