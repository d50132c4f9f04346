/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the doctor's tree and of what it is made of: limits, hostile directories and archives, records that yield the same. */
#include "doctor_trees.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/doctor_files.h"
#include "host/doctor_record.h"

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *walk)
{
	(void)st, (void)type, (void)walk;
	return remove(path);
}

/* A new directory for a test, removed by teardown. */
static int setup(void **state)
{
	char dir[] = "/tmp/tandem-doctor-XXXXXX";
	*state = mkdtemp(dir) ? strdup(dir) : NULL;
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	nftw(*state, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(*state);
	return 0;
}

static char *in_dir(void **state, const char *name, char path[256])
{
	snprintf(path, 256, "%s/%s", (const char *)*state, name);
	return path;
}

/* DIR/NAME with `text`, and the directories above it. */
static void write_file(void **state, const char *name, const void *text, size_t len)
{
	char path[256];
	in_dir(state, name, path);
	for (char *c = strchr(path + 1, '/'); c; c = strchr(c + 1, '/')) {
		*c = '\0';
		mkdir(path, 0755);
		*c = '/';
	}
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, len, file), len);
	fclose(file);
}

static void write_text(void **state, const char *name, const char *text)
{
	write_file(state, name, text, strlen(text));
}

static struct td_doctor_tree *open_tree(const char *root)
{
	struct td_doctor_tree *tree = NULL;
	struct td_err err = {0};
	if (td_doctor_tree_open(root, &tree, &err))
		fail_msg("%s", err.text);
	return tree;
}

static void examine_root(const char *root, struct td_doctor_report *report)
{
	struct td_doctor_tree *tree = open_tree(root);
	assert_int_equal(td_doctor_examine(tree, report, NULL), 0);
	td_doctor_tree_close(tree);
}

/* A host with some of everything wrong. */
static const char bad_host[] = "/proc/cmdline = quiet\n- /sys/class/iommu\n/sys/module/kvm_intel/parameters/ept = N\n"
			       "/sys/class/net/ens1f0/flags = 0x1002\n- /sys/bus/pci/drivers\n/.tandem-doctor/cgroup = pids.max 32\n"
			       "/.tandem-doctor/device/dev/kvm = 0660 0 104 refused\n/.tandem-doctor/unreadable/!proc!x = 13\n";

/* ---- records ---- */

static void tar_directory_and_memory_yield_the_same(void **state)
{
	struct td_doctor_store store = {0};
	struct td_doctor_report first, second;
	struct td_err err = {0};
	char tar[256], dir[256];
	trees_host(&store, bad_host);
	assert_int_equal(td_doctor_store_save(&store, in_dir(state, "host.tar", tar), &err), 0);
	assert_int_equal(td_doctor_store_save(&store, in_dir(state, "host/", dir), &err), 0);
	trees_examine(&store, &first);
	assert_true(first.by_severity[TD_DOCTOR_STOPS] >= 4);
	examine_root(tar, &second);
	trees_assert_same(&first, &second);
	td_doctor_report_fini(&second);
	examine_root(dir, &second);
	trees_assert_same(&first, &second);
	td_doctor_report_fini(&second);
	td_doctor_report_fini(&first);
}

/* What was read while looking at a directory is the record; it lacks nothing and yields the same. */
static void what_is_read_is_the_record(void **state)
{
	struct td_doctor_store store = {0};
	struct td_doctor_report first, second;
	char dir[256], tar[256];
	trees_host(&store, bad_host);
	assert_int_equal(td_doctor_store_save(&store, in_dir(state, "host/", dir), NULL), 0);
	td_doctor_store_fini(&store);
	struct td_doctor_tree *tree = open_tree(dir);
	assert_int_equal(td_doctor_examine(tree, &first, NULL), 0);
	assert_int_equal(td_doctor_record_save(td_doctor_tree_store(tree), in_dir(state, "r.tar", tar), NULL), 0);
	td_doctor_tree_close(tree);
	examine_root(tar, &second);
	trees_assert_same(&first, &second);
	td_doctor_report_fini(&second);
	td_doctor_report_fini(&first);
}

static void a_record_is_an_archive_for_tar(void **state)
{
	struct td_doctor_store store = {0};
	char tar[256], command[600];
	trees_host(&store, "");
	assert_int_equal(td_doctor_store_save(&store, in_dir(state, "host.tar", tar), NULL), 0);
	td_doctor_store_fini(&store);
	/* Unpacked and packed again by tar itself, in the way people do. */
	snprintf(command, sizeof(command), "cd %s && mkdir x && tar xf host.tar -C x && tar cf again.tar -C x . && test -e x/proc/cmdline",
		(char *)*state);
	assert_int_equal(system(command), 0);
	struct td_doctor_report report;
	examine_root(in_dir(state, "again.tar", tar), &report);
	assert_int_equal(report.by_severity[TD_DOCTOR_STOPS], 0);
	assert_int_equal(report.by_severity[TD_DOCTOR_NOTE], 0);
	td_doctor_report_fini(&report);
}

/* ---- secrets ---- */

static bool file_holds(const char *path, const char *needle)
{
	char *text = NULL;
	size_t room = 0, len = strlen(needle);
	FILE *file = fopen(path, "r");
	assert_non_null(file);
	/* To the end of the file: a byte that never comes. */
	fseek(file, 0, SEEK_END);
	room = (size_t)ftell(file);
	rewind(file);
	text = malloc(room);
	assert_int_equal(fread(text, 1, room, file), room);
	fclose(file);
	bool found = memmem(text, room, needle, len) != NULL;
	free(text);
	return found;
}

static void a_record_holds_no_secrets(void **state)
{
	static const char *const secrets[] = {"SECRET", "secret", "SERIALNO", "aabbccddeeff", "aa:bb:cc", "203.0.113", "web1"};
	struct td_doctor_store store = {0}, masked = {0};
	struct td_doctor_report first, second;
	char dir[256], tar[256], path[256];
	trees_host(&store, "/sys/class/net/enxaabbccddeeff/flags = 0x1003\n/sys/class/net/br-web1/brif/ens2f0/\n"
			   "- "
			   "/sys/bus/pci/devices/0000:3b:10.2/net\n");
	assert_int_equal(td_doctor_store_save(&store, in_dir(state, "host/", dir), NULL), 0);
	td_doctor_store_fini(&store);
	in_dir(state, "host/.tandem-doctor", path);
	nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS); /* a copy of a host, not a record */
	write_text(state, "host/proc/cmdline",
		"root=UUID=SECRET ip=203.0.113.7 intel_iommu=on iommu=pt luks.uuid=SECRET hostname=web1 vfio-pci.ids=8086:10ca\n");
	write_text(
		state, "host/proc/cpuinfo", "vendor_id: GenuineIntel\nserial: SECRET\nflags : vmx fpu\n\nprocessor: 1\nflags : SECRET\n");
	write_text(state, "host/etc/group", "root:x:0:secret\nkvm:x:104:secret,web1\nsecret:x:1:\n");
	write_text(state, "host/etc/network/interfaces",
		"# SECRET\nauto ens2f0\niface ens2f0 inet static\n address 203.0.113.7\n wpa-psk SECRET\n hwaddress aa:bb:cc:dd:ee:ff\n");
	write_text(state, "host/etc/network/interfaces.d/web1-SECRET", "auto enxaabbccddeeff\n psk SECRET\n");
	write_text(state, "host/run/NetworkManager/devices/9",
		"[device]\nmanaged=true\nconnection-uuid=SECRET\nperm-hw-addr=aa:bb:cc:dd:ee:ff\n");
	write_text(state, "host/boot/config-6.19.3-amd64", "CONFIG_KVM=m\nCONFIG_DEFAULT_HOSTNAME=\"web1\"\n# CONFIG_VFIO is not set\n");
	write_text(state, "host/etc/shadow", "SECRET");
	struct td_doctor_tree *tree = open_tree(dir);
	assert_int_equal(td_doctor_examine(tree, &first, NULL), 0);
	assert_non_null(td_doctor_tree_text(tree, "/run/NetworkManager/devices/9"));
	assert_null(td_doctor_tree_text(tree, "/etc/shadow")); /* not in the table: not read, whoever asks */
	assert_int_equal(td_doctor_record_mask(td_doctor_tree_store(tree), "web1", &masked), 0);
	assert_int_equal(td_doctor_store_save(&masked, in_dir(state, "r.tar", tar), NULL), 0);
	assert_true(file_holds(tar, "GenuineIntel")); /* it does look inside */
	for (unsigned i = 0; i < TD_COUNT(secrets); i++)
		if (file_holds(tar, secrets[i]))
			fail_msg("the record holds %s", secrets[i]);
	td_doctor_tree_close(tree);
	td_doctor_store_fini(&masked);
	examine_root(tar, &second);
	trees_assert_same(&first, &second);
	td_doctor_report_fini(&second);
	td_doctor_report_fini(&first);
}

static void masks_are_the_same_everywhere(void **state)
{
	struct td_doctor_store store = {0}, masked = {0};
	(void)state;
	trees_add(&store,
		"/sys/class/net/enx001122334455/flags = 0x1003\n/sys/class/net/br0/brif/enx001122334455/\n/sys/class/net/web1-br/ifindex = "
		"3\n"
		"/sys/class/net/enx001122334455/master -> web1-br\n/etc/network/interfaces = auto enx001122334455\n"
		"/x = mac 00:11:22:33:44:55 and 00:11:22:33:44:56, again 00:11:22:33:44:55, none 00:00:00:00:00:00\n"
		"/y = at 203.0.113.7 and 203.0.113.8 and 203.0.113.7; no address: 0000:3b:00.0 6.1.0-18 1.2.3.4.5\n",
		NULL);
	assert_int_equal(td_doctor_record_mask(&store, "web1", &masked), 0);
	assert_non_null(td_doctor_store_find(&masked, "/sys/class/net/masked0/flags"));
	assert_non_null(td_doctor_store_find(&masked, "/sys/class/net/br0/brif/masked0"));
	assert_non_null(td_doctor_store_find(&masked, "/sys/class/net/masked1/ifindex"));
	assert_string_equal(td_doctor_store_find(&masked, "/sys/class/net/masked0/master")->data, "masked1");
	assert_string_equal(td_doctor_store_find(&masked, "/etc/network/interfaces")->data, "auto masked0");
	assert_string_equal(td_doctor_store_find(&masked, "/x")->data,
		"mac 02:00:00:00:00:02 and 02:00:00:00:00:03, again 02:00:00:00:00:02, none 00:00:00:00:00:00");
	assert_string_equal(td_doctor_store_find(&masked, "/y")->data,
		"at 198.18.0.4 and 198.18.0.5 and 198.18.0.4; no address: 0000:3b:00.0 6.1.0-18 1.2.3.4.5");
	td_doctor_store_fini(&masked);
	td_doctor_store_fini(&store);
}

/* ---- hostile directories ---- */

static void hostile_files_end_in_nothing(void **state)
{
	char path[256], big[256];
	td_auto_free char *garbage = malloc(200000);
	for (unsigned i = 0; i < 200000; i++)
		garbage[i] = (char)(i * 2654435761U >> 24);
	write_file(state, "proc/cmdline", garbage, 200000);
	write_file(state, "proc/cpuinfo", garbage, 200000);
	write_file(state, "sys/bus/pci/devices/0000:01:00.0/class", garbage, 100);
	write_file(state, "sys/bus/pci/devices/0000:02:00.0/class", "0x020000\n", 9);
	write_file(state, "sys/bus/pci/devices/0000:02:00.0/config", garbage, 200000);
	write_file(state, "sys/bus/pci/devices/0000:02:00.0/resource", garbage, 200000);
	write_file(state, "sys/bus/pci/devices/not a device/class", "0x020000\n", 9);
	write_text(state, "proc/sys/kernel/osrelease", "../../../etc");
	write_text(state, "sys/kernel/irq/0/chip_name/x", ""); /* a directory where a file belongs */
	assert_int_equal(mkfifo(in_dir(state, "sys/kernel/irq/pipe", path), 0600), 0);
	write_text(state, "sys/kernel/irq/1/x", "");
	assert_int_equal(mkfifo(in_dir(state, "sys/kernel/irq/1/chip_name", path), 0600), 0); /* would wait for a writer */
	assert_int_equal(symlink("loop", in_dir(state, "sys/kernel/iommu_groups", path)), 0);
	assert_int_equal(symlink("iommu_groups", in_dir(state, "sys/kernel/loop", path)), 0);
	write_text(state, "sys/class/iommu", "a file where a directory belongs");
	write_text(state, "proc/self/limits", "");
	int fd = open(in_dir(state, "proc/self/limits", big), O_WRONLY);
	assert_int_equal(ftruncate(fd, 1LL << 40), 0);
	close(fd);
	assert_int_equal(symlink("/etc/passwd", in_dir(state, "proc/self/status", path)), 0); /* ours is outside */
	struct td_doctor_report report;
	examine_root(*state, &report);
	bool unreadable = false;
	for (unsigned i = 0; i < report.count; i++)
		unreadable = unreadable || report.finding[i].reason == TD_DOCTOR_UNREADABLE;
	assert_true(unreadable);
	td_doctor_report_fini(&report);
}

static void links_stay_inside_the_root(void **state)
{
	char path[256];
	write_text(state, "etc/group", "kvm:x:7:\n");
	write_text(state, "proc/self/x", "");
	write_text(state, "sys/kernel/mm/x", "");
	assert_int_equal(symlink("../../../../../../../../../etc/group", in_dir(state, "proc/self/status", path)), 0);
	assert_int_equal(symlink("/etc/group", in_dir(state, "proc/self/limits", path)), 0);
	assert_int_equal(symlink("../../../../../../..", in_dir(state, "sys/kernel/mm/hugepages", path)), 0);
	struct td_doctor_tree *tree = open_tree(*state);
	/* Both lead to the root's own file, whose lines are not those kept of these. */
	assert_string_equal(td_doctor_tree_text(tree, "/proc/self/status"), "");
	assert_string_equal(td_doctor_tree_text(tree, "/proc/self/limits"), "");
	td_auto_names struct td_doctor_names names;
	td_doctor_tree_list(tree, &names, "/sys/kernel/mm/hugepages");
	assert_int_equal(names.count, 3);
	assert_string_equal(names.name[0], "etc");
	td_doctor_tree_close(tree);
}

static void only_so_many_bytes_and_names_are_read(void **state)
{
	char path[300];
	td_auto_free char *lines = malloc(1 << 20);
	memset(lines, 'x', 1 << 20);
	memcpy(lines, "0x1\n", 4);
	write_file(state, "sys/kernel/irq/0/chip_name", lines, 1 << 20);
	for (unsigned i = 0; i < TD_DOCTOR_LIST_MAX + 50; i++) {
		snprintf(path, sizeof(path), "%s/sys/kernel/irq/%u", (char *)*state, i);
		mkdir(path, 0755);
	}
	struct td_doctor_tree *tree = open_tree(*state);
	assert_string_equal(td_doctor_tree_text(tree, "/sys/kernel/irq/0/chip_name"), "0x1"); /* half a line is none */
	td_auto_names struct td_doctor_names names;
	td_doctor_tree_list(tree, &names, "/sys/kernel/irq");
	assert_int_equal(names.count, TD_DOCTOR_LIST_MAX);
	td_doctor_tree_close(tree);
}

static void a_file_is_read_once(void **state)
{
	write_text(state, "proc/cmdline", "intel_iommu=on");
	struct td_doctor_tree *tree = open_tree(*state);
	assert_string_equal(td_doctor_tree_text(tree, "/proc/cmdline"), "intel_iommu=on");
	write_text(state, "proc/cmdline", "intel_iommu=off");
	assert_string_equal(td_doctor_tree_text(tree, "/proc/cmdline"), "intel_iommu=on");
	td_doctor_tree_close(tree);
}

static void roots_that_are_none(void **state)
{
	struct td_doctor_tree *tree;
	struct td_err err = {0};
	char path[256];
	assert_int_equal(td_doctor_tree_open(in_dir(state, "nothing", path), &tree, &err), -ENOENT);
	assert_int_equal(err.reason, TD_REASON_USAGE);
	write_text(state, "text", "no archive");
	assert_int_equal(td_doctor_tree_open(in_dir(state, "text", path), &tree, &err), -EINVAL);
	assert_int_equal(err.reason, TD_REASON_USAGE);
	assert_int_equal(mkfifo(in_dir(state, "pipe", path), 0600), 0);
	assert_int_equal(td_doctor_tree_open(path, &tree, &err), -EINVAL);
	assert_int_equal(td_doctor_tree_open("/dev/zero", &tree, &err), -EINVAL);
}

/* ---- hostile archives ---- */

/* The bytes of an archive of the good host. */
static char *archive_bytes(void **state, size_t *ret_len)
{
	struct td_doctor_store store = {0};
	char tar[256], *bytes;
	trees_host(&store, "");
	assert_int_equal(td_doctor_store_save(&store, in_dir(state, "a.tar", tar), NULL), 0);
	td_doctor_store_fini(&store);
	FILE *file = fopen(tar, "r");
	fseek(file, 0, SEEK_END);
	*ret_len = (size_t)ftell(file);
	rewind(file);
	bytes = malloc(*ret_len);
	assert_int_equal(fread(bytes, 1, *ret_len, file), *ret_len);
	fclose(file);
	return bytes;
}

static int parse_bytes(char *bytes, size_t len)
{
	struct td_doctor_store store = {0};
	FILE *in = fmemopen(bytes, len, "r");
	int r = td_doctor_store_parse(&store, in);
	fclose(in);
	td_doctor_store_fini(&store);
	return r;
}

static void an_archive_that_is_cut_off_is_refused(void **state)
{
	size_t len;
	td_auto_free char *bytes = archive_bytes(state, &len);
	assert_int_equal(parse_bytes(bytes, len), 0);
	for (size_t cut = 1; cut <= len - 1024; cut += cut < 4096 ? 101 : 4099)
		assert_int_equal(parse_bytes(bytes, cut), -EBADMSG);
}

/* The checksum of a header that a test has changed. */
static void reseal(char *header)
{
	unsigned sum = 0;
	memset(header + 148, ' ', 8);
	for (unsigned i = 0; i < 512; i++)
		sum += (unsigned char)header[i];
	snprintf(header + 148, 8, "%06o", sum);
}

static void hostile_headers_are_refused(void **state)
{
	static const struct {
		unsigned offset;
		const char *text;
		size_t len;
		int result;
	} changes[] = {
		{0, "../../etc/passwd", 17, -EINVAL},
		{0, "a/../b", 7, -EINVAL},
		{0, "a//b", 5, -EINVAL},
		{0, "a/./b", 6, -EINVAL},
		{124, "77777777777", 11, -EBADMSG},
		{124, "00077777777", 11, -EFBIG},
		{124, "-0000000001", 11, -EBADMSG},
		{124, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 11, -EBADMSG},
	};
	for (unsigned i = 0; i < TD_COUNT(changes); i++) {
		size_t len;
		td_auto_free char *bytes = archive_bytes(state, &len);
		memcpy(bytes + changes[i].offset, changes[i].text, changes[i].len);
		assert_int_equal(parse_bytes(bytes, len), -EBADMSG); /* the checksum does not hold */
		reseal(bytes);
		assert_int_equal(parse_bytes(bytes, len), changes[i].result);
	}
}

static void other_kinds_of_entries_are_left_out(void **state)
{
	size_t len;
	td_auto_free char *bytes = archive_bytes(state, &len);
	struct td_doctor_store store = {0};
	bytes[156] = '3'; /* a character device */
	reseal(bytes);
	FILE *in = fmemopen(bytes, len, "r");
	assert_int_equal(td_doctor_store_parse(&store, in), 0);
	fclose(in);
	assert_null(td_doctor_store_find(&store, "/.tandem-doctor/cgroup"));
	assert_non_null(td_doctor_store_find(&store, "/.tandem-doctor/device/dev/kvm"));
	td_doctor_store_fini(&store);
}

static void saving_leaves_nothing_half(void **state)
{
	struct td_doctor_store store = {0};
	struct td_err err = {0};
	char path[256];
	trees_host(&store, "/sys/class/net/link -> there\n/sys/class/net/link/below = x\n"); /* cannot be a directory and a link */
	assert_true(td_doctor_store_save(&store, in_dir(state, "host/", path), &err) < 0);
	assert_true(access(in_dir(state, "host", path), F_OK) < 0);
	assert_true(td_doctor_store_save(&store, "/dev/full", &err) < 0);
	assert_int_equal(err.code, -ENOSPC);
	assert_int_equal(access("/dev/full", F_OK), 0);
	mkdir(in_dir(state, "there", path), 0755);
	assert_int_equal(td_doctor_store_save(&store, in_dir(state, "there/", path), &err), -EEXIST);
	assert_int_equal(td_doctor_store_save(&store, in_dir(state, "no/such/dir.tar", path), &err), -ENOENT);
	td_doctor_store_fini(&store);
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
		cmocka_unit_test_setup_teardown(tar_directory_and_memory_yield_the_same, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_read_is_the_record, setup, teardown),
		cmocka_unit_test_setup_teardown(a_record_is_an_archive_for_tar, setup, teardown),
		cmocka_unit_test_setup_teardown(a_record_holds_no_secrets, setup, teardown),
		cmocka_unit_test(masks_are_the_same_everywhere),
		cmocka_unit_test_setup_teardown(hostile_files_end_in_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(links_stay_inside_the_root, setup, teardown),
		cmocka_unit_test_setup_teardown(only_so_many_bytes_and_names_are_read, setup, teardown),
		cmocka_unit_test_setup_teardown(a_file_is_read_once, setup, teardown),
		cmocka_unit_test_setup_teardown(roots_that_are_none, setup, teardown),
		cmocka_unit_test_setup_teardown(an_archive_that_is_cut_off_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(hostile_headers_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(other_kinds_of_entries_are_left_out, setup, teardown),
		cmocka_unit_test_setup_teardown(saving_leaves_nothing_half, setup, teardown),
		cmocka_unit_test(children_come_once_whatever_sorts_between),
		cmocka_unit_test(the_store_has_limits),
		cmocka_unit_test(filters_keep_what_the_table_says),
		cmocka_unit_test(blanked_configuration_says_the_same),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
