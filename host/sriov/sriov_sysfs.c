/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sriov_sysfs.c - VFs and their drivers by sysfs: each fact is one link or one number. Settings of a VF in its PF are in
 * sriov_netlink.c.
 */
#include "host/sriov/sriov_sysfs.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/log.h"
#include "host/sys/iommu_group.h"
#include "host/sys/names.h"
#include "host/sys/sysfs.h"

#define DRIVER_BYTES 32
#define VFS_MAX	     65535U

/* The first entry of the device's net/ directory. */
static void read_netdev(const char *sys, const char *bdf, char name[IF_NAMESIZE])
{
	char path[PATH_MAX];

	name[0] = '\0';
	DIR *dir = td_sysfs_path(path, sys, "/bus/pci/devices/%s/net", bdf) < 0 ? NULL : opendir(path);
	if (!dir)
		return;
	for (struct dirent *entry; (entry = readdir(dir));) {
		if (!td_names_is_interface(entry->d_name))
			continue;
		memcpy(name, entry->d_name, strlen(entry->d_name) + 1);
		break;
	}
	closedir(dir);
}

static void read_driver(const char *sys, const char *bdf, char driver[DRIVER_BYTES])
{
	(void)td_sysfs_link(sys, driver, DRIVER_BYTES, "/bus/pci/devices/%s/driver", bdf);
}

/* "(null)" is how the kernel writes none. */
static int read_override(const char *sys, const char *bdf, char driver_override[TD_SRIOV_OVERRIDE_LEN])
{
	int rc = td_sysfs_read(sys, driver_override, TD_SRIOV_OVERRIDE_LEN, "/bus/pci/devices/%s/driver_override", bdf);

	if (rc < 0 && rc != -ENOENT)
		return rc; /* one that is too long could not be brought back */
	driver_override[strcspn(driver_override, "\n")] = '\0';
	if (strcmp(driver_override, "(null)") == 0)
		driver_override[0] = '\0';
	return 0;
}

/* Which virtfnN of the PF is this VF? */
static int find_index(const char *sys, const char *pf_bdf, const char *bdf, unsigned *ret_index)
{
	char name[TD_BDF_BYTES];

	for (unsigned i = 0; td_sysfs_link(sys, name, sizeof(name), "/bus/pci/devices/%s/virtfn%u", pf_bdf, i); i++) {
		if (strcmp(name, bdf) == 0) {
			*ret_index = i;
			return 0;
		}
	}
	return -ENOENT;
}

static int read_ids(const char *sys, const char *bdf, struct td_sriov_vf *vf)
{
	unsigned long vendor, device;

	if (td_sysfs_read_number(sys, UINT16_MAX, &vendor, "/bus/pci/devices/%s/vendor", bdf) < 0 ||
		td_sysfs_read_number(sys, UINT16_MAX, &device, "/bus/pci/devices/%s/device", bdf) < 0)
		return -EIO;
	vf->vendor = (uint16_t)vendor;
	vf->device = (uint16_t)device;
	vf->group = td_iommu_group_of(sys, bdf);
	return 0;
}

/* sysfs numbers its nodes, and gives no number twice (Linux fs/kernfs: 64 bits). 0: there is none. */
static uint64_t number_of_node(const char *sys, const char *bdf)
{
	char path[PATH_MAX];
	struct stat st;

	if (snprintf(path, sizeof(path), "%s/bus/pci/devices/%s", sys, bdf) >= (int)sizeof(path) || stat(path, &st) < 0)
		return 0;
	return st.st_ino;
}

bool td_sriov_sysfs_is_same(const char *sys, const struct td_sriov_vf *vf)
{
	return vf->made && number_of_node(sys, vf->bdf) == vf->made;
}

int td_sriov_sysfs_lookup(const char *sys, const char *bdf, struct td_sriov_vf *ret_vf, struct td_err *err)
{
	struct td_sriov_vf vf = {0};

	if (!td_names_is_bdf(bdf))
		return td_err_set(err, EINVAL, TD_REASON_USAGE, "vf %.32s: not a PCI address (write it as 0000:3b:02.1)", bdf);
	memcpy(vf.bdf, bdf, sizeof(vf.bdf));
	if (!td_sysfs_exists(sys, "/bus/pci/devices/%s", bdf))
		return td_err_set(err, ENODEV, TD_REASON_VF_LOST, "vf %s: no such PCI device", bdf);
	if (!td_sysfs_link(sys, vf.pf_bdf, sizeof(vf.pf_bdf), "/bus/pci/devices/%s/physfn", bdf) || !td_names_is_bdf(vf.pf_bdf))
		return td_err_set(err, EINVAL, TD_REASON_NO_SRIOV, "vf %s: is a PCI device, but no virtual function of any PF", bdf);
	int rc = find_index(sys, vf.pf_bdf, bdf, &vf.index);
	if (rc == 0)
		rc = read_ids(sys, bdf, &vf);
	if (rc == 0)
		rc = read_override(sys, bdf, vf.driver_override);
	if (rc < 0)
		return td_err_sys(err, -rc, TD_REASON_SYSTEM, "vf %s: sysfs does not describe it", bdf);
	vf.made = number_of_node(sys, bdf);
	read_netdev(sys, vf.pf_bdf, vf.pf_name);
	read_netdev(sys, bdf, vf.netdev);
	read_driver(sys, bdf, vf.driver);
	*ret_vf = vf;
	return 0;
}

/* The PCI address behind an interface that has SR-IOV. */
static int find_pf(const char *sys, const char *pf_name, char pf_bdf[TD_BDF_BYTES], struct td_err *err)
{
	if (!td_names_is_interface(pf_name))
		return td_err_set(err, EINVAL, TD_REASON_PF_MISSING, "pf '%.32s': not a name of a network interface", pf_name);
	if (!td_sysfs_exists(sys, "/class/net/%s", pf_name))
		return td_err_set(err, ENODEV, TD_REASON_PF_MISSING, "pf %s: no such network interface", pf_name);
	if (!td_sysfs_link(sys, pf_bdf, TD_BDF_BYTES, "/class/net/%s/device", pf_name) || !td_names_is_bdf(pf_bdf) ||
		!td_sysfs_exists(sys, "/bus/pci/devices/%s/sriov_numvfs", pf_bdf))
		return td_err_set(err, EOPNOTSUPP, TD_REASON_NO_SRIOV, "pf %s: its device has no SR-IOV", pf_name);
	return 0;
}

static int read_count(const char *sys, const char *pf_bdf, const char *file, unsigned *ret_count)
{
	unsigned long number;
	int rc = td_sysfs_read_number(sys, VFS_MAX, &number, "/bus/pci/devices/%s/%s", pf_bdf, file);

	if (rc == 0)
		*ret_count = (unsigned)number;
	return rc;
}

int td_sriov_sysfs_list(const char *sys, const char *pf_name, struct td_sriov_vf **ret_vfs, unsigned *ret_count, struct td_err *err)
{
	char pf_bdf[TD_BDF_BYTES], bdf[TD_BDF_BYTES];
	unsigned count = 0;
	int rc = find_pf(sys, pf_name, pf_bdf, err);

	if (rc < 0)
		return rc;
	rc = read_count(sys, pf_bdf, "sriov_numvfs", &count);
	if (rc < 0)
		return td_err_sys(err, -rc, TD_REASON_SYSTEM, "pf %s: sriov_numvfs", pf_name);
	td_auto_free struct td_sriov_vf *vfs = calloc(count + 1, sizeof(*vfs));
	if (!vfs)
		return td_err_sys(err, ENOMEM, TD_REASON_NO_MEMORY, "pf %s: list of %u VFs", pf_name, count);
	for (unsigned i = 0; i < count; i++) {
		(void)td_sysfs_link(sys, bdf, sizeof(bdf), "/bus/pci/devices/%s/virtfn%u", pf_bdf, i);
		rc = td_sriov_sysfs_lookup(sys, bdf, &vfs[i], err);
		if (rc < 0)
			return td_err_prefix(err, "pf %s: VF %u", pf_name, i);
	}
	*ret_vfs = td_take_ptr(vfs);
	*ret_count = count;
	return 0;
}

static int write_count(const char *sys, const char *pf_bdf, const char *pf_name, unsigned count, struct td_err *err)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", count);
	int rc = td_sysfs_write(sys, text, "/bus/pci/devices/%s/sriov_numvfs", pf_bdf);
	if (rc < 0)
		return td_err_sys(err, -rc, rc == -ENOENT ? TD_REASON_NO_SRIOV : TD_REASON_SYSTEM, "pf %s: make %u VFs", pf_name, count);
	return 0;
}

/* Changing the number takes every VF away first: not while one is held. */
static int check_unused(const char *sys, const char *pf_name, struct td_err *err)
{
	td_auto_free struct td_sriov_vf *vfs = NULL;
	unsigned count = 0;
	int rc = td_sriov_sysfs_list(sys, pf_name, &vfs, &count, err);

	for (unsigned i = 0; rc == 0 && i < count; i++)
		if (strcmp(vfs[i].driver, "vfio-pci") == 0)
			return td_err_set(err, EBUSY, TD_REASON_VF_BUSY,
				"pf %s: the number of VFs can't change while VF %u (%s) is bound to vfio-pci", pf_name, i, vfs[i].bdf);
	return rc;
}

int td_sriov_sysfs_set_count(const char *sys, const char *pf_name, unsigned count, struct td_err *err)
{
	char pf_bdf[TD_BDF_BYTES];
	unsigned now = 0, total = 0;
	int rc = find_pf(sys, pf_name, pf_bdf, err);

	if (rc < 0)
		return rc;
	if (read_count(sys, pf_bdf, "sriov_numvfs", &now) < 0 || read_count(sys, pf_bdf, "sriov_totalvfs", &total) < 0)
		return td_err_set(err, EOPNOTSUPP, TD_REASON_NO_SRIOV, "pf %s: sriov_numvfs and sriov_totalvfs are not readable", pf_name);
	if (count > total)
		return td_err_set(err, ERANGE, TD_REASON_USAGE, "pf %s: has at most %u VFs, not %u", pf_name, total, count);
	if (now == count)
		return 0;
	if (now) {
		rc = check_unused(sys, pf_name, err);
		if (rc == 0)
			rc = write_count(sys, pf_bdf, pf_name, 0, err);
		if (rc < 0 || count == 0)
			return rc;
	}
	/* Otherwise the host's own VF driver takes each VF as it appears, and names interfaces that nobody asked for. */
	if (td_sysfs_write(sys, "0", "/bus/pci/devices/%s/sriov_drivers_autoprobe", pf_bdf) < 0)
		td_warn("pf %s: sriov_drivers_autoprobe stays as it is", pf_name);
	return write_count(sys, pf_bdf, pf_name, count, err);
}

int td_sriov_sysfs_link(const char *sys, const char *name, bool *ret_up, bool *ret_carrier, struct td_err *err)
{
	unsigned long flags, carrier = 0;

	if (!td_names_is_interface(name) || td_sysfs_read_number(sys, ULONG_MAX, &flags, "/class/net/%s/flags", name) < 0)
		return td_err_set(err, ENODEV, TD_REASON_PF_MISSING, "pf %.32s: no such network interface", name);
	*ret_up = (flags & IFF_UP) != 0;
	/* Of an interface that is down the kernel refuses to read it. */
	if (td_sysfs_read_number(sys, 1, &carrier, "/class/net/%s/carrier", name) < 0)
		carrier = 0;
	*ret_carrier = *ret_up && carrier == 1;
	return 0;
}

static int write_device(const char *sys, const char *bdf, const char *file, const char *text)
{
	return td_sysfs_write(sys, text, "/bus/pci/devices/%s/%s", bdf, file);
}

static int write_override(const char *sys, const char *bdf, const char *driver)
{
	char line[TD_SRIOV_OVERRIDE_LEN + 1];

	snprintf(line, sizeof(line), "%s\n", driver); /* an empty line takes it away */
	return write_device(sys, bdf, "driver_override", line);
}

/*
 * Hands the device from `now`, which has it, to `driver` ("" : from or to nobody). The override stands while the probe runs: with
 * sriov_drivers_autoprobe off the kernel matches no driver to a VF without one.
 */
static int change_driver(const char *sys, const char *bdf, const char *now, const char *driver, struct td_err *err)
{
	char then[DRIVER_BYTES];
	int rc = write_override(sys, bdf, driver);

	if (rc < 0)
		return td_err_sys(err, -rc, TD_REASON_SYSTEM, "vf %s: driver_override", bdf);
	if (now[0]) {
		rc = write_device(sys, bdf, "driver/unbind", bdf);
		if (rc < 0 && rc != -ENODEV)
			return td_err_sys(err, -rc, TD_REASON_SYSTEM, "vf %s: unbind from %s", bdf, now);
	}
	if (*driver)
		rc = td_sysfs_write(sys, bdf, "/bus/pci/drivers_probe");
	read_driver(sys, bdf, then);
	if (strcmp(then, driver) != 0)
		return td_err_set(err, rc < 0 ? -rc : EIO, strcmp(driver, "vfio-pci") == 0 ? TD_REASON_VFIO_DRIVER : TD_REASON_SYSTEM,
			"vf %s: bind to %s: the driver did not take it", bdf, *driver ? driver : "nothing");
	return 0;
}

/* The override is written in any case: who had the device last may have been killed between the two. */
static int move_to_driver(const char *sys, const char *bdf, const char *driver, const char *driver_override, struct td_err *err)
{
	char now[DRIVER_BYTES];

	read_driver(sys, bdf, now);
	int rc = strcmp(now, driver) != 0 ? change_driver(sys, bdf, now, driver, err) : 0;
	int written = write_override(sys, bdf, driver_override);
	return rc < 0 || written == 0 ? rc : td_err_sys(err, -written, TD_REASON_SYSTEM, "vf %s: driver_override", bdf);
}

int td_sriov_sysfs_bind(const char *sys, const char *bdf, char *ret_old_driver, struct td_err *err)
{
	struct td_sriov_vf vf;
	int rc = td_sriov_sysfs_lookup(sys, bdf, &vf, err);

	if (rc == 0)
		rc = td_iommu_group_check(sys, bdf, err);
	if (rc < 0)
		return rc;
	if (!td_sysfs_exists(sys, "/bus/pci/drivers/vfio-pci"))
		return td_err_set(err, ENOENT, TD_REASON_VFIO_DRIVER, "vf %s: the host's kernel has no driver vfio-pci loaded", bdf);
	/* It keeps the override, so that nothing else takes the device when it is probed again. */
	if (strcmp(vf.driver, "vfio-pci") != 0)
		rc = move_to_driver(sys, bdf, "vfio-pci", "vfio-pci", err);
	if (rc < 0) {
		struct td_err undo = {0};

		if (move_to_driver(sys, bdf, vf.driver, vf.driver_override, &undo) < 0)
			td_warn("%s", undo.text);
		return rc;
	}
	if (ret_old_driver)
		memcpy(ret_old_driver, vf.driver, DRIVER_BYTES);
	return 0;
}

int td_sriov_sysfs_give_back(const char *sys, const char *bdf, const char *driver, const char *driver_override, struct td_err *err)
{
	struct td_sriov_vf vf;
	int rc = td_sriov_sysfs_lookup(sys, bdf, &vf, err);

	if (rc < 0)
		return rc;
	if (strlen(driver) >= DRIVER_BYTES || strchr(driver, '/') || strchr(driver, '\n'))
		return td_err_set(err, EINVAL, TD_REASON_USAGE, "vf %s: '%.32s' is not a name of a driver", bdf, driver);
	return move_to_driver(sys, bdf, driver, driver_override, err);
}

int td_sriov_sysfs_unbind(const char *sys, const char *bdf, const char *driver, struct td_err *err)
{
	return td_sriov_sysfs_give_back(sys, bdf, driver, strcmp(driver, "vfio-pci") == 0 ? driver : "", err);
}
