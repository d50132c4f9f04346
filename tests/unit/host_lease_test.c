/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vfio_lease_test.c - what a lease leaves of a VF's driver and driver_override, however its holder ends. sriov.c's calls go to a made-up
 * sysfs tree here; what the kernel does with the writes, the tests do themselves.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/sriov/journal.h"
#include "host/sriov/lease.h"
#include "host/sriov/sriov_sysfs.h"

#define PF     "0000:01:00.0"
#define VF     "0000:01:10.0"
#define DEVICE "bus/pci/devices/" VF

static char base[64], sys[80], root[80], dir[96];
static int bind_result;
static const char *bind_leaves; /* the driver after a bind that fails */

static void put_file(const char *name, const char *text)
{
	char command[512];

	snprintf(command, sizeof(command), "mkdir -p \"$(dirname '%s/%s')\" && printf '%s' >'%s/%s'", sys, name, text, sys, name);
	assert_int_equal(system(command), 0);
}

static void put_link(const char *name, const char *target)
{
	char command[512];

	snprintf(command, sizeof(command), "mkdir -p \"$(dirname '%s/%s')\" && ln -sfn '%s' '%s/%s'", sys, name, target, sys, name);
	assert_int_equal(system(command), 0);
}

/* "": none */
static void put_driver(const char *driver)
{
	char path[PATH_MAX], target[96];

	snprintf(path, sizeof(path), "%s/" DEVICE "/driver", sys);
	(void)unlink(path);
	snprintf(target, sizeof(target), "../../drivers/%s", driver);
	if (*driver)
		put_link(DEVICE "/driver", target);
}

static void put_override(const char *driver_override)
{
	put_file(DEVICE "/driver_override", driver_override);
}

/* The kernel takes a write of a line for the whole value; a file keeps what stood behind it. */
static void expect(const char *driver, const char *driver_override)
{
	struct td_sriov_vf vf;

	assert_int_equal(td_sriov_sysfs_lookup(sys, VF, &vf, NULL), 0);
	assert_string_equal(vf.driver, driver);
	assert_string_equal(vf.driver_override, driver_override);
}

static bool has_journal(void)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/undo-" VF ".json", dir);
	return access(path, F_OK) == 0;
}

/* sriov.c, over the tree. */

int td_sriov_list(const char *pf_name, struct td_sriov_vf **ret_vfs, unsigned *ret_count, struct td_err *err)
{
	return td_sriov_sysfs_list(sys, pf_name, ret_vfs, ret_count, err);
}

int td_sriov_lookup(const char *bdf, struct td_sriov_vf *ret_vf, struct td_err *err)
{
	return td_sriov_sysfs_lookup(sys, bdf, ret_vf, err);
}

bool td_sriov_is_same(const struct td_sriov_vf *vf)
{
	return td_sriov_sysfs_is_same(sys, vf);
}

int td_sriov_set_count(const char *pf_name, unsigned count, struct td_err *err)
{
	return td_sriov_sysfs_set_count(sys, pf_name, count, err);
}

int td_sriov_pf_link(const char *pf_name, bool *ret_up, bool *ret_carrier, struct td_err *err)
{
	return td_sriov_sysfs_link(sys, pf_name, ret_up, ret_carrier, err);
}

int td_sriov_bind_vfio(const char *bdf, char *ret_old_driver, struct td_err *err)
{
	(void)ret_old_driver;
	assert_true(has_journal());
	put_driver(bind_result ? bind_leaves : "vfio-pci");
	if (bind_result)
		return td_err_set(err, -bind_result, TD_REASON_VFIO_DRIVER, "vf %s: made to fail", bdf);
	put_override("vfio-pci\n");
	return 0;
}

int td_sriov_unbind_vfio(const char *bdf, const char *driver, struct td_err *err)
{
	return td_sriov_give_back(bdf, driver, "", err);
}

int td_sriov_give_back(const char *bdf, const char *driver, const char *driver_override, struct td_err *err)
{
	put_driver(driver); /* the kernel's part */
	return td_sriov_sysfs_give_back(sys, bdf, driver, driver_override, err);
}

static int set_up(void **state)
{
	char lock[112];

	(void)state;
	strcpy(base, "/tmp/tandem-lease.XXXXXX");
	assert_non_null(mkdtemp(base));
	snprintf(sys, sizeof(sys), "%s/sys", base);
	snprintf(root, sizeof(root), "%s/run", base);
	snprintf(dir, sizeof(dir), "%s/vm1", root);
	assert_int_equal(mkdir(sys, 0700) | mkdir(root, 0700) | mkdir(dir, 0700), 0);
	snprintf(lock, sizeof(lock), "%s/lock", dir); /* one without is not a VM's directory */
	int fd = open(lock, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	put_file("bus/pci/devices/" PF "/sriov_numvfs", "1\n"); /* its driver is gone: no interface, so no settings */
	put_link("bus/pci/devices/" PF "/virtfn0", "../" VF);
	put_link(DEVICE "/physfn", "../" PF);
	put_link(DEVICE "/iommu_group", "../../../../kernel/iommu_groups/12");
	put_file(DEVICE "/vendor", "0x8086\n");
	put_file(DEVICE "/device", "0x10ca\n");
	put_override("(null)\n");
	bind_result = 0;
	bind_leaves = "";
	return 0;
}

static int tear_down(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", base);
	return system(command);
}

/* A process that wrote this journal is dead; so the VF stands as it does. */
static void recover(const char *driver_before, bool has_override, const char *override_before)
{
	struct td_journal journal = {.bdf = VF, .pf_bdf = PF, .has_override = has_override};
	unsigned count = 0;

	strcpy(journal.driver, driver_before);
	strcpy(journal.driver_override, override_before);
	assert_int_equal(td_journal_write(dir, &journal, NULL), 0);
	assert_int_equal(td_lease_recover(root, &count, NULL), 0);
	assert_int_equal(count, 1);
	assert_false(has_journal());
}

static void test_killed_before_the_probe(void **state)
{
	(void)state;
	put_override("vfio-pci\n");
	recover("", true, "");
	expect("", "");
}

static void test_killed_before_the_unbind(void **state)
{
	(void)state;
	put_override("vfio-pci\n");
	put_driver("igbvf");
	recover("igbvf", true, "");
	expect("igbvf", "");
}

static void test_killed_while_giving_back(void **state)
{
	(void)state;
	put_override("igbvf\n");
	put_driver("igbvf");
	recover("igbvf", true, "");
	expect("igbvf", "");
}

static void test_killed_while_bound(void **state)
{
	(void)state;
	put_override("vfio-pci\n");
	put_driver("vfio-pci");
	recover("", true, "pci-stub");
	expect("", "pci-stub");
}

/* Journals of before say nothing of it: a VF that an operator gave to vfio-pci stays there. */
static void test_older_journal(void **state)
{
	(void)state;
	put_override("vfio-pci\n");
	put_driver("vfio-pci");
	recover("vfio-pci", false, "");
	expect("vfio-pci", "vfio-pci");
	put_driver("");
	recover("", false, "");
	expect("", "");
}

static void acquire(struct td_lease *lease)
{
	assert_int_equal(td_lease_acquire(lease, dir, &(struct td_lease_request){.bdf = VF}, NULL), 0);
	expect("vfio-pci", "vfio-pci");
}

static void test_operators_override(void **state)
{
	struct td_lease lease;

	(void)state;
	put_override("igbvf\n");
	acquire(&lease);
	assert_int_equal(td_lease_release(&lease, NULL), 0);
	expect("", "igbvf");
	assert_false(has_journal());
	put_override("(null)\n");
	acquire(&lease);
	assert_int_equal(td_lease_release(&lease, NULL), 0);
	expect("", "");
}

static void fail_to_acquire(const char *leaves)
{
	struct td_lease lease;
	struct td_err err = {0};

	bind_result = -EIO;
	bind_leaves = leaves;
	assert_int_equal(td_lease_acquire(&lease, dir, &(struct td_lease_request){.bdf = VF}, &err), -EIO);
	assert_int_equal(err.reason, TD_REASON_VFIO_DRIVER);
}

/* A bind that fails undoes itself, and if it can't, the journal is what is left to do it. */
static void test_failed_bind(void **state)
{
	unsigned count = 0;

	(void)state;
	fail_to_acquire("");
	assert_false(has_journal());
	fail_to_acquire("half-way");
	assert_true(has_journal());
	assert_int_equal(td_lease_recover(root, &count, NULL), 0);
	assert_int_equal(count, 1);
	expect("", "");
}

/* Destroyed and made anew, its address is all that it has of the leased one. */
static void test_made_anew(void **state)
{
	char command[512];
	struct td_lease lease;

	(void)state;
	acquire(&lease);
	assert_true(td_sriov_is_same(&lease.vf));
	snprintf(command, sizeof(command), "cd %s/bus/pci/devices && cp -a %s new && mv %s old && mv new %s", sys, VF, VF, VF);
	assert_int_equal(system(command), 0);
	assert_false(td_sriov_is_same(&lease.vf));
	assert_int_equal(td_lease_release(&lease, NULL), 0);
	expect("vfio-pci", "vfio-pci"); /* whoever gave it that */
	assert_false(has_journal() || lease.held);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_killed_before_the_probe, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_killed_before_the_unbind, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_killed_while_giving_back, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_killed_while_bound, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_older_journal, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_operators_override, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_failed_bind, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_made_anew, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
