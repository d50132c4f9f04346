/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tap becomes a port: which bridge can give a NIC its VLANs, and which MTU the tap takes, as tables; then what the kernel makes of it, in
 * a network of the test's own. That needs the right to make network namespaces, ip(8), bridge(8) and /dev/net/tun; it says so and skips
 * where one is missing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

#include "host/net/host_port.h"

/* ---- which bridge will do ---- */

static struct td_host_port port;
static struct td_host_path_facts facts;

/* br0 knows nothing of VLANs, and has an uplink. */
static int plain_bridge(void **state)
{
	(void)state;
	port = (struct td_host_port){.bridge = "br0", .tap = "tap0", .tap_index = 9};
	facts = (struct td_host_path_facts){.bridge = {.index = 7, .name = "br0", .bridge = true}, .uplinks = 1};
	return 0;
}

static void expect(enum td_reason reason, const char *what_to_do)
{
	struct td_err err = {0};
	int rc = td_host_port_check(&port, &facts, &err);

	assert_int_equal(rc < 0, reason != TD_REASON_NONE);
	assert_int_equal(err.reason, reason);
	assert_non_null(strstr(err.text, what_to_do));
}

static void it_has_to_be_a_bridge(void **state)
{
	(void)state;
	expect(TD_REASON_NONE, "");
	facts.bridge.bridge = false;
	expect(TD_REASON_BRIDGE, "br0 is no bridge");
	facts.bridge.index = 0;
	expect(TD_REASON_BRIDGE, "no such link");
}

static void a_bridge_that_is_aware_gives_any_vlan(void **state)
{
	(void)state;
	facts.bridge.vlan_aware = true;
	facts.bridge.default_pvid = 1;
	for (unsigned has_vf = 0; has_vf < 2; has_vf++) {
		port.has_vf = has_vf;
		port.vlan = 0;
		expect(TD_REASON_NONE, "");
		port.vlan = 100;
		expect(TD_REASON_NONE, "");
	}
	port.tagged_count = 1;
	expect(TD_REASON_NONE, "");
}

static void one_that_is_not_is_in_one_as_a_whole(void **state)
{
	(void)state;
	port.vlan = 100;
	expect(TD_REASON_VLAN_MISSING, "ip link set br0 type bridge vlan_filtering 1");
	facts.outside_vlan = 200;
	expect(TD_REASON_VLAN_MISSING, "a link of VLAN 100");
	facts.outside_vlan = 100;
	expect(TD_REASON_NONE, "");
	facts.outside_vlan = facts.uplinks = 0; /* nobody there is in another */
	expect(TD_REASON_NONE, "");
}

static void the_vf_is_where_the_bridge_is(void **state)
{
	(void)state;
	facts.outside_vlan = 100;
	expect(TD_REASON_NONE, ""); /* it has no VF: its users chose the bridge */
	port.has_vf = true;
	expect(TD_REASON_CONFIG_VALUE, "vlan: 100");
	facts.outside_vlan = 0;
	expect(TD_REASON_NONE, "");
}

static void tags_need_a_bridge_that_tells_them_apart(void **state)
{
	(void)state;
	port.tagged_count = 1;
	expect(TD_REASON_VLAN_MISSING, "ip link set br0 type bridge vlan_filtering 1");
	facts.uplinks = 0;
	expect(TD_REASON_VLAN_MISSING, "ip link set br0 type bridge vlan_filtering 1");
}

/* ---- which MTU ---- */

static void a_tap_s_mtu_follows(void **state)
{
	(void)state;
	assert_int_equal(td_host_port_mtu(1500, 9000, 9000), 9000);
	assert_int_equal(td_host_port_mtu(1500, 9000, 1500), 9000);
	assert_int_equal(td_host_port_mtu(1500, 1400, 1500), 1400); /* somebody said so */
	assert_int_equal(td_host_port_mtu(1500, 1400, 0), 1400);
	assert_int_equal(td_host_port_mtu(1500, 1400, 1400), 1500); /* the uplink's; the bridge is to go up with it again */
	assert_int_equal(td_host_port_mtu(1500, 1500, 9000), 1500);
}

/* ---- what the kernel makes of it ---- */

static bool shell(const char *command)
{
	return system(command) == 0;
}

static bool has_vlans;
static int tap_fd = -1;

/* /sys shows the network of whoever mounted it. */
static const char *make_namespace(void)
{
	if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS) < 0)
		return "no right to make a network namespace";
	if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 || mount("sysfs", "/sys", "sysfs", 0, NULL) < 0)
		return "no right to mount sysfs";
	if (!shell("ip link add br0 type bridge mcast_snooping 0 2>/dev/null && ip link set br0 mtu 9000 && ip link set br0 up"))
		return "no ip(8), or no bridges in this kernel";
	has_vlans = shell("ip link set br0 type bridge vlan_filtering 1 2>/dev/null && bridge vlan show >/dev/null");
	return NULL;
}

static int kernel_setup(void **state)
{
	struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI, .ifr_name = "tap0"};

	(void)state;
	if (make_namespace())
		return 0;
	tap_fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (tap_fd < 0 || ioctl(tap_fd, TUNSETIFF, &request) < 0 || !shell("ip link set tap0 up"))
		return -1;
	port = (struct td_host_port){.bridge = "br0", .tap = "tap0", .tap_index = if_nametoindex("tap0")};
	return 0;
}

static int vlans_setup(void **state)
{
	int rc = kernel_setup(state);

	port.vlan = 100;
	port.tagged_count = 2;
	port.tagged[0].first = port.tagged[0].last = 7;
	port.tagged[1].first = 20;
	port.tagged[1].last = 23;
	return rc;
}

static int kernel_teardown(void **state)
{
	(void)state;
	if (tap_fd >= 0)
		close(tap_fd);
	tap_fd = -1;
	return 0;
}

static void need_kernel(bool vlans)
{
	if (tap_fd >= 0 && (has_vlans || !vlans))
		return;
	print_message("skipped: %s\n", tap_fd < 0 ? "no right to make a network namespace, or no bridges, or no ip(8)"
						  : "no bridge(8), or no bridges with VLANs in this kernel");
	skip();
}

static void join(void)
{
	struct td_err err = {0};

	if (td_host_port_join(&port, &err))
		fail_msg("%s", err.text);
}

static bool is_in_its_vlans(void)
{
	return shell("test \"$(bridge vlan show dev tap0 | sed 1d | sed 's/^tap0//' | tr -s '\\t ' ' ' | tr '\\n' ',')\" = "
		     "' 7, 20, 21, 22, 23, 100 PVID Egress Untagged,' || { bridge vlan show dev tap0; false; }");
}

static void a_tap_joins_in_its_vlans_and_keeps_the_mtu(void **state)
{
	(void)state;
	need_kernel(true);
	join();
	assert_true(is_in_its_vlans());
	assert_true(shell("test $(cat /sys/class/net/br0/mtu) = 9000 && test $(cat /sys/class/net/tap0/mtu) = 9000"));
	assert_true(shell("test $(cat /sys/class/net/tap0/brport/state) = 3"));
}

static void the_bridge_s_default_stays_where_none_is_given(void **state)
{
	(void)state;
	need_kernel(true);
	port.vlan = 0;
	port.tagged_count = 0;
	join();
	assert_true(shell("bridge vlan show dev tap0 | grep -q '1 PVID Egress Untagged'"));
}

/* The bridge takes the least MTU of its ports unless somebody set it: that of the bridge's own must not come from the tap. */
static void a_bridge_that_nobody_set_keeps_its_mtu(void **state)
{
	(void)state;
	need_kernel(false);
	assert_true(shell("ip link del br0 && ip link add br0 type bridge mcast_snooping 0 && ip link add up0 type veth peer name wire && "
			  "ip link set up0 mtu 9000 && ip link set up0 master br0 && test $(cat /sys/class/net/br0/mtu) = 9000"));
	join();
	assert_true(shell("test $(cat /sys/class/net/br0/mtu) = 9000"));
}

static void it_follows_the_bridge(void **state)
{
	(void)state;
	need_kernel(false);
	join();
	assert_true(shell("ip link set br0 mtu 1400"));
	assert_int_equal(td_host_port_follow_mtu(&port, NULL), 0);
	assert_true(shell("test $(cat /sys/class/net/tap0/mtu) = 1400"));
	assert_true(shell("ip link set br0 mtu 4000"));
	assert_int_equal(td_host_port_follow_mtu(&port, NULL), 0);
	assert_true(shell("test $(cat /sys/class/net/tap0/mtu) = 4000"));
	assert_true(shell("ip link set tap0 nomaster && ip link set br0 mtu 5000"));
	assert_int_equal(td_host_port_follow_mtu(&port, NULL), 0); /* it is no port */
	assert_true(shell("test $(cat /sys/class/net/tap0/mtu) = 4000"));
}

/* What it can't be told is told when it can: a kernel without VLANs is no error where no VLAN is asked for outside. */
static void a_bridge_that_is_not_aware_is_joined_all_the_same(void **state)
{
	(void)state;
	need_kernel(false);
	assert_true(shell("ip link del br0 && ip link add br0 type bridge mcast_snooping 0 && ip link set br0 up"));
	port.vlan = 100;
	join();
	assert_true(!has_vlans || shell("bridge vlan show dev tap0 | grep -q '100 PVID Egress Untagged'"));
}

static void it_joins_a_bridge_that_is_made_anew(void **state)
{
	struct td_err err = {0};

	(void)state;
	need_kernel(true);
	join();
	assert_int_equal(td_host_port_rejoin(&port, &err), 0); /* it is a port */
	assert_true(shell("ip link del br0"));
	assert_int_equal(td_host_port_rejoin(&port, &err), 0); /* there is none */
	assert_true(shell("ip link add br0 type bridge vlan_filtering 1 vlan_default_pvid 5 && ip link set br0 up"));
	assert_int_equal(td_host_port_rejoin(&port, &err), 1);
	assert_true(is_in_its_vlans());
	assert_true(shell("ip link del br0 && ip link add br0 type bridge && ip link set br0 up")); /* one that does not tell them apart */
	assert_true(td_host_port_rejoin(&port, &err) < 0);
	assert_int_equal(err.reason, TD_REASON_VLAN_MISSING);
	assert_false(shell("test -e /sys/class/net/tap0/master"));
}

/* Its name is another's by then. */
static void a_tap_that_is_gone_is_not_mistaken(void **state)
{
	struct td_err err = {0};

	(void)state;
	need_kernel(false);
	assert_true(shell("ip link set tap0 name tap1 && ip tuntap add tap0 mode tap"));
	join();
	assert_true(shell("test -e /sys/class/net/tap1/master && test ! -e /sys/class/net/tap0/master"));
	assert_true(shell("ip link del tap1"));
	assert_true(td_host_port_join(&port, &err) < 0);
	assert_int_equal(td_host_port_rejoin(&port, &err), 0);
	assert_int_equal(td_host_port_follow_mtu(&port, &err), 0);
	assert_false(shell("test -e /sys/class/net/tap0/master"));
}

#define TABLE(f)  cmocka_unit_test_setup(f, plain_bridge)
#define VLANS(f)  cmocka_unit_test_setup_teardown(f, vlans_setup, kernel_teardown)
#define KERNEL(f) cmocka_unit_test_setup_teardown(f, kernel_setup, kernel_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TABLE(it_has_to_be_a_bridge),
		TABLE(a_bridge_that_is_aware_gives_any_vlan),
		TABLE(one_that_is_not_is_in_one_as_a_whole),
		TABLE(the_vf_is_where_the_bridge_is),
		TABLE(tags_need_a_bridge_that_tells_them_apart),
		TABLE(a_tap_s_mtu_follows),
		VLANS(a_tap_joins_in_its_vlans_and_keeps_the_mtu),
		VLANS(the_bridge_s_default_stays_where_none_is_given),
		KERNEL(a_bridge_that_nobody_set_keeps_its_mtu),
		KERNEL(it_follows_the_bridge),
		KERNEL(a_bridge_that_is_not_aware_is_joined_all_the_same),
		VLANS(it_joins_a_bridge_that_is_made_anew),
		KERNEL(a_tap_that_is_gone_is_not_mistaken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
