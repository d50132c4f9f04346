/* SPDX-License-Identifier: Apache-2.0 */
/* host.yaml: what is read, and that each key refuses each kind of wrong value with its place and what is allowed. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config/host_schema.h"

static const char whole[] = "pools:\n"
			    "- resourceName: fast\n"
			    "  nicSelector: {pfNames: [pf0#0-3, pf1], vendor: \"8086\", deviceID: 10c9, rootDevices: [01:00.0]}\n"
			    "  numVfs: 7\n"
			    "  deviceType: vfio-pci\n"
			    "  mtu: 9000\n"
			    "  priority: 10\n"
			    "  vf: {trust: on, vlan: 0, linkState: enable, maxTxRate: 1000}\n"
			    "networks:\n"
			    "- {name: br0, uplinks: [team0], vlan: 100, mtu: 1500}\n"
			    "- {name: br1, vlanFiltering: on, vlans: [10, 20-29], isolated: yes}\n"
			    "teams:\n"
			    "- {name: team0, mode: 802.3ad, members: [up0, up1], lacpRate: fast, miimon: 50, xmitHashPolicy: layer2}\n"
			    "hugepages: [{size: 1G, count: 4}, {count: 512}]\n"
			    "modules: [vhost_net, vfio-pci]\n";

static int read_text(struct td_host_config *config, const char *text, struct td_err *err)
{
	*err = (struct td_err){0};
	return td_host_schema_read(config, "f", text, strlen(text), err);
}

static void the_whole_language_is_read(void **state)
{
	struct td_host_config config;
	struct td_err err;
	(void)state;
	if (read_text(&config, whole, &err))
		fail_msg("%s", err.text);
	const struct td_host_pool_config *pool = &config.pool[0];
	assert_int_equal(config.pool_count, 1);
	assert_string_equal(pool->name, "fast");
	assert_string_equal(pool->pf_names[0], "pf0#0-3");
	assert_int_equal(pool->pf_name_count, 2);
	assert_string_equal(pool->root_devices[0], "0000:01:00.0");
	assert_string_equal(pool->vendor, "8086");
	assert_int_equal(pool->num_vfs, 7);
	assert_int_equal(pool->device_type, TD_HOST_VFIO_PCI);
	assert_int_equal(pool->priority, 10);
	assert_true(pool->vf.trust && pool->vf.trust_given && pool->vf.vlan_given && !pool->vf.spoofchk_given);
	assert_int_equal(pool->vf.link_state, 1);
	assert_int_equal(pool->mark.line, 2);
	assert_int_equal(pool->mark.column, 3);
	assert_int_equal(config.network_count, 2);
	assert_int_equal(config.network[0].vlan, 100);
	assert_true(config.network[1].isolated && config.network[1].vlan_filtering && config.network[1].vlan_count == 2);
	assert_false(config.network[1].mcast_snooping);
	assert_int_equal(config.team[0].mode, TD_HOST_LACP);
	assert_int_equal(config.team[0].hash, TD_HOST_HASH_LAYER2);
	assert_int_equal(config.team[0].mtu, 1500);
	assert_true(config.team[0].lacp_fast);
	assert_int_equal(config.hugepages[1].size, TD_HOST_PAGE_2M);
	assert_int_equal(config.hugepages[1].count, 512);
	assert_string_equal(config.modules[1], "vfio-pci");
	td_host_schema_fini(&config);
}

static void an_empty_file_wants_nothing(void **state)
{
	struct td_host_config config;
	struct td_err err;
	(void)state;
	assert_int_equal(read_text(&config, "# nothing\n", &err), 0);
	assert_int_equal(config.pool_count + config.network_count + config.team_count + config.module_count, 0);
	td_host_schema_fini(&config);
}

/* ---- each key, each kind of wrong value */

struct walk {
	const char *before, *after; /* what leads to the key, in flow style */
	const char *path;
	unsigned tried;
};

/* The message says file, line, column, key, and what is allowed. */
static void expect_refused(struct walk *walk, const struct td_schema_key *key, const char *value, bool is_item)
{
	struct td_host_config config;
	struct td_err err;
	char text[600], place[200], allowed[256];
	int column = snprintf(text, sizeof(text), "\n{%s%s: %s", walk->before, key->name, is_item ? "[" : "");
	snprintf(text + column, sizeof(text) - (size_t)column, "%s%s%s}\n", value, is_item ? "]" : "", walk->after);
	snprintf(place, sizeof(place), "f:2:%d: %s%s%s: ", column, walk->path, key->name, is_item ? "[0]" : "");
	struct td_schema_key named = *key;
	if (is_item)
		named.kind = key->item_kind;
	td_schema_allowed(&named, allowed, sizeof(allowed));
	int r = read_text(&config, text, &err);
	if (!r)
		fail_msg("taken: %s", text);
	if (strncmp(err.text, place, strlen(place)) != 0)
		fail_msg("'%s' does not begin with '%s', for %s", err.text, place, text);
	if (!strstr(err.text, allowed))
		fail_msg("'%s' does not say '%s'", err.text, allowed);
	assert_int_equal(err.reason, TD_REASON_CONFIG_VALUE);
	walk->tried++;
}

static void try_leaf(struct walk *walk, const struct td_schema_key *key)
{
	char number[32];
	bool is_item = key->kind == TD_SCHEMA_TEXTS;
	enum td_schema_kind kind = is_item ? key->item_kind : key->kind;
	expect_refused(walk, key, "\"\"", is_item);
	if (!is_item)
		expect_refused(walk, key, "{a: b}", false);
	if (kind != TD_SCHEMA_NAME && kind != TD_SCHEMA_IFNAME)
		expect_refused(walk, key, "b:d/", is_item);
	else
		expect_refused(walk, key, "a/b", is_item);
	if (kind == TD_SCHEMA_UINT) {
		expect_refused(walk, key, "-1", is_item);
		expect_refused(walk, key, "99999999999999999999999", is_item);
		snprintf(number, sizeof(number), "%llu", (unsigned long long)key->max + 1);
		expect_refused(walk, key, number, is_item);
		if (key->min) {
			snprintf(number, sizeof(number), "%llu", (unsigned long long)key->min - 1);
			expect_refused(walk, key, number, is_item);
		}
	}
}

static void try_keys(struct walk *walk, const struct td_schema_key *keys)
{
	for (const struct td_schema_key *key = keys; key->name; key++) {
		char before[300], after[64], path[128];
		struct walk inner = {before, after, path, walk->tried};
		bool is_list = key->kind == TD_SCHEMA_LIST;
		if (!key->keys) {
			try_leaf(walk, key);
			continue;
		}
		expect_refused(walk, key, "text", false);
		snprintf(before, sizeof(before), "%s%s: %s{", walk->before, key->name, is_list ? "[" : "");
		snprintf(after, sizeof(after), "}%s%s", is_list ? "]" : "", walk->after);
		snprintf(path, sizeof(path), "%s%s%s.", walk->path, key->name, is_list ? "[0]" : "");
		try_keys(&inner, key->keys);
		walk->tried = inner.tried;
	}
}

static void each_key_refuses_what_it_cannot_be(void **state)
{
	struct walk walk = {"", "", "", 0};
	(void)state;
	try_keys(&walk, td_host_schema_keys());
	assert_true(walk.tried > 100);
}

static void ranges_are_checked(void **state)
{
	static const struct {
		const char *text, *where;
	} bad[] = {
		{"{pools: [{nicSelector: {pfNames: [\"pf0#3-1\"]}}]}", "pools[0].nicSelector.pfNames[0]"},
		{"{pools: [{nicSelector: {pfNames: [\"pf0#\"]}}]}", "pfNames[0]"},
		{"{pools: [{nicSelector: {pfNames: [\"#0-1\"]}}]}", "pfNames[0]"},
		{"{pools: [{nicSelector: {pfNames: [\"pf0#0-999\"]}}]}", "pfNames[0]"},
		{"{pools: [{nicSelector: {pfNames: [\"pf0#0-1x\"]}}]}", "pfNames[0]"},
		{"{pools: [{nicSelector: {pfNames: [..]}}]}", "pfNames[0]"},
		{"{networks: [{vlans: [0]}]}", "networks[0].vlans[0]"},
		{"{networks: [{vlans: [4095]}]}", "vlans[0]"},
		{"{networks: [{vlans: [30-20]}]}", "vlans[0]"},
		{"{networks: [{vlans: [20-]}]}", "vlans[0]"},
	};
	(void)state;
	for (unsigned i = 0; i < TD_COUNT(bad); i++) {
		struct td_host_config config;
		struct td_err err;
		assert_int_equal(read_text(&config, bad[i].text, &err), -EINVAL);
		if (!strstr(err.text, bad[i].where) || strncmp(err.text, "f:1:", 4) != 0)
			fail_msg("%s: %s", bad[i].text, err.text);
	}
}

static void what_does_not_fit_together_is_refused(void **state)
{
	static const struct {
		const char *text, *message;
	} bad[] = {
		{"pools:\n- numVfs: 1\n", "f:2:3: pools[0].resourceName: missing"},
		{"pools:\n- {resourceName: a, numVfs: 1}\n", "f:2:3: pools[0].nicSelector (a): selects nothing"},
		{"pools:\n- {resourceName: a, nicSelector: {vendor: \"8086\"}}\n", "pools[0].numVfs (a): missing"},
		{"pools:\n- {resourceName: a, numVfs: 4, nicSelector: {pfNames: [\"p#0-4\"]}}\n", "p#0-4: numVfs is 4, so VFs are 0 to 3"},
		{"pools:\n- {resourceName: a, numVfs: 4, nicSelector: {pfNames: [p, p]}}\n",
			"f:2:59: pools[0].nicSelector.pfNames (a): p stands here twice"},
		{"pools:\n- {resourceName: a, numVfs: 4, nicSelector: {pfNames: [p]}, vf: {minTxRate: 3, maxTxRate: 2}}\n",
			"is above maxTxRate"},
		{"networks:\n- {uplinks: [up0]}\n", "networks[0].name: missing"},
		{"networks:\n- {name: a}\n- {name: a}\n", "f:3:10: networks[1].name (a): two networks have this name"},
		{"networks:\n- {name: all}\n", "networks[0].name (all): the kernel keeps this name for itself"},
		{"teams:\n- {name: bonding_masters, members: [x]}\n", "teams[0].name (bonding_masters): the kernel keeps"},
		{"networks:\n- {name: b\xc3\xbc}\n", "has characters beyond ASCII"},
		{"networks:\n- {name: a, uplinks: [b]}\n- {name: b}\n", "b is a network"},
		{"networks:\n- {name: a, uplinks: [x]}\n- {name: b, uplinks: [x]}\n", "x is an uplink of network a"},
		{"networks:\n- {name: a, uplinks: [x], vlan: 5}\n- {name: b, uplinks: [x], vlan: 5}\n", "its own vlan"},
		{"networks:\n- {name: a, uplinks: [x, x]}\n", "x stands here twice"},
		{"networks:\n- {name: a, vlans: [5]}\n", "does not tell VLANs apart"},
		{"networks:\n- {name: a, uplinks: [aaaaaaaaaaaa], vlan: 1000}\n", "too long"},
		{"networks:\n- {name: a, uplinks: [x], vlan: 5}\n- {name: x.5}\n",
			"f:2:33: networks[0].vlan (a): the link x.5 has the name of a team or network"},
		{"networks:\n- {name: a, uplinks: [x]}\nteams:\n- {name: t, members: [x]}\n", "x is a member of team t"},
		{"networks:\n- {name: t}\nteams:\n- {name: t, members: [x]}\n", "a team or a team's member"},
		{"networks:\n- {name: a, uplinks: [t], mtu: 9000}\nteams:\n- {name: t, members: [x]}\n", "above the mtu of team t"},
		{"teams:\n- {members: [x]}\n", "teams[0].name: missing"},
		{"teams:\n- {name: t}\n", "teams[0].members (t): missing"},
		{"teams:\n- {name: t, members: [x]}\n- {name: t, members: [y]}\n", "two teams have this name"},
		{"teams:\n- {name: t, members: [x]}\n- {name: u, members: [x]}\n", "x is a member of team t"},
		{"teams:\n- {name: t, members: [x]}\n- {name: u, members: [t]}\n", "t is a team"},
		{"teams:\n- {name: t, members: [x], primary: y}\n", "y is no member"},
		{"teams:\n- {name: t, members: [x], primary: x, mode: 802.3ad}\n", "belongs to mode active-backup"},
		{"teams:\n- {name: t, members: [x], lacpRate: fast}\n", "f:2:37: teams[0].lacpRate (t): belongs to mode 802.3ad"},
		{"hugepages: [{size: 2M}]\n", "hugepages[0].count: missing"},
		{"hugepages: [{count: 2}, {count: 3}]\n", "this size stands here twice"},
		{"modules: [a, [b]]\n", "f:1:14: modules[1]: not a single value"},
		{"modules: a\n", "f:1:10: modules: a single value stands here: a list"},
		{"teams: [{mode: lacp}]\n", "f:1:16: teams[0].mode: 'lacp' is not known here: active-backup, 802.3ad or balance-xor"},
		{"pool: []\n", "unknown key, did you mean 'pools'?"},
	};
	(void)state;
	for (unsigned i = 0; i < TD_COUNT(bad); i++) {
		struct td_host_config config;
		struct td_err err;
		if (!read_text(&config, bad[i].text, &err))
			fail_msg("taken: %s", bad[i].text);
		if (!strstr(err.text, bad[i].message))
			fail_msg("%s: '%s' lacks '%s'", bad[i].text, err.text, bad[i].message);
		assert_int_equal(strncmp(err.text, "f:", 2), 0);
	}
}

static void lists_are_bounded(void **state)
{
	char text[4096] = "modules: [";
	struct td_host_config config;
	struct td_err err;
	(void)state;
	for (unsigned i = 0; i <= TD_HOST_MODULES_MAX; i++)
		strcat(text, "a,");
	strcat(text, "]\n");
	assert_int_equal(read_text(&config, text, &err), -EINVAL);
	assert_non_null(strstr(err.text, "too many: at most 32"));
}

/* Every cut of a good file is read or refused, and frees what it took. */
static void cut_files_are_harmless(void **state)
{
	(void)state;
	for (size_t len = 0; len < sizeof(whole); len++) {
		struct td_host_config config;
		struct td_err err = {0};
		char *copy = malloc(len ? len : 1);
		memcpy(copy, whole, len);
		if (!td_host_schema_read(&config, "f", copy, len, &err))
			td_host_schema_fini(&config);
		free(copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_whole_language_is_read),
		cmocka_unit_test(an_empty_file_wants_nothing),
		cmocka_unit_test(each_key_refuses_what_it_cannot_be),
		cmocka_unit_test(ranges_are_checked),
		cmocka_unit_test(what_does_not_fit_together_is_refused),
		cmocka_unit_test(lists_are_bounded),
		cmocka_unit_test(cut_files_are_harmless),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
