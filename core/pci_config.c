/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pci_config.c - the guest's accesses to configuration space: by ECAM (PCI Express Base 4.0 §7.2.2) and by ports CF8/CFC (PCI Local Bus 3.0
 * §3.2.2.3.2). Reads come from dev->config as it stands; writes go through the masks.
 */
#include <string.h>

#include "core/pci_parts.h"
#include "core/vm.h"

#define CF8_ENABLE 0x80000000U
#define CF8_BITS   0x80fffffcU /* the others read as zero */

static void write_bytes(struct td_pci_dev *dev, unsigned offset, unsigned width, uint64_t value)
{
	for (unsigned i = 0; i < width; i++) {
		unsigned at = offset + i;
		uint8_t byte = (uint8_t)(value >> (8 * i));
		uint8_t now = (uint8_t)((dev->config[at] & ~dev->writable[at]) | (byte & dev->writable[at]));

		if (dev->w1c)
			now = (uint8_t)((now & ~dev->w1c[at]) | (dev->config[at] & dev->w1c[at] & ~byte));
		dev->config[at] = now;
	}
}

static bool touches(unsigned offset, unsigned width, unsigned start, unsigned end)
{
	return offset < end && offset + width > start;
}

/* A naturally aligned write of at most a dword: what a PCI configuration cycle can carry. */
static void write_config(struct td_pci *pci, struct td_pci_dev *dev, unsigned offset, unsigned width, uint64_t value)
{
	write_bytes(dev, offset, width, value);
	if (touches(offset, width, TD_PCI_COMMAND, TD_PCI_STATUS) || touches(offset, width, TD_PCI_BAR0, TD_PCI_BAR_END))
		td_pci_bar_update(pci, dev);
	dev->ops->config_written(dev, offset, width);
}

static uint64_t read_config(const struct td_pci_dev *dev, unsigned offset, unsigned width)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < width; i++)
		value |= (uint64_t)dev->config[offset + i] << (8 * i);
	return value;
}

void td_pci_config_access(struct td_pci *pci, unsigned devfn, struct td_access *access)
{
	struct td_pci_dev *dev = devfn < 8 * TD_PCI_SLOTS && devfn % 8 == 0 ? pci->slot[devfn / 8] : NULL;
	unsigned offset = (unsigned)(access->offset & (TD_PCI_CONFIG_BYTES - 1)), width = access->width;

	pci->config_accesses++;
	if (!dev || !td_range_ok(access->offset, width, TD_PCI_CONFIG_BYTES)) {
		access->value = access->write ? access->value : td_access_ones(access);
	} else if (!access->write) {
		access->value = dev->unready ? td_access_ones(access) : read_config(dev, offset, width);
	} else if (width <= 8 && offset % width == 0) {
		write_config(pci, dev, offset, TD_MIN(width, 4U), access->value);
		/* Two cycles; the first may have made the device go away. */
		if (width == 8 && pci->slot[devfn / 8] == dev)
			write_config(pci, dev, offset + 4, 4, access->value >> 32);
	}
}

static enum td_result access_ecam(struct td_io_region *region, struct td_access *access)
{
	struct td_pci *pci = TD_CONTAINER_OF(region, struct td_pci, ecam);
	struct td_access inner = *access;

	inner.offset = access->offset % TD_PCI_CONFIG_BYTES;
	td_pci_config_access(pci, (unsigned)(access->offset / TD_PCI_CONFIG_BYTES), &inner);
	access->value = inner.value;
	return TD_DONE;
}

static void access_address(struct td_pci *pci, struct td_access *access)
{
	if (access->offset != 0 || access->width != 4)
		access->value = td_access_ones(access); /* only a dword is the address register; CF9 and the like are not there */
	else if (access->write)
		pci->cf8 = (uint32_t)access->value & CF8_BITS;
	else
		access->value = pci->cf8;
}

static void access_data(struct td_pci *pci, struct td_access *access)
{
	unsigned bus = pci->cf8 >> 16 & 0xff, devfn = pci->cf8 >> 8 & 0xff;
	struct td_access inner = *access;

	if (!(pci->cf8 & CF8_ENABLE) || bus != 0) {
		access->value = td_access_ones(access);
		return;
	}
	inner.offset = (pci->cf8 & 0xfc) + (access->offset - 4);
	td_pci_config_access(pci, devfn, &inner);
	access->value = inner.value;
}

static enum td_result access_ports(struct td_io_region *region, struct td_access *access)
{
	struct td_pci *pci = TD_CONTAINER_OF(region, struct td_pci, ports);

	if (access->offset < 4)
		access_address(pci, access);
	else
		access_data(pci, access);
	return TD_DONE;
}

const struct td_io_region td_pci_config_ecam = {"pci ecam", TD_PCI_ECAM_BASE, TD_PCI_ECAM_BYTES, access_ecam, false};
const struct td_io_region td_pci_config_ports = {"pci ports", 0xcf8, 8, access_ports, false};
