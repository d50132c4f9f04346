/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames that come back, in a network of the test's own: bridge br0, which tandem made, with a VM's tap and an uplink whose other end is
 * "wire". Needs the right to make network namespaces, ip(8), tc(8) and /dev/net/tun; says so and skips where one is missing. Filters are
 * looked at where the kernel has them (cls_flower); FDB entries everywhere.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/net/host_guard.h"

static const uint8_t mac[6] = {0x52, 0x54, 0, 1, 2, 3}, other[6] = {0x52, 0x54, 0, 1, 2, 4};
#define MAC   "52:54:00:01:02:03"
#define OTHER "52:54:00:01:02:04"

static bool has_flower;

static bool run(const char *command)
{
	return system(command) == 0;
}

static int open_tap(const char *name, bool persistent)
{
	struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	if (fd >= 0 && ioctl(fd, TUNSETIFF, &request) == 0 && ioctl(fd, TUNSETPERSIST, persistent) == 0)
		return fd;
	close(fd);
	return -1;
}

/* /sys shows the network of whoever mounted it. */
static const char *make_network(void)
{
	if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS) < 0)
		return "no right to make a network namespace";
	if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 || mount("sysfs", "/sys", "sysfs", 0, NULL) < 0)
		return "no right to mount sysfs";
	if (!run("ip link add br0 type bridge mcast_snooping 0 2>/dev/null && ip link set br0 alias tandem && "
		 "ip link add up0 type veth peer name wire"))
		return "no ip(8), or no bridges in this kernel";
	if (!run("ip link set up0 master br0 && ip link set up0 up && ip link set wire up && ip link set br0 up"))
		return "links do not come up";
	has_flower = run("tc qdisc add dev wire clsact 2>/dev/null && tc filter add dev wire ingress flower src_mac " OTHER
			 " action drop 2>/dev/null");
	if (!has_flower)
		printf("filters are not looked at: this kernel has no cls_flower, or there is no tc(8)\n");
	return NULL;
}

static int setup(void **state)
{
	int fd = open_tap("tap0", false);
	(void)state;
	assert_return_code(fd, errno);
	assert_true(run("ip link set tap0 master br0 && ip link set tap0 up"));
	*state = (void *)(intptr_t)fd;
	return 0;
}

static int teardown(void **state)
{
	struct td_host_netlink netlink;
	close((int)(intptr_t)*state);
	assert_int_equal(td_host_netlink_open(&netlink, NULL), 0);
	assert_int_equal(td_host_guard_sync(&netlink, "br0", NULL), 0);
	td_host_guard_clear(&netlink, "up0");
	td_host_netlink_close(&netlink);
	return 0;
}

/* Where the kernel has no filters, that alone may fail, after all else. */
static void check_done(int r, const struct td_err *err)
{
	if (r < 0 && (has_flower || err->reason != TD_REASON_NETLINK || !strstr(err->text, "filter")))
		fail_msg("%s", err->text);
}

static void on(const char *tap)
{
	struct td_err err = {0};
	check_done(td_host_guard_on("br0", if_nametoindex(tap), mac, &err), &err);
}

static void off(const char *tap)
{
	assert_int_equal(td_host_guard_off("br0", if_nametoindex(tap), mac, NULL), 0);
}

static void tidy(void)
{
	struct td_err err = {0};
	check_done(td_host_guard_tidy("br0", &err), &err);
}

static bool fdb_has(const char *tap)
{
	char command[128];
	snprintf(command, sizeof(command), "bridge fdb show br br0 | grep -q '^" MAC " dev %s .*sticky'", tap);
	return run(command);
}

static void assert_filtered(bool wanted)
{
	if (has_flower)
		assert_int_equal(run("tc filter show dev up0 ingress | grep -q 'src_mac " MAC "'"), wanted);
}

/* A broadcast from outside. */
static void send_from_wire(const uint8_t source[6])
{
	uint8_t frame[60] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, [12] = 0x88, 0xb5};
	struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex("wire")};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	memcpy(frame + 6, source, 6);
	assert_return_code(fd, errno);
	assert_return_code(sendto(fd, frame, sizeof(frame), 0, (struct sockaddr *)&address, sizeof(address)), errno);
	close(fd);
}

/* Frames with this source that the VM has got. */
static unsigned received(int tap_fd, const uint8_t source[6])
{
	uint8_t frame[2048];
	unsigned count = 0;
	for (ssize_t len; (len = read(tap_fd, frame, sizeof(frame))) > 0;)
		count += len >= 14 && !memcmp(frame + 6, source, 6);
	return count;
}

static void what_comes_back_moves_nothing(void **state)
{
	int tap_fd = (int)(intptr_t)*state;
	on("tap0");
	assert_true(fdb_has("tap0"));
	assert_filtered(true);
	send_from_wire(mac);
	send_from_wire(other);
	assert_true(fdb_has("tap0"));
	assert_int_equal(received(tap_fd, other), 1);
	if (has_flower) {
		send_from_wire(mac);
		assert_int_equal(received(tap_fd, mac), 0);
	}
	if (has_flower) {
		assert_true(run("tc filter del dev up0 ingress"));
		assert_filtered(false);
	}
	on("tap0"); /* again: what is missing */
	assert_filtered(true);
	off("tap0");
	assert_false(fdb_has("tap0"));
	assert_filtered(false);
	send_from_wire(mac);
	assert_int_equal(received(tap_fd, mac), 1);
	assert_true(run("bridge fdb show br br0 | grep -q '^" MAC " dev up0 '"));
	off("tap0");
}

/* Also on another's bridge. It is not taken for a VM that is guarded. */
static void a_vm_that_goes_over_keeps_its_tap(void **state)
{
	int tap_fd = (int)(intptr_t)*state;
	on("tap0");
	off("tap0");
	for (unsigned time = 0; time < 2; time++) {
		assert_int_equal(td_host_guard_pin(if_nametoindex("tap0"), mac, NULL), 0);
		tidy();
		assert_filtered(false);
		send_from_wire(mac);
		assert_int_equal(received(tap_fd, mac), 1);
		assert_true(fdb_has("tap0"));
		assert_int_equal(td_host_guard_unpin(if_nametoindex("tap0"), mac, NULL), 0);
		assert_false(fdb_has("tap0"));
		assert_int_equal(td_host_guard_unpin(if_nametoindex("tap0"), mac, NULL), 0);
		assert_true(run("ip link set br0 alias ''"));
	}
	assert_true(run("ip link set br0 alias tandem"));
}

static void a_tap_that_goes_takes_its_filters_along(void **state)
{
	int fd = open_tap("tap1", false);
	(void)state;
	assert_return_code(fd, errno);
	assert_true(run("ip link set tap1 master br0 && ip link set tap1 up"));
	on("tap1");
	close(fd); /* as kill -9 does */
	assert_filtered(true);
	tidy();
	assert_filtered(false);
}

static void a_tap_that_stays_is_dead_without_its_vm(void **state)
{
	int fd = open_tap("tap1", true);
	(void)state;
	assert_return_code(fd, errno);
	assert_true(run("ip link set tap1 master br0 && ip link set tap1 up"));
	on("tap1");
	tidy();
	assert_true(fdb_has("tap1"));
	assert_filtered(true);
	close(fd);
	tidy();
	assert_false(fdb_has("tap1"));
	assert_filtered(false);
	assert_true(run("ip link del tap1"));
}

static void a_new_uplink_gets_the_filters(void **state)
{
	(void)state;
	on("tap0");
	assert_true(run("ip link set up0 nomaster && ip link add up1 type veth peer name wire1 && ip link set up1 master br0"));
	tidy();
	if (has_flower)
		assert_true(run("tc filter show dev up1 ingress | grep -q 'src_mac " MAC "'"));
	assert_true(run("ip link del up1 && ip link set up0 master br0"));
	off("tap0");
}

static void an_uplink_that_leaves_has_no_filters(void **state)
{
	(void)state;
	on("tap0");
	assert_true(run("ip link add br9 type bridge && ip link set up0 master br9"));
	td_host_guard_left((int)if_nametoindex("up0"));
	assert_filtered(true); /* another's now */
	assert_true(run("ip link set up0 nomaster"));
	td_host_guard_left((int)if_nametoindex("tap0"));
	td_host_guard_left((int)if_nametoindex("up0"));
	td_host_guard_left(9999);
	assert_filtered(false);
	assert_true(run("ip link set up0 master br0 && ip link del br9"));
	off("tap0");
}

static void what_was_taken_away_is_put_back(void **state)
{
	struct td_err err = {0};
	(void)state;
	on("tap0");
	assert_true(run("bridge fdb del " MAC " dev tap0 master"));
	if (has_flower)
		assert_true(run("tc filter del dev up0 ingress"));
	check_done(td_host_guard_renew("br0", if_nametoindex("tap0"), mac, &err), &err);
	assert_true(fdb_has("tap0"));
	assert_filtered(true);
	off("tap0");
}

/* Whatever others see of it meanwhile, in the end there is what the VM did last. */
static void a_vm_that_comes_and_goes_has_its_filter(void **state)
{
	(void)state;
	if (!has_flower)
		skip();
	for (unsigned i = 0; i < 20; i++) {
		bool stays = i % 2;
		pid_t child = fork();
		assert_return_code(child, errno);
		if (child == 0) {
			for (unsigned n = 0; n < 4 + i % 3; n++) {
				(void)td_host_guard_on("br0", if_nametoindex("tap0"), mac, NULL);
				if (n + 1 < 4 + i % 3 || !stays)
					(void)td_host_guard_off("br0", if_nametoindex("tap0"), mac, NULL);
			}
			_exit(0);
		}
		while (waitpid(child, NULL, WNOHANG) == 0)
			tidy();
		assert_filtered(stays);
		assert_int_equal(fdb_has("tap0"), stays);
	}
	off("tap0");
}

/* More VMs than a set once had room for: none of them loses its filter, and who went leaves none. */
static void as_many_vms_as_there_are_have_their_filters(void **state)
{
	enum { VMS = 1100 };
	static const char count_fdb[] = "test $(bridge fdb show br br0 | grep -c 'sticky') = %u";
	static const char count_filters[] = "test $(tc filter show dev up0 ingress | grep -c src_mac) = %u";
	char command[160];
	(void)state;
	assert_true(
		run("i=0; while [ $i -lt 1100 ]; do printf 'fdb add 02:00:00:00:%02x:%02x dev tap0 master static sticky\\n' $((i / 256)) "
		    "$((i % 256)); i=$((i + 1)); done | bridge -batch -"));
	for (unsigned round = 0; round < 3; round++) {
		tidy();
		snprintf(command, sizeof(command), count_fdb, VMS);
		assert_true(run(command));
		snprintf(command, sizeof(command), count_filters, VMS);
		assert_true(!has_flower || run(command));
	}
	assert_true(run("bridge fdb show br br0 | sed -n 's/^\\(02:00[^ ]*\\) dev tap0 .*sticky.*/fdb del \\1 dev tap0 master/p' | bridge "
			"-force -batch - "
			"2>/dev/null; true"));
	tidy();
	snprintf(command, sizeof(command), count_filters, 0);
	assert_true(!has_flower || run(command));
}

static void filters_of_others_stay(void **state)
{
	struct td_host_netlink netlink;
	(void)state;
	if (!has_flower)
		skip();
	on("tap0");
	assert_true(run("tc filter add dev up0 ingress prio 7 flower src_mac " OTHER " action pass"));
	assert_int_equal(td_host_netlink_open(&netlink, NULL), 0);
	td_host_guard_clear(&netlink, "up0");
	assert_filtered(false);
	assert_true(run("tc filter show dev up0 ingress | grep -q 'src_mac " OTHER "'"));
	assert_true(run("tc filter del dev up0 ingress prio 7"));
	on("tap0");
	td_host_guard_clear(&netlink, "up0");
	assert_false(run("tc qdisc show dev up0 | grep -q clsact"));
	td_host_netlink_close(&netlink);
}

static void another_s_bridge_is_left_alone(void **state)
{
	(void)state;
	assert_true(run("ip link set br0 alias tandems"));
	assert_int_equal(td_host_guard_on("br0", if_nametoindex("tap0"), mac, NULL), 0);
	assert_false(fdb_has("tap0"));
	assert_filtered(false);
	assert_true(run("ip link set br0 alias tandem"));
}

static void a_bridge_that_becomes_another_s_is_left_as_it_was(void **state)
{
	(void)state;
	on("tap0");
	assert_true(run("ip link set br0 alias tandems"));
	off("tap0");
	assert_false(fdb_has("tap0"));
	assert_filtered(false);
	assert_true(run("ip link set br0 alias tandem"));
}

static void ports_of_an_isolated_network_are_isolated(void **state)
{
	(void)state;
	on("tap0");
	assert_true(run("grep -q 0 /sys/class/net/tap0/brport/isolated"));
	assert_true(run("ip link set br0 alias 'tandem isolated'"));
	on("tap0");
	assert_true(run("grep -q 1 /sys/class/net/tap0/brport/isolated"));
	assert_true(run("ip link set br0 alias tandem"));
	off("tap0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_comes_back_moves_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(a_vm_that_goes_over_keeps_its_tap, setup, teardown),
		cmocka_unit_test_setup_teardown(a_tap_that_goes_takes_its_filters_along, setup, teardown),
		cmocka_unit_test_setup_teardown(a_tap_that_stays_is_dead_without_its_vm, setup, teardown),
		cmocka_unit_test_setup_teardown(a_new_uplink_gets_the_filters, setup, teardown),
		cmocka_unit_test_setup_teardown(an_uplink_that_leaves_has_no_filters, setup, teardown),
		cmocka_unit_test_setup_teardown(what_was_taken_away_is_put_back, setup, teardown),
		cmocka_unit_test_setup_teardown(a_vm_that_comes_and_goes_has_its_filter, setup, teardown),
		cmocka_unit_test_setup_teardown(as_many_vms_as_there_are_have_their_filters, setup, teardown),
		cmocka_unit_test_setup_teardown(filters_of_others_stay, setup, teardown),
		cmocka_unit_test_setup_teardown(another_s_bridge_is_left_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(a_bridge_that_becomes_another_s_is_left_as_it_was, setup, teardown),
		cmocka_unit_test_setup_teardown(ports_of_an_isolated_network_are_isolated, setup, teardown),
	};
	const char *missing = make_network();
	if (missing) {
		printf("skipped: %s\n", missing);
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
