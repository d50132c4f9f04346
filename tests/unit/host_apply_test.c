/* SPDX-License-Identifier: Apache-2.0 */
/* The engine on a kernel of paper: faults and death at each step, and pairs of random files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/log.h"
#include "host_fake_expect.h"

static const char full[] = "pools:\n"
			   "- {resourceName: a, numVfs: 7, nicSelector: {pfNames: [pf0]}, deviceType: vfio-pci, vf: {trust: on, vlan: 5}}\n"
			   "- {resourceName: b, numVfs: 4, nicSelector: {pfNames: [pf1]}, mtu: 9000, vf: {spoofchk: off, maxTxRate: 100}}\n"
			   "networks:\n"
			   "- {name: br0, uplinks: [team0], vlanFiltering: on, vlans: [10, 20-29]}\n"
			   "- {name: br1, uplinks: [team0], vlan: 7, mtu: 1400, isolated: on}\n"
			   "- {name: br2, uplinks: [pf1]}\n"
			   "teams: [{name: team0, members: [up0, up1], primary: up1}]\n"
			   "hugepages: [{count: 64}]\n"
			   "modules: [vhost_net]\n";

static const char other[] = "pools:\n"
			    "- {resourceName: a, numVfs: 3, nicSelector: {vendor: \"8086\"}}\n"
			    "networks:\n"
			    "- {name: br0, uplinks: [up0], mtu: 9000}\n"
			    "- {name: team0}\n"
			    "teams: [{name: br1, members: [up1, up2], mode: 802.3ad, lacpRate: fast, mtu: 4000}]\n";

static void what_is_applied_is_so(void **state)
{
	struct fake fake;
	struct td_err err;
	unsigned steps = 99;
	(void)state;
	fake_init(&fake);
	expect_apply(&fake, full);
	assert_true(fake_is(&fake, "up0", TD_HOST_ATTR_MASTER, "team0"));
	assert_true(fake_is(&fake, "team0", TD_HOST_ATTR_MASTER, "br0"));
	assert_true(fake_is(&fake, "team0", TD_HOST_ATTR_VLANS, "10,20-29"));
	assert_true(fake_is(&fake, "team0.7", TD_HOST_ATTR_MASTER, "br1"));
	assert_true(fake_is(&fake, "team0.7", TD_HOST_ATTR_MTU, "1400"));
	assert_true(fake_is(&fake, "br1", TD_HOST_ATTR_MARK, "tandem isolated"));
	assert_true(fake_is(&fake, "pf1", TD_HOST_ATTR_MTU, "9000"));
	assert_true(fake_is(&fake, "br2", TD_HOST_ATTR_MTU, "1500"));
	assert_string_equal(td_host_state_get(&fake.state, TD_HOST_VF, "pf0/6", TD_HOST_ATTR_DRIVER), "vfio-pci");
	assert_string_equal(td_host_state_get(&fake.state, TD_HOST_VF, "pf0/6", TD_HOST_ATTR_VLAN), "5");
	assert_string_equal(td_host_state_get(&fake.state, TD_HOST_VF, "pf1/3", TD_HOST_ATTR_DRIVER), "netdevice");
	assert_int_equal(fake_apply_as(&fake, full, false, false, &steps, &err), 0);
	assert_int_equal(steps, 0);
	fake_fini(&fake);
}

static void nothing_is_left_of_a_file_that_is_empty(void **state)
{
	struct fake fake;
	(void)state;
	fake_init(&fake);
	fake_put(&fake, "up2", TD_HOST_ATTR_MTU, "4000");
	td_auto_free char *before = fake_dump(&fake);
	expect_apply(&fake, full);
	expect_apply(&fake, other);
	expect_apply(&fake, "");
	expect_dump(&fake, before, "apply(full), apply(other), apply(nothing)");
	expect_record(&fake, EMPTY_RECORD, "nothing");
	fake_fini(&fake);
}

/* What somebody made is there: VFs, with settings. */
static void init_with_vfs(struct fake *fake)
{
	fake_init(fake);
	fake_num_vfs(fake, "pf1", "4");
	td_host_state_set(&fake->state, TD_HOST_VF, "pf1/1", TD_HOST_ATTR_VLAN, "99");
}

/* The n-th call has a fault on the way from one file to the other: host and record are as they were, and the next apply does it. */
static void expect_undone(const char *first, const char *second, enum fake_fault fault, unsigned at)
{
	struct fake fake;
	struct td_err err;
	init_with_vfs(&fake);
	expect_apply(&fake, first);
	td_auto_free char *before = fake_dump(&fake), *record = strdup(fake_record(&fake));
	fake.fault = fault;
	fake.fault_at = at + (fault == FAKE_SAVE_FAILS ? fake.saves : fault == FAKE_LOOK_FAILS ? fake.looks : fake.calls);
	int r = fake_apply(&fake, second, &err);
	bool undone = strstr(err.text, "; undone");
	if (r && !undone && !strstr(err.text, "save: fault"))
		fail_msg("%s", err.text);
	if (r && undone) {
		expect_dump(&fake, before, err.text);
		expect_record(&fake, record, err.text);
	}
	/* A step that changed nothing was one too many; the last save is after all. */
	assert_true(r || fault == FAKE_LIES);
	fake.fault = FAKE_NONE;
	expect_apply(&fake, second);
	fake_fini(&fake);
}

static void a_step_that_fails_is_undone(void **state)
{
	static const char hand[] = "pools: [{resourceName: a, numVfs: 4, nicSelector: {pfNames: [pf1]}, vf: {trust: on, vlan: 3}}]";
	static const char *const files[][2] = {{full, other}, {hand, full}, {hand, other}};
	(void)state;
	for (unsigned i = 0; i < TD_COUNT(files); i++) {
		const char *first = files[i][0], *second = files[i][1];
		const struct counts counts = count_calls(init_with_vfs, first, second);
		assert_true(counts.calls > 30);
		for (unsigned at = 1; at <= counts.calls; at++) {
			expect_undone(first, second, FAKE_FAILS, at);
			expect_undone(first, second, FAKE_FAILS_AFTER_ALL, at);
			if (at % 7 == 0)
				expect_undone(first, second, FAKE_LIES, at);
		}
		for (unsigned at = 1; at <= counts.saves; at++)
			expect_undone(first, second, FAKE_SAVE_FAILS, at);
		for (unsigned at = 2; at <= counts.looks; at++) /* without the first nothing begins */
			expect_undone(first, second, FAKE_LOOK_FAILS, at);
	}
}

/* Death at each step, before and after its effect: the next apply finishes; or, when it fails too, all is as it was before the first. */
static void death_at_each_step_is_mended(void **state)
{
	static const enum fake_fault deaths[] = {FAKE_DIES_BEFORE, FAKE_DIES_WITHIN, FAKE_DIES_AFTER};
	unsigned calls = count_calls(fake_init, full, other).calls;
	struct fake whole;
	(void)state;
	fake_init(&whole);
	expect_apply(&whole, full);
	td_auto_free char *before = fake_dump(&whole);
	expect_apply(&whole, other);
	td_auto_free char *after = fake_dump(&whole);
	fake_fini(&whole);
	for (unsigned at = 1; at <= calls; at += 2)
		for (unsigned variant = 0; variant < 6; variant++) {
			struct fake fake;
			struct td_err err;
			fake_init(&fake);
			expect_apply(&fake, full);
			td_auto_free char *record = strdup(fake_record(&fake));
			fake.fault = deaths[variant / 2];
			fake.fault_at = fake.calls + at;
			assert_int_not_equal(fake_apply(&fake, other, &err), 0);
			assert_true(fake.dead);
			fake.dead = false;
			fake.fault = variant & 1 ? FAKE_FAILS : FAKE_NONE;
			fake.fault_at = fake.calls + 1;
			int r = fake_apply(&fake, other, &err);
			/* Nothing may have been left to do, and then nothing fails. */
			expect_dump(&fake, r ? before : after, r ? err.text : "finished");
			assert_true(!r || variant & 1);
			if (r)
				expect_record(&fake, record, err.text);
			fake.fault = FAKE_NONE;
			expect_apply(&fake, other);
			expect_dump(&fake, after, "applied again");
			fake_fini(&fake);
		}
}

/* Death while undoing: the next apply finishes all the same. */
static void death_while_undoing_is_mended(void **state)
{
	(void)state;
	for (unsigned failing = 5; failing < 60; failing += 6)
		for (unsigned dying = 1; dying < 20; dying += 3) {
			struct fake fake;
			struct td_err err;
			fake_init(&fake);
			td_auto_free char *before = fake_dump(&fake);
			fake.fault = FAKE_FAILS;
			fake.fault_at = failing;
			struct fake *f = &fake;
			/* The fault moves on from inside: first the step fails, then the process dies in its undoing. */
			assert_int_not_equal(fake_apply(f, full, &err), 0);
			expect_dump(f, before, "undone");
			f->fault = FAKE_DIES_AFTER;
			f->fault_at = f->calls + dying;
			(void)fake_apply(f, full, &err);
			f->dead = false;
			f->fault = FAKE_NONE;
			expect_apply(f, "");
			expect_dump(f, before, "died, then nothing was wanted");
			expect_record(f, EMPTY_RECORD, "died, then nothing was wanted");
			fake_fini(f);
		}
}

/* ---- random files */

static uint32_t random_state;

static uint32_t roll(uint32_t sides)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 17;
	random_state ^= random_state << 5;
	return random_state % sides;
}

static void print_pool(FILE *out, const char *pf)
{
	static const char *const mtus[] = {"", ", mtu: 1500", ", mtu: 9000"};
	fprintf(out, "- {resourceName: p, numVfs: %u, nicSelector: {pfNames: [%s]}, deviceType: %s%s, vf: {", roll(8), pf,
		roll(2) ? "vfio-pci" : "netdevice", mtus[roll(3)]);
	if (roll(2))
		fprintf(out, "trust: %s, ", roll(2) ? "on" : "off");
	if (roll(2))
		fprintf(out, "spoofchk: %s, ", roll(2) ? "on" : "off");
	if (roll(2))
		fprintf(out, "vlan: %u, ", roll(3));
	if (roll(2))
		fprintf(out, "linkState: %s, ", roll(2) ? "auto" : "enable");
	fprintf(out, "}}\n");
}

static void print_team(FILE *out, unsigned index)
{
	static const char *const modes[] = {"active-backup", "802.3ad, lacpRate: fast", "802.3ad", "balance-xor, xmitHashPolicy: layer3+4"};
	static const char *const members[] = {"up0", "up1", "up0, up1", "up1, up2", "up0, up1, up2", "up2"};
	uint32_t mode = roll(TD_COUNT(modes)), set = roll(TD_COUNT(members));
	fprintf(out, "- {name: t%u, mode: %s, members: [%s], mtu: %u", index, modes[mode], members[set], 1500 + 1000 * roll(3));
	if (mode == 0 && roll(2))
		fprintf(out, ", primary: %.3s", members[set]);
	fprintf(out, "}\n");
}

static void print_network(FILE *out, unsigned index)
{
	static const char *const uplinks[] = {"up0", "up1", "up2", "pf0", "pf1", "t0", "t1", "t0, up2", ""};
	fprintf(out, "- {name: %s%u, uplinks: [%s]", roll(6) ? "b" : "t", index, uplinks[roll(TD_COUNT(uplinks))]);
	if (roll(3) == 0)
		fprintf(out, ", vlan: %u", 1 + roll(3));
	if (roll(3) == 0)
		fprintf(out, ", vlanFiltering: on, vlans: [%u, 20-2%u]", 2 + roll(3), roll(10));
	if (roll(3) == 0)
		fprintf(out, ", isolated: on");
	if (roll(2))
		fprintf(out, ", mtu: %u", 1400 + 100 * roll(3));
	fprintf(out, "}\n");
}

static char *any_file(void)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	unsigned pools = roll(4), teams = roll(4), networks = roll(8);
	fputs(pools ? "pools:\n" : "", out);
	for (unsigned i = 0; i < 2; i++)
		if (pools >> i & 1)
			print_pool(out, i ? "pf1" : "pf0");
	fputs(teams ? "teams:\n" : "", out);
	for (unsigned i = 0; i < 2; i++)
		if (teams >> i & 1)
			print_team(out, i);
	fputs(networks ? "networks:\n" : "", out);
	for (unsigned i = 0; i < 3; i++)
		if (networks >> i & 1)
			print_network(out, i);
	fprintf(out, "hugepages: [{count: %u}]\n", roll(3));
	fclose(out);
	return text;
}

/* A file that reads well and that this machine can take. */
static char *random_file(void)
{
	for (;;) {
		struct fake fake;
		struct td_err err;
		char *text = any_file();
		fake_init(&fake);
		int r = fake_apply(&fake, text, &err);
		fake_fini(&fake);
		if (!r)
			return text;
		if (err.reason != TD_REASON_CONFIG_VALUE && err.reason != TD_REASON_LINK_MISSING)
			fail_msg("%s\n%s", err.text, text);
		free(text);
	}
}

static void pairs_of_files_leave_nothing_behind(void **state)
{
	(void)state;
	random_state = 20261122;
	for (unsigned round = 0; round < 1500; round++) {
		struct fake fake;
		struct td_err err;
		td_auto_free char *a = random_file(), *b = random_file();
		fake_init(&fake);
		td_auto_free char *nothing = fake_dump(&fake);
		expect_apply(&fake, a);
		td_auto_free char *once = fake_dump(&fake);
		unsigned steps = 99;
		if (fake_apply_as(&fake, a, false, false, &steps, &err) || steps)
			fail_msg("a second apply had %u steps: %s\n%s", steps, err.text, a);
		if (fake_apply(&fake, b, &err))
			fail_msg("%s\na:\n%s\nb:\n%s", err.text, a, b);
		if (fake_apply(&fake, a, &err))
			fail_msg("back: %s\na:\n%s\nb:\n%s", err.text, a, b);
		char what[8192];
		snprintf(what, sizeof(what), "a, b, a. a:\n%s\nb:\n%s", a, b);
		expect_dump(&fake, once, what);
		expect_apply(&fake, "");
		expect_dump(&fake, nothing, what);
		expect_record(&fake, EMPTY_RECORD, what);
		fake_fini(&fake);
	}
}

/* The same with a fault on the way from a to b. */
static void pairs_of_files_are_undone(void **state)
{
	(void)state;
	random_state = 4711;
	for (unsigned round = 0; round < 150; round++) {
		struct fake fake;
		struct td_err err;
		td_auto_free char *a = random_file(), *b = random_file();
		fake_init(&fake);
		expect_apply(&fake, a);
		td_auto_free char *once = fake_dump(&fake), *record = strdup(fake_record(&fake));
		fake.fault = roll(2) ? FAKE_FAILS : FAKE_FAILS_AFTER_ALL;
		fake.fault_at = fake.calls + 1 + roll(30);
		char what[8192];
		if (!fake_apply(&fake, b, &err)) {
			fake_fini(&fake);
			continue;
		}
		snprintf(what, sizeof(what), "%s. a:\n%s\nb:\n%s", err.text, a, b);
		expect_dump(&fake, once, what);
		expect_record(&fake, record, what);
		fake_fini(&fake);
	}
}

int main(void)
{
	td_log_set_level(TD_LOG_ERROR);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_applied_is_so),
		cmocka_unit_test(nothing_is_left_of_a_file_that_is_empty),
		cmocka_unit_test(a_step_that_fails_is_undone),
		cmocka_unit_test(death_at_each_step_is_mended),
		cmocka_unit_test(death_while_undoing_is_mended),
		cmocka_unit_test(pairs_of_files_leave_nothing_behind),
		cmocka_unit_test(pairs_of_files_are_undone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
