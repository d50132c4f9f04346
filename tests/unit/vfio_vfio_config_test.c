/* SPDX-License-Identifier: Apache-2.0 */
/* What the guest is shown of a function, made from configuration space images: that of an 82576 VF, and hostile ones. No device, no VM. */
#include <errno.h>
#include <linux/pci_regs.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vfio/vfio_dev.h"

/* As VFIO shows an 82576 VF: BAR 0 and 3 64-bit prefetchable, MSI-X at 0x70 (3 vectors in BAR 3), PCI Express at 0xa0. */
static void make_vf(uint8_t image[256])
{
	memset(image, 0, 256);
	td_pci_set16(image, PCI_VENDOR_ID, 0x8086);
	td_pci_set16(image, PCI_DEVICE_ID, 0x10ca);
	td_pci_set32(image, PCI_CLASS_REVISION, 0x02000001);
	td_pci_set16(image, PCI_STATUS, PCI_STATUS_CAP_LIST);
	td_pci_set16(image, PCI_SUBSYSTEM_VENDOR_ID, 0x8086);
	td_pci_set16(image, PCI_SUBSYSTEM_ID, 0xa03c);
	td_pci_set32(image, PCI_BASE_ADDRESS_0, 0xc);
	td_pci_set32(image, PCI_BASE_ADDRESS_3, 0xc);
	image[PCI_CAPABILITY_LIST] = 0x70;
	image[0x70] = PCI_CAP_ID_MSIX;
	image[0x71] = 0xa0;
	td_pci_set16(image, 0x72, 2);
	td_pci_set32(image, 0x74, 3);
	td_pci_set32(image, 0x78, 0x2000 | 3);
	image[0xa0] = PCI_CAP_ID_EXP;
	td_pci_set16(image, 0xa2, 2);
	td_pci_set32(image, 0xa4, 0x10008cc2);
}

static void test_parse_vf(void **state)
{
	uint8_t image[256];
	struct td_vfio_function f;

	(void)state;
	make_vf(image);
	assert_int_equal(td_vfio_config_parse(image, sizeof(image), &f, NULL), 0);
	assert_int_equal(f.ids.vendor, 0x8086);
	assert_int_equal(f.ids.device, 0x10ca);
	assert_int_equal(f.ids.subsystem, 0xa03c);
	assert_int_equal(f.ids.class_code, 0x020000);
	assert_int_equal(f.ids.revision, 1);
	assert_int_equal(f.kind[0], TD_PCI_BAR_MEM64);
	assert_int_equal(f.kind[1], TD_PCI_BAR_NONE);
	assert_int_equal(f.kind[3], TD_PCI_BAR_MEM64);
	assert_true(f.prefetchable[0] && f.prefetchable[3]);
	assert_int_equal(f.msix_count, 3);
	assert_int_equal(f.table_bar, 3);
	assert_int_equal(f.pba_offset, 0x2000);
	assert_true(f.has_pcie);
	assert_int_equal(f.payload_supported, 2);
}

static void test_refuse(void **state)
{
	uint8_t image[256];
	struct td_vfio_function f;

	(void)state;
	make_vf(image);
	assert_int_equal(td_vfio_config_parse(image, 0x3f, &f, NULL), -EINVAL);
	assert_int_equal(td_vfio_config_parse(image, 0x76, &f, NULL), -EINVAL); /* ends inside MSI-X */
	image[0x71] = 0x70;							/* points at itself */
	assert_int_equal(td_vfio_config_parse(image, sizeof(image), &f, NULL), -EINVAL);
	make_vf(image);
	image[0x71] = 0x10; /* into the header */
	assert_int_equal(td_vfio_config_parse(image, sizeof(image), &f, NULL), -EINVAL);
	make_vf(image);
	td_pci_set32(image, 0x74, 6); /* BAR 6 */
	assert_int_equal(td_vfio_config_parse(image, sizeof(image), &f, NULL), -EINVAL);
	make_vf(image);
	image[PCI_HEADER_TYPE] = PCI_HEADER_TYPE_BRIDGE;
	assert_int_equal(td_vfio_config_parse(image, sizeof(image), &f, NULL), -EINVAL);
	memset(image, 0xff, sizeof(image));
	assert_int_equal(td_vfio_config_parse(image, sizeof(image), &f, NULL), -EINVAL);
	make_vf(image);
	td_pci_set16(image, 0x72, 0x7ff); /* 2048 vectors: cut to what we emulate */
	assert_int_equal(td_vfio_config_parse(image, sizeof(image), &f, NULL), 0);
	assert_int_equal(f.msix_count, TD_MSIX_VECTORS_MAX);
}

static void test_noise(void **state)
{
	uint8_t image[256];
	struct td_vfio_function f;

	(void)state;
	srandom(1);
	for (unsigned n = 0; n < 200000; n++) {
		for (unsigned i = 0; i < sizeof(image); i++)
			image[i] = (uint8_t)random();
		image[PCI_HEADER_TYPE] = 0;
		image[PCI_STATUS] |= PCI_STATUS_CAP_LIST;
		if (td_vfio_config_parse(image, (size_t)random() % 257, &f, NULL) == 0 && f.msix_count)
			assert_true(f.table_bar < TD_PCI_BARS && f.pba_bar < TD_PCI_BARS && f.msix_count <= TD_MSIX_VECTORS_MAX);
	}
}

static enum td_result bar_access(struct td_pci_dev *dev, unsigned bar, struct td_access *access)
{
	(void)dev, (void)bar, (void)access;
	return TD_DONE;
}

static void bar_mapped(struct td_pci_dev *dev, unsigned bar, bool on)
{
	(void)dev, (void)bar, (void)on;
}

static void config_written(struct td_pci_dev *dev, unsigned offset, unsigned width)
{
	(void)dev, (void)offset, (void)width;
}

static void ejected(struct td_pci_dev *dev)
{
	(void)dev;
}

static void test_build(void **state)
{
	static const struct td_pci_ops ops = {bar_access, bar_mapped, config_written, ejected};
	static const uint64_t sizes[TD_PCI_BARS] = {0x4000, 0, 0, 0x100, 0, 0};
	struct td_pci_dev dev = {.slot = -1};
	struct td_vfio_function f;
	uint8_t image[256];
	unsigned cap = 0;

	(void)state;
	make_vf(image);
	assert_int_equal(td_vfio_config_parse(image, sizeof(image), &f, NULL), 0);
	assert_int_equal(td_pci_dev_init(&dev, NULL, "vf0", &ops, NULL, &f.ids, NULL), 0);
	assert_int_equal(td_vfio_config_build(&dev, &f, sizes, true, &cap, NULL), 0);
	assert_int_equal(dev.bar[0].size_bytes, 0x4000);
	assert_int_equal(dev.bar[3].size_bytes, TD_PAGE); /* a page at least */
	assert_int_equal(dev.config[PCI_INTERRUPT_PIN], 0);
	assert_int_equal(dev.config[cap], PCI_CAP_ID_EXP);
	assert_int_equal(td_pci_get16(dev.config, cap + PCI_EXP_FLAGS) >> 4 & 0xf, PCI_EXP_TYPE_RC_END);
	assert_true(td_pci_get32(dev.config, cap + PCI_EXP_DEVCAP) & PCI_EXP_DEVCAP_FLR);
	assert_int_equal(td_pci_get32(dev.config, 0x100), 0); /* no extended capability */

	/* The request of a reset reads as zero, and is seen once, by a write that touches it only. */
	td_pci_set16(dev.config, cap + PCI_EXP_DEVCTL, PCI_EXP_DEVCTL_BCR_FLR | 0x10);
	assert_false(td_vfio_config_flr_asked(&dev, cap, cap + PCI_EXP_DEVSTA, 2));
	assert_false(td_vfio_config_flr_asked(&dev, cap, cap + PCI_EXP_DEVCAP, 4));
	assert_true(td_vfio_config_flr_asked(&dev, cap, cap + PCI_EXP_DEVCTL, 2));
	assert_int_equal(td_pci_get16(dev.config, cap + PCI_EXP_DEVCTL), 0x10);
	assert_false(td_vfio_config_flr_asked(&dev, cap, cap + PCI_EXP_DEVCTL, 2));
	assert_false(td_vfio_config_flr_asked(&dev, 0, PCI_EXP_DEVCTL, 2));
	td_pci_dev_fini(&dev);

	/* A function that can't be reset does not say that it can. */
	assert_int_equal(td_pci_dev_init(&dev, NULL, "vf0", &ops, NULL, &f.ids, NULL), 0);
	assert_int_equal(td_vfio_config_build(&dev, &f, sizes, false, &cap, NULL), 0);
	assert_false(td_pci_get32(dev.config, cap + PCI_EXP_DEVCAP) & PCI_EXP_DEVCAP_FLR);
	assert_false(td_pci_get16(dev.writable, cap + PCI_EXP_DEVCTL) & PCI_EXP_DEVCTL_BCR_FLR);
	td_pci_dev_fini(&dev);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse_vf),
		cmocka_unit_test(test_refuse),
		cmocka_unit_test(test_noise),
		cmocka_unit_test(test_build),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
