/* SPDX-License-Identifier: Apache-2.0 */
/* Does a path work? Facts as the kernel tells them, and what is said of each: the table of docs/networks.md. How they are told:
 * host_watch_test.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <linux/if_bridge.h>
#include <string.h>

#include "host/net/host_path.h"

#define BRIDGE 7

static struct td_host_path_want want;
static struct td_host_path_facts facts;

/* A tap that is a port of br0, which has one uplink. */
static int all_is_well(void **state)
{
	(void)state;
	want = (struct td_host_path_want){.tap = "tap0", .tap_index = 9, .bridge = "br0", .had_uplinks = true, .has_vf = true};
	facts = (struct td_host_path_facts){.tap = {.there = true,
						    .up = true,
						    .port = true,
						    .name = "tap0",
						    .master = BRIDGE,
						    .state = BR_STATE_FORWARDING,
						    .mtu = 1500},
		.bridge = {.index = BRIDGE, .name = "br0", .bridge = true, .up = true, .mtu = 1500, .forward_delay_ms = 15000},
		.uplinks = 1,
		.uplinks_up = 1,
		.uplinks_forwarding = 1,
		.uplinks_working = 1,
		.uplinks_mtu = 1500,
		.down = "up0",
		.not_forwarding = "up0",
		.other_vlan = "up0"};
	return 0;
}

static struct td_host_path_health judge(void)
{
	struct td_host_path_health health = {0};

	td_host_path_judge(&want, &facts, &health);
	assert_true(health.known);
	return health;
}

static void expect(enum td_reason reason, const char *text)
{
	const struct td_host_path_health health = judge();

	assert_string_equal(health.text, text);
	assert_int_equal(health.reason, reason);
	assert_string_equal(td_host_path_word(&health), reason == TD_REASON_NONE ? "ok" : td_reason_name(reason));
	assert_int_equal(health.wait_ms, 0);
}

static void a_path_that_works(void **state)
{
	(void)state;
	expect(TD_REASON_NONE, "");
	facts.uplinks = facts.uplinks_up = facts.uplinks_forwarding = facts.uplinks_working = 0; /* a network without uplinks */
	want.had_uplinks = false;
	expect(TD_REASON_NONE, "");
	want.bridge = NULL; /* its user connects the tap */
	expect(TD_REASON_NONE, "");
	facts.tap.master = facts.bridge.index = 0;
	facts.tap.port = facts.bridge.bridge = facts.bridge.up = false;
	want.had_uplinks = true; /* of a bridge that it is no port of any more */
	expect(TD_REASON_NONE, "");
}

static void the_tap_is_lost(void **state)
{
	(void)state;
	facts.tap.there = false;
	expect(TD_REASON_TAP_LOST, "tap tap0 is gone");
}

static void no_bridge(void **state)
{
	(void)state;
	facts.bridge.up = false;
	expect(TD_REASON_BRIDGE_DOWN, "bridge br0 is down");
	facts.bridge.index = facts.tap.master = 0;
	expect(TD_REASON_BRIDGE_DOWN, "bridge br0 is not there");
}

static void no_port_of_it(void **state)
{
	(void)state;
	facts.tap.master = 0;
	expect(TD_REASON_NO_PORT, "tap tap0 is no port of br0");
	facts.tap.master = 8;
	strcpy(facts.master_name, "br1");
	expect(TD_REASON_NO_PORT, "tap tap0 is a port of br1, not of br0");
}

static void a_port_that_does_not_forward(void **state)
{
	struct td_host_path_health health;

	(void)state;
	facts.bridge.stp = facts.bridge.kernel_stp = true;
	facts.tap.state = BR_STATE_LISTENING;
	health = judge();
	assert_int_equal(health.reason, TD_REASON_PORT_NOT_FORWARDING);
	assert_string_equal(health.text, "port tap0 of br0 is listening (spanning tree)");
	assert_int_equal(health.wait_ms, 31000);
	facts.tap.state = BR_STATE_LEARNING;
	assert_int_equal(judge().wait_ms, 16000);
	facts.bridge.kernel_stp = false; /* a program's: when it is over is not known */
	expect(TD_REASON_PORT_NOT_FORWARDING, "port tap0 of br0 is learning (spanning tree)");
	facts.bridge.kernel_stp = true;
	facts.tap.state = BR_STATE_BLOCKING; /* for how long, nobody knows */
	expect(TD_REASON_PORT_NOT_FORWARDING, "port tap0 of br0 is blocking (spanning tree)");
	facts.bridge.stp = false;
	facts.tap.state = BR_STATE_DISABLED;
	expect(TD_REASON_PORT_NOT_FORWARDING, "port tap0 of br0 is disabled");
	facts.tap.up = false;
	expect(TD_REASON_PORT_NOT_FORWARDING, "tap tap0 is down");
}

static void another_vlan(void **state)
{
	(void)state;
	want.vlan = 100;
	expect(TD_REASON_VLAN_MISSING, "br0 does not know VLANs, and is not in VLAN 100 outside");
	facts.outside_vlan = 100;
	expect(TD_REASON_NONE, "");
	facts.bridge.vlan_aware = true;
	facts.outside_vlan = 0;
	facts.pvid = 1;
	expect(TD_REASON_VLAN_MISSING, "port tap0 of br0 is in VLAN 1, not in 100");
	facts.pvid = 100;
	expect(TD_REASON_NONE, "");
	facts.uplinks_working = 0;
	expect(TD_REASON_VLAN_MISSING, "uplink up0 of br0 does not take VLAN 100 tagged, as the VF sends it");
	want.has_vf = false;
	expect(TD_REASON_VLAN_MISSING, "uplink up0 of br0 does not take VLAN 100");
	facts.pvid = 0;
	expect(TD_REASON_VLAN_MISSING, "port tap0 of br0 takes no untagged frames");
	facts.pvid_tagged = 100;
	expect(TD_REASON_VLAN_MISSING, "port tap0 of br0 gives the guest VLAN 100 with its tag");
	facts.pvid_tagged = 0;
	want.vlan = 0;
	expect(TD_REASON_VLAN_MISSING, "port tap0 of br0 takes no untagged frames");
	facts.pvid = facts.uplinks_working = 1;
	expect(TD_REASON_NONE, "");
}

static void packets_that_do_not_fit(void **state)
{
	(void)state;
	facts.bridge.mtu = 1400;
	expect(TD_REASON_MTU_TOO_SMALL, "br0 takes packets of 1400 bytes, the guest sends up to 1500");
	want.mtu = 1400;
	expect(TD_REASON_NONE, "");
	want.mtu = 9000;
	facts.bridge.mtu = 9000;
	expect(TD_REASON_MTU_TOO_SMALL, "tap0 takes packets of 1500 bytes, the guest sends up to 9000");
	facts.tap.mtu = 9000;
	expect(TD_REASON_MTU_TOO_SMALL, "the uplink takes packets of 1500 bytes, the guest sends up to 9000");
	facts.uplinks_mtu = 9000;
	expect(TD_REASON_NONE, "");
}

static void no_way_out(void **state)
{
	(void)state;
	facts.uplinks_up = 0;
	expect(TD_REASON_NO_CARRIER, "uplink up0 of br0 has no link");
	facts.uplinks = 2;
	expect(TD_REASON_NO_CARRIER, "none of the 2 uplinks of br0 has a link");
	facts.uplinks_up = 1;
	expect(TD_REASON_NONE, "");
	facts.uplinks_forwarding = facts.uplinks_working = 0;
	expect(TD_REASON_PORT_NOT_FORWARDING, "uplink up0 of br0 does not forward");
	facts.uplinks_wait_ms = 5000;
	assert_int_equal(judge().wait_ms, 5000);
	facts.uplinks = facts.uplinks_up = 0;
	expect(TD_REASON_NO_CARRIER, "br0 has no uplink any more");
}

/* The kernel has not answered: neither good nor bad. */
static void nothing_is_known(void **state)
{
	const struct td_host_path_health unknown = {0};

	(void)state;
	assert_string_equal(td_host_path_word(&unknown), "unknown");
}

static void a_nic_without_vlan_is_not_in_one(void **state)
{
	(void)state;
	facts.outside_vlan = 100;
	expect(TD_REASON_VLAN_MISSING, "br0 is in VLAN 100 outside, the VF in none");
	want.has_vf = false;
	expect(TD_REASON_NONE, "");
}

static void a_nic_of_tagged_vlans_needs_no_other(void **state)
{
	(void)state;
	facts.bridge.vlan_aware = true;
	facts.uplinks_working = 0;
	want.tagged = true;
	expect(TD_REASON_NONE, "");
	want.vlan = 5;
	expect(TD_REASON_VLAN_MISSING, "port tap0 of br0 takes no untagged frames");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_path_that_works, all_is_well),
		cmocka_unit_test_setup(the_tap_is_lost, all_is_well),
		cmocka_unit_test_setup(no_bridge, all_is_well),
		cmocka_unit_test_setup(no_port_of_it, all_is_well),
		cmocka_unit_test_setup(a_port_that_does_not_forward, all_is_well),
		cmocka_unit_test_setup(another_vlan, all_is_well),
		cmocka_unit_test_setup(a_nic_without_vlan_is_not_in_one, all_is_well),
		cmocka_unit_test_setup(a_nic_of_tagged_vlans_needs_no_other, all_is_well),
		cmocka_unit_test_setup(packets_that_do_not_fit, all_is_well),
		cmocka_unit_test_setup(no_way_out, all_is_well),
		cmocka_unit_test(nothing_is_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
