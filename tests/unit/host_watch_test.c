/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A team that goes on by its other member, in a network of the test's own: bridge br0 on team0 with members up0 and up1; br1 beside it.
 * Needs the right to make network namespaces, ip(8), and bonding in the kernel; says so and skips where one is missing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <unistd.h>

#include "host/host_watch.h"

static bool run(const char *command)
{
	return system(command) == 0;
}

/* /sys shows the network of whoever mounted it. */
static const char *make_network(void)
{
	if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS) < 0)
		return "no right to make a network namespace";
	if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 || mount("sysfs", "/sys", "sysfs", 0, NULL) < 0)
		return "no right to mount sysfs";
	if (!run("ip link add team0 type bond mode active-backup miimon 10 2>/dev/null"))
		return "no ip(8), or no bonding in this kernel";
	if (!run("ip link add up0 type veth peer name wire0 && ip link add up1 type veth peer name wire1 && ip link add br0 type bridge && "
		 "ip link add br1 type bridge && ip link set up0 master team0 && ip link set up1 master team0 && ip link set wire0 up && "
		 "ip link set wire1 up && ip link set team0 master br0 && ip link set team0 up && ip link set br0 up"))
		return "links do not come up";
	return NULL;
}

/* Reads until the network has been silent for a while. */
static bool has_moved(int fd, const char *bridge)
{
	bool moved = false;
	for (struct pollfd wait = {.fd = fd, .events = POLLIN}; poll(&wait, 1, 300) > 0;)
		moved = td_host_watch_read(fd, bridge) || moved;
	return moved;
}

static int open_watch(void)
{
	int fd = -1;
	assert_int_equal(td_host_watch_open(&fd, NULL), 0);
	return fd;
}

static void a_lost_member_moves_the_network(void **state)
{
	static const char *const moves[] = {"ip link set wire0 down", "ip link set wire0 up && sleep 0.1 && ip link set wire1 down",
		"ip link set wire1 up && sleep 0.1 && echo up1 >/sys/class/net/team0/bonding/active_slave"};
	int fd = open_watch(), beside = open_watch();
	(void)state;
	(void)has_moved(fd, "br0"); /* what came before */
	(void)has_moved(beside, "br1");
	for (unsigned i = 0; i < TD_COUNT(moves); i++) {
		assert_true(run(moves[i]));
		assert_true(has_moved(fd, "br0"));
		assert_false(has_moved(beside, "br1"));
	}
	close(fd);
	close(beside);
}

static void other_changes_move_nothing(void **state)
{
	int fd = open_watch();
	(void)state;
	assert_true(run("ip link add dummy9 type veth peer name dummy8 && ip link set dummy9 up && ip link set dummy9 master br0 && "
			"ip link set br0 mtu 1400 && ip link del dummy9"));
	assert_false(has_moved(fd, "br0"));
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_lost_member_moves_the_network),
		cmocka_unit_test(other_changes_move_nothing),
	};
	const char *missing = make_network();
	if (missing) {
		printf("skipped: %s\n", missing);
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
