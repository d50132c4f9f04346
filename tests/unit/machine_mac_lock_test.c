/* SPDX-License-Identifier: Apache-2.0 */
/* One NIC a MAC address on a host (machine/mac_lock.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "machine/mac_lock.h"

static const uint8_t mac[6] = {0x52, 0x54, 0, 1, 2, 3}, other[6] = {0x52, 0x54, 0, 1, 2, 4};
static char root[] = "/tmp/mac-lock-XXXXXX", path[64];

static int make_root(void **state)
{
	(void)state;
	if (!mkdtemp(root))
		return -1;
	snprintf(path, sizeof(path), "%s/mac-52:54:00:01:02:03.lock", root);
	return 0;
}

static int remove_root(void **state)
{
	(void)state;
	return rmdir(root); /* and nothing is left in it */
}

static void one_has_it(void **state)
{
	struct td_err err = {0};
	int one = -1, two = -1;

	(void)state;
	assert_int_equal(td_mac_lock_take(root, mac, "web1/net0", &one, &err), 0);
	assert_int_equal(td_mac_lock_take(root, mac, "web2/net1", &two, &err), -EADDRINUSE);
	assert_int_equal(err.reason, TD_REASON_MAC_IN_USE);
	assert_string_equal(err.text, "mac 52:54:00:01:02:03: web1/net0 has it");
	assert_int_equal(two, -1);
	assert_int_equal(td_mac_lock_take(root, other, "web2/net1", &two, &err), 0);
	td_mac_lock_give(root, other, &two);
	td_mac_lock_give(root, mac, &one);
	td_mac_lock_give(root, mac, &one);
	assert_int_equal(td_mac_lock_take(root, mac, "web2/net1", &two, &err), 0);
	td_mac_lock_give(root, mac, &two);
}

/* Who dies leaves the file, and not the lock. */
static void the_dead_have_nothing(void **state)
{
	int fd = -1;
	pid_t pid = fork();

	(void)state;
	if (pid == 0)
		_exit(td_mac_lock_take(root, mac, "dead/net0", &fd, NULL) == 0 ? 0 : 1);
	assert_int_equal(waitpid(pid, &fd, 0), pid);
	assert_int_equal(fd, 0);
	assert_int_equal(access(path, F_OK), 0);
	assert_int_equal(td_mac_lock_take(root, mac, "web1/net0", &fd, NULL), 0);
	td_mac_lock_give(root, mac, &fd);
}

/* What somebody has put there is refused, not followed nor waited for. */
static void odd_files(void **state)
{
	struct td_err err = {0};
	int fd = -1;

	(void)state;
	assert_int_equal(symlink("/dev/null", path), 0);
	assert_int_equal(td_mac_lock_take(root, mac, "web1/net0", &fd, &err), -ELOOP);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(td_mac_lock_take("/nowhere/there", mac, "web1/net0", &fd, &err), -ENOENT);
	assert_int_equal(fd, -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_has_it), cmocka_unit_test(the_dead_have_nothing), cmocka_unit_test(odd_files)};

	return cmocka_run_group_tests(tests, make_root, remove_root);
}
