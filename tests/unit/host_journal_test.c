/* SPDX-License-Identifier: Apache-2.0 */
/* Journals: what is written is read back; what is damaged is refused with one line; recovery passes over it; one VF's is not another's. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/sriov/journal.h"
#include "host/sriov/lease.h"

#define GONE  "ffff:ff:1f.7" /* no such device */
#define GONE2 "ffff:ff:1f.6"

static const struct td_journal sample = {
	.bdf = "0000:3b:10.2",
	.pf_bdf = "0000:3b:00.0",
	.pf_name = "pf0",
	.vf_index = 3,
	.driver = "igbvf",
	.has_override = true,
	.driver_override = "pci-stub",
	.has_settings = true,
	.settings = {.mac = {2, 0, 0, 0, 0xab, 0xff}, .vlan = 4095, .spoofchk = true, .link_state = TD_SRIOV_LINK_DISABLE},
};

static const char *const bdf = sample.bdf;
static char root[64], dir[96], file[128];

static int set_up(void **state)
{
	(void)state;
	strcpy(root, "/tmp/tandem-journal.XXXXXX");
	assert_non_null(mkdtemp(root));
	snprintf(dir, sizeof(dir), "%s/vm1", root);
	assert_int_equal(mkdir(dir, 0700), 0);
	snprintf(file, sizeof(file), "%s/lock", dir);
	td_auto_close int fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	snprintf(file, sizeof(file), "%s/undo-%s.json", dir, bdf);
	return 0;
}

static int tear_down(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", root);
	return system(command);
}

static void put(const char *text, size_t len)
{
	td_auto_close int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_int_equal(write(fd, text, len), len);
}

static size_t get(char *text, size_t room)
{
	td_auto_close int fd = open(file, O_RDONLY | O_CLOEXEC);
	ssize_t len = read(fd, text, room);

	assert_true(len > 0);
	return (size_t)len;
}

static void test_round_trip(void **state)
{
	struct td_journal back = {0}, plain = sample;

	(void)state;
	assert_int_equal(td_journal_read(dir, bdf, &back, NULL), -ENOENT);
	assert_int_equal(td_journal_write(dir, &sample, NULL), 0);
	assert_int_equal(td_journal_read(dir, bdf, &back, NULL), 0);
	assert_memory_equal(back.settings.mac, sample.settings.mac, 6);
	assert_int_equal(back.settings.vlan, 4095);
	assert_true(back.settings.spoofchk && !back.settings.trust);
	assert_int_equal(back.settings.link_state, TD_SRIOV_LINK_DISABLE);
	assert_string_equal(back.bdf, sample.bdf);
	assert_string_equal(back.pf_bdf, sample.pf_bdf);
	assert_string_equal(back.pf_name, "pf0");
	assert_string_equal(back.driver, "igbvf");
	assert_true(back.has_override);
	assert_string_equal(back.driver_override, "pci-stub");
	assert_int_equal(back.vf_index, 3);
	plain.has_settings = false;
	plain.pf_name[0] = plain.driver[0] = plain.driver_override[0] = '\0';
	assert_int_equal(td_journal_write(dir, &plain, NULL), 0); /* replaces */
	assert_int_equal(td_journal_read(dir, bdf, &back, NULL), 0);
	assert_false(back.has_settings);
	assert_string_equal(back.driver, "");
	assert_true(back.has_override);
	assert_string_equal(back.driver_override, "");
	memcpy(plain.pf_name, "p\xff\x80", sizeof("p\xff\x80")); /* a name as the kernel allows it */
	memcpy(plain.driver, "\xc3\x9f\xc3", sizeof("\xc3\x9f\xc3"));
	assert_int_equal(td_journal_write(dir, &plain, NULL), 0);
	assert_int_equal(td_journal_read(dir, bdf, &back, NULL), 0);
	assert_string_equal(back.pf_name, plain.pf_name);
	assert_string_equal(back.driver, plain.driver);
	assert_int_equal(td_journal_remove(dir, bdf, NULL), 0);
	assert_int_equal(td_journal_remove(dir, bdf, NULL), 0);
	assert_int_equal(td_journal_read(dir, bdf, &back, NULL), -ENOENT);
	assert_int_equal(td_journal_write("/nonexistent", &sample, NULL), -ENOENT);
}

static void test_truncated(void **state)
{
	char text[1024];
	struct td_journal back = {0};
	struct td_err err = {0};

	(void)state;
	assert_int_equal(td_journal_write(dir, &sample, NULL), 0);
	size_t len = get(text, sizeof(text));
	for (size_t cut = 0; cut + 1 < len; cut++) {
		put(text, cut);
		assert_int_equal(td_journal_read(dir, bdf, &back, &err), -EBADMSG);
		assert_int_equal(err.reason, TD_REASON_CLEANUP);
		assert_null(strchr(err.text, '\n'));
	}
	assert_string_equal(back.bdf, ""); /* outputs are untouched on failure */
}

#define VF(bdf, pf, index, driver, settings)                                                                        \
	"{\"version\":1,\"vf\":{\"bdf\":\"" bdf "\",\"pf_bdf\":\"0000:01:00.0\",\"pf\":\"" pf "\",\"index\":" index \
	",\"driver\":\"" driver "\",\"settings\":" settings "}}"
#define SETTINGS(mac, vlan, link) "{\"mac\":\"" mac "\",\"vlan\":" vlan ",\"spoofchk\":true,\"trust\":false,\"link\":\"" link "\"}"

static void test_hostile(void **state)
{
	static const char *const bad[] = {
		"",
		"{}",
		"[]",
		"null",
		"\xff\xfe",
		"{\"version\":2,\"vf\":{}}",
		VF("../../../etc", "pf0", "0", "", "null"),
		VF("0000:01:10.0", "../x", "0", "", "null"),
		VF("0000:01:10.0", "pf0", "-1", "", "null"),
		VF("0000:01:10.0", "pf0", "\"0\"", "", "null"),
		VF("0000:01:10.0", "pf0", "0", "../../evil", "null"),
		VF("0000:01:10.0", "pf0", "0", "a-driver-name-that-is-longer-than-thirty-two", "null"),
		VF("0000:01:10.0", "pf0", "0", "\",\"override\":\"../../evil", "null"),
		VF("0000:01:10.0", "pf0", "0", "\",\"override\":\"a\\nb", "null"),
		VF("0000:01:10.0", "pf0", "0", "", "7"),
		VF("0000:01:10.0", "pf0", "0", "", SETTINGS("02:00:00:00:00", "0", "auto")),
		VF("0000:01:10.0", "pf0", "0", "", SETTINGS("02:00:00:00:00:0g", "0", "auto")),
		VF("0000:01:10.0", "pf0", "0", "", SETTINGS("02:00:00:00:00:01", "4096", "auto")),
		VF("0000:01:10.0", "pf0", "0", "", SETTINGS("02:00:00:00:00:01", "0", "maybe")),
	};
	struct td_journal back;

	(void)state;
	for (unsigned i = 0; i < TD_COUNT(bad); i++) {
		put(bad[i], strlen(bad[i]));
		if (td_journal_read(dir, bdf, &back, NULL) != -EBADMSG)
			fail_msg("taken: %s", bad[i]);
	}
	const char *good = VF("0000:3b:10.2", "pf0", "0", "", SETTINGS("02:00:00:00:00:01", "0", "auto"));
	put(good, strlen(good));
	assert_int_equal(td_journal_read(dir, bdf, &back, NULL), 0);
	assert_false(back.has_override); /* as older versions wrote it */
	const char *other = VF("0000:3b:10.4", "pf0", "0", "", SETTINGS("02:00:00:00:00:01", "0", "auto"));
	put(other, strlen(other));
	assert_int_equal(td_journal_read(dir, bdf, &back, NULL), -EBADMSG);
	char *big = calloc(1, 100000);
	memset(big, ' ', 100000);
	put(big, 100000);
	free(big);
	assert_int_equal(td_journal_read(dir, bdf, &back, NULL), -EBADMSG);
}

/* `file` is its journal then. */
static void use_vf(struct td_journal *journal, const char *vf_bdf)
{
	*journal = sample;
	strcpy(journal->bdf, vf_bdf);
	snprintf(file, sizeof(file), "%s/undo-%s.json", dir, vf_bdf);
}

static bool has(const char *name)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return access(path, F_OK) == 0;
}

static void test_two_side_by_side(void **state)
{
	struct td_journal other = sample, back = {0};

	(void)state;
	strcpy(other.bdf, "0000:3b:10.4");
	strcpy(other.driver, "none");
	assert_int_equal(td_journal_write(dir, &sample, NULL), 0);
	assert_int_equal(td_journal_write(dir, &other, NULL), 0);
	assert_int_equal(td_journal_read(dir, sample.bdf, &back, NULL), 0);
	assert_string_equal(back.driver, "igbvf");
	assert_int_equal(td_journal_read(dir, other.bdf, &back, NULL), 0);
	assert_string_equal(back.driver, "none");
	assert_int_equal(td_journal_remove(dir, sample.bdf, NULL), 0);
	assert_int_equal(td_journal_read(dir, sample.bdf, &back, NULL), -ENOENT);
	assert_int_equal(td_journal_read(dir, other.bdf, &back, NULL), 0);
	assert_string_equal(back.bdf, other.bdf);
}

static void test_names(void **state)
{
	static const struct {
		const char *name, *bdf; /* NULL: no journal */
	} rows[] = {
		{"undo-0000:3b:10.2.json", "0000:3b:10.2"},
		{"undo-0000:3b:10.2.json.new", NULL},
		{"undo-history.json.new", NULL},
		{"undo.json.new", NULL},
		{".new", NULL},
		{"undo.json", ""},
		{"undo-.json", ""},
		{"undo-0000:3b:10.20.json", ""},
		{"undo-0000:3b:10.2x0000:3b:10.2.json", ""},
		{"undo_0000:3b:10.2.json", ""},
		{"undo-0000:3B:10.2.json", ""},
		{"undojson", NULL},
		{"undo", NULL},
		{".json", NULL},
		{"", NULL},
		{"lock", NULL},
		{"control.sock", NULL},
	};

	(void)state;
	for (unsigned i = 0; i < TD_COUNT(rows); i++) {
		char vf_bdf[TD_BDF_BYTES] = "?";

		if (td_journal_is_name(rows[i].name, vf_bdf) != (rows[i].bdf != NULL) ||
			td_lease_is_journal(rows[i].name) != (rows[i].bdf != NULL))
			fail_msg("'%s'", rows[i].name);
		assert_string_equal(vf_bdf, rows[i].bdf ? rows[i].bdf : "?");
		assert_int_equal(td_lease_is_unfinished(rows[i].name), !strcmp(rows[i].name, "undo-0000:3b:10.2.json.new"));
	}
}

/* The root may be anybody's directory. */
static void test_no_lock_no_vm(void **state)
{
	struct td_journal gone;
	char lock[128];
	unsigned count = 7;

	(void)state;
	snprintf(lock, sizeof(lock), "%s/lock", dir);
	assert_int_equal(unlink(lock), 0);
	use_vf(&gone, GONE);
	assert_int_equal(td_journal_write(dir, &gone, NULL), 0);
	assert_int_equal(td_lease_recover(root, &count, NULL), 0);
	assert_true(has("undo-" GONE ".json"));
	assert_false(has("lock"));
}

static void test_recover_beside_damaged(void **state)
{
	struct td_journal gone;
	struct td_err err = {0};
	unsigned count = 7;
	char bad_file[128];

	(void)state;
	put("{", 1);
	strcpy(bad_file, file);
	use_vf(&gone, GONE);
	assert_int_equal(td_journal_write(dir, &gone, NULL), 0);
	use_vf(&gone, GONE2);
	assert_int_equal(td_journal_write(dir, &gone, NULL), 0);
	assert_int_equal(td_lease_recover(root, &count, &err), -EBADMSG);
	assert_int_equal(err.reason, TD_REASON_CLEANUP);
	assert_non_null(strstr(err.text, bad_file));
	assert_true(has("undo-0000:3b:10.2.json"));
	assert_false(has("undo-" GONE ".json") || has("undo-" GONE2 ".json"));
	assert_int_equal(unlink(bad_file), 0);
	snprintf(file, sizeof(file), "%s/undo.json", dir);
	put("{}", 2);
	assert_int_equal(td_lease_recover(root, &count, &err), -EBADMSG);
	assert_non_null(strstr(err.text, "/undo.json"));
	assert_true(has("undo.json"));
}

/* ROOT/vf-BDF.lock as a VM by that name holds it. */
static int hold_vf(const char *vf_bdf, const char *vm)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/vf-%s.lock", root, vf_bdf);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	assert_int_equal(write(fd, vm, strlen(vm)), strlen(vm));
	return fd;
}

/* What acquiring a VF that is not there says on the way. */
static void acquire_log(char *text, size_t room)
{
	struct td_lease lease;
	int saved = dup(STDERR_FILENO), fd = memfd_create("log", MFD_CLOEXEC);

	dup2(fd, STDERR_FILENO);
	int rc = td_lease_acquire(&lease, dir, &(struct td_lease_request){.pf_name = "nosuchpf"}, NULL);
	dup2(saved, STDERR_FILENO);
	close(saved);
	ssize_t len = pread(fd, text, room - 1, 0);
	close(fd);
	assert_true(len >= 0);
	text[len] = '\0';
	assert_int_equal(rc, -ENODEV);
}

static void test_own_directory(void **state)
{
	struct td_journal gone;
	char text[1024], lock[128];

	(void)state;
	snprintf(lock, sizeof(lock), "%s/lock", dir);
	int dir_fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(flock(dir_fd, LOCK_EX), 0);
	use_vf(&gone, GONE2);
	assert_int_equal(td_journal_write(dir, &gone, NULL), 0);
	int vf_fd = hold_vf(GONE2, "vm1");
	acquire_log(text, sizeof(text)); /* ours lives: not a word */
	assert_string_equal(text, "");
	assert_true(has("undo-" GONE2 ".json"));

	use_vf(&gone, GONE);
	assert_int_equal(td_journal_write(dir, &gone, NULL), 0);
	acquire_log(text, sizeof(text)); /* a dead predecessor's beside it is undone */
	assert_non_null(strstr(text, GONE ": is gone"));
	assert_null(strstr(text, "WARN"));
	assert_false(has("undo-" GONE ".json"));
	assert_true(has("undo-" GONE2 ".json"));
	close(vf_fd);

	vf_fd = hold_vf(GONE2, "vm2");
	acquire_log(text, sizeof(text)); /* somebody else's is not ours to be silent about */
	assert_non_null(strstr(text, "vf " GONE2 " is held by VM vm2"));
	assert_true(has("undo-" GONE2 ".json"));
	close(vf_fd);
	close(dir_fd);
}

static void test_recover(void **state)
{
	struct td_err err = {0};
	unsigned count = 7;
	struct td_journal gone;

	(void)state;
	assert_int_equal(td_lease_recover("/nonexistent/tandem", &count, &err), 0);
	assert_int_equal(count, 0);
	assert_int_equal(td_lease_recover(root, &count, &err), 0);
	put("{", 1);
	assert_int_equal(td_lease_recover(root, &count, &err), -EBADMSG);
	assert_int_equal(err.reason, TD_REASON_CLEANUP);
	assert_int_equal(access(file, F_OK), 0); /* left where it is */
	assert_int_equal(unlink(file), 0);
	use_vf(&gone, GONE); /* nothing to give back, and the journal is done with */
	assert_int_equal(td_journal_write(dir, &gone, NULL), 0);

	/* A live process's directory is not touched. */
	char lock[128];
	snprintf(lock, sizeof(lock), "%s/lock", dir);
	int fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	assert_int_equal(td_lease_recover(root, &count, &err), 0);
	assert_int_equal(access(file, F_OK), 0);
	close(fd);
	assert_int_equal(td_lease_recover(root, &count, &err), 0);
	assert_int_equal(count, 0);
	assert_int_not_equal(access(file, F_OK), 0);
}

static void test_acquire_refuses(void **state)
{
	struct td_lease lease;
	struct td_err err = {0};

	(void)state;
	assert_int_equal(td_lease_acquire(&lease, dir, &(struct td_lease_request){.bdf = GONE}, &err), -ENODEV);
	assert_int_equal(td_lease_acquire(&lease, dir, &(struct td_lease_request){.pf_name = "nosuchpf"}, &err), -ENODEV);
	assert_int_equal(err.reason, TD_REASON_PF_MISSING);
	assert_int_equal(td_lease_acquire(&lease, "relative", &(struct td_lease_request){.pf_name = "nosuchpf"}, &err), -EINVAL);
	assert_int_equal(td_lease_release(&lease, &err), 0);
	assert_int_not_equal(access(file, F_OK), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_round_trip, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_truncated, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_hostile, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_two_side_by_side, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_names, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_no_lock_no_vm, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_recover, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_recover_beside_damaged, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_own_directory, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_acquire_refuses, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
