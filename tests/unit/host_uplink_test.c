/* SPDX-License-Identifier: Apache-2.0 */
/* Does a tap's bridge reach the outside, and over which links, in a tree that looks like /sys. What the kernel tells: host_watch_test.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "host/net/host_uplink.h"

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

static void count_uplink(const char *port, bool carrier, void *opaque)
{
	unsigned *counts = opaque;

	assert_true(port[0]);
	counts[0]++;
	counts[1] += carrier;
}

/* No uplink at all, or one with a carrier. */
static bool is_up(void)
{
	unsigned counts[2] = {0};

	assert_int_equal(td_host_uplink_each(tree, "br0", count_uplink, counts), 0);
	return !counts[0] || counts[1];
}

static void only_uplinks_carriers_count(void **state)
{
	(void)state;
	assert_true(is_up()); /* there is no such tap */
	port("tap0", "queues");
	assert_true(is_up()); /* it is in no bridge */
	shell("cd %s && ln -sfn ../%s tap0/%s", "br0", "master");
	assert_true(is_up()); /* which has no uplink */
	port("tap1", "queues");
	set("tap1/flags", "0x1003");
	set("tap1/carrier", "0");
	assert_true(is_up()); /* another machine's tap is none */
	port("up0", "device");
	set("up0/flags", "0x1003");
	set("up0/carrier", "0");
	assert_false(is_up());
	set("up0/carrier", "1");
	assert_true(is_up());
	set("up0/flags", "0x1002"); /* down */
	assert_false(is_up());
	port("bond0", "lower_up1");
	assert_false(is_up()); /* nothing can be read of it */
	set("bond0/flags", "0x1003");
	set("bond0/carrier", "1");
	assert_true(is_up()); /* one of two is enough */
	set("bond0/carrier", "nonsense");
	assert_false(is_up());
}

static void below(const char *link, const char *name)
{
	shell("mkdir -p %s/%s/lower_%s", link, name);
}

static bool is_below(const char *name)
{
	return td_host_uplink_is_below(tree, "br1", name);
}

static void links_are_below_by_any_way(void **state)
{
	(void)state;
	assert_false(is_below("up0")); /* there is no such bridge */
	below("br1", "team0");
	below("team0", "up0");
	below("team0", "up1");
	below("br1", "up2.7");
	below("up2.7", "up2");
	below("br2", "up3");
	shell("mkdir -p %s/br1/upper_%s%s", "vrf0", "");
	assert_true(is_below("team0"));
	assert_true(is_below("up0"));
	assert_true(is_below("up1"));
	assert_true(is_below("up2.7"));
	assert_true(is_below("up2"));
	assert_false(is_below("up3"));
	assert_false(is_below("vrf0"));
	assert_false(is_below("br1"));
	below("up1", "team0"); /* the kernel knows no circles; one would end */
	assert_false(is_below("up3"));
}

static void a_network_s_vlan_is_that_of_its_uplinks(void **state)
{
	(void)state;
	assert_int_equal(td_host_uplink_vlan(tree, tree, "br3"), 0); /* no VLANs in this kernel */
	shell("mkdir -p %s/br3/brif %s%s", "", "");
	shell("mkdir -p %s/../../net/vlan %s%s", "", ""); /* the tree is /proc as well */
	shell("cd %s/br3/brif && touch %s %s", "up4", "up5.100");
	shell("cd %s/../../net/vlan && printf '%s\n' 'VLAN Dev name    | VLAN ID' %s >config", "%s",
		"'Name-Type: VLAN_NAME_TYPE_RAW_PLUS_VID_NO_PAD' 'up5.100 | 100  | up5' 'up6.7 | 7  | up6'");
	assert_int_equal(td_host_uplink_vlan(tree, tree, "br3"), 100);
	shell("cd %s/br3/brif && touch up6.7 %s%s", "", "");
	assert_int_equal(td_host_uplink_vlan(tree, tree, "br3"), 0); /* it is two */
	shell("cd %s/br3/brif && rm up6.7 up5.100 %s%s", "", "");
	assert_int_equal(td_host_uplink_vlan(tree, tree, "br3"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(only_uplinks_carriers_count), cmocka_unit_test(links_are_below_by_any_way),
		cmocka_unit_test(a_network_s_vlan_is_that_of_its_uplinks)};

	return cmocka_run_group_tests(tests, make_tree, remove_tree);
}
