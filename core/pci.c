/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pci.c - the root bus and its host bridge, and how a function's configuration space is made. Accesses of the guest are in pci_config.c,
 * address decoding in pci_bar.c, coming and going in pci_hotplug.c, reads without exit in pci_window.c.
 */
#include "core/pci.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/pci_parts.h"
#include "core/vm.h"

uint16_t td_pci_get16(const uint8_t *config, unsigned offset)
{
	return (uint16_t)(config[offset] | config[offset + 1] << 8);
}

uint32_t td_pci_get32(const uint8_t *config, unsigned offset)
{
	return td_pci_get16(config, offset) | (uint32_t)td_pci_get16(config, offset + 2) << 16;
}

void td_pci_set16(uint8_t *config, unsigned offset, uint16_t value)
{
	config[offset] = (uint8_t)value;
	config[offset + 1] = (uint8_t)(value >> 8);
}

void td_pci_set32(uint8_t *config, unsigned offset, uint32_t value)
{
	td_pci_set16(config, offset, (uint16_t)value);
	td_pci_set16(config, offset + 2, (uint16_t)(value >> 16));
}

int td_pci_dev_init(struct td_pci_dev *dev, struct td_vm *vm, const char *name, const struct td_pci_ops *ops,
	const struct td_device_ops *device_ops, const struct td_pci_ids *ids, struct td_err *err)
{
	dev->ops = ops;
	dev->vm = vm;
	dev->slot = -1;
	dev->next_cap = TD_PCI_CAPS_START;
	dev->device.ops = device_ops;
	snprintf(dev->device.name, sizeof(dev->device.name), "%s", name);
	dev->config_own = calloc(1, TD_PCI_CONFIG_BYTES);
	dev->writable = calloc(1, TD_PCI_CONFIG_BYTES);
	dev->config = dev->config_own;
	if (!dev->config || !dev->writable) {
		td_pci_dev_fini(dev);
		return td_err_sys(err, ENOMEM, TD_REASON_NO_MEMORY, "%s: PCI configuration space", name);
	}
	td_pci_set16(dev->config, TD_PCI_VENDOR, ids->vendor);
	td_pci_set16(dev->config, TD_PCI_DEVICE, ids->device);
	td_pci_set16(dev->config, TD_PCI_SUBSYSTEM_VENDOR, ids->subsystem_vendor);
	td_pci_set16(dev->config, TD_PCI_SUBSYSTEM, ids->subsystem);
	td_pci_set32(dev->config, TD_PCI_REVISION, ids->class_code << 8 | ids->revision);
	td_pci_set16(
		dev->writable, TD_PCI_COMMAND, TD_PCI_COMMAND_MASTER | TD_PCI_COMMAND_PARITY | TD_PCI_COMMAND_SERR | TD_PCI_COMMAND_NOINTX);
	dev->writable[TD_PCI_CACHE_LINE] = 0xff;
	dev->writable[TD_PCI_IRQ_LINE] = 0xff;
	return 0;
}

void td_pci_dev_fini(struct td_pci_dev *dev)
{
	td_pci_detach(dev);
	free(dev->config_own);
	free(dev->writable);
	free(dev->w1c);
	dev->config = dev->config_own = dev->writable = dev->w1c = NULL;
}

static void set_bar_register(struct td_pci_dev *dev, unsigned bar, uint32_t type, uint64_t size_bytes)
{
	unsigned offset = TD_PCI_BAR0 + 4 * bar;
	uint64_t mask = ~(size_bytes - 1);

	td_pci_set32(dev->config, offset, type);
	td_pci_set32(dev->writable, offset, (uint32_t)mask);
	if (type & TD_PCI_BAR_IS_64 && !(type & TD_PCI_BAR_IS_IO))
		td_pci_set32(dev->writable, offset + 4, (uint32_t)(mask >> 32));
}

void td_pci_dev_set_bar(struct td_pci_dev *dev, unsigned bar, enum td_pci_bar_kind kind, bool prefetchable, uint64_t size_bytes)
{
	struct td_pci_bar *b = &dev->bar[bar];
	uint16_t command = td_pci_get16(dev->writable, TD_PCI_COMMAND);
	uint32_t type = prefetchable ? TD_PCI_BAR_PREFETCH : 0;

	*b = (struct td_pci_bar){.kind = kind, .prefetchable = prefetchable, .size_bytes = size_bytes, .index = (uint8_t)bar, .dev = dev};
	switch (kind) {
	case TD_PCI_BAR_NONE:
		return;
	case TD_PCI_BAR_IO:
		command |= TD_PCI_COMMAND_IO;
		type = TD_PCI_BAR_IS_IO;
		break;
	case TD_PCI_BAR_MEM32:
		command |= TD_PCI_COMMAND_MEMORY;
		break;
	case TD_PCI_BAR_MEM64:
		command |= TD_PCI_COMMAND_MEMORY;
		type |= TD_PCI_BAR_IS_64;
		break;
	}
	td_pci_set16(dev->writable, TD_PCI_COMMAND, command);
	set_bar_register(dev, bar, type, size_bytes);
}

int td_pci_add_cap(struct td_pci_dev *dev, uint8_t id, unsigned len_bytes)
{
	unsigned at = dev->next_cap, link = TD_PCI_CAPS;

	if (len_bytes < 2 || at + len_bytes > TD_PCI_CAPS_END)
		return -ENOSPC;
	while (dev->config[link]) /* our own chain: ascending, so it ends */
		link = dev->config[link] + 1U;
	dev->config[link] = (uint8_t)at;
	dev->config[at] = id;
	dev->next_cap = (at + len_bytes + 3) & ~3U;
	td_pci_set16(dev->config, TD_PCI_STATUS, td_pci_get16(dev->config, TD_PCI_STATUS) | TD_PCI_STATUS_CAPS);
	return (int)at;
}

/* The host bridge: there so that a bus scan finds one (Linux takes ports CF8/CFC for broken otherwise). It does nothing. */

static enum td_result bridge_bar_access(struct td_pci_dev *dev, unsigned bar, struct td_access *access)
{
	(void)dev, (void)bar, (void)access;
	return TD_UNCLAIMED;
}

static void bridge_bar_mapped(struct td_pci_dev *dev, unsigned bar, bool on)
{
	(void)dev, (void)bar, (void)on;
}

static void bridge_config_written(struct td_pci_dev *dev, unsigned offset, unsigned width)
{
	(void)dev, (void)offset, (void)width;
}

static void bridge_ejected(struct td_pci_dev *dev)
{
	(void)dev;
}

static void bridge_reset(struct td_device *device)
{
	(void)device;
}

static int bridge_quiesce(struct td_device *device)
{
	(void)device;
	return 0;
}

static const struct td_pci_ops bridge_ops = {bridge_bar_access, bridge_bar_mapped, bridge_config_written, bridge_ejected};
static const struct td_device_ops bridge_device_ops = {bridge_reset, bridge_quiesce, bridge_reset, bridge_reset};

static int add_bridge(struct td_pci *pci, struct td_err *err)
{
	/* Red Hat's "generic PCIe host bridge": no kernel has a quirk for it. */
	static const struct td_pci_ids ids = {.vendor = 0x1b36, .device = 0x0008, .class_code = 0x060000};
	int rc;

	pci->bridge = calloc(1, sizeof(*pci->bridge));
	if (!pci->bridge)
		return td_err_sys(err, ENOMEM, TD_REASON_NO_MEMORY, "PCI host bridge");
	rc = td_pci_dev_init(pci->bridge, pci->vm, "bridge", &bridge_ops, &bridge_device_ops, &ids, err);
	return rc ? rc : td_pci_attach(pci, pci->bridge, 0, err);
}

/* The 64-bit window must lie above RAM and below what the CPU can address. */
static int place_mmio64(struct td_pci *pci, struct td_err *err)
{
	unsigned phys_bits = pci->vm->kvm.phys_bits;
	uint64_t base = td_align_up(td_mem_top(&pci->vm->mem).v, TD_GIB);

	if (!td_range_ok(base, TD_PCI_MMIO64_BYTES, 1ULL << TD_MIN(phys_bits, 52U)))
		return td_err_set(err, EINVAL, TD_REASON_NO_MEMORY,
			"PCI: no room for the 64-bit window of %llu GiB: RAM ends at %llu GiB, the CPU has %u address bits",
			TD_PCI_MMIO64_BYTES / TD_GIB, (unsigned long long)(base / TD_GIB), phys_bits);
	pci->mmio64_base = base;
	return 0;
}

int td_pci_init(struct td_pci *pci, struct td_vm *vm, struct td_err *err)
{
	int rc;

	*pci = (struct td_pci){
		.vm = vm, .ecam = td_pci_config_ecam, .ports = td_pci_config_ports, .hotplug = td_pci_hotplug_region, .window.fd = -1};
	rc = place_mmio64(pci, err);
	if (rc)
		return rc;
	rc = td_bus_add(&vm->mmio, &pci->ecam);
	if (!rc)
		rc = td_bus_add(&vm->pio, &pci->ports);
	if (!rc)
		rc = td_bus_add(&vm->pio, &pci->hotplug);
	if (rc) {
		td_pci_fini(pci);
		return td_err_sys(err, -rc, TD_REASON_INTERNAL, "PCI: configuration registers on the bus");
	}
	td_pci_window_init(pci);
	rc = add_bridge(pci, err);
	if (rc)
		td_pci_fini(pci);
	return rc;
}

void td_pci_set_ports(struct td_pci *pci, bool on)
{
	if (!on)
		td_bus_remove(&pci->vm->pio, &pci->ports);
	else if (!pci->ports.active)
		td_bus_add(&pci->vm->pio, &pci->ports);
}

void td_pci_fini(struct td_pci *pci)
{
	if (!pci->vm)
		return;
	td_loop_disarm(&pci->vm->loop, &pci->ghost_timer);
	if (pci->bridge)
		td_pci_dev_fini(pci->bridge);
	free(pci->bridge);
	for (unsigned i = 0; i < TD_PCI_SLOTS; i++)
		if (pci->slot[i])
			td_pci_detach(pci->slot[i]);
	td_pci_window_fini(pci);
	td_bus_remove(&pci->vm->mmio, &pci->ecam);
	td_bus_remove(&pci->vm->pio, &pci->ports);
	td_bus_remove(&pci->vm->pio, &pci->hotplug);
	*pci = (struct td_pci){.window.fd = -1};
}
