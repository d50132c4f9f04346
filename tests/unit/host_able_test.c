/* SPDX-License-Identifier: Apache-2.0 */
/* What a host is known not to be able to do: refused before anything is changed, with its reason and numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "host_fake_expect.h"

struct fact {
	enum td_host_kind kind;
	const char *name;
	enum td_host_attr attr;
	const char *value;
};

struct able_case {
	struct fact facts[4]; /* beside those of fake_init() */
	const char *yaml;
	enum td_reason reason;
	const char *text; /* NULL: it is done */
};

#define PAGES(size, count, free, available)                                                                       \
	{TD_HOST_HUGEPAGES, size, TD_HOST_ATTR_PAGES, count}, {TD_HOST_HUGEPAGES, size, TD_HOST_ATTR_FREE, free}, \
	{                                                                                                         \
		TD_HOST_HUGEPAGES, size, TD_HOST_ATTR_AVAILABLE, available                                        \
	}
#define MODULE(name, known)                                     \
	{TD_HOST_MODULE, name, TD_HOST_ATTR_LOADED, "no"},      \
	{                                                       \
		TD_HOST_MODULE, name, TD_HOST_ATTR_KNOWN, known \
	}
#define LINK(name, attr, value)                                \
	{                                                      \
		TD_HOST_LINK, name, TD_HOST_ATTR_##attr, value \
	}

static const struct able_case cases[] = {
	/* Huge pages: a sixteenth of what is available stays with the host, at most 1 GiB. */
	{{PAGES("2M", "0", "0", "1600")}, "hugepages: [{count: 750}]", TD_REASON_NONE, NULL},
	{{PAGES("2M", "0", "0", "1600")}, "hugepages: [{count: 751}]", TD_REASON_HUGEPAGES,
		"1502 MiB more are needed, and the host has 1600 MiB available, of which 100 stay with it"},
	{{PAGES("2M", "700", "0", "200")}, "hugepages: [{count: 790}]", TD_REASON_NONE, NULL},
	{{PAGES("2M", "0", "0", "65536")}, "hugepages: [{count: 32256}]", TD_REASON_NONE, NULL},
	{{PAGES("2M", "0", "0", "65536")}, "hugepages: [{count: 32257}]", TD_REASON_HUGEPAGES, "of which 1024 stay"},
	{{PAGES("2M", "0", "0", "1600")}, "hugepages: [{count: 268435456}, {size: 1G, count: 268435456}]", TD_REASON_HUGEPAGES,
		"275414777856 MiB more are needed"},
	/* Those of the other size that go make room, but for those in use. */
	{{PAGES("2M", "1024", "512", "100")}, "hugepages: [{size: 1G, count: 1}, {count: 0}]", TD_REASON_NONE, NULL},
	{{PAGES("2M", "1024", "500", "0")}, "hugepages: [{size: 1G, count: 1}, {count: 0}]", TD_REASON_HUGEPAGES,
		"1024 MiB more are needed, and the host has 1000 MiB available"},
	/* Modules: those of the file, and those that links and drivers need. */
	{{MODULE("nosuch", "no")}, "modules: [nosuch]", TD_REASON_MODULE, "module nosuch: this kernel has none of this name"},
	{{MODULE("vhost_net", "yes")}, "modules: [vhost_net]", TD_REASON_NONE, NULL},
	{{MODULE("vhost_net", "disabled")}, "modules: [vhost_net]", TD_REASON_MODULE, "until it is rebooted"},
	{{MODULE("bonding", "no")}, "teams: [{name: t0, members: [up0]}]", TD_REASON_MODULE, "t0: module bonding: this kernel has none"},
	{{MODULE("bridge", "no")}, "networks: [{name: b0}]", TD_REASON_MODULE, "b0: module bridge"},
	{{MODULE("8021q", "no")}, "networks: [{name: b0, uplinks: [up0], vlan: 5}]", TD_REASON_MODULE, "up0.5: module 8021q"},
	{{MODULE("8021q", "no")}, "networks: [{name: b0, uplinks: [up0]}]", TD_REASON_NONE, NULL},
	{{MODULE("vfio-pci", "no")}, "pools: [{resourceName: a, numVfs: 1, nicSelector: {pfNames: [pf0]}, deviceType: vfio-pci}]",
		TD_REASON_MODULE, "pf0/0: module vfio-pci"},
	{{MODULE("vfio-pci", "no")}, "pools: [{resourceName: a, numVfs: 1, nicSelector: {pfNames: [pf0]}}]", TD_REASON_NONE, NULL},
	/* VFs */
	{{LINK("pf0", IOMMU, "no")}, "pools: [{resourceName: a, numVfs: 1, nicSelector: {pfNames: [pf0]}, deviceType: vfio-pci}]",
		TD_REASON_NO_IOMMU, "pf0/0: driver vfio-pci: pf0 is behind no IOMMU"},
	{{LINK("pf0", IOMMU, "no")}, "pools: [{resourceName: a, numVfs: 1, nicSelector: {pfNames: [pf0]}}]", TD_REASON_NONE, NULL},
	{{LINK("pf1", IOMMU, "no")}, "pools: [{resourceName: a, numVfs: 1, nicSelector: {pfNames: [pf0]}, deviceType: vfio-pci}]",
		TD_REASON_NONE, NULL},
	/* MTUs */
	{{LINK("up0", MAX_MTU, "9000")}, "networks: [{name: b0, uplinks: [up0], mtu: 9000}]", TD_REASON_NONE, NULL},
	{{LINK("up0", MAX_MTU, "8999")}, "networks: [{name: b0, uplinks: [up0], mtu: 9000}]", TD_REASON_CONFIG_VALUE,
		"up0: mtu 9000: its driver takes 0 to 8999"},
	{{LINK("up0", MIN_MTU, "1000")}, "networks: [{name: b0, uplinks: [up0], mtu: 999}]", TD_REASON_CONFIG_VALUE, "up0: mtu 999"},
	{{LINK("up0", MAX_MTU, "0")}, "networks: [{name: b0, uplinks: [up0], mtu: 9000}]", TD_REASON_NONE, NULL},
	{{LINK("up1", MAX_MTU, "4000")}, "teams: [{name: t0, members: [up0, up1], mtu: 4001}]", TD_REASON_CONFIG_VALUE,
		"up1: mtu 4001 of t0: its driver takes 0 to 4000"},
	{{LINK("pf0", MAX_MTU, "9000")}, "pools: [{resourceName: a, numVfs: 1, nicSelector: {pfNames: [pf0]}, mtu: 9001}]",
		TD_REASON_CONFIG_VALUE, "pf0: mtu 9001"},
	/* Names, and what stands on a link already. */
	{{LINK("up0", ALT_NAMES, "enp1s0 lan")}, "networks: [{name: lan}]", TD_REASON_NOT_OURS, "lan: is another name of up0"},
	{{LINK("up0", ALT_NAMES, "enp1s0 lan")}, "networks: [{name: la}]", TD_REASON_NONE, NULL},
	{{LINK("office", KIND, "vlan up0 5")}, "networks: [{name: b0, uplinks: [up0], vlan: 5}]", TD_REASON_NOT_OURS,
		"up0.5: office has this VLAN"},
	{{LINK("office", KIND, "vlan up0 5")}, "networks: [{name: b0, uplinks: [up0], vlan: 6}]", TD_REASON_NONE, NULL},
	{{LINK("mv0", KIND, "macvlan up0")}, "networks: [{name: b0, uplinks: [up0]}]", TD_REASON_NOT_OURS,
		"up0: mv0 (macvlan up0) has what comes in by it"},
	{{LINK("mv0", KIND, "ipvlan up1")}, "teams: [{name: t0, members: [up1]}]", TD_REASON_NOT_OURS, "up1: mv0 (ipvlan up1)"},
	{{LINK("mv0", KIND, "macvlan up0")}, "networks: [{name: b0, uplinks: [up0], vlan: 5}]", TD_REASON_NONE, NULL},
	{{LINK("up0", ETHERNET, "no")}, "networks: [{name: b0, uplinks: [up0]}]", TD_REASON_NOT_OURS, "up0: is no Ethernet interface"},
};

static void what_can_be_known_to_fail_is_not_begun(void **state)
{
	(void)state;
	for (unsigned i = 0; i < TD_COUNT(cases); i++) {
		const struct able_case *one = &cases[i];
		struct fake fake;
		struct td_err err;
		fake_init(&fake);
		for (unsigned f = 0; f < TD_COUNT(one->facts) && one->facts[f].name; f++)
			td_host_state_set(&fake.state, one->facts[f].kind, one->facts[f].name, one->facts[f].attr, one->facts[f].value);
		int r = fake_apply(&fake, one->yaml, &err);
		if (!r != !one->text || (r && (err.reason != one->reason || !strstr(err.text, one->text))))
			fail_msg("%s: %s [%s]\nnot: %s", one->yaml, r ? err.text : "done", td_reason_name(err.reason),
				one->text ? one->text : "done");
		if (r && (fake.calls || fake.saves))
			fail_msg("%s: %u calls, %u saves", one->yaml, fake.calls, fake.saves);
		fake_fini(&fake);
	}
}

/* It stands against what is to be done, and not against what is so already. */
static void what_is_so_already_is_not_refused(void **state)
{
	static const char yaml[] = "hugepages: [{count: 64}]\nteams: [{name: t0, members: [up0], mtu: 9000}]\nmodules: [vhost_net]";
	struct fake fake;
	struct td_err err;
	(void)state;
	fake_init(&fake);
	expect_apply(&fake, yaml);
	td_host_state_set(&fake.state, TD_HOST_HUGEPAGES, "2M", TD_HOST_ATTR_AVAILABLE, "1");
	td_host_state_set(&fake.state, TD_HOST_MODULE, "bonding", TD_HOST_ATTR_KNOWN, "no");
	td_host_state_set(&fake.state, TD_HOST_MODULE, "vhost_net", TD_HOST_ATTR_KNOWN, "no");
	fake_put(&fake, "up0", TD_HOST_ATTR_MAX_MTU, "1500");
	if (fake_apply(&fake, yaml, &err))
		fail_msg("%s", err.text);
	expect_apply(&fake, "");
	fake_fini(&fake);
}

/* A VF's own interface goes with it: no uplink then; and nothing is wanted of it as it was before. */
static void the_interface_of_a_vf_goes_with_it(void **state)
{
	static const char pool[] = "pools: [{resourceName: a, numVfs: %u, nicSelector: {pfNames: [pf0]}, deviceType: %s}]\n%s";
	static const char gone[] = "v1: is the interface of VF pf0/1, and goes: the VF is made anew, or gets another driver";
	static const char network[] = "networks: [{name: b0, uplinks: [v1]}]";
	char yaml[256];
	struct fake fake;
	struct td_err err;
	(void)state;
	fake_init(&fake);
	snprintf(yaml, sizeof(yaml), pool, 2, "netdevice", "");
	expect_apply(&fake, yaml);
	td_host_state_set(&fake.state, TD_HOST_VF, "pf0/1", TD_HOST_ATTR_NETDEV, "v1");
	fake_put(&fake, "v1", TD_HOST_ATTR_KIND, "nic");
	fake_put(&fake, "v1", TD_HOST_ATTR_MASTER, "");
	fake_put(&fake, "v1", TD_HOST_ATTR_UP, "no");
	snprintf(yaml, sizeof(yaml), pool, 2, "netdevice", network);
	expect_apply(&fake, yaml);
	assert_true(fake_is(&fake, "v1", TD_HOST_ATTR_MASTER, "b0"));
	unsigned calls = fake.calls;
	snprintf(yaml, sizeof(yaml), pool, 3, "netdevice", network);
	assert_int_not_equal(fake_apply(&fake, yaml, &err), 0);
	assert_string_equal(err.text, gone);
	snprintf(yaml, sizeof(yaml), pool, 2, "vfio-pci", network);
	assert_int_not_equal(fake_apply(&fake, yaml, &err), 0);
	assert_string_equal(err.text, gone);
	assert_int_equal(fake.calls, calls);
	snprintf(yaml, sizeof(yaml), pool, 3, "netdevice", "");
	expect_apply(&fake, yaml);
	assert_null(fake_link(&fake, "v1"));
	expect_apply(&fake, "");
	expect_record(&fake, EMPTY_RECORD, "nothing");
	fake_fini(&fake);
}

/* Fewer first, whichever stands first in the file. */
static void pages_that_go_make_room_for_those_that_come(void **state)
{
	struct td_host_state is = {0}, want = {0};
	struct td_host_plan plan;
	(void)state;
	td_host_state_set(&is, TD_HOST_HUGEPAGES, "2M", TD_HOST_ATTR_PAGES, "512");
	td_host_state_set(&is, TD_HOST_HUGEPAGES, "1G", TD_HOST_ATTR_PAGES, "0");
	td_host_state_set(&want, TD_HOST_HUGEPAGES, "1G", TD_HOST_ATTR_PAGES, "1");
	td_host_state_set(&want, TD_HOST_HUGEPAGES, "2M", TD_HOST_ATTR_PAGES, "0");
	assert_int_equal(td_host_diff(&is, &want, &plan, NULL), 0);
	assert_int_equal(plan.count, 2);
	assert_string_equal(plan.step[0].name, "2M");
	assert_string_equal(plan.step[1].name, "1G");
	td_host_diff_fini(&plan);
	td_host_state_fini(&is);
	td_host_state_fini(&want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_can_be_known_to_fail_is_not_begun),
		cmocka_unit_test(what_is_so_already_is_not_refused),
		cmocka_unit_test(the_interface_of_a_vf_goes_with_it),
		cmocka_unit_test(pages_that_go_make_room_for_those_that_come),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
