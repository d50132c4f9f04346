/* SPDX-License-Identifier: Apache-2.0 */
/* host_observe_sysfs.c - PFs and VFs, huge pages and modules, by sysfs. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "host/provision/host_hold.h"
#include "host/provision/host_kmod.h"
#include "host/provision/host_observe.h"
#include "host/sriov/sriov.h"
#include "host/sys/sysfs.h"

/* What links and drivers of a plan need (host_able.c). */
static const char *const own_modules[] = {"bonding", "bridge", "8021q", "vfio-pci"};

static void put_device_text(struct td_host_state *is, const char *link, const char *file, enum td_host_attr attr)
{
	char text[32];
	if (!td_sysfs_read(TD_SYSFS, text, sizeof(text), "/class/net/%s/device/%s", link, file))
		td_host_state_set(is, TD_HOST_LINK, link, attr, strncmp(text, "0x", 2) ? text : text + 2);
}

static void put_vfs(struct td_host_state *is, const char *pf)
{
	td_auto_free struct td_sriov_vf *vfs = NULL;
	unsigned count = 0;
	struct td_err err = {0};
	char name[TD_HOST_NAME_BYTES];
	if (td_sriov_list(pf, &vfs, &count, &err))
		return; /* they are just being made or taken away */
	for (unsigned i = 0; i < count; i++) {
		const char *driver = vfs[i].driver;
		td_host_state_join_vf(pf, i, name);
		td_host_state_set(is, TD_HOST_VF, name, TD_HOST_ATTR_BDF, vfs[i].bdf);
		td_host_state_set(is, TD_HOST_VF, name, TD_HOST_ATTR_DRIVER,
			!*driver		     ? "none"
			: strcmp(driver, "vfio-pci") ? "netdevice"
						     : "vfio-pci");
		if (vfs[i].netdev[0])
			td_host_state_set(is, TD_HOST_VF, name, TD_HOST_ATTR_NETDEV, vfs[i].netdev);
	}
}

static void put_pf(struct td_host_state *is, const char *link)
{
	char bdf[TD_HOST_NAME_BYTES];
	if (!td_sysfs_link(TD_SYSFS, bdf, sizeof(bdf), "/class/net/%s/device", link) ||
		!td_sysfs_exists(TD_SYSFS, "/class/net/%s/device/sriov_totalvfs", link))
		return;
	td_host_state_set(is, TD_HOST_LINK, link, TD_HOST_ATTR_BDF, bdf);
	td_host_state_set(is, TD_HOST_LINK, link, TD_HOST_ATTR_IOMMU,
		td_sysfs_exists(TD_SYSFS, "/class/net/%s/device/iommu_group", link) ? "yes" : "no");
	put_device_text(is, link, "sriov_totalvfs", TD_HOST_ATTR_TOTAL_VFS);
	put_device_text(is, link, "sriov_numvfs", TD_HOST_ATTR_NUM_VFS);
	put_device_text(is, link, "vendor", TD_HOST_ATTR_VENDOR);
	put_device_text(is, link, "device", TD_HOST_ATTR_DEVICE);
	put_vfs(is, link);
}

/* What the kernel thinks can be had without swapping; 0: not known. */
static unsigned long long available_mib(void)
{
	unsigned long long kib = 0;
	char line[128];
	FILE *file = fopen("/proc/meminfo", "re");
	while (file && !kib && fgets(line, sizeof(line), file))
		(void)sscanf(line, "MemAvailable: %llu", &kib);
	if (file)
		fclose(file);
	return kib / 1024;
}

static void put_pages(struct td_host_state *is, const char *size, const char *directory)
{
	char text[32];
	if (td_sysfs_read(TD_SYSFS, text, sizeof(text), "/kernel/mm/hugepages/%s/nr_hugepages", directory))
		return;
	td_host_state_set(is, TD_HOST_HUGEPAGES, size, TD_HOST_ATTR_PAGES, text);
	if (!td_sysfs_read(TD_SYSFS, text, sizeof(text), "/kernel/mm/hugepages/%s/free_hugepages", directory))
		td_host_state_set(is, TD_HOST_HUGEPAGES, size, TD_HOST_ATTR_FREE, text);
	unsigned long long available = available_mib();
	if (available)
		td_host_state_setf(is, TD_HOST_HUGEPAGES, size, TD_HOST_ATTR_AVAILABLE, "%llu", available);
}

static void put_module(struct td_host_state *is, const char *name)
{
	static const char *const known[] = {[TD_HOST_KMOD_KNOWN] = "yes",
		[TD_HOST_KMOD_NONE] = "no",
		[TD_HOST_KMOD_DISABLED] = "disabled",
		[TD_HOST_KMOD_UNSURE] = NULL};
	enum td_host_kmod_state state = td_host_kmod_look(name);
	td_host_state_set(is, TD_HOST_MODULE, name, TD_HOST_ATTR_LOADED, state == TD_HOST_KMOD_LOADED ? "yes" : "no");
	td_host_state_set(is, TD_HOST_MODULE, name, TD_HOST_ATTR_KNOWN, known[state]);
}

int td_host_observe_sysfs(const struct td_host_observe *observe, struct td_host_state *is, struct td_err *err)
{
	unsigned links = is->count;
	(void)err;
	for (unsigned i = 0; i < links; i++) {
		char name[TD_HOST_NAME_BYTES];
		bool nic = is->object[i].kind == TD_HOST_LINK && td_host_state_is(&is->object[i], TD_HOST_ATTR_KIND, "nic");
		memcpy(name, is->object[i].name, sizeof(name)); /* adding moves objects */
		if (nic)
			put_pf(is, name);
	}
	put_pages(is, "2M", "hugepages-2048kB");
	put_pages(is, "1G", "hugepages-1048576kB");
	for (unsigned i = 0; i < TD_COUNT(own_modules); i++)
		put_module(is, own_modules[i]);
	for (unsigned i = 0; i < observe->module_count; i++)
		put_module(is, observe->modules[i]);
	td_host_hold(observe->run_dir, is);
	return 0;
}

bool td_host_observe_group_open(const char *vf_bdf)
{
	struct td_sriov_vf vf;
	char path[64];
	if (td_sriov_lookup(vf_bdf, &vf, NULL) || vf.group < 0 || strcmp(vf.driver, "vfio-pci") != 0)
		return false;
	snprintf(path, sizeof(path), "/dev/vfio/%d", vf.group);
	td_auto_close int fd = open(path, O_RDWR | O_CLOEXEC);
	return fd < 0 && errno == EBUSY;
}
