/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel tells of a bridge's uplinks, in networks of the test's own: br0 with a tap and an uplink whose other end is "cable"; br1
 * on team0, whose members up0 and up1 end in wire0 and wire1, with a tap; br2 beside it. Needs the right to make network namespaces, ip(8),
 * /dev/net/tun and, for the team, bonding in the kernel; says so and skips what needs what is missing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

#include "host/net/host_watch.h"

#define SOON_MS	 3000U /* enough for what is waited for */
#define QUIET_MS 300U  /* enough for what is not */
#define LINKS_MS 1500U /* the kernel looks after carriers once a second */

static bool shell(const char *command)
{
	return system(command) == 0;
}

static const char network[] =
	"ip link add br0 type bridge && ip tuntap add tap0 mode tap && ip link add port type veth peer name cable &&"
	"ip link add link port name uplink type macvlan && ip link set uplink master br0 && ip link set tap0 master br0 &&"
	"ip link set port up && ip link set uplink up && ip link set cable up && ip link set br0 up";

static const char team[] =
	"ip link add team0 type bond mode active-backup miimon 10 2>/dev/null && ip link add up0 type veth peer name wire0 &&"
	"ip link add up1 type veth peer name wire1 && ip link add br1 type bridge && ip link add br2 type bridge &&"
	"ip tuntap add tap1 mode tap && ip link set tap1 master br1 && ip link set up0 master team0 && ip link set up1 master team0 &&"
	"ip link set wire0 up && ip link set wire1 up && ip link set team0 master br1 && ip link set team0 up && ip link set br1 up";

/* /sys shows the network of whoever mounted it. */
static const char *make_namespace(void)
{
	if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS) < 0)
		return "no right to make a network namespace";
	if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 || mount("sysfs", "/sys", "sysfs", 0, NULL) < 0)
		return "no right to mount sysfs";
	return NULL;
}

/* Attached as a VM's process is: the tap has a carrier. */
static int open_tap(const char *name)
{
	struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0);
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	assert_int_equal(ioctl(fd, TUNSETIFF, &request), 0);
	return fd;
}

static void make_or_skip(const char *links, const char *needs)
{
	const char *why = make_namespace();

	if (!why && shell(links))
		return;
	print_message("skipped: %s\n", why ? why : needs);
	skip();
}

/* ---- what is told ---- */

static struct td_loop loop;
static struct td_jobs jobs;
static struct td_timer limit;
static bool first_ends;

struct told {
	struct td_host_watch watch;
	unsigned changes, moves, ports, healths, mtus;
	int left;
};

static void on_uplink(void *opaque, bool up)
{
	struct told *told = opaque;

	assert_int_equal(told->watch.up, up);
	told->changes++;
	if (first_ends)
		td_loop_stop(&loop);
}

static void on_health(void *opaque)
{
	struct told *told = opaque;

	told->healths++;
	if (first_ends)
		td_loop_stop(&loop);
}

static void on_moved(void *opaque)
{
	struct told *told = opaque;

	told->moves++;
	if (first_ends)
		td_loop_stop(&loop);
}

static void on_mtu(void *opaque)
{
	struct told *told = opaque;

	told->mtus++;
	if (first_ends)
		td_loop_stop(&loop);
}

static void on_ports(void *opaque, int left)
{
	struct told *told = opaque;

	told->ports++;
	if (left)
		told->left = left;
	if (first_ends)
		td_loop_stop(&loop);
}

static void is_over(struct td_timer *timer)
{
	(void)timer;
	td_loop_stop(&loop);
}

static void run(uint64_t ms, bool until_told)
{
	first_ends = until_told;
	td_loop_arm(&loop, &limit, ms * 1000000U);
	assert_int_equal(td_loop_run(&loop), 0);
	td_loop_disarm(&loop, &limit);
}

/* One change is told in several messages. */
static void after(const char *command, bool is_told)
{
	assert_true(shell(command));
	if (is_told)
		run(SOON_MS, true);
	run(QUIET_MS, false);
}

static void open_watch(struct told *told, const char *tap, const char *bridge)
{
	const struct td_host_watch_events events = {
		.health = on_health, .uplink = on_uplink, .mtu = on_mtu, .moved = on_moved, .ports = on_ports, .opaque = told};
	const struct td_host_path_want want = {.tap = tap, .tap_index = tap ? if_nametoindex(tap) : 0, .bridge = bridge};

	assert_int_equal(td_host_watch_open(&told->watch, &jobs, &want, &events, NULL), 0);
}

/* The kernel looks after carriers once a second. */
static void until_up(struct told *told, bool up)
{
	for (unsigned ms = 0; ms < SOON_MS && told->watch.up != up; ms += QUIET_MS)
		run(QUIET_MS, false);
	assert_int_equal(told->watch.up, up);
}

static int make_loop(void **state)
{
	(void)state;
	limit.expired = is_over;
	td_jobs_init(&jobs, &loop);
	return td_loop_init(&loop, NULL, NULL);
}

static int end_loop(void **state)
{
	(void)state;
	td_jobs_fini(&jobs);
	td_loop_fini(&loop);
	return 0;
}

/* ---- tests ---- */

static void a_lost_carrier_is_told(void **state)
{
	struct told told = {.watch.watch.fd = -1}, deaf = {.watch.watch.fd = -1};

	(void)state;
	make_or_skip(network, "ip can't make bridge, tap, veth or macvlan");
	td_host_watch_close(&told.watch);
	open_watch(&told, "tap0", "br0");
	open_watch(&deaf, NULL, NULL);
	until_up(&told, true);
	told.changes = 0;
	after("ip link set cable down", true);
	until_up(&told, false);
	assert_int_equal(told.changes, 1);
	after("ip link set tap0 down && ip link set tap0 up", false); /* no matter */
	assert_int_equal(told.changes, 1);
	after("ip link set cable up", true);
	until_up(&told, true);
	assert_int_equal(told.changes, 2);
	assert_int_equal(deaf.changes, 0);
	td_host_watch_close(&told.watch);
	open_watch(&told, "tap0", "br0"); /* a second time */
	td_host_watch_close(&told.watch);
	td_host_watch_close(&deaf.watch);
}

static void ports_that_come_and_go_are_told(void **state)
{
	struct told told = {0}, beside = {0}, deaf = {0};

	(void)state;
	make_or_skip(network, "ip can't make bridge, tap, veth or macvlan");
	assert_true(shell("ip link add br2 type bridge && ip tuntap add tap1 mode tap"));
	open_watch(&told, "tap0", "br0");
	open_watch(&beside, "gone", "br2");
	open_watch(&deaf, "tap0", NULL);
	run(LINKS_MS, false); /* what came before */
	told.ports = 0;
	after("ip link set tap1 master br0 && ip link set tap1 up", false);
	assert_int_equal(told.ports, 0);
	after("ip link del tap1", true);
	assert_true(told.ports > 0);
	told.ports = 0;
	after("ip link add up9 type veth peer name wire9 && ip link set up9 master br0", true);
	assert_true(told.ports > 0);
	told.ports = 0;
	after("ip link set up9 nomaster", true);
	assert_true(told.ports > 0);
	assert_int_equal(told.left, if_nametoindex("up9"));
	assert_int_equal(beside.ports, 0);
	after("ip link del br2 && ip link add br2 type bridge", true); /* another of this name */
	assert_true(beside.ports > 0);
	assert_int_equal(deaf.ports, 0);
	td_host_watch_close(&told.watch);
	td_host_watch_close(&beside.watch);
	td_host_watch_close(&deaf.watch);
}

static void another_mtu_of_the_bridge_is_told(void **state)
{
	struct told told = {0};

	(void)state;
	make_or_skip(network, "ip can't make bridge, tap, veth or macvlan");
	open_watch(&told, "tap0", "br0");
	run(LINKS_MS, false); /* what came before */
	assert_int_equal(told.mtus, 0);
	after("ip link set br0 mtu 1300", true);
	assert_int_equal(told.mtus, 1);
	after("ip link set tap0 mtu 1300", false); /* the tap's own */
	assert_int_equal(told.mtus, 1);
	td_host_watch_close(&told.watch);
}

static void a_lost_member_moves_the_network(void **state)
{
	static const char *const moves[] = {"ip link set wire0 down", "ip link set wire0 up && sleep 0.1 && ip link set wire1 down",
		"ip link set wire1 up && sleep 0.1 && echo up1 >/sys/class/net/team0/bonding/active_slave"};
	struct told told = {0}, beside = {0}, deaf = {0};

	(void)state;
	make_or_skip(team, "ip can't make bridge, tap or veth, or this kernel has no bonding");
	open_watch(&told, "tap1", "br1");
	open_watch(&beside, "gone", "br2");
	open_watch(&deaf, "tap1", NULL);
	run(QUIET_MS, false); /* what came before */
	for (unsigned i = 0; i < TD_COUNT(moves); i++) {
		told.moves = told.changes = 0;
		after(moves[i], true);
		assert_true(told.moves > 0);
		assert_int_equal(told.changes, 0); /* the team has had a carrier all the time */
	}
	told.moves = 0;
	after("ip link add dummy9 type veth peer name dummy8 && ip link set dummy9 up && ip link set dummy9 master br1 &&"
	      "ip link set br1 mtu 1400 && ip link del dummy9",
		false);
	assert_int_equal(told.moves, 0);
	after("ip link set wire0 down && ip link set wire1 down", true);
	until_up(&told, false);
	assert_int_equal(told.changes, 1);
	assert_int_equal(beside.moves, 0);
	assert_int_equal(deaf.moves, 0);
	assert_int_equal(deaf.changes, 1);
	td_host_watch_close(&told.watch);
	td_host_watch_close(&beside.watch);
	td_host_watch_close(&deaf.watch);
}

/* Each command, and what is known of the path after it. Of VLANs: tests/lab/paths.sh, as not every kernel has them. */
static void what_ails_a_path_is_told(void **state)
{
	static const struct {
		const char *command, *health;
	} changes[] = {
		{"ip link set br0 down", "bridge-down"}, {"ip link set br0 up", "ok"}, {"ip link set tap0 nomaster", "no-port"},
		{"ip link add br2 type bridge && ip link set tap0 master br2", "no-port"}, {"ip link set tap0 master br0", "ok"},
		{"ip link set tap0 down", "port-not-forwarding"}, {"ip link set tap0 up", "ok"}, {"ip link set cable down", "no-carrier"},
		{"ip link set cable up", "ok"}, {"ip link set uplink nomaster", "no-carrier"}, {"ip link set uplink master br0", "ok"},
		{"ip link set br0 mtu 1400", "mtu-too-small"}, {"ip link set br0 mtu 1500", "ok"}, {"ip link set tap0 name tap9", "ok"},
		{"ip link set tap9 nomaster && ip link del br0", "bridge-down"},
		{"ip link add br0 type bridge && ip link set br0 up", "no-port"},
		{"ip link del tap9 && ip tuntap add tap0 mode tap && ip link set tap0 up master br0", "tap-lost"}, /* another's */
	};
	struct told told = {.watch.watch.fd = -1};

	(void)state;
	make_or_skip(network, "ip can't make bridge, tap, veth or macvlan");
	assert_true(shell("ip link set tap0 up"));
	int tap = open_tap("tap0"); /* whoever has it gives it a carrier */
	open_watch(&told, "tap0", "br0");
	for (unsigned i = 0; i < TD_COUNT(changes); i++) {
		print_message("%s\n", changes[i].command);
		after(changes[i].command, false);
		for (unsigned ms = 0; ms < SOON_MS && strcmp(td_host_path_word(&told.watch.health), changes[i].health) != 0; ms += QUIET_MS)
			run(QUIET_MS, true);
		assert_string_equal(td_host_path_word(&told.watch.health), changes[i].health);
	}
	assert_true(told.healths > 0);
	td_host_watch_close(&told.watch);
	close(tap);
}

/* Spanning tree: for how long is known, and that it is over is told. */
static void a_path_that_will_work_is_told(void **state)
{
	struct told told = {.watch.watch.fd = -1};

	(void)state;
	make_or_skip(network, "ip can't make bridge, tap, veth or macvlan");
	int tap = open_tap("tap0");
	assert_true(shell("ip link set br0 type bridge stp_state 1 forward_delay 200 && ip link set tap0 up"));
	open_watch(&told, "tap0", "br0");
	assert_string_equal(td_host_path_word(&told.watch.health), "port-not-forwarding");
	assert_in_range(told.watch.health.wait_ms, 3000, 5000);
	for (unsigned ms = 0; ms < 6000 && told.watch.health.reason != TD_REASON_NONE; ms += QUIET_MS)
		run(QUIET_MS, true);
	assert_string_equal(td_host_path_word(&told.watch.health), "ok");
	td_host_watch_close(&told.watch);
	close(tap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_lost_carrier_is_told, make_loop, end_loop),
		cmocka_unit_test_setup_teardown(ports_that_come_and_go_are_told, make_loop, end_loop),
		cmocka_unit_test_setup_teardown(another_mtu_of_the_bridge_is_told, make_loop, end_loop),
		cmocka_unit_test_setup_teardown(a_lost_member_moves_the_network, make_loop, end_loop),
		cmocka_unit_test_setup_teardown(what_ails_a_path_is_told, make_loop, end_loop),
		cmocka_unit_test_setup_teardown(a_path_that_will_work_is_told, make_loop, end_loop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
