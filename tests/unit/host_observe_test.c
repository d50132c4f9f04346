/* SPDX-License-Identifier: Apache-2.0 */
/* Links as rtnetlink shows them: whose they are, their other names, what their drivers take, what stands on them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if_arp.h>
#include <netlink/msg.h>

#include "host/provision/host_observe.h"

static struct nl_msg *link_begin(int index, const char *name, unsigned short type)
{
	const struct ifinfomsg info = {.ifi_index = index, .ifi_type = type};
	struct nl_msg *msg = nlmsg_alloc_simple(RTM_NEWLINK, 0);
	assert_non_null(msg);
	assert_int_equal(nlmsg_append(msg, (void *)(uintptr_t)&info, sizeof(info), NLMSG_ALIGNTO), 0);
	assert_int_equal(nla_put_string(msg, IFLA_IFNAME, name), 0);
	return msg;
}

static void link_end(struct nl_msg *msg, struct td_host_seen *seen)
{
	td_host_observe_link(nlmsg_hdr(msg), seen);
	nlmsg_free(msg);
}

static void expect_attr(const struct td_host_state *is, const char *link, enum td_host_attr attr, const char *expected)
{
	const char *value = td_host_state_get(is, TD_HOST_LINK, link, attr);
	if (!value != !expected || (value && strcmp(value, expected) != 0))
		fail_msg("%s: %s is %s, not %s", link, td_host_state_attr_name(attr), value ? value : "unknown",
			expected ? expected : "unknown");
}

static void a_link_is_ours_by_alias_or_group(void **state)
{
	static const struct {
		const char *alias;
		uint32_t group;
		const char *mark;
	} cases[] = {{NULL, 0, ""}, {"tandem", 0, "tandem"}, {"tandem isolated", 0, "tandem isolated"}, {"tandem-like", 0, ""},
		{"office", 0, ""}, {NULL, 5, ""}, {NULL, TD_HOST_MAKING_GROUP, "tandem making"},
		{"tandem", TD_HOST_MAKING_GROUP, "tandem making"}};
	(void)state;
	for (unsigned i = 0; i < TD_COUNT(cases); i++) {
		struct td_host_state is = {0};
		struct td_host_seen seen = {.is = &is};
		struct nl_msg *msg = link_begin(7, "br7", ARPHRD_ETHER);
		assert_int_equal(nla_put_u32(msg, IFLA_GROUP, cases[i].group), 0);
		if (cases[i].alias)
			assert_int_equal(nla_put_string(msg, IFLA_IFALIAS, cases[i].alias), 0);
		link_end(msg, &seen);
		expect_attr(&is, "br7", TD_HOST_ATTR_MARK, cases[i].mark);
		td_host_observe_free(&seen);
		td_host_state_fini(&is);
	}
}

static void what_a_driver_takes_is_known(void **state)
{
	struct td_host_state is = {0};
	struct td_host_seen seen = {.is = &is};
	(void)state;
	struct nl_msg *msg = link_begin(2, "up0", ARPHRD_ETHER);
	assert_int_equal(nla_put_u32(msg, IFLA_MTU, 1500), 0);
	assert_int_equal(nla_put_u32(msg, IFLA_MIN_MTU, 68), 0);
	assert_int_equal(nla_put_u32(msg, IFLA_MAX_MTU, 9216), 0);
	link_end(msg, &seen);
	link_end(link_begin(3, "wg0", ARPHRD_NONE), &seen);
	expect_attr(&is, "up0", TD_HOST_ATTR_MTU, "1500");
	expect_attr(&is, "up0", TD_HOST_ATTR_MIN_MTU, "68");
	expect_attr(&is, "up0", TD_HOST_ATTR_MAX_MTU, "9216");
	expect_attr(&is, "up0", TD_HOST_ATTR_ETHERNET, "yes");
	expect_attr(&is, "wg0", TD_HOST_ATTR_MAX_MTU, NULL);
	expect_attr(&is, "wg0", TD_HOST_ATTR_ETHERNET, "no");
	td_host_observe_free(&seen);
	td_host_state_fini(&is);
}

/* Those that are too long for an interface take no name from anybody; there may be many. */
static void other_names_are_known(void **state)
{
	struct td_host_state is = {0};
	struct td_host_seen seen = {.is = &is};
	char name[16];
	(void)state;
	struct nl_msg *msg = link_begin(2, "up0", ARPHRD_ETHER);
	struct nlattr *list = nla_nest_start(msg, IFLA_PROP_LIST);
	assert_int_equal(nla_put_string(msg, IFLA_ALT_IFNAME, "enp1s0"), 0);
	assert_int_equal(nla_put_string(msg, IFLA_ALT_IFNAME, "enx525400123456-and-more"), 0);
	assert_int_equal(nla_put_string(msg, IFLA_ALT_IFNAME, "fifteen-letters"), 0);
	assert_int_equal(nla_put_string(msg, IFLA_ALT_IFNAME, ""), 0);
	nla_nest_end(msg, list);
	link_end(msg, &seen);
	expect_attr(&is, "up0", TD_HOST_ATTR_ALT_NAMES, "enp1s0 fifteen-letters");
	msg = link_begin(3, "up1", ARPHRD_ETHER);
	list = nla_nest_start(msg, IFLA_PROP_LIST);
	for (unsigned i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "name%u", i);
		assert_int_equal(nla_put_string(msg, IFLA_ALT_IFNAME, name), 0);
	}
	nla_nest_end(msg, list);
	link_end(msg, &seen);
	assert_true(strlen(td_host_state_get(&is, TD_HOST_LINK, "up1", TD_HOST_ATTR_ALT_NAMES)) > 200);
	td_host_observe_free(&seen);
	td_host_state_fini(&is);
}

static void put_upper(struct td_host_seen *seen, int index, const char *name, const char *kind, uint32_t lower, bool elsewhere)
{
	struct nl_msg *msg = link_begin(index, name, ARPHRD_ETHER);
	if (lower)
		assert_int_equal(nla_put_u32(msg, IFLA_LINK, lower), 0);
	if (elsewhere)
		assert_int_equal(nla_put_u32(msg, IFLA_LINK_NETNSID, 0), 0);
	struct nlattr *info = nla_nest_start(msg, IFLA_LINKINFO);
	assert_int_equal(nla_put_string(msg, IFLA_INFO_KIND, kind), 0);
	nla_nest_end(msg, info);
	link_end(msg, seen);
}

static void what_stands_on_a_link_is_known(void **state)
{
	struct td_host_state is = {0};
	struct td_host_seen seen = {.is = &is};
	(void)state;
	link_end(link_begin(2, "up0", ARPHRD_ETHER), &seen);
	put_upper(&seen, 3, "mv0", "macvlan", 2, false);
	put_upper(&seen, 4, "iv0", "ipvlan", 2, false);
	put_upper(&seen, 5, "mv1", "macvlan", 2, true); /* 2 in another network namespace */
	put_upper(&seen, 6, "br0", "bridge", 0, false);
	td_host_observe_resolve(&seen);
	expect_attr(&is, "up0", TD_HOST_ATTR_KIND, "nic");
	expect_attr(&is, "mv0", TD_HOST_ATTR_KIND, "macvlan up0");
	expect_attr(&is, "iv0", TD_HOST_ATTR_KIND, "ipvlan up0");
	expect_attr(&is, "mv1", TD_HOST_ATTR_KIND, "macvlan");
	expect_attr(&is, "br0", TD_HOST_ATTR_KIND, "bridge");
	td_host_observe_free(&seen);
	td_host_state_fini(&is);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_link_is_ours_by_alias_or_group),
		cmocka_unit_test(what_a_driver_takes_is_known),
		cmocka_unit_test(other_names_are_known),
		cmocka_unit_test(what_stands_on_a_link_is_known),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
