/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does a tap's bridge reach the outside: in a tree that looks like /sys, and in a network of the test's own, where the kernel tells of
 * changes. The latter needs the right to make network namespaces, ip(8) and /dev/net/tun; it says so and skips where one is missing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <unistd.h>

#include "cli/uplink.h"

/* ---- a tree ---- */

static char tree[] = "/tmp/uplink-XXXXXX";

static void shell(const char *format, const char *a, const char *b)
{
	char command[1024], path[256];

	snprintf(path, sizeof(path), "%s/class/net", tree);
	snprintf(command, sizeof(command), format, path, a, b);
	assert_int_equal(system(command), 0);
}

/* A port of br0; flags and carrier as the kernel writes them. */
static void port(const char *name, const char *kind)
{
	shell("mkdir -p %s/%s/%s", name, kind);
	shell("cd %s && ln -sfn ../../%s br0/brif/%s", name, name);
}

static void set(const char *file, const char *value)
{
	shell("cd %s && echo %s >%s", value, file);
}

static int make_tree(void **state)
{
	(void)state;
	if (!mkdtemp(tree))
		return -1;
	shell("mkdir -p %s/br0/brif %s%s", "", "");
	return 0;
}

static int remove_tree(void **state)
{
	char command[256];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", tree);
	return system(command);
}

static void test_tree(void **state)
{
	(void)state;
	assert_true(td_uplink_is_up(tree, "tap0")); /* there is no such tap */
	port("tap0", "queues");
	assert_true(td_uplink_is_up(tree, "tap0")); /* it is in no bridge */
	shell("cd %s && ln -sfn ../%s tap0/%s", "br0", "master");
	assert_true(td_uplink_is_up(tree, "tap0")); /* which has no uplink */
	port("tap1", "queues");
	set("tap1/flags", "0x1003");
	set("tap1/carrier", "0");
	assert_true(td_uplink_is_up(tree, "tap0")); /* another machine's tap is none */
	port("up0", "device");
	set("up0/flags", "0x1003");
	set("up0/carrier", "0");
	assert_false(td_uplink_is_up(tree, "tap0"));
	set("up0/carrier", "1");
	assert_true(td_uplink_is_up(tree, "tap0"));
	set("up0/flags", "0x1002"); /* down */
	assert_false(td_uplink_is_up(tree, "tap0"));
	port("bond0", "lower_up1");
	assert_false(td_uplink_is_up(tree, "tap0")); /* nothing can be read of it */
	set("bond0/flags", "0x1003");
	set("bond0/carrier", "1");
	assert_true(td_uplink_is_up(tree, "tap0")); /* one of two is enough */
	set("bond0/carrier", "nonsense");
	assert_false(td_uplink_is_up(tree, "tap0"));
}

/* ---- a network ---- */

static const char *make_network(void)
{
	if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS) < 0)
		return "no right to make a network namespace";
	if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 || mount("sysfs", "/sys", "sysfs", 0, NULL) < 0)
		return "no right to mount sysfs";
	if (system("ip link add br0 type bridge && ip tuntap add tap0 mode tap && ip link add port type veth peer name cable &&"
		   "ip link add link port name uplink type macvlan && ip link set uplink master br0 && ip link set tap0 master br0 &&"
		   "ip link set port up && ip link set uplink up && ip link set cable up && ip link set br0 up") != 0)
		return "ip can't make bridge, tap, veth or macvlan";
	return NULL;
}

struct watcher {
	struct td_loop loop;
	struct td_timer limit;
	unsigned changes;
	bool up;
};

static void on_change(void *opaque, bool up)
{
	struct watcher *watcher = opaque;

	watcher->changes++;
	watcher->up = up;
	td_loop_stop(&watcher->loop);
}

static void give_up(struct td_timer *timer)
{
	td_loop_stop(&TD_CONTAINER_OF(timer, struct watcher, limit)->loop);
}

static void run(struct watcher *watcher, const char *command, uint64_t ms)
{
	assert_int_equal(system(command), 0);
	td_loop_arm(&watcher->loop, &watcher->limit, ms * 1000000U);
	assert_int_equal(td_loop_run(&watcher->loop), 0);
}

static void test_kernel_tells(void **state)
{
	struct watcher watcher = {.limit.expired = give_up};
	struct td_uplink uplink = {.watch.fd = -1};
	const char *why = make_network();

	(void)state;
	if (why) {
		print_message("skipped: %s\n", why);
		skip();
	}
	td_uplink_close(&uplink);
	assert_int_equal(td_loop_init(&watcher.loop, NULL, NULL), 0);
	assert_int_equal(td_uplink_open(&uplink, &watcher.loop, "tap0", on_change, &watcher, NULL), 0);
	assert_true(uplink.up);
	run(&watcher, "ip link set cable down", 3000);
	assert_int_equal(watcher.changes, 1);
	assert_false(watcher.up);
	run(&watcher, "ip link set tap0 down && ip link set tap0 up", 100); /* no matter */
	assert_int_equal(watcher.changes, 1);
	run(&watcher, "ip link set cable up", 3000);
	assert_int_equal(watcher.changes, 2);
	assert_true(watcher.up);
	td_uplink_close(&uplink);
	assert_int_equal(td_uplink_open(&uplink, &watcher.loop, "tap0", on_change, &watcher, NULL), 0); /* a second time */
	td_uplink_close(&uplink);
	td_loop_fini(&watcher.loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_tree, make_tree, remove_tree), cmocka_unit_test(test_kernel_tells)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
