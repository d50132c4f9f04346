/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the doctor's tree and of what it is made of: hostile directories, limits, filters, capabilities. */
#include "doctor_trees.h"

#include <errno.h>
#include <fcntl.h>
#include <zlib.h>

#include "host/doctor/doctor_files.h"
#include "host/doctor/doctor_gzip.h"

/* ---- hostile directories ---- */

static void hostile_files_end_in_nothing(void **state)
{
	char path[256], big[256];
	td_auto_free char *garbage = malloc(200000);
	for (unsigned i = 0; i < 200000; i++)
		garbage[i] = (char)(i * 2654435761U >> 24);
	trees_write_file(state, "proc/cmdline", garbage, 200000);
	trees_write_file(state, "proc/cpuinfo", garbage, 200000);
	trees_write_file(state, "sys/bus/pci/devices/0000:01:00.0/class", garbage, 100);
	trees_write_file(state, "sys/bus/pci/devices/0000:02:00.0/class", "0x020000\n", 9);
	trees_write_file(state, "sys/bus/pci/devices/0000:02:00.0/config", garbage, 200000);
	trees_write_file(state, "sys/bus/pci/devices/0000:02:00.0/resource", garbage, 200000);
	trees_write_file(state, "sys/bus/pci/devices/not a device/class", "0x020000\n", 9);
	trees_write_text(state, "proc/sys/kernel/osrelease", "../../../etc");
	trees_write_text(state, "sys/kernel/irq/0/chip_name/x", ""); /* a directory where a file belongs */
	assert_int_equal(mkfifo(trees_in_dir(state, "sys/kernel/irq/pipe", path), 0600), 0);
	trees_write_text(state, "sys/kernel/irq/1/x", "");
	assert_int_equal(mkfifo(trees_in_dir(state, "sys/kernel/irq/1/chip_name", path), 0600), 0); /* would wait for a writer */
	assert_int_equal(symlink("loop", trees_in_dir(state, "sys/kernel/iommu_groups", path)), 0);
	assert_int_equal(symlink("iommu_groups", trees_in_dir(state, "sys/kernel/loop", path)), 0);
	trees_write_text(state, "sys/class/iommu", "a file where a directory belongs");
	trees_write_text(state, "proc/self/limits", "");
	int fd = open(trees_in_dir(state, "proc/self/limits", big), O_WRONLY);
	assert_int_equal(ftruncate(fd, 1LL << 40), 0);
	close(fd);
	assert_int_equal(symlink("/etc/passwd", trees_in_dir(state, "proc/self/status", path)), 0); /* ours is outside */
	struct td_doctor_report report;
	trees_examine_root(*state, &report);
	bool unreadable = false;
	for (unsigned i = 0; i < report.count; i++)
		unreadable = unreadable || report.finding[i].reason == TD_DOCTOR_UNREADABLE;
	assert_true(unreadable);
	td_doctor_report_fini(&report);
}

static void links_stay_inside_the_root(void **state)
{
	char path[256];
	trees_write_text(state, "etc/group", "kvm:x:7:\n");
	trees_write_text(state, "proc/self/x", "");
	trees_write_text(state, "sys/kernel/mm/x", "");
	assert_int_equal(symlink("../../../../../../../../../etc/group", trees_in_dir(state, "proc/self/status", path)), 0);
	assert_int_equal(symlink("/etc/group", trees_in_dir(state, "proc/self/limits", path)), 0);
	assert_int_equal(symlink("../../../../../../..", trees_in_dir(state, "sys/kernel/mm/hugepages", path)), 0);
	struct td_doctor_tree *tree = trees_open_tree(*state);
	/* Both lead to the root's own file, whose lines are not those kept of these. */
	assert_string_equal(td_doctor_tree_text(tree, "/proc/self/status"), "");
	assert_string_equal(td_doctor_tree_text(tree, "/proc/self/limits"), "");
	td_auto_names struct td_doctor_names names;
	td_doctor_tree_list(tree, &names, "/sys/kernel/mm/hugepages");
	assert_int_equal(names.count, 3);
	assert_string_equal(names.name[0], "etc");
	td_doctor_tree_close(tree);
}

#define MANY 5000

static void only_so_many_bytes_are_read_but_all_names(void **state)
{
	char path[300];
	td_auto_free char *lines = malloc(1 << 20);
	memset(lines, 'x', 1 << 20);
	memcpy(lines, "0x1\n", 4);
	trees_write_file(state, "sys/kernel/irq/0/chip_name", lines, 1 << 20);
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(path, sizeof(path), "%s/sys/kernel/irq/%u", (char *)*state, i);
		mkdir(path, 0755);
	}
	struct td_doctor_tree *tree = trees_open_tree(*state);
	assert_string_equal(td_doctor_tree_text(tree, "/sys/kernel/irq/0/chip_name"), "0x1"); /* half a line is none */
	td_auto_names struct td_doctor_names names;
	td_doctor_tree_list(tree, &names, "/sys/kernel/irq");
	assert_int_equal(names.count, MANY);
	td_doctor_tree_close(tree);
}

static size_t pack(char *packed, size_t room, const char *text)
{
	z_stream stream = {
		.next_in = (Bytef *)(uintptr_t)text, .avail_in = (uInt)strlen(text), .next_out = (Bytef *)packed, .avail_out = (uInt)room};
	assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
	deflateEnd(&stream);
	return room - stream.avail_out;
}

static void a_packed_configuration_is_read_as_the_file(void **state)
{
	static const char text[] = "# comment\nCONFIG_VFIO=m\nCONFIG_SECRET=\"x\"\nCONFIG_KVM=y\n";
	char packed[256];
	size_t len = pack(packed, sizeof(packed), text);
	trees_write_file(state, "proc/config.gz", packed, len);
	struct td_doctor_tree *tree = trees_open_tree(*state);
	assert_string_equal(td_doctor_tree_text(tree, "/proc/config.gz"), "CONFIG_VFIO=m\nCONFIG_KVM=y");
	td_doctor_tree_close(tree);
	/* Each cut and each damaged byte: something or nothing, but within the bytes. */
	for (size_t cut = 0; cut < len; cut++) {
		td_auto_free char *copy = malloc(sizeof(packed));
		memcpy(copy, packed, len);
		copy[cut] = (char)~copy[cut];
		assert_true(td_doctor_gzip_unpack(copy, len, sizeof(packed)) <= (ssize_t)sizeof(packed));
		memcpy(copy, packed, len);
		ssize_t got = td_doctor_gzip_unpack(copy, cut, sizeof(packed));
		assert_true(got == -EBADMSG || (cut < 2 && got == (ssize_t)cut));
	}
}

static void a_file_is_read_once(void **state)
{
	trees_write_text(state, "proc/cmdline", "intel_iommu=on");
	struct td_doctor_tree *tree = trees_open_tree(*state);
	assert_string_equal(td_doctor_tree_text(tree, "/proc/cmdline"), "intel_iommu=on");
	trees_write_text(state, "proc/cmdline", "intel_iommu=off");
	assert_string_equal(td_doctor_tree_text(tree, "/proc/cmdline"), "intel_iommu=on");
	td_doctor_tree_close(tree);
}

static void roots_that_are_none(void **state)
{
	struct td_doctor_tree *tree;
	struct td_err err = {0};
	char path[256];
	assert_int_equal(td_doctor_tree_open(trees_in_dir(state, "nothing", path), &tree, &err), -ENOENT);
	assert_int_equal(err.reason, TD_REASON_USAGE);
	trees_write_text(state, "text", "no archive");
	assert_int_equal(td_doctor_tree_open(trees_in_dir(state, "text", path), &tree, &err), -EBADMSG);
	assert_int_equal(err.reason, TD_REASON_USAGE);
	assert_int_equal(mkfifo(trees_in_dir(state, "pipe", path), 0600), 0);
	assert_int_equal(td_doctor_tree_open(path, &tree, &err), -EINVAL);
	assert_int_equal(td_doctor_tree_open("/dev/zero", &tree, &err), -EINVAL);
}

/* ---- the store ---- */

static void collect(void *opaque, const char *name)
{
	strcat(strcat(opaque, name), ";");
}

static void children_come_once_whatever_sorts_between(void **state)
{
	struct td_doctor_store store = {0};
	char names[128] = "";
	(void)state;
	trees_add(&store, "/d/a = 1\n/d/a-b/x = 1\n/d/a.b = 1\n/d/a/x = 1\n/d/a/y/z = 1\n/d/c/x = 1\n/d/c/y = 1\n/dd/n = 1\n", NULL);
	td_doctor_store_children(&store, "/d", collect, names);
	assert_string_equal(names, "a;a-b;a.b;c;");
	assert_true(td_doctor_store_has(&store, "/d/c"));
	assert_true(td_doctor_store_has(&store, "/d/a"));
	assert_false(td_doctor_store_has(&store, "/d/b"));
	assert_null(td_doctor_store_find(&store, "/d/c"));
	td_doctor_store_fini(&store);
}

static void the_store_has_limits(void **state)
{
	struct td_doctor_store store = {0};
	char path[64];
	td_auto_free char *data = calloc(1, TD_DOCTOR_FILE_MAX + 1);
	(void)state;
	assert_int_equal(td_doctor_store_put(&store, "/a", TD_DOCTOR_FILE, data, TD_DOCTOR_FILE_MAX + 1), -EFBIG);
	for (unsigned i = 0; i < TD_DOCTOR_BYTES_MAX / TD_DOCTOR_FILE_MAX; i++) {
		snprintf(path, sizeof(path), "/%u", i);
		assert_int_equal(td_doctor_store_put(&store, path, TD_DOCTOR_FILE, data, TD_DOCTOR_FILE_MAX), 0);
	}
	assert_int_equal(td_doctor_store_put(&store, "/more", TD_DOCTOR_FILE, data, 1), -EFBIG);
	assert_int_equal(td_doctor_store_put(&store, "/0", TD_DOCTOR_SEEN, NULL, 0), 0); /* never replaces */
	assert_int_equal(td_doctor_store_find(&store, "/0")->len_bytes, TD_DOCTOR_FILE_MAX);
	td_doctor_store_fini(&store);
	static const char *const wrong[] = {"", "/", "a", "/a/", "//a", "/a//b", "/.", "/..", "/a/..", "/../a"};
	for (unsigned i = 0; i < TD_COUNT(wrong); i++)
		assert_int_equal(td_doctor_store_put(&store, wrong[i], TD_DOCTOR_SEEN, NULL, 0), -EINVAL);
}

/* ---- filters and capabilities ---- */

static void filters_keep_what_the_table_says(void **state)
{
	static const struct {
		const char *path, *in, *kept;
	} rows[] = {
		{"/proc/cmdline", "a intel_iommu=on  b=vfio vfio-pci.ids=1:2 kvm_amd.npt=0 kvmx iommu=pt\n",
			"intel_iommu=on vfio-pci.ids=1:2 kvm_amd.npt=0 iommu=pt"},
		{"/proc/cpuinfo", "vendor_id\t: X\nmicrocode : 7\nflags : a\n\nflags : b\n", "vendor_id\t: X\nflags : a"},
		{"/etc/group", "kvm:x:104:joe,ann\nkvmx:x:1:\nroot:x:0:\n", "kvm:x:104"},
		{"/boot/config-6.1", "CONFIG_VFIO=m\nCONFIG_VFIO_X=m\n# CONFIG_BONDING is not set\n# CONFIG_X is not set\n",
			"CONFIG_VFIO=m\n# CONFIG_BONDING is not set"},
		{"/lib/modules/6.1/modules.dep", "kernel/a/vfio_pci.ko.xz: kernel/b.ko\nkernel/tun.ko:\nkernel/x.ko: kernel/tun.ko\n",
			"vfio-pci\ntun"},
		{"/lib/modules/6.1/modules.builtin", "kernel/vhost_net.ko\nkernel/y.ko\n", "vhost_net"},
		{"/sys/class/net/a/flags", "0x1\x1b[2J\xff\n\n", "0x1?[2J?"},
	};
	(void)state;
	for (unsigned i = 0; i < TD_COUNT(rows); i++) {
		char out[512], again[512];
		const struct td_doctor_rule *rule = td_doctor_files_rule(rows[i].path);
		assert_non_null(rule);
		size_t len = td_doctor_files_filter(rule, rows[i].in, strlen(rows[i].in), false, out);
		assert_string_equal(out, rows[i].kept);
		assert_int_equal(len, strlen(rows[i].kept));
		/* A record passes the filters again. */
		td_doctor_files_filter(rule, out, len, false, again);
		assert_string_equal(again, out);
	}
	assert_null(td_doctor_files_rule("/etc/shadow"));
	assert_null(td_doctor_files_rule("/sys/bus/pci/devices/x/y/class"));
	assert_null(td_doctor_files_rule("/sys/class/net/eth0/address"));
}

static void blanked_configuration_says_the_same(void **state)
{
	uint8_t config[TD_DOCTOR_CONFIG_BYTES];
	struct td_doctor_caps before, after;
	(void)state;
	trees_config(config, "bridge=3b,3c pcie flr acs=1d/15 sriov=7");
	td_doctor_caps_parse(config, sizeof(config), &before);
	assert_true(before.bridge && before.has_pcie && before.flr && before.has_acs && before.has_sriov && before.has_extended);
	assert_int_equal(before.secondary, 0x3b);
	assert_int_equal(before.subordinate, 0x3c);
	assert_int_equal(before.acs_cap, 0x1d);
	assert_int_equal(before.acs_control, 0x15);
	assert_int_equal(before.sriov_total, 7);
	assert_non_null(memmem(config, sizeof(config), "SERIALNO", 8));
	td_doctor_caps_filter(config, sizeof(config));
	assert_null(memmem(config, sizeof(config), "SERIALNO", 8));
	td_doctor_caps_parse(config, sizeof(config), &after);
	assert_memory_equal(&before, &after, sizeof(before));
	/* As a user who is not root sees it. */
	td_doctor_caps_parse(config, 64, &after);
	assert_true(after.bridge && !after.has_pcie && !after.has_extended && !after.has_acs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(hostile_files_end_in_nothing, trees_setup, trees_teardown),
		cmocka_unit_test_setup_teardown(links_stay_inside_the_root, trees_setup, trees_teardown),
		cmocka_unit_test_setup_teardown(only_so_many_bytes_are_read_but_all_names, trees_setup, trees_teardown),
		cmocka_unit_test_setup_teardown(a_packed_configuration_is_read_as_the_file, trees_setup, trees_teardown),
		cmocka_unit_test_setup_teardown(a_file_is_read_once, trees_setup, trees_teardown),
		cmocka_unit_test_setup_teardown(roots_that_are_none, trees_setup, trees_teardown),
		cmocka_unit_test(children_come_once_whatever_sorts_between),
		cmocka_unit_test(the_store_has_limits),
		cmocka_unit_test(filters_keep_what_the_table_says),
		cmocka_unit_test(blanked_configuration_says_the_same),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
