/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pci_bar.c - where BARs are decoded.
 *
 * Theory of operation. The BAR registers in dev->config and the command register say what the guest wants; bar->mapped and bar->addr say
 * what is so. After each write td_pci_bar_update() brings the second in line with the first: it takes away before it adds, so that two BARs
 * may change places. A BAR outside the host bridge's windows is not forwarded by a real bridge either, and so is not decoded; that also
 * keeps BARs off RAM, off ECAM and off the APICs, whatever the guest writes (a half-written 64-bit address, the all-ones of sizing). A BAR
 * that overlaps a mapped one waits until that one goes away.
 */
#include <errno.h>

#include "core/pci_parts.h"
#include "core/vm.h"

struct window {
	uint64_t base, len_bytes;
};

static struct window window_of(const struct td_pci *pci, enum td_pci_bar_kind kind)
{
	switch (kind) {
	case TD_PCI_BAR_IO:
		return (struct window){TD_PCI_PIO_BASE, TD_PCI_PIO_BYTES};
	case TD_PCI_BAR_MEM32:
		return (struct window){TD_PCI_MMIO32_BASE, TD_PCI_MMIO32_BYTES};
	case TD_PCI_BAR_MEM64:
		return (struct window){pci->mmio64_base, TD_PCI_MMIO64_BYTES};
	case TD_PCI_BAR_NONE:
		break;
	}
	return (struct window){0, 0};
}

static bool inside(struct window window, uint64_t addr, uint64_t len_bytes)
{
	return addr >= window.base && td_range_ok(addr - window.base, len_bytes, window.len_bytes);
}

static bool forwarded(const struct td_pci *pci, const struct td_pci_bar *bar, uint64_t addr)
{
	/* A 64-bit BAR may stand in the 32-bit window too. */
	return inside(window_of(pci, bar->kind), addr, bar->size_bytes) ||
	       (bar->kind == TD_PCI_BAR_MEM64 && inside(window_of(pci, TD_PCI_BAR_MEM32), addr, bar->size_bytes));
}

static uint64_t bar_register(const struct td_pci_dev *dev, const struct td_pci_bar *bar)
{
	unsigned offset = TD_PCI_BAR0 + 4U * bar->index;
	uint64_t low = td_pci_get32(dev->config, offset);

	if (bar->kind == TD_PCI_BAR_IO)
		return low & ~3ULL;
	if (bar->kind == TD_PCI_BAR_MEM64)
		low |= (uint64_t)td_pci_get32(dev->config, offset + 4) << 32;
	return low & ~15ULL;
}

static bool wanted(const struct td_pci *pci, const struct td_pci_dev *dev, const struct td_pci_bar *bar)
{
	uint16_t command = td_pci_get16(dev->config, TD_PCI_COMMAND);
	uint16_t enable = bar->kind == TD_PCI_BAR_IO ? TD_PCI_COMMAND_IO : TD_PCI_COMMAND_MEMORY;

	return bar->kind != TD_PCI_BAR_NONE && (command & enable) && forwarded(pci, bar, bar_register(dev, bar));
}

static struct td_bus *bus_of(struct td_pci *pci, const struct td_pci_bar *bar)
{
	return bar->kind == TD_PCI_BAR_IO ? &pci->vm->pio : &pci->vm->mmio;
}

static enum td_result access_bar(struct td_io_region *region, struct td_access *access)
{
	struct td_pci_bar *bar = TD_CONTAINER_OF(region, struct td_pci_bar, region);

	return bar->dev->ops->bar_access(bar->dev, bar->index, access);
}

static void unmap(struct td_pci *pci, struct td_pci_bar *bar)
{
	bar->dev->ops->bar_mapped(bar->dev, bar->index, false);
	td_bus_remove(bus_of(pci, bar), &bar->region);
	bar->mapped = false;
}

static void map(struct td_pci *pci, struct td_pci_bar *bar)
{
	uint64_t addr = bar_register(bar->dev, bar);
	int rc;

	bar->region = (struct td_io_region){.name = bar->dev->device.name, .base = addr, .len = bar->size_bytes, .access = access_bar};
	rc = td_bus_add(bus_of(pci, bar), &bar->region);
	if (rc) {
		td_log_limited(&pci->limit, TD_LOG_WARN, "pci %s: BAR %u at 0x%llx is not decoded: %s", bar->dev->device.name, bar->index,
			(unsigned long long)addr, rc == -EEXIST ? "it overlaps another" : "no memory");
		return;
	}
	bar->addr = addr;
	bar->mapped = true;
	bar->dev->ops->bar_mapped(bar->dev, bar->index, true);
}

static void map_wanted(struct td_pci *pci, struct td_pci_dev *dev)
{
	for (unsigned i = 0; i < TD_PCI_BARS; i++)
		if (!dev->bar[i].mapped && wanted(pci, dev, &dev->bar[i]))
			map(pci, &dev->bar[i]);
}

static void map_waiting(struct td_pci *pci)
{
	for (unsigned i = 0; i < TD_PCI_SLOTS; i++)
		if (pci->slot[i])
			map_wanted(pci, pci->slot[i]);
}

void td_pci_bar_update(struct td_pci *pci, struct td_pci_dev *dev)
{
	bool room = false;

	for (unsigned i = 0; i < TD_PCI_BARS; i++) {
		struct td_pci_bar *bar = &dev->bar[i];

		if (bar->mapped && (!wanted(pci, dev, bar) || bar_register(dev, bar) != bar->addr)) {
			unmap(pci, bar);
			room = true;
		}
	}
	map_wanted(pci, dev);
	if (room)
		map_waiting(pci);
}

void td_pci_bar_unmap_all(struct td_pci *pci, struct td_pci_dev *dev)
{
	td_pci_set16(dev->config, TD_PCI_COMMAND,
		td_pci_get16(dev->config, TD_PCI_COMMAND) & (uint16_t) ~(TD_PCI_COMMAND_IO | TD_PCI_COMMAND_MEMORY));
	td_pci_bar_update(pci, dev);
}

/* The end of a placed BAR that overlaps [addr, addr + len), or 0. */
static uint64_t taken_until(const struct td_pci *pci, const struct td_pci_dev *placing, bool io, uint64_t addr, uint64_t len_bytes)
{
	for (unsigned s = 0; s <= TD_PCI_SLOTS; s++) {
		const struct td_pci_dev *dev = s < TD_PCI_SLOTS ? pci->slot[s] : placing;

		for (unsigned i = 0; dev && i < TD_PCI_BARS; i++) {
			const struct td_pci_bar *bar = &dev->bar[i];

			if (bar->boot_addr && (bar->kind == TD_PCI_BAR_IO) == io && addr < bar->boot_addr + bar->size_bytes &&
				bar->boot_addr < addr + len_bytes)
				return bar->boot_addr + bar->size_bytes;
		}
	}
	return 0;
}

static int place_one(struct td_pci *pci, struct td_pci_dev *dev, struct td_pci_bar *bar)
{
	bool io = bar->kind == TD_PCI_BAR_IO;
	struct window window = window_of(pci, bar->kind);
	/* Memory BARs get pages of their own, so that a device may put memslots there. */
	uint64_t align = io ? bar->size_bytes : TD_MAX(bar->size_bytes, TD_PAGE);
	uint64_t addr = td_align_up(window.base, align), until;

	while (inside(window, addr, bar->size_bytes)) {
		until = taken_until(pci, dev, io, addr, align);
		if (!until) {
			bar->boot_addr = addr;
			return 0;
		}
		addr = td_align_up(until, align);
	}
	return -ENOSPC;
}

int td_pci_bar_place(struct td_pci *pci, struct td_pci_dev *dev, struct td_err *err)
{
	for (unsigned i = 0; i < TD_PCI_BARS; i++) {
		struct td_pci_bar *bar = &dev->bar[i];

		if (bar->kind == TD_PCI_BAR_NONE || bar->boot_addr)
			continue;
		if (place_one(pci, dev, bar))
			return td_err_set(err, ENOSPC, TD_REASON_CONFIG_VALUE, "%s: no room for PCI BAR %u of %llu KiB", dev->device.name,
				i, (unsigned long long)(bar->size_bytes / TD_KIB));
	}
	return 0;
}

void td_pci_bar_program(struct td_pci_dev *dev)
{
	uint16_t command = td_pci_get16(dev->config, TD_PCI_COMMAND);

	for (unsigned i = 0; i < TD_PCI_BARS; i++) {
		struct td_pci_bar *bar = &dev->bar[i];
		unsigned offset = TD_PCI_BAR0 + 4 * i;

		if (!bar->boot_addr)
			continue;
		td_pci_set32(dev->config, offset,
			(td_pci_get32(dev->config, offset) & ~td_pci_get32(dev->writable, offset)) | (uint32_t)bar->boot_addr);
		if (bar->kind == TD_PCI_BAR_MEM64)
			td_pci_set32(dev->config, offset + 4, (uint32_t)(bar->boot_addr >> 32));
		command |= bar->kind == TD_PCI_BAR_IO ? TD_PCI_COMMAND_IO : TD_PCI_COMMAND_MEMORY;
	}
	td_pci_set16(dev->config, TD_PCI_COMMAND, command);
}
