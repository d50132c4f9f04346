/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sriov_sysfs.c - VFs and their drivers by sysfs: each fact is one link or one number. Settings of a VF in its PF are in
 * sriov_netlink.c.
 */
#include "host/sriov/sriov_sysfs.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/log.h"

#define DRIVER_BYTES 32
#define VFS_MAX	     65535U

bool td_sriov_sysfs_bdf_ok(const char *bdf)
{
	static const char form[] = "xxxx:xx:xx.7";

	if (strlen(bdf) != sizeof(form) - 1)
		return false;
	for (unsigned i = 0; i < sizeof(form) - 1; i++) {
		bool hex = isdigit((unsigned char)bdf[i]) || (bdf[i] >= 'a' && bdf[i] <= 'f');

		if (form[i] == 'x' ? !hex : form[i] == '7' ? bdf[i] < '0' || bdf[i] > '7' : bdf[i] != form[i])
			return false;
	}
	return true;
}

bool td_sriov_sysfs_ifname_ok(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len >= IF_NAMESIZE || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return false;
	for (size_t i = 0; i < len; i++)
		if (name[i] == '/' || isspace((unsigned char)name[i]))
			return false;
	return true;
}

static int make_path(char path[PATH_MAX], const char *sys, const char *fmt, ...) TD_PRINTF(3, 4);
static int make_path(char path[PATH_MAX], const char *sys, const char *fmt, ...)
{
	va_list args;
	int used = snprintf(path, PATH_MAX, "%s", sys);

	if (used < 0 || used >= PATH_MAX)
		return -ENAMETOOLONG;
	va_start(args, fmt);
	int more = vsnprintf(path + used, (size_t)(PATH_MAX - used), fmt, args);
	va_end(args);
	return more < 0 || more >= PATH_MAX - used ? -ENAMETOOLONG : 0;
}

static int read_text(const char *path, char *text, size_t room)
{
	td_auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? -1 : read(fd, text, room - 1);

	if (len < 0)
		return -errno;
	while (len > 0 && isspace((unsigned char)text[len - 1]))
		len--;
	text[len] = '\0';
	return 0;
}

static int read_number(const char *path, int base, unsigned long *ret_number)
{
	char text[32], *end;
	int rc = read_text(path, text, sizeof(text));

	if (rc < 0)
		return rc;
	errno = 0;
	unsigned long number = strtoul(text, &end, base);
	if (errno || end == text || *end)
		return -EINVAL;
	*ret_number = number;
	return 0;
}

static int write_text(const char *path, const char *text)
{
	td_auto_close int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		return -errno;
	return 0;
}

/* The last component of what a link points to; "" when there is no such link. */
static void link_name(const char *path, char *name, size_t room)
{
	char target[PATH_MAX];
	ssize_t len = readlink(path, target, sizeof(target) - 1);

	name[0] = '\0';
	if (len <= 0)
		return;
	target[len] = '\0';
	const char *slash = strrchr(target, '/');
	const char *last = slash ? slash + 1 : target;
	if (strlen(last) < room)
		memcpy(name, last, strlen(last) + 1);
}

/* The first entry of the device's net/ directory. */
static void read_netdev(const char *sys, const char *bdf, char name[IF_NAMESIZE])
{
	char path[PATH_MAX];

	name[0] = '\0';
	DIR *dir = make_path(path, sys, "/bus/pci/devices/%s/net", bdf) < 0 ? NULL : opendir(path);
	if (!dir)
		return;
	for (struct dirent *entry; (entry = readdir(dir));) {
		if (!td_sriov_sysfs_ifname_ok(entry->d_name))
			continue;
		memcpy(name, entry->d_name, strlen(entry->d_name) + 1);
		break;
	}
	closedir(dir);
}

static void read_driver(const char *sys, const char *bdf, char driver[DRIVER_BYTES])
{
	char path[PATH_MAX];

	driver[0] = '\0';
	if (make_path(path, sys, "/bus/pci/devices/%s/driver", bdf) == 0)
		link_name(path, driver, DRIVER_BYTES);
}

/* "(null)" is how the kernel writes none. */
static int read_override(const char *sys, const char *bdf, char driver_override[TD_SRIOV_OVERRIDE_LEN])
{
	char path[PATH_MAX], text[TD_SRIOV_OVERRIDE_LEN + 1] = "";
	int rc = make_path(path, sys, "/bus/pci/devices/%s/driver_override", bdf);

	if (rc == 0)
		rc = read_text(path, text, sizeof(text));
	if (rc < 0 && rc != -ENOENT)
		return rc;
	text[strcspn(text, "\n")] = '\0';
	if (strcmp(text, "(null)") == 0)
		text[0] = '\0';
	if (strlen(text) >= TD_SRIOV_OVERRIDE_LEN)
		return -ENAMETOOLONG; /* it could not be brought back */
	memcpy(driver_override, text, strlen(text) + 1);
	return 0;
}

/* Which virtfnN of the PF is this VF? */
static int find_index(const char *sys, const char *pf_bdf, const char *bdf, unsigned *ret_index)
{
	char path[PATH_MAX], name[TD_SRIOV_BDF_LEN];

	for (unsigned i = 0; i < VFS_MAX; i++) {
		if (make_path(path, sys, "/bus/pci/devices/%s/virtfn%u", pf_bdf, i) < 0)
			break;
		link_name(path, name, sizeof(name));
		if (!name[0])
			break;
		if (strcmp(name, bdf) == 0) {
			*ret_index = i;
			return 0;
		}
	}
	return -ENOENT;
}

static int read_ids(const char *sys, const char *bdf, struct td_sriov_vf *vf)
{
	char path[PATH_MAX], group[16];
	unsigned long vendor, device;

	if (make_path(path, sys, "/bus/pci/devices/%s/vendor", bdf) < 0 || read_number(path, 16, &vendor) < 0 || vendor > UINT16_MAX)
		return -EIO;
	if (make_path(path, sys, "/bus/pci/devices/%s/device", bdf) < 0 || read_number(path, 16, &device) < 0 || device > UINT16_MAX)
		return -EIO;
	vf->vendor = (uint16_t)vendor;
	vf->device = (uint16_t)device;
	vf->group = -1;
	if (make_path(path, sys, "/bus/pci/devices/%s/iommu_group", bdf) < 0)
		return -ENAMETOOLONG;
	link_name(path, group, sizeof(group));
	if (group[0])
		vf->group = (int)strtol(group, NULL, 10);
	return 0;
}

int td_sriov_sysfs_lookup(const char *sys, const char *bdf, struct td_sriov_vf *ret_vf, struct td_err *err)
{
	char path[PATH_MAX];
	struct td_sriov_vf vf = {0};

	if (!td_sriov_sysfs_bdf_ok(bdf))
		return td_err_set(err, EINVAL, TD_REASON_USAGE, "vf %.32s: not a PCI address (write it as 0000:3b:02.1)", bdf);
	memcpy(vf.bdf, bdf, sizeof(vf.bdf));
	if (make_path(path, sys, "/bus/pci/devices/%s", bdf) < 0 || access(path, F_OK) < 0)
		return td_err_set(err, ENODEV, TD_REASON_VF_LOST, "vf %s: no such PCI device", bdf);
	if (make_path(path, sys, "/bus/pci/devices/%s/physfn", bdf) < 0)
		return td_err_set(err, ENAMETOOLONG, TD_REASON_INTERNAL, "vf %s: path too long", bdf);
	link_name(path, vf.pf_bdf, sizeof(vf.pf_bdf));
	if (!td_sriov_sysfs_bdf_ok(vf.pf_bdf))
		return td_err_set(err, EINVAL, TD_REASON_NO_SRIOV, "vf %s: is a PCI device, but no virtual function of any PF", bdf);
	int rc = find_index(sys, vf.pf_bdf, bdf, &vf.index);
	if (rc == 0)
		rc = read_ids(sys, bdf, &vf);
	if (rc == 0)
		rc = read_override(sys, bdf, vf.driver_override);
	if (rc < 0)
		return td_err_sys(err, -rc, TD_REASON_SYSTEM, "vf %s: sysfs does not describe it", bdf);
	read_netdev(sys, vf.pf_bdf, vf.pf_name);
	read_netdev(sys, bdf, vf.netdev);
	read_driver(sys, bdf, vf.driver);
	*ret_vf = vf;
	return 0;
}

/* The PCI address behind an interface that has SR-IOV. */
static int find_pf(const char *sys, const char *pf_name, char pf_bdf[TD_SRIOV_BDF_LEN], struct td_err *err)
{
	char path[PATH_MAX];

	if (!td_sriov_sysfs_ifname_ok(pf_name))
		return td_err_set(err, EINVAL, TD_REASON_PF_MISSING, "pf '%.32s': not a name of a network interface", pf_name);
	if (make_path(path, sys, "/class/net/%s", pf_name) < 0 || access(path, F_OK) < 0)
		return td_err_set(err, ENODEV, TD_REASON_PF_MISSING, "pf %s: no such network interface", pf_name);
	if (make_path(path, sys, "/class/net/%s/device", pf_name) == 0)
		link_name(path, pf_bdf, TD_SRIOV_BDF_LEN);
	else
		pf_bdf[0] = '\0';
	if (!td_sriov_sysfs_bdf_ok(pf_bdf) || make_path(path, sys, "/bus/pci/devices/%s/sriov_numvfs", pf_bdf) < 0 ||
		access(path, F_OK) < 0)
		return td_err_set(err, EOPNOTSUPP, TD_REASON_NO_SRIOV, "pf %s: its device has no SR-IOV", pf_name);
	return 0;
}

static int read_count(const char *sys, const char *pf_bdf, const char *file, unsigned *ret_count)
{
	char path[PATH_MAX];
	unsigned long number;

	if (make_path(path, sys, "/bus/pci/devices/%s/%s", pf_bdf, file) < 0)
		return -ENAMETOOLONG;
	int rc = read_number(path, 10, &number);
	if (rc < 0 || number > VFS_MAX)
		return rc < 0 ? rc : -ERANGE;
	*ret_count = (unsigned)number;
	return 0;
}

int td_sriov_sysfs_list(const char *sys, const char *pf_name, struct td_sriov_vf **ret_vfs, unsigned *ret_count, struct td_err *err)
{
	char pf_bdf[TD_SRIOV_BDF_LEN], bdf[TD_SRIOV_BDF_LEN], path[PATH_MAX];
	unsigned count;
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
		if (make_path(path, sys, "/bus/pci/devices/%s/virtfn%u", pf_bdf, i) == 0)
			link_name(path, bdf, sizeof(bdf));
		else
			bdf[0] = '\0';
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
	char path[PATH_MAX], text[16];

	if (make_path(path, sys, "/bus/pci/devices/%s/sriov_numvfs", pf_bdf) < 0)
		return td_err_set(err, ENAMETOOLONG, TD_REASON_INTERNAL, "pf %s: path too long", pf_name);
	snprintf(text, sizeof(text), "%u", count);
	int rc = write_text(path, text);
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
	char pf_bdf[TD_SRIOV_BDF_LEN], path[PATH_MAX];
	unsigned now, total;
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
	if (make_path(path, sys, "/bus/pci/devices/%s/sriov_drivers_autoprobe", pf_bdf) == 0 && write_text(path, "0") < 0)
		td_warn("pf %s: sriov_drivers_autoprobe stays as it is", pf_name);
	return write_count(sys, pf_bdf, pf_name, count, err);
}

int td_sriov_sysfs_link(const char *sys, const char *name, bool *ret_up, bool *ret_carrier, struct td_err *err)
{
	char path[PATH_MAX];
	unsigned long flags, carrier = 0;

	if (!td_sriov_sysfs_ifname_ok(name) || make_path(path, sys, "/class/net/%s/flags", name) < 0 || read_number(path, 16, &flags) < 0)
		return td_err_set(err, ENODEV, TD_REASON_PF_MISSING, "pf %.32s: no such network interface", name);
	*ret_up = (flags & IFF_UP) != 0;
	/* Of an interface that is down the kernel refuses to read it. */
	if (make_path(path, sys, "/class/net/%s/carrier", name) < 0 || read_number(path, 10, &carrier) < 0)
		carrier = 0;
	*ret_carrier = *ret_up && carrier == 1;
	return 0;
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

int td_sriov_sysfs_check_group(const char *sys, const char *bdf, struct td_err *err)
{
	char path[PATH_MAX], driver[DRIVER_BYTES], others[320] = "";
	struct td_sriov_vf vf = {0};
	size_t used = 0;

	if (read_ids(sys, bdf, &vf) < 0 || vf.group < 0)
		return td_err_set(err, ENODEV, TD_REASON_NO_IOMMU, "vf %s: has no IOMMU group", bdf);
	DIR *dir = make_path(path, sys, "/kernel/iommu_groups/%d/devices", vf.group) < 0 ? NULL : opendir(path);
	if (!dir)
		return td_err_sys(err, errno, TD_REASON_NO_IOMMU, "vf %s: group %d", bdf, vf.group);
	for (struct dirent *entry; (entry = readdir(dir));) {
		if (!td_sriov_sysfs_bdf_ok(entry->d_name) || strcmp(entry->d_name, bdf) == 0)
			continue;
		read_driver(sys, entry->d_name, driver);
		if (driver_leaves_dma(driver) || used + 64 > sizeof(others))
			continue;
		used += (size_t)snprintf(others + used, sizeof(others) - used, "%s%s (driver %s)", used ? ", " : "", entry->d_name, driver);
	}
	closedir(dir);
	if (used)
		return td_err_set(err, EPERM, TD_REASON_GROUP_NOT_VIABLE, "vf %s: group %d also holds %s", bdf, vf.group, others);
	return 0;
}

static int write_device(const char *sys, const char *bdf, const char *file, const char *text)
{
	char path[PATH_MAX];
	int rc = make_path(path, sys, "/bus/pci/devices/%s/%s", bdf, file);

	return rc < 0 ? rc : write_text(path, text);
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
	char path[PATH_MAX], then[DRIVER_BYTES];
	int rc = write_override(sys, bdf, driver);

	if (rc < 0)
		return td_err_sys(err, -rc, TD_REASON_SYSTEM, "vf %s: driver_override", bdf);
	if (now[0]) {
		rc = write_device(sys, bdf, "driver/unbind", bdf);
		if (rc < 0 && rc != -ENODEV)
			return td_err_sys(err, -rc, TD_REASON_SYSTEM, "vf %s: unbind from %s", bdf, now);
	}
	if (*driver) {
		rc = make_path(path, sys, "/bus/pci/drivers_probe");
		rc = rc < 0 ? rc : write_text(path, bdf);
	}
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
	char path[PATH_MAX];
	struct td_sriov_vf vf;
	int rc = td_sriov_sysfs_lookup(sys, bdf, &vf, err);

	if (rc == 0)
		rc = td_sriov_sysfs_check_group(sys, bdf, err);
	if (rc < 0)
		return rc;
	if (make_path(path, sys, "/bus/pci/drivers/vfio-pci") < 0 || access(path, F_OK) < 0)
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
