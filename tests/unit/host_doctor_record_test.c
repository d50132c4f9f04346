/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the doctor's records: they yield what the host yields and hold no secrets; hostile archives. */
#include "doctor_trees.h"

#include <errno.h>

#include "host/doctor/doctor_record.h"

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
	assert_int_equal(td_doctor_store_save(&store, trees_in_dir(state, "host.tar", tar), &err), 0);
	assert_int_equal(td_doctor_store_save(&store, trees_in_dir(state, "host/", dir), &err), 0);
	trees_examine(&store, &first);
	assert_true(first.by_severity[TD_DOCTOR_STOPS] >= 4);
	trees_examine_root(tar, &second);
	trees_assert_same(&first, &second);
	td_doctor_report_fini(&second);
	trees_examine_root(dir, &second);
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
	assert_int_equal(td_doctor_store_save(&store, trees_in_dir(state, "host/", dir), NULL), 0);
	td_doctor_store_fini(&store);
	struct td_doctor_tree *tree = trees_open_tree(dir);
	assert_int_equal(td_doctor_examine(tree, &first, NULL), 0);
	assert_int_equal(td_doctor_record_save(td_doctor_tree_store(tree), trees_in_dir(state, "r.tar", tar), NULL), 0);
	td_doctor_tree_close(tree);
	trees_examine_root(tar, &second);
	trees_assert_same(&first, &second);
	td_doctor_report_fini(&second);
	td_doctor_report_fini(&first);
}

static void a_record_is_an_archive_for_tar(void **state)
{
	struct td_doctor_store store = {0};
	char tar[256], command[600];
	trees_host(&store, "");
	assert_int_equal(td_doctor_store_save(&store, trees_in_dir(state, "host.tar", tar), NULL), 0);
	td_doctor_store_fini(&store);
	/* Unpacked and packed again by tar itself, in the way people do. */
	snprintf(command, sizeof(command), "cd %s && mkdir x && tar xf host.tar -C x && tar cf again.tar -C x . && test -e x/proc/cmdline",
		(char *)*state);
	assert_int_equal(system(command), 0);
	struct td_doctor_report report;
	trees_examine_root(trees_in_dir(state, "again.tar", tar), &report);
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
	assert_int_equal(td_doctor_store_save(&store, trees_in_dir(state, "host/", dir), NULL), 0);
	td_doctor_store_fini(&store);
	trees_in_dir(state, "host/.tandem-doctor", path);
	nftw(path, trees_remove_one, 16, FTW_DEPTH | FTW_PHYS); /* a copy of a host, not a record */
	trees_write_text(state, "host/proc/cmdline",
		"root=UUID=SECRET ip=203.0.113.7 intel_iommu=on iommu=pt luks.uuid=SECRET hostname=web1 vfio-pci.ids=8086:10ca\n");
	trees_write_text(
		state, "host/proc/cpuinfo", "vendor_id: GenuineIntel\nserial: SECRET\nflags : vmx fpu\n\nprocessor: 1\nflags : SECRET\n");
	trees_write_text(state, "host/etc/group", "root:x:0:secret\nkvm:x:104:secret,web1\nsecret:x:1:\n");
	trees_write_text(state, "host/etc/network/interfaces",
		"# SECRET\nauto ens2f0\niface ens2f0 inet static\n address 203.0.113.7\n wpa-psk SECRET\n hwaddress aa:bb:cc:dd:ee:ff\n");
	trees_write_text(state, "host/etc/network/interfaces.d/web1-SECRET", "auto enxaabbccddeeff\n psk SECRET\n");
	trees_write_text(state, "host/run/NetworkManager/devices/9",
		"[device]\nmanaged=true\nconnection-uuid=SECRET\nperm-hw-addr=aa:bb:cc:dd:ee:ff\n");
	trees_write_text(
		state, "host/boot/config-6.19.3-amd64", "CONFIG_KVM=m\nCONFIG_DEFAULT_HOSTNAME=\"web1\"\n# CONFIG_VFIO is not set\n");
	trees_write_text(state, "host/etc/shadow", "SECRET");
	struct td_doctor_tree *tree = trees_open_tree(dir);
	assert_int_equal(td_doctor_examine(tree, &first, NULL), 0);
	assert_non_null(td_doctor_tree_text(tree, "/run/NetworkManager/devices/9"));
	assert_null(td_doctor_tree_text(tree, "/etc/shadow")); /* not in the table: not read, whoever asks */
	assert_int_equal(td_doctor_record_mask(td_doctor_tree_store(tree), "web1", &masked), 0);
	assert_int_equal(td_doctor_store_save(&masked, trees_in_dir(state, "r.tar", tar), NULL), 0);
	assert_true(file_holds(tar, "GenuineIntel")); /* it does look inside */
	for (unsigned i = 0; i < TD_COUNT(secrets); i++)
		if (file_holds(tar, secrets[i]))
			fail_msg("the record holds %s", secrets[i]);
	td_doctor_tree_close(tree);
	td_doctor_store_fini(&masked);
	trees_examine_root(tar, &second);
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

/* ---- hostile archives ---- */

/* The bytes of an archive of the good host. */
static char *archive_bytes(void **state, size_t *ret_len)
{
	struct td_doctor_store store = {0};
	char tar[256], *bytes;
	trees_host(&store, "");
	assert_int_equal(td_doctor_store_save(&store, trees_in_dir(state, "a.tar", tar), NULL), 0);
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
	int rc = td_doctor_store_parse(&store, bytes, len, NULL);

	td_doctor_store_fini(&store);
	return rc;
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
		{124, "77777777777", 11, -EFBIG},
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

/* All of a header's kinds, sizes and names at every second byte: no crash, and nothing that is not refused or read. */
static void changed_bytes_are_survived(void **state)
{
	size_t len;
	td_auto_free char *bytes = archive_bytes(state, &len);

	for (unsigned i = 0; i < 512; i += 7) {
		char before[512];

		memcpy(before, bytes, sizeof(before));
		bytes[i] = (char)(bytes[i] ^ (i % 2 ? 0x80 : 0x37));
		reseal(bytes);
		(void)parse_bytes(bytes, len);
		memcpy(bytes, before, sizeof(before));
	}
}

/* What tar and its packers make of a host, and of what is no host. */
static void packed_archives_are_read(void **state)
{
	static const struct {
		const char *make;
		int result;
		const char *text;
	} cases[] = {
		{"tar cf r -C x .", 0, NULL},
		{"tar czf r -C x .", 0, NULL},
		{"tar --format=pax -cJf r -C x .", 0, NULL},
		{"tar --format=gnu --zstd -cf r -C x .", 0, NULL},
		{"tar czf - -C x . | head -c 600 >r", -EBADMSG, NULL},
		{"head -c 200000000 /dev/zero | gzip >r", -EFBIG, NULL},
		{"ln -s /dev/zero r", -EFBIG, NULL},
		{"mkdir y && truncate -s 2M y/big && tar cf r -C y .", -EFBIG, "more or larger files than a recorded host has"},
		{"mkdir y && truncate -s 1T y/sparse && tar --sparse -cf r -C y .", -EFBIG, NULL},
		{"truncate -s 10240 r", -EBADMSG, NULL},
		{": >r", -EBADMSG, "neither a directory nor a whole tar archive"},
		{"echo hello >r", -EBADMSG, NULL},
	};
	struct td_doctor_store store = {0};
	char path[256], command[600];

	trees_host(&store, "");
	assert_int_equal(td_doctor_store_save(&store, trees_in_dir(state, "x/", path), NULL), 0);
	td_doctor_store_fini(&store);
	trees_in_dir(state, "r", path);
	for (unsigned i = 0; i < TD_COUNT(cases); i++) {
		struct td_err err = {0};

		snprintf(command, sizeof(command), "cd %s && rm -rf r y && { %s; } 2>/dev/null", (char *)*state, cases[i].make);
		assert_int_equal(system(command), 0);
		if (td_doctor_store_load(&store, path, &err) != cases[i].result)
			fail_msg("%s: %d: %s", cases[i].make, err.code, err.text);
		if (cases[i].text && !strstr(err.text, cases[i].text))
			fail_msg("%s: %s", cases[i].make, err.text);
		assert_int_equal(td_doctor_store_find(&store, "/proc/cmdline") != NULL, cases[i].result == 0);
		td_doctor_store_fini(&store);
	}
}

static void other_kinds_of_entries_are_left_out(void **state)
{
	size_t len;
	td_auto_free char *bytes = archive_bytes(state, &len);
	struct td_doctor_store store = {0};
	bytes[156] = '3'; /* a character device */
	reseal(bytes);
	assert_int_equal(td_doctor_store_parse(&store, bytes, len, NULL), 0);
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
	assert_true(td_doctor_store_save(&store, trees_in_dir(state, "host/", path), &err) < 0);
	assert_true(access(trees_in_dir(state, "host", path), F_OK) < 0);
	assert_true(td_doctor_store_save(&store, "/dev/full", &err) < 0);
	assert_int_equal(err.code, -ENOSPC);
	assert_int_equal(access("/dev/full", F_OK), 0);
	mkdir(trees_in_dir(state, "there", path), 0755);
	assert_int_equal(td_doctor_store_save(&store, trees_in_dir(state, "there/", path), &err), -EEXIST);
	assert_int_equal(td_doctor_store_save(&store, trees_in_dir(state, "no/such/dir.tar", path), &err), -ENOENT);
	td_doctor_store_fini(&store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(tar_directory_and_memory_yield_the_same, trees_setup, trees_teardown),
		cmocka_unit_test_setup_teardown(what_is_read_is_the_record, trees_setup, trees_teardown),
		cmocka_unit_test_setup_teardown(a_record_is_an_archive_for_tar, trees_setup, trees_teardown),
		cmocka_unit_test_setup_teardown(a_record_holds_no_secrets, trees_setup, trees_teardown),
		cmocka_unit_test(masks_are_the_same_everywhere),
		cmocka_unit_test_setup_teardown(an_archive_that_is_cut_off_is_refused, trees_setup, trees_teardown),
		cmocka_unit_test_setup_teardown(hostile_headers_are_refused, trees_setup, trees_teardown),
		cmocka_unit_test_setup_teardown(changed_bytes_are_survived, trees_setup, trees_teardown),
		cmocka_unit_test_setup_teardown(packed_archives_are_read, trees_setup, trees_teardown),
		cmocka_unit_test_setup_teardown(other_kinds_of_entries_are_left_out, trees_setup, trees_teardown),
		cmocka_unit_test_setup_teardown(saving_leaves_nothing_half, trees_setup, trees_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
