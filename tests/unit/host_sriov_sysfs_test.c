/* SPDX-License-Identifier: Apache-2.0 */
/* VFs, groups and drivers as read from a made-up sysfs tree. What a real kernel does with the writes is tested in the lab. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/sriov/sriov_sysfs.h"
#include "host/sys/iommu_group.h"

#define PF  "0000:01:00.0"
#define VF0 "0000:01:10.0"
#define VF1 "0000:01:10.2"

struct tree {
	char root[64];
};

static void path_of(const struct tree *tree, char *path, const char *name)
{
	assert_true(snprintf(path, PATH_MAX, "%s/%s", tree->root, name) < PATH_MAX);
}

static void make_dirs(char *path)
{
	for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		(void)mkdir(path, 0700);
		*slash = '/';
	}
}

static void put_file(const struct tree *tree, const char *name, const char *text)
{
	char path[PATH_MAX];

	path_of(tree, path, name);
	make_dirs(path);
	FILE *file = fopen(path, "we");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void put_link(const struct tree *tree, const char *name, const char *target)
{
	char path[PATH_MAX];

	path_of(tree, path, name);
	make_dirs(path);
	(void)unlink(path);
	assert_int_equal(symlink(target, path), 0);
}

static void remove_file(const struct tree *tree, const char *name)
{
	char path[PATH_MAX];

	path_of(tree, path, name);
	assert_int_equal(unlink(path), 0);
}

static void read_back(const struct tree *tree, const char *name, char *text, size_t room)
{
	char path[PATH_MAX];

	path_of(tree, path, name);
	td_auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len = read(fd, text, room - 1);
	assert_true(len >= 0);
	text[len] = '\0';
}

static void put_vf(const struct tree *tree, const char *bdf, const char *virtfn, const char *group)
{
	char name[128], target[128];

	snprintf(target, sizeof(target), "../%s", bdf);
	put_link(tree, virtfn, target);
	snprintf(name, sizeof(name), "bus/pci/devices/%s/physfn", bdf);
	put_link(tree, name, "../" PF);
	snprintf(name, sizeof(name), "bus/pci/devices/%s/vendor", bdf);
	put_file(tree, name, "0x8086\n");
	snprintf(name, sizeof(name), "bus/pci/devices/%s/device", bdf);
	put_file(tree, name, "0x10ca\n");
	snprintf(name, sizeof(name), "bus/pci/devices/%s/driver_override", bdf);
	put_file(tree, name, "(null)\n");
	snprintf(name, sizeof(name), "bus/pci/devices/%s/iommu_group", bdf);
	snprintf(target, sizeof(target), "../../../../kernel/iommu_groups/%s", group);
	put_link(tree, name, target);
	snprintf(name, sizeof(name), "kernel/iommu_groups/%s/devices/%s", group, bdf);
	put_file(tree, name, "");
}

static void put_driver(const struct tree *tree, const char *bdf, const char *driver)
{
	char name[128], target[128];

	snprintf(name, sizeof(name), "bus/pci/devices/%s/driver", bdf);
	snprintf(target, sizeof(target), "../../../bus/pci/drivers/%s", driver);
	put_link(tree, name, target);
}

static int set_up(void **state)
{
	struct tree *tree = calloc(1, sizeof(*tree));

	strcpy(tree->root, "/tmp/tandem-sysfs.XXXXXX");
	assert_non_null(mkdtemp(tree->root));
	put_link(tree, "class/net/pf0/device", "../../../bus/pci/devices/" PF);
	put_file(tree, "class/net/pf0/flags", "0x1003\n");
	put_file(tree, "class/net/pf0/carrier", "1\n");
	put_link(tree, "class/net/lo/none", "x");
	put_file(tree, "bus/pci/devices/" PF "/net/pf0/x", "");
	put_file(tree, "bus/pci/devices/" PF "/sriov_numvfs", "2\n");
	put_file(tree, "bus/pci/devices/" PF "/sriov_totalvfs", "7\n");
	put_file(tree, "bus/pci/devices/" PF "/sriov_drivers_autoprobe", "1\n");
	put_file(tree, "bus/pci/drivers_probe", "");
	put_file(tree, "bus/pci/drivers/vfio-pci/bind", "");
	put_vf(tree, VF0, "bus/pci/devices/" PF "/virtfn0", "12");
	put_vf(tree, VF1, "bus/pci/devices/" PF "/virtfn1", "13");
	*state = tree;
	return 0;
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *ftw)
{
	(void)info, (void)type, (void)ftw;
	return remove(path);
}

static int tear_down(void **state)
{
	struct tree *tree = *state;

	nftw(tree->root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(tree);
	return 0;
}

static void test_list(void **state)
{
	struct tree *tree = *state;
	struct td_sriov_vf *vfs = NULL;
	unsigned count = 0;

	put_driver(tree, VF1, "igbvf");
	put_file(tree, "bus/pci/devices/" VF1 "/net/enp1s0v1/x", "");
	assert_int_equal(td_sriov_sysfs_list(tree->root, "pf0", &vfs, &count, NULL), 0);
	assert_int_equal(count, 2);
	assert_string_equal(vfs[0].bdf, VF0);
	assert_string_equal(vfs[0].pf_bdf, PF);
	assert_string_equal(vfs[0].pf_name, "pf0");
	assert_string_equal(vfs[0].driver, "");
	assert_int_equal(vfs[0].vendor, 0x8086);
	assert_int_equal(vfs[0].device, 0x10ca);
	assert_int_equal(vfs[0].group, 12);
	assert_int_equal(vfs[1].index, 1);
	assert_string_equal(vfs[1].driver, "igbvf");
	assert_string_equal(vfs[1].netdev, "enp1s0v1");
	free(vfs);
}

static void test_missing(void **state)
{
	struct tree *tree = *state;
	struct td_sriov_vf *vfs = NULL, vf;
	unsigned count = 0;
	struct td_err err = {0};

	assert_int_equal(td_sriov_sysfs_list(tree->root, "pf9", &vfs, &count, &err), -ENODEV);
	assert_int_equal(err.reason, TD_REASON_PF_MISSING);
	assert_int_equal(td_sriov_sysfs_list(tree->root, "../pf0", &vfs, &count, &err), -EINVAL);
	assert_int_equal(td_sriov_sysfs_list(tree->root, "lo", &vfs, &count, &err), -EOPNOTSUPP);
	assert_int_equal(err.reason, TD_REASON_NO_SRIOV);
	assert_null(vfs);
	assert_int_equal(td_sriov_sysfs_lookup(tree->root, "nonsense", &vf, &err), -EINVAL);
	assert_int_equal(td_sriov_sysfs_lookup(tree->root, "0000:05:00.0", &vf, &err), -ENODEV);
	assert_int_equal(td_sriov_sysfs_lookup(tree->root, PF, &vf, &err), -EINVAL);
	assert_int_equal(err.reason, TD_REASON_NO_SRIOV);
	/* The PF promises a VF that is not there. */
	put_file(tree, "bus/pci/devices/" PF "/sriov_numvfs", "3\n");
	assert_true(td_sriov_sysfs_list(tree->root, "pf0", &vfs, &count, &err) < 0);
	put_file(tree, "bus/pci/devices/" PF "/sriov_numvfs", "99999999999\n");
	assert_true(td_sriov_sysfs_list(tree->root, "pf0", &vfs, &count, &err) < 0);
	put_file(tree, "bus/pci/devices/" VF0 "/vendor", "what?\n");
	assert_int_equal(td_sriov_sysfs_lookup(tree->root, VF0, &vf, &err), -EIO);
}

static void test_group(void **state)
{
	static const struct {
		const char *driver;
		bool viable;
	} rows[] = {{"vfio-pci", true}, {"pci-stub", true}, {"pcieport", true}, {"mlx5-vfio-pci", true}, {"nvme", false}, {"igb", false}};
	struct tree *tree = *state;
	struct td_err err = {0};

	assert_int_equal(td_iommu_group_check(tree->root, VF0, &err), 0);
	put_file(tree, "kernel/iommu_groups/12/devices/0000:02:00.0", "");
	put_file(tree, "bus/pci/devices/0000:02:00.0/x", "");
	assert_int_equal(td_iommu_group_check(tree->root, VF0, &err), 0);
	for (unsigned i = 0; i < TD_COUNT(rows); i++) {
		put_driver(tree, "0000:02:00.0", rows[i].driver);
		assert_int_equal(td_iommu_group_check(tree->root, VF0, &err), rows[i].viable ? 0 : -EPERM);
	}
	assert_int_equal(err.reason, TD_REASON_GROUP_NOT_VIABLE);
	assert_non_null(strstr(err.text, "group 12 also holds 0000:02:00.0 (driver igb)"));
	assert_int_equal(td_sriov_sysfs_bind(tree->root, VF0, NULL, &err), -EPERM);
	/* Dozens of others do not overrun the message. */
	for (unsigned i = 0; i < 40; i++) {
		char bdf[16], name[80];

		snprintf(bdf, sizeof(bdf), "0000:03:%02x.0", i & 31U);
		snprintf(name, sizeof(name), "kernel/iommu_groups/12/devices/%s", bdf);
		put_file(tree, name, "");
		put_driver(tree, bdf, "a-driver-with-a-very-long-name");
	}
	assert_int_equal(td_iommu_group_check(tree->root, VF0, &err), -EPERM);
	remove_file(tree, "bus/pci/devices/" VF1 "/iommu_group");
	assert_int_equal(td_iommu_group_check(tree->root, VF1, &err), -ENODEV);
	assert_int_equal(err.reason, TD_REASON_NO_IOMMU);
}

static void test_set_count(void **state)
{
	struct tree *tree = *state;
	struct td_err err = {0};
	char text[32];

	assert_int_equal(td_sriov_sysfs_set_count(tree->root, "pf0", 8, &err), -ERANGE);
	assert_int_equal(td_sriov_sysfs_set_count(tree->root, "pf0", 2, &err), 0);
	read_back(tree, "bus/pci/devices/" PF "/sriov_drivers_autoprobe", text, sizeof(text));
	assert_string_equal(text, "1\n"); /* nothing was to do */
	put_driver(tree, VF1, "vfio-pci");
	assert_int_equal(td_sriov_sysfs_set_count(tree->root, "pf0", 4, &err), -EBUSY);
	assert_int_equal(err.reason, TD_REASON_VF_BUSY);
	assert_non_null(strstr(err.text, VF1));
	read_back(tree, "bus/pci/devices/" PF "/sriov_numvfs", text, sizeof(text));
	assert_string_equal(text, "2\n");
	put_driver(tree, VF1, "igbvf");
	assert_int_equal(td_sriov_sysfs_set_count(tree->root, "pf0", 4, &err), 0);
	read_back(tree, "bus/pci/devices/" PF "/sriov_numvfs", text, sizeof(text));
	assert_int_equal(text[0], '4');
	read_back(tree, "bus/pci/devices/" PF "/sriov_drivers_autoprobe", text, sizeof(text));
	assert_int_equal(text[0], '0');
}

static void test_link(void **state)
{
	struct tree *tree = *state;
	bool up = false, carrier = false;

	assert_int_equal(td_sriov_sysfs_link(tree->root, "pf0", &up, &carrier, NULL), 0);
	assert_true(up && carrier);
	put_file(tree, "class/net/pf0/flags", "0x1002\n");
	assert_int_equal(td_sriov_sysfs_link(tree->root, "pf0", &up, &carrier, NULL), 0);
	assert_true(!up && !carrier);
	assert_int_equal(td_sriov_sysfs_link(tree->root, "pf7", &up, &carrier, NULL), -ENODEV);
}

static void test_bind(void **state)
{
	struct tree *tree = *state;
	struct td_err err = {0};
	char old[32] = "?", text[32];

	/* Nobody acts on the writes here: the driver does not take the device, and the override must be gone again. */
	assert_int_equal(td_sriov_sysfs_bind(tree->root, VF0, old, &err), -EIO);
	assert_int_equal(err.reason, TD_REASON_VFIO_DRIVER);
	assert_string_equal(old, "?");
	read_back(tree, "bus/pci/drivers_probe", text, sizeof(text));
	assert_string_equal(text, VF0);
	read_back(tree, "bus/pci/devices/" VF0 "/driver_override", text, sizeof(text));
	assert_int_equal(text[0], '\n');
	put_driver(tree, VF0, "vfio-pci");
	assert_int_equal(td_sriov_sysfs_bind(tree->root, VF0, old, &err), 0);
	assert_string_equal(old, "vfio-pci");
	assert_int_equal(td_sriov_sysfs_unbind(tree->root, VF0, "vfio-pci", &err), 0);
	assert_int_equal(td_sriov_sysfs_unbind(tree->root, VF0, "../evil", &err), -EINVAL);
	remove_file(tree, "bus/pci/drivers/vfio-pci/bind");
	char path[PATH_MAX];
	path_of(tree, path, "bus/pci/drivers/vfio-pci");
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(td_sriov_sysfs_bind(tree->root, VF1, old, &err), -ENOENT);
	assert_int_equal(err.reason, TD_REASON_VFIO_DRIVER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_list, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_missing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_group, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_set_count, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_link, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_bind, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
