/* SPDX-License-Identifier: Apache-2.0 */
/* What host.yaml means on a machine: pools that share a PF, ports of others, what is refused; and the record of what was before. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/log.h"
#include "host/provision/host_hold.h"
#include "host/provision/host_want.h"
#include "host_fake.h"

#define POOL(name, rest) "- {resourceName: " name ", " rest "}\n"

static void expect_apply(struct fake *fake, const char *yaml)
{
	struct td_err err;
	if (fake_apply(fake, yaml, &err))
		fail_msg("%s\nfile:\n%s", err.text, yaml);
}

static void expect_refused(struct fake *fake, const char *yaml, enum td_reason reason, const char *text)
{
	struct td_err err;
	assert_int_not_equal(fake_apply(fake, yaml, &err), 0);
	if (err.reason != reason || !strstr(err.text, text))
		fail_msg("%s [%s]\nnot: %s", err.text, td_reason_name(err.reason), text);
}

static const char *vf_value(struct fake *fake, unsigned number, enum td_host_attr attr)
{
	char name[TD_HOST_NAME_BYTES];
	td_host_state_join_vf("pf0", number, name);
	return td_host_state_get(&fake->state, TD_HOST_VF, name, attr);
}

static void a_pool_may_have_two_ranges(void **state)
{
	static const char *const trusted[] = {"yes", "yes", "no", "no", "yes", "yes", "no"};
	struct fake fake;
	(void)state;
	fake_init(&fake);
	expect_apply(&fake, "pools:\n" POOL("a", "numVfs: 7, nicSelector: {pfNames: ['pf0#0-1', 'pf0#4-5']}, vf: {trust: on}"));
	for (unsigned i = 0; i < TD_COUNT(trusted); i++)
		assert_string_equal(vf_value(&fake, i, TD_HOST_ATTR_TRUST), trusted[i]);
	assert_string_equal(vf_value(&fake, 4, TD_HOST_ATTR_DRIVER), "netdevice");
	assert_string_equal(vf_value(&fake, 2, TD_HOST_ATTR_DRIVER), "none");
	fake_fini(&fake);
}

/* In each order: only the pool that has the VF counts. */
static void pools_of_one_priority_may_meet_below_a_third(void **state)
{
	static const char a[] = POOL("a", "priority: 50, numVfs: 6, nicSelector: {pfNames: ['pf0#0-3']}, vf: {vlan: 1}");
	static const char b[] = POOL("b", "priority: 50, numVfs: 6, nicSelector: {pfNames: ['pf0#2-5']}, vf: {vlan: 2}");
	static const char c[] = POOL("c", "priority: 10, numVfs: 6, nicSelector: {pfNames: ['pf0#2-3']}, vf: {vlan: 3}");
	const char *const orders[][3] = {{a, b, c}, {a, c, b}, {b, c, a}, {c, b, a}};
	static const char *const vlans[] = {"1", "1", "3", "3", "2", "2"};
	char yaml[1024];
	(void)state;
	for (unsigned i = 0; i < TD_COUNT(orders); i++) {
		struct fake fake;
		fake_init(&fake);
		snprintf(yaml, sizeof(yaml), "pools:\n%s%s%s", orders[i][0], orders[i][1], orders[i][2]);
		expect_apply(&fake, yaml);
		for (unsigned vf = 0; vf < TD_COUNT(vlans); vf++)
			assert_string_equal(vf_value(&fake, vf, TD_HOST_ATTR_VLAN), vlans[vf]);
		snprintf(yaml, sizeof(yaml), "pools:\n%s%s", a, b);
		expect_refused(&fake, yaml, TD_REASON_CONFIG_VALUE, "pools[1] (b): VF 2 of pf0 is in pool a too");
		fake_fini(&fake);
	}
}

static void numbers_of_vfs_are_those_of_the_first_pool(void **state)
{
	struct fake fake;
	(void)state;
	fake_init(&fake);
	expect_refused(&fake,
		"pools:\n" POOL("a", "priority: 10, numVfs: 2, nicSelector: {pfNames: [pf0]}")
			POOL("b", "priority: 20, numVfs: 7, nicSelector: {pfNames: ['pf1#0', 'pf0#4-6']}"),
		TD_REASON_CONFIG_VALUE, "pools[1] (b): pf0#4-6: pool a, of a lower priority number, gives pf0 2 VFs");
	/* Two that differ, below a third that says it. */
	expect_apply(&fake, "pools:\n" POOL("a", "numVfs: 3, nicSelector: {pfNames: [pf0]}")
				    POOL("b", "priority: 1, numVfs: 4, nicSelector: {pfNames: [pf0]}"));
	assert_string_equal(fake_get(&fake, "pf0", TD_HOST_ATTR_NUM_VFS), "4");
	expect_refused(&fake,
		"pools:\n" POOL("a", "numVfs: 3, nicSelector: {pfNames: [pf0]}") POOL("b", "numVfs: 4, nicSelector: {pfNames: [pf0]}"),
		TD_REASON_CONFIG_VALUE, "numVfs is not pool a's");
	fake_fini(&fake);
}

static void ports_of_others_are_theirs(void **state)
{
	struct fake fake;
	(void)state;
	fake_init(&fake);
	expect_apply(&fake, "networks: [{name: br0, uplinks: [up0]}]");
	fake_put(&fake, "veth1", TD_HOST_ATTR_KIND, "other");
	fake_put(&fake, "veth1", TD_HOST_ATTR_MASTER, "br0");
	fake_put(&fake, "veth1", TD_HOST_ATTR_ISOLATED, "yes");
	fake_put(&fake, "tandem0", TD_HOST_ATTR_KIND, "other");
	fake_put(&fake, "tandem0", TD_HOST_ATTR_MASTER, "br0");
	fake_put(&fake, "tandem0", TD_HOST_ATTR_ISOLATED, "no");
	fake_put(&fake, "tandem0", TD_HOST_ATTR_HOLDER, "web1/net0");
	expect_apply(&fake, "networks: [{name: br0, uplinks: [up0]}]");
	assert_string_equal(fake_get(&fake, "veth1", TD_HOST_ATTR_ISOLATED), "yes");
	fake_put(&fake, "veth1", TD_HOST_ATTR_ISOLATED, "no");
	expect_apply(&fake, "networks: [{name: br0, uplinks: [up0], isolated: on}]");
	assert_string_equal(fake_get(&fake, "veth1", TD_HOST_ATTR_ISOLATED), "no");
	assert_string_equal(fake_get(&fake, "tandem0", TD_HOST_ATTR_ISOLATED), "yes");
	fake_fini(&fake);
}

static void a_link_that_goes_takes_no_address_along(void **state)
{
	struct fake fake;
	struct td_err err;
	(void)state;
	fake_init(&fake);
	expect_apply(&fake, "networks: [{name: br0, uplinks: [up0]}]");
	fake_put(&fake, "br0", TD_HOST_ATTR_ADDRESS, "192.0.2.1/24");
	expect_refused(&fake, "", TD_REASON_WOULD_DISCONNECT, "br0: take away bridge: its address 192.0.2.1/24 goes with it");
	fake_put(&fake, "br0", TD_HOST_ATTR_ROUTE, "the default route");
	expect_refused(&fake, "", TD_REASON_WOULD_DISCONNECT, "the default route goes over it");
	assert_int_equal(fake_apply_as(&fake, "", false, true, NULL, &err), 0);
	assert_null(fake_link(&fake, "br0"));
	fake_fini(&fake);
}

static void all_that_is_named_is_waited_for(void **state)
{
	static const char yaml[] = "pools: [{resourceName: a, numVfs: 1, nicSelector: {rootDevices: ['0000:01:00.0', '0000:09:00.0']}}]\n"
				   "networks: [{name: br0, uplinks: [up0, up9]}]\n";
	struct td_host_config config;
	struct td_err err = {0};
	struct fake fake;
	char name[TD_HOST_NAME_BYTES];
	(void)state;
	fake_init(&fake);
	assert_int_equal(td_host_schema_read(&config, "host.yaml", yaml, strlen(yaml), &err), 0);
	assert_int_equal(td_host_want_missing(&config, &fake.state, name), 2);
	assert_string_equal(name, "up9");
	fake_put(&fake, "up9", TD_HOST_ATTR_KIND, "nic");
	assert_int_equal(td_host_want_missing(&config, &fake.state, name), 1);
	assert_string_equal(name, "PF 0000:09:00.0");
	td_host_schema_fini(&config);
	fake_fini(&fake);
}

static void put_vf(struct td_host_state *is, unsigned number, const char *driver, const char *netdev)
{
	char name[TD_HOST_NAME_BYTES];
	td_host_state_join_vf("pf0", number, name);
	td_host_state_set(is, TD_HOST_VF, name, TD_HOST_ATTR_DRIVER, driver);
	td_host_state_set(is, TD_HOST_VF, name, TD_HOST_ATTR_NETDEV, netdev);
	if (netdev)
		td_host_state_set(is, TD_HOST_LINK, netdev, TD_HOST_ATTR_KIND, "nic");
}

static void who_uses_a_vf_is_seen(void **state)
{
	static const char *const holders[] = {NULL, NULL, NULL, "a container or another program", "the host itself (v4: 192.0.2.1/24)",
		"the host itself (v5 is in docker0)", NULL};
	struct td_host_state is = {0};
	(void)state;
	put_vf(&is, 0, "none", NULL);
	put_vf(&is, 1, "vfio-pci", NULL);
	put_vf(&is, 2, "netdevice", "v2");
	put_vf(&is, 3, "netdevice", NULL);
	put_vf(&is, 4, "netdevice", "v4");
	put_vf(&is, 5, "netdevice", "v5");
	put_vf(&is, 6, "netdevice", "v6");
	td_host_state_set(&is, TD_HOST_LINK, "v4", TD_HOST_ATTR_ADDRESS, "192.0.2.1/24");
	td_host_state_set(&is, TD_HOST_LINK, "docker0", TD_HOST_ATTR_KIND, "bridge");
	td_host_state_set(&is, TD_HOST_LINK, "v5", TD_HOST_ATTR_MASTER, "docker0");
	td_host_state_set(&is, TD_HOST_LINK, "br0", TD_HOST_ATTR_MARK, TD_HOST_MARK);
	td_host_state_set(&is, TD_HOST_LINK, "v6", TD_HOST_ATTR_MASTER, "br0");
	td_host_hold("/nowhere", &is);
	for (unsigned i = 0; i < TD_COUNT(holders); i++) {
		char name[TD_HOST_NAME_BYTES];
		td_host_state_join_vf("pf0", i, name);
		const char *holder = td_host_state_get(&is, TD_HOST_VF, name, TD_HOST_ATTR_HOLDER);
		if (!holder != !holders[i] || (holder && strcmp(holder, holders[i]) != 0))
			fail_msg("VF %u: %s", i, holder ? holder : "nobody");
	}
	td_host_state_fini(&is);
}

/* ---- the record */

static void the_record_knows_names_of_any_bytes(void **state)
{
	static const char name[] = "a\xff\xc3\xa4\x01\"\\";
	struct td_host_record record = {0}, again;
	struct td_host_step step = {.kind = TD_HOST_LINK, .attr = TD_HOST_ATTR_MASTER, .name = "\x80\xbf", .from = "", .to = "br\xe9"};
	struct td_err err = {0};
	(void)state;
	td_host_state_set(&record.before, TD_HOST_LINK, name, TD_HOST_ATTR_MTU, "1\xfe");
	assert_int_equal(td_host_record_begin(&record, &step, NULL), 0);
	td_auto_free char *text = td_host_record_print(&record);
	if (td_host_record_parse(text, strlen(text), &again, &err))
		fail_msg("%s: %s", text, err.text);
	assert_string_equal(td_host_state_get(&again.before, TD_HOST_LINK, name, TD_HOST_ATTR_MTU), "1\xfe");
	assert_string_equal(again.journal.step[0].name, "\x80\xbf");
	assert_string_equal(again.journal.step[0].to, "br\xe9");
	td_host_record_fini(&again);
	td_host_record_fini(&record);
	static const char foreign[] = "{\"version\":1,\"before\":[{\"kind\":\"link\",\"name\":\"\\u20ac\",\"values\":{}}],\"journal\":[]}";
	assert_int_equal(td_host_record_parse(foreign, strlen(foreign), &again, NULL), -EBADMSG);
}

/* Killed while it undoes, the next one must still know what could not be undone before. */
static void what_cannot_be_undone_is_never_forgotten(void **state)
{
	struct td_host_record record = {0};
	struct td_host_step steps[] = {
		{.kind = TD_HOST_LINK, .attr = TD_HOST_ATTR_MTU, .name = "up0", .from = "1500", .to = "1400"},
		{.kind = TD_HOST_LINK, .attr = TD_HOST_ATTR_MTU, .name = "gone0", .from = "1500", .to = "1400"},
		{.kind = TD_HOST_LINK, .attr = TD_HOST_ATTR_MTU, .name = "up1", .from = "1500", .to = "1400"},
	};
	struct td_err err;
	struct fake fake;
	(void)state;
	fake_init(&fake);
	fake_put(&fake, "up0", TD_HOST_ATTR_MTU, "1400");
	fake_put(&fake, "up1", TD_HOST_ATTR_MTU, "1400");
	for (unsigned i = 0; i < TD_COUNT(steps); i++) {
		assert_int_equal(td_host_record_begin(&record, &steps[i], NULL), 0);
		td_host_state_set(&record.before, TD_HOST_LINK, steps[i].name, TD_HOST_ATTR_MTU, steps[i].from);
	}
	fake.saved = td_host_record_print(&record);
	td_host_record_fini(&record);
	fake.kept = "gone0";
	fake.fault = FAKE_FAILS;
	fake.fault_at = 1;
	assert_int_not_equal(fake_apply(&fake, "networks: [{name: br0}]", &err), 0);
	assert_int_equal(err.reason, TD_REASON_CLEANUP);
	assert_int_equal(fake.lost, 0);
	assert_string_equal(fake_get(&fake, "up0", TD_HOST_ATTR_MTU), "1500");
	assert_string_equal(fake_get(&fake, "up1", TD_HOST_ATTR_MTU), "1500");
	assert_int_equal(td_host_record_parse(fake.saved, strlen(fake.saved), &record, NULL), 0);
	assert_int_equal(record.journal.count, 1);
	assert_string_equal(record.journal.step[0].name, "gone0");
	assert_int_equal(record.before.count, 1); /* of the others nothing is to be known any more */
	assert_string_equal(record.before.object[0].name, "gone0");
	td_host_record_fini(&record);
	fake_fini(&fake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pool_may_have_two_ranges),
		cmocka_unit_test(pools_of_one_priority_may_meet_below_a_third),
		cmocka_unit_test(numbers_of_vfs_are_those_of_the_first_pool),
		cmocka_unit_test(ports_of_others_are_theirs),
		cmocka_unit_test(a_link_that_goes_takes_no_address_along),
		cmocka_unit_test(all_that_is_named_is_waited_for),
		cmocka_unit_test(who_uses_a_vf_is_seen),
		cmocka_unit_test(the_record_knows_names_of_any_bytes),
		cmocka_unit_test(what_cannot_be_undone_is_never_forgotten),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
