/* SPDX-License-Identifier: Apache-2.0 */
/* iommu_group.c - see iommu_group.h. */
#include "host/sys/iommu_group.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/sys/names.h"
#include "host/sys/sysfs.h"

int td_iommu_group_of(const char *sys, const char *bdf)
{
	char group[16], *end;

	if (!td_sysfs_link(sys, group, sizeof(group), "/bus/pci/devices/%s/iommu_group", bdf))
		return -1;
	unsigned long number = strtoul(group, &end, 10);
	return *end || number > INT_MAX ? -1 : (int)number;
}

/* Drivers that promise the kernel to leave DMA to user space (driver_managed_dma): VFIO's own, and those of bridges and stubs. */
static bool driver_leaves_dma(const char *driver)
{
	static const char *const known[] = {"", "vfio-pci", "pci-stub", "pcieport", "shpchp"};
	size_t len = strlen(driver);

	for (unsigned i = 0; i < TD_COUNT(known); i++)
		if (strcmp(driver, known[i]) == 0)
			return true;
	return len > 9 && (strcmp(driver + len - 9, "_vfio_pci") == 0 || strcmp(driver + len - 9, "-vfio-pci") == 0);
}

int td_iommu_group_check(const char *sys, const char *bdf, struct td_err *err)
{
	char path[PATH_MAX], driver[32], others[320] = "";
	int group = td_iommu_group_of(sys, bdf);
	unsigned unnamed = 0;
	size_t used = 0;

	if (group < 0)
		return td_err_set(err, ENODEV, TD_REASON_NO_IOMMU, "vf %s: has no IOMMU group", bdf);
	DIR *dir = td_sysfs_path(path, sys, "/kernel/iommu_groups/%d/devices", group) < 0 ? NULL : opendir(path);
	if (!dir)
		return td_err_sys(err, errno, TD_REASON_NO_IOMMU, "vf %s: group %d", bdf, group);
	for (struct dirent *entry; (entry = readdir(dir));) {
		if (!td_names_is_bdf(entry->d_name) || strcmp(entry->d_name, bdf) == 0)
			continue;
		(void)td_sysfs_link(sys, driver, sizeof(driver), "/bus/pci/devices/%s/driver", entry->d_name);
		if (driver_leaves_dma(driver))
			continue;
		if (used + 64 > sizeof(others)) {
			unnamed++;
			continue;
		}
		used += (size_t)snprintf(others + used, sizeof(others) - used, "%s%s (driver %s)", used ? ", " : "", entry->d_name, driver);
	}
	closedir(dir);
	if (unnamed)
		snprintf(others + used, sizeof(others) - used, ", and %u more", unnamed);
	if (used)
		return td_err_set(err, EPERM, TD_REASON_GROUP_NOT_VIABLE, "vf %s: group %d also holds %s", bdf, group, others);
	return 0;
}
