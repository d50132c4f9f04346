/* SPDX-License-Identifier: Apache-2.0 */
/* The journal: what is written is read back; what is damaged is refused with one line; recovery passes over it. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "vfio/journal.h"
#include "vfio/lease.h"

static const struct td_journal sample = {
	.bdf = "0000:3b:10.2",
	.pf_bdf = "0000:3b:00.0",
	.pf_name = "pf0",
	.vf_index = 3,
	.driver = "igbvf",
	.has_settings = true,
	.settings = {.mac = {2, 0, 0, 0, 0xab, 0xff}, .vlan = 4095, .spoofchk = true, .link_state = TD_SRIOV_LINK_DISABLE},
};

static char root[64], dir[96], file[128];

static int set_up(void **state)
{
	(void)state;
	strcpy(root, "/tmp/tandem-journal.XXXXXX");
	assert_non_null(mkdtemp(root));
	snprintf(dir, sizeof(dir), "%s/vm1", root);
	snprintf(file, sizeof(file), "%s/undo.json", dir);
	return mkdir(dir, 0700);
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
	assert_int_equal(td_journal_read(dir, &back, NULL), -ENOENT);
	assert_int_equal(td_journal_write(dir, &sample, NULL), 0);
	assert_int_equal(td_journal_read(dir, &back, NULL), 0);
	assert_memory_equal(back.settings.mac, sample.settings.mac, 6);
	assert_int_equal(back.settings.vlan, 4095);
	assert_true(back.settings.spoofchk && !back.settings.trust);
	assert_int_equal(back.settings.link_state, TD_SRIOV_LINK_DISABLE);
	assert_string_equal(back.bdf, sample.bdf);
	assert_string_equal(back.pf_bdf, sample.pf_bdf);
	assert_string_equal(back.pf_name, "pf0");
	assert_string_equal(back.driver, "igbvf");
	assert_int_equal(back.vf_index, 3);
	plain.has_settings = false;
	plain.pf_name[0] = plain.driver[0] = '\0';
	assert_int_equal(td_journal_write(dir, &plain, NULL), 0); /* replaces */
	assert_int_equal(td_journal_read(dir, &back, NULL), 0);
	assert_false(back.has_settings);
	assert_string_equal(back.driver, "");
	assert_int_equal(td_journal_remove(dir, NULL), 0);
	assert_int_equal(td_journal_remove(dir, NULL), 0);
	assert_int_equal(td_journal_read(dir, &back, NULL), -ENOENT);
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
		assert_int_equal(td_journal_read(dir, &back, &err), -EBADMSG);
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
		if (td_journal_read(dir, &back, NULL) != -EBADMSG)
			fail_msg("taken: %s", bad[i]);
	}
	const char *good = VF("0000:01:10.0", "pf0", "0", "", SETTINGS("02:00:00:00:00:01", "0", "auto"));
	put(good, strlen(good));
	assert_int_equal(td_journal_read(dir, &back, NULL), 0);
	char *big = calloc(1, 100000);
	memset(big, ' ', 100000);
	put(big, 100000);
	free(big);
	assert_int_equal(td_journal_read(dir, &back, NULL), -EBADMSG);
}

static void test_recover(void **state)
{
	struct td_err err = {0};
	unsigned count = 7;
	struct td_journal gone = sample;

	(void)state;
	strcpy(gone.bdf, "ffff:ff:1f.7"); /* no such device: nothing to give back, and the journal is done with */
	assert_int_equal(td_lease_recover("/nonexistent/tandem", &count, &err), 0);
	assert_int_equal(count, 0);
	assert_int_equal(td_lease_recover(root, &count, &err), 0);
	put("{", 1);
	assert_int_equal(td_lease_recover(root, &count, &err), -EBADMSG);
	assert_int_equal(err.reason, TD_REASON_CLEANUP);
	assert_int_equal(access(file, F_OK), 0); /* left where it is */
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
	assert_int_equal(td_lease_acquire(&lease, dir, &(struct td_lease_request){.bdf = "ffff:ff:1f.7"}, &err), -ENODEV);
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
		cmocka_unit_test_setup_teardown(test_recover, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_acquire_refuses, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
