/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vfio_config.c - configuration space. The guest sees a function made anew from few facts of the real one: IDs, class, BARs, MSI-X and a
 * PCI Express capability that calls it a root complex integrated endpoint, for the guest's root bus has no root port. Everything else
 * is left out (power management, vital product data, and all of extended space: SR-IOV, ACS, ATS, AER, ARI), so no write of the guest
 * reaches the hardware but the one bit that vfio_pci.c forwards: bus mastering. Memory decoding of the hardware stays on while it is
 * open (of a VF it is the PF's anyway); whether the guest reaches the BARs is decided by memslots.
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <string.h>

#include "vfio/vfio_dev.h"

#define CAPS_MAX	48U   /* as many as fit: more is a loop */
#define PCIE_CAP_BYTES	0x3cU /* version 2 */
#define PCIE_VERSION	2U
#define PCIE_DEVCTL_RW	0x7fffU /* all but the request of a reset, which is handled apart */
#define MSIX_CAP_BYTES	12U
#define MSIX_BIR	7U
#define HEADER_BYTES	0x40U
#define STATUS_HAS_CAPS PCI_STATUS_CAP_LIST

static void read_ids(const uint8_t *image, struct td_pci_ids *ids)
{
	ids->vendor = td_pci_get16(image, PCI_VENDOR_ID);
	ids->device = td_pci_get16(image, PCI_DEVICE_ID);
	ids->subsystem_vendor = td_pci_get16(image, PCI_SUBSYSTEM_VENDOR_ID);
	ids->subsystem = td_pci_get16(image, PCI_SUBSYSTEM_ID);
	ids->revision = image[PCI_REVISION_ID];
	ids->class_code = td_pci_get32(image, PCI_CLASS_REVISION) >> 8;
}

static void read_bars(const uint8_t *image, struct td_vfio_function *function)
{
	for (unsigned i = 0; i < TD_PCI_BARS; i++) {
		uint32_t bar = td_pci_get32(image, PCI_BASE_ADDRESS_0 + 4 * i);

		if (bar & PCI_BASE_ADDRESS_SPACE_IO) {
			function->kind[i] = TD_PCI_BAR_IO;
			continue;
		}
		bool is_64 = (bar & PCI_BASE_ADDRESS_MEM_TYPE_MASK) == PCI_BASE_ADDRESS_MEM_TYPE_64 && i + 1 < TD_PCI_BARS;
		function->kind[i] = is_64 ? TD_PCI_BAR_MEM64 : TD_PCI_BAR_MEM32;
		function->prefetchable[i] = (bar & PCI_BASE_ADDRESS_MEM_PREFETCH) != 0;
		i += is_64; /* the next register is its upper half */
	}
}

static bool read_msix(const uint8_t *cap, struct td_vfio_function *function)
{
	uint32_t table = td_pci_get32(cap, PCI_MSIX_TABLE), pba = td_pci_get32(cap, PCI_MSIX_PBA);

	function->msix_count = TD_MIN((td_pci_get16(cap, PCI_MSIX_FLAGS) & PCI_MSIX_FLAGS_QSIZE) + 1U, TD_MSIX_VECTORS_MAX);
	function->table_bar = table & MSIX_BIR;
	function->table_offset = table & ~MSIX_BIR;
	function->pba_bar = pba & MSIX_BIR;
	function->pba_offset = pba & ~MSIX_BIR;
	return function->table_bar < TD_PCI_BARS && function->pba_bar < TD_PCI_BARS;
}

static int bad(struct td_err *err, const char *what)
{
	return td_err_set(err, EINVAL, TD_REASON_VFIO, "configuration space: %s", what);
}

static int read_caps(const uint8_t *image, size_t len, struct td_vfio_function *function, struct td_err *err)
{
	unsigned at = image[PCI_CAPABILITY_LIST] & ~3U;

	for (unsigned n = 0; at; n++, at = image[at + 1] & ~3U) {
		if (n >= CAPS_MAX || at < HEADER_BYTES || at + 2 > len)
			return bad(err, "the list of capabilities loops or leaves it");
		if (image[at] == PCI_CAP_ID_MSIX && !function->msix_count) {
			if (at + MSIX_CAP_BYTES > len || !read_msix(image + at, function))
				return bad(err, "the MSI-X capability names BARs that are none");
		} else if (image[at] == PCI_CAP_ID_EXP && at + PCI_EXP_DEVCTL <= len) {
			function->has_pcie = true;
			function->payload_supported = image[at + PCI_EXP_DEVCAP] & PCI_EXP_DEVCAP_PAYLOAD;
		}
	}
	return 0;
}

int td_vfio_config_parse(const uint8_t *image, size_t len_bytes, struct td_vfio_function *ret_function, struct td_err *err)
{
	struct td_vfio_function function = {0};

	if (len_bytes < HEADER_BYTES)
		return bad(err, "is shorter than its header");
	if ((image[PCI_HEADER_TYPE] & 0x7f) != PCI_HEADER_TYPE_NORMAL)
		return bad(err, "is not that of an endpoint");
	read_ids(image, &function.ids);
	if (function.ids.vendor == 0xffff)
		return bad(err, "reads as all ones: the device does not answer");
	read_bars(image, &function);
	if (td_pci_get16(image, PCI_STATUS) & STATUS_HAS_CAPS) {
		int rc = read_caps(image, TD_MIN(len_bytes, 256U), &function, err);

		if (rc < 0)
			return rc;
	}
	*ret_function = function;
	return 0;
}

static int add_pcie(struct td_pci_dev *dev, const struct td_vfio_function *function, bool can_reset, unsigned *ret_cap)
{
	int cap = td_pci_add_cap(dev, PCI_CAP_ID_EXP, PCIE_CAP_BYTES);

	if (cap < 0)
		return cap;
	unsigned at = (unsigned)cap;
	td_pci_set16(dev->config, at + PCI_EXP_FLAGS, PCIE_VERSION | PCI_EXP_TYPE_RC_END << 4);
	td_pci_set32(
		dev->config, at + PCI_EXP_DEVCAP, function->payload_supported | PCI_EXP_DEVCAP_RBER | (can_reset ? PCI_EXP_DEVCAP_FLR : 0));
	td_pci_set16(dev->writable, at + PCI_EXP_DEVCTL, (uint16_t)(PCIE_DEVCTL_RW | (can_reset ? PCI_EXP_DEVCTL_BCR_FLR : 0)));
	*ret_cap = at;
	return 0;
}

/* A power of two, and for memory at least a page, so that it can be a memslot wherever the guest puts it. */
static uint64_t shown_size(enum td_pci_bar_kind kind, uint64_t bytes)
{
	uint64_t size = kind == TD_PCI_BAR_IO ? 4 : TD_PAGE;

	while (size < bytes && size < 1ULL << 40)
		size <<= 1;
	return size;
}

int td_vfio_config_build(struct td_pci_dev *dev, const struct td_vfio_function *function, const uint64_t bar_bytes[TD_PCI_BARS],
	bool can_reset, unsigned *ret_pcie_cap, struct td_err *err)
{
	for (unsigned i = 0; i < TD_PCI_BARS; i++)
		if (bar_bytes[i] && function->kind[i] != TD_PCI_BAR_NONE)
			td_pci_dev_set_bar(
				dev, i, function->kind[i], function->prefetchable[i], shown_size(function->kind[i], bar_bytes[i]));
	*ret_pcie_cap = 0;
	if (function->has_pcie && add_pcie(dev, function, can_reset, ret_pcie_cap) < 0)
		return td_err_set(err, ENOSPC, TD_REASON_INTERNAL, "%s: no room for the PCI Express capability", dev->device.name);
	return 0;
}

bool td_vfio_config_flr_asked(struct td_pci_dev *dev, unsigned pcie_cap, unsigned offset, unsigned width)
{
	unsigned at = pcie_cap + PCI_EXP_DEVCTL;

	if (!pcie_cap || offset >= at + 2 || offset + width <= at)
		return false;
	uint16_t control = td_pci_get16(dev->config, at);
	if (!(control & PCI_EXP_DEVCTL_BCR_FLR))
		return false;
	td_pci_set16(dev->config, at, control & PCIE_DEVCTL_RW); /* reads as zero */
	return true;
}
