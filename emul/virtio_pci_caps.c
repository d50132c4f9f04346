/* SPDX-License-Identifier: Apache-2.0 */
/* virtio_pci_caps.c - the vendor capabilities of the transport (virtio 1.2 §4.1.4), and the window that one of them is. */
#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/virtio_pci.h>
#include <string.h>

#include "emul/virtio_pci.h"

#define ACCESS_DATA 16U /* pci_cfg_data, in the configuration access capability */

static bool access_target(const struct td_virtio_pci *dev, unsigned *ret_bar, struct td_access *ret_access)
{
	const uint8_t *cap = dev->pci.config + dev->access_cap;
	uint32_t offset = td_pci_get32(cap, VIRTIO_PCI_CAP_OFFSET), length = td_pci_get32(cap, VIRTIO_PCI_CAP_LENGTH);
	unsigned bar = cap[VIRTIO_PCI_CAP_BAR];

	if ((bar != TD_VIRTIO_BAR_PORTS && bar != TD_VIRTIO_BAR_MEMORY) || (length != 1 && length != 2 && length != 4) || offset % length ||
		!td_range_ok(offset, length, dev->pci.bar[bar].size_bytes))
		return false;
	*ret_bar = bar;
	*ret_access = (struct td_access){.offset = offset, .width = (uint8_t)length};
	return true;
}

/*
 * A guest reads configuration space without telling us, so what its next read would give is put there whenever the window is moved, and
 * after each write through it. Drivers move the window before each access, so what they read is fresh.
 */
static void use_window(struct td_virtio_pci *dev, unsigned offset, unsigned width)
{
	struct td_access access;
	unsigned bar;

	if (!access_target(dev, &bar, &access))
		return;
	if (offset + width > dev->access_cap + ACCESS_DATA) {
		access.write = true;
		access.value = td_pci_get32(dev->pci.config, dev->access_cap + ACCESS_DATA);
		if (access.width < 4)
			access.value &= td_access_ones(&access);
		dev->pci.ops->bar_access(&dev->pci, bar, &access);
	}
	access.write = false;
	access.value = 0;
	if (dev->pci.ops->bar_access(&dev->pci, bar, &access) != TD_DONE)
		access.value = td_access_ones(&access);
	td_pci_set32(dev->pci.config, dev->access_cap + ACCESS_DATA, (uint32_t)access.value);
}

void td_virtio_pci_caps_written(struct td_virtio_pci *dev, unsigned offset, unsigned width)
{
	if (offset + width > dev->access_cap && offset < dev->access_cap + ACCESS_DATA + 4)
		use_window(dev, offset, width);
}

static int add_cap(struct td_virtio_pci *dev, uint8_t kind, uint8_t bar, uint32_t offset, uint32_t length, struct td_err *err)
{
	bool notify = kind == VIRTIO_PCI_CAP_NOTIFY_CFG;
	unsigned len = notify || kind == VIRTIO_PCI_CAP_PCI_CFG ? 20 : 16;
	int cap = td_pci_add_cap(&dev->pci, PCI_CAP_ID_VNDR, len);

	if (cap < 0)
		return td_err_set(err, -cap, TD_REASON_INTERNAL, "%s: no room for a PCI capability", dev->pci.device.name);
	uint8_t *config = dev->pci.config + cap;
	config[VIRTIO_PCI_CAP_LEN] = (uint8_t)len;
	config[VIRTIO_PCI_CAP_CFG_TYPE] = kind;
	config[VIRTIO_PCI_CAP_BAR] = bar;
	td_pci_set32(config, VIRTIO_PCI_CAP_OFFSET, offset);
	td_pci_set32(config, VIRTIO_PCI_CAP_LENGTH, length);
	if (notify)
		td_pci_set32(config, VIRTIO_PCI_NOTIFY_CAP_MULT, TD_VIRTIO_NOTIFY_STEP);
	if (kind == VIRTIO_PCI_CAP_PCI_CFG) {
		uint8_t *writable = dev->pci.writable + cap;

		dev->access_cap = (unsigned)cap;
		writable[VIRTIO_PCI_CAP_BAR] = 0xff;
		memset(writable + VIRTIO_PCI_CAP_OFFSET, 0xff, 12);
	}
	return 0;
}

int td_virtio_pci_caps_add(struct td_virtio_pci *dev, struct td_err *err)
{
	uint32_t notify = dev->queue_count * TD_VIRTIO_NOTIFY_STEP;
	const struct {
		uint8_t kind, bar;
		uint32_t offset, length;
	} cap[] = {
		{VIRTIO_PCI_CAP_COMMON_CFG, TD_VIRTIO_BAR_MEMORY, TD_VIRTIO_AT_COMMON, sizeof(struct virtio_pci_common_cfg)},
		{VIRTIO_PCI_CAP_NOTIFY_CFG, TD_VIRTIO_BAR_PORTS, 0, notify},
		{VIRTIO_PCI_CAP_NOTIFY_CFG, TD_VIRTIO_BAR_MEMORY, TD_VIRTIO_AT_NOTIFY, notify},
		{VIRTIO_PCI_CAP_ISR_CFG, TD_VIRTIO_BAR_MEMORY, TD_VIRTIO_AT_ISR, 1},
		{VIRTIO_PCI_CAP_DEVICE_CFG, TD_VIRTIO_BAR_MEMORY, TD_VIRTIO_AT_DEVICE, TD_MAX(dev->config_len, 4U)},
		{VIRTIO_PCI_CAP_PCI_CFG, 0, 0, 0},
	};
	int rc = 0;

	for (unsigned i = 0; !rc && i < TD_COUNT(cap); i++)
		rc = add_cap(dev, cap[i].kind, cap[i].bar, cap[i].offset, cap[i].length, err);
	return rc;
}
