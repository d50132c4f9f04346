/* SPDX-License-Identifier: Apache-2.0 */
/* Facts to decisions: each table plays one NIC; a row is a time, what is told then, and what is decided. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/policy_schema.h"

struct row {
	uint64_t ms;
	const char *set; /* "vf.health = ok; wanted = vf"; "flips = fail", "flips = work" */
	enum td_path path;
	const char *rule, *why;
};

#define EM	TD_PATH_EMULATED
#define VF	TD_PATH_VF
#define FLIP_MS 50

static struct td_policy *read_policy(const char *text)
{
	struct td_policy *policy;
	struct td_err err = {0};

	if (td_policy_schema_read(&policy, "p", text, strlen(text), &err))
		fail_msg("%s", err.text);
	return policy;
}

static void tell(struct td_policy_player *player, const char *set, uint64_t now_ns)
{
	char *copy = strdup(set ? set : ""), *rest = copy, *one;
	struct td_policy_slip slip;

	while ((one = strsep(&rest, ";")) && *one) {
		one += strspn(one, " ");
		if (!strncmp(one, "flips = ", 8))
			player->flips_fail = one[8] == 'f';
		else if (!td_policy_simulate_set(&player->nic, one, now_ns, &slip))
			fail_msg("%s: %s", one, slip.text);
	}
	free(copy);
}

static void play(const char *text, enum td_path path, const struct row *rows, unsigned count)
{
	struct td_policy *policy = text ? read_policy(text) : read_policy(td_policy_schema_default);
	struct td_policy_player player;

	td_policy_player_init(&player, policy, path, FLIP_MS * 1000000ULL, NULL, NULL);
	for (unsigned i = 0; i < count; i++) {
		const struct td_policy_decision *decision = &player.nic.decision;
		uint64_t now_ns = rows[i].ms * 1000000;

		td_policy_player_run_before(&player, now_ns);
		tell(&player, rows[i].set, now_ns);
		td_policy_player_run(&player, now_ns);
		const char *rule = decision->rule < 0 ? "none" : policy->rule[decision->rule].name;
		if (decision->path != rows[i].path || strcmp(rule, rows[i].rule) != 0 ||
			strcmp(td_policy_why_name(decision->why), rows[i].why) != 0)
			fail_msg("row %u, at %u ms: %s by %s [%s], expected %s by %s [%s]", i, (unsigned)rows[i].ms,
				td_path_name(decision->path), rule, td_policy_why_name(decision->why), td_path_name(rows[i].path),
				rows[i].rule, rows[i].why);
	}
	free(policy);
}

#define PLAY(text, path, rows) play(text, path, rows, TD_COUNT(rows))

/* What was hard-coded in nic/hybrid_watch.c. */
static void the_default_policy_leaves_a_dead_link_and_comes_back(void **state)
{
	static const struct row rows[] = {
		{0, "wanted = vf; guest.standby = no", EM, "none", "no-rule"},
		{500, "guest.standby = yes", VF, "wanted-vf", "rule"},
		{600, "vf.health = ok; emulated.health = ok", VF, "wanted-vf", "rule"},
		{1000, "vf.health = no-carrier", VF, "none", "no-rule"},
		{1100, "vf.health = ok", VF, "wanted-vf", "rule"}, /* a flicker */
		{2000, "vf.health = no-carrier", VF, "none", "no-rule"},
		{2199, NULL, VF, "none", "no-rule"},
		{2200, NULL, EM, "link-lost", "rule"},
		{5000, "vf.health = ok", EM, "link-lost", "rule"},
		{5900, "vf.health = no-carrier", EM, "link-lost", "rule"}, /* it flaps */
		{6500, "vf.health = ok", EM, "link-lost", "rule"},
		{7499, NULL, EM, "link-lost", "rule"},
		{7500, NULL, VF, "wanted-vf", "rule"},
		{8000, "vf.health = vf-lost", EM, "vf-lost", "rule"},
		{9000, "vf.health = unknown", VF, "wanted-vf", "rule"},
		{9500, "wanted = emulated", EM, "wanted-emulated", "rule"},
		{9600, "wanted = vf; guest.standby = no", EM, "none", "no-rule"},
	};

	(void)state;
	PLAY(NULL, EM, rows);
}

static void the_default_policy_stays_where_neither_path_works(void **state)
{
	static const struct row rows[] = {
		{0, "wanted = vf; guest.standby = yes; vf.health = ok; emulated.health = no-port", VF, "wanted-vf", "rule"},
		{1000, "vf.health = pf-down", VF, "none", "no-rule"},
		{9000, NULL, VF, "none", "no-rule"},
		{9500, "emulated.health = ok", VF, "none", "no-rule"},
		{9700, NULL, EM, "link-lost", "rule"},
	};

	(void)state;
	PLAY(NULL, VF, rows);
}

static void a_flip_that_fails_is_tried_again_ever_less_often(void **state)
{
	static const struct row rows[] = {
		{0, "wanted = vf; guest.standby = yes; flips = fail", VF, "wanted-vf", "rule"}, {50, NULL, EM, "wanted-vf", "retry"},
		{1049, NULL, EM, "wanted-vf", "retry"}, {1050, NULL, VF, "wanted-vf", "rule"}, /* fails at 1100, then 2 s */
		{1100, NULL, EM, "wanted-vf", "retry"}, {3099, NULL, EM, "wanted-vf", "retry"},
		{3100, NULL, VF, "wanted-vf", "rule"}, /* then 4 s: 7150 */
		{7149, NULL, EM, "wanted-vf", "retry"}, {7150, "flips = work", VF, "wanted-vf", "rule"},
		{7200, NULL, VF, "wanted-vf", "rule"},
		{8000, "wanted = emulated", EM, "wanted-emulated", "rule"}, /* the other way does not wait */
		{9000, "wanted = vf; flips = fail", VF, "wanted-vf", "rule"}, {9050, NULL, EM, "wanted-vf", "retry"},
		{10050, NULL, VF, "wanted-vf", "rule"}, /* a flip that worked has begun the waits anew */
	};

	(void)state;
	PLAY(NULL, EM, rows);
}

static void a_rule_waits_for_its_time_without_a_break(void **state)
{
	static const char policy[] = "hold: 0ms\nstale: 60s\nrules:\n- {name: busy, when: packets > 10k/s, for: 5s, until: packets < 1k/s, "
				     "keep: 2s, use: vf}\n- {name: rest, use: emulated}\n";
	static const struct row rows[] = {
		{0, "packets = 20k/s", EM, "rest", "rule"},
		{4000, "packets = 9k/s", EM, "rest", "rule"},
		{4500, "packets = 20k/s", EM, "rest", "rule"},
		{9499, NULL, EM, "rest", "rule"},
		{9500, NULL, VF, "busy", "rule"},
		{10000, "packets = 2k/s", VF, "busy", "rule"}, /* between the two: as before */
		{20000, "packets = 999/s", VF, "busy", "rule"},
		{21999, "packets = 1k/s", VF, "busy", "rule"},
		{22000, "packets = 10/s", VF, "busy", "rule"},
		{24000, NULL, EM, "rest", "rule"},
	};

	(void)state;
	PLAY(policy, EM, rows);
}

static void hold_and_flap_limit_keep_a_nic(void **state)
{
	static const char policy[] = "hold: 10s\nflap_limit: {flips: 2, within: 60s}\nrules:\n"
				     "- {name: lost, when: vf.health == vf-lost, use: emulated, urgent: on}\n"
				     "- {name: gold, when: maintenance, use: emulated}\n- {name: rest, use: vf}\n";
	static const struct row rows[] = {
		{0, "maintenance = yes", EM, "gold", "rule"},
		{1000, "maintenance = no", VF, "rest", "rule"}, /* no flip before: nothing to hold; over at 1050 */
		{2000, "maintenance = yes", VF, "gold", "hold"}, {11049, NULL, VF, "gold", "hold"},
		{11050, NULL, EM, "gold", "rule"}, /* over at 11100: two flips */
		{21100, "maintenance = no", EM, "rest", "flapping"}, {61049, NULL, EM, "rest", "flapping"},
		{61050, NULL, VF, "rest", "rule"}, {62000, "vf.health = vf-lost", EM, "lost", "rule"}, /* urgent */
	};

	(void)state;
	PLAY(policy, EM, rows);
}

static void of_rules_that_hold_the_highest_then_the_first_has_the_say(void **state)
{
	static const char policy[] =
		"hold: 0ms\nrules:\n- {name: a, when: wanted == vf, use: vf}\n- {name: b, when: wanted != unknown, use: "
		"emulated}\n- {name: c, when: maintenance, use: emulated, priority: 5}\n";
	static const struct row rows[] = {
		{0, NULL, EM, "none", "no-rule"},
		{100, "wanted = vf", VF, "a", "rule"},
		{200, "maintenance = yes", EM, "c", "rule"},
		{300, "maintenance = no; wanted = emulated", EM, "b", "rule"},
	};

	(void)state;
	PLAY(policy, EM, rows);
}

static void what_is_unknown_is_as_the_rule_says(void **state)
{
	static const char policy[] = "hold: 0ms\nstale: 10s\nrules:\n"
				     "- {name: before, when: rx.packets > 1k/s, unknown: as-before, use: vf}\n"
				     "- {name: always, when: tx.packets > 1k/s, unknown: yes, use: vf}\n"
				     "- {name: never, when: drops > 1k/s, use: vf}\n- {name: rest, use: emulated}\n";
	static const struct row rows[] = {
		{0, NULL, VF, "always", "rule"}, {100, "tx.packets = 1/s; drops = 2k/s", VF, "never", "rule"},
		{1000, "tx.packets = 1/s", VF, "never", "rule"}, {10099, NULL, VF, "never", "rule"},
		{10100, NULL, EM, "rest", "rule"},   /* the drops are stale */
		{11000, NULL, VF, "always", "rule"}, /* so is this, told again at 1000 */
		{12000, "rx.packets = 2k/s; tx.packets = 1/s", VF, "before", "rule"}, {21000, "tx.packets = 1/s", VF, "before", "rule"},
		{22000, NULL, VF, "before", "rule"}, {23000, "rx.packets = 1/s", EM, "rest", "rule"},
		{30000, "tx.packets = 1/s", EM, "rest", "rule"}, {33000, NULL, EM, "rest", "rule"}, /* before: no */
	};

	(void)state;
	PLAY(policy, EM, rows);
}

static void time_on_the_path_needs_nobody_to_tell_it(void **state)
{
	static const char policy[] = "hold: 0ms\nflap_limit: {flips: 0, within: 60s}\nrules:\n"
				     "- {name: often, when: flips >= 3, use: emulated}\n"
				     "- {name: turn, when: path == vf and path.time > 5s, use: emulated}\n"
				     "- {name: back, when: path == emulated and path.time >= 2s, use: vf}\n";
	static const struct row rows[] = {
		{0, NULL, EM, "none", "no-rule"},
		{1999, NULL, EM, "none", "no-rule"},
		{2000, NULL, VF, "back", "rule"}, /* over at 2050 */
		{7050, NULL, VF, "none", "no-rule"},
		{7051, NULL, EM, "turn", "rule"},  /* 7101 */
		{9101, NULL, VF, "back", "rule"},  /* 9151: the third */
		{9151, NULL, EM, "often", "rule"}, /* 9201 */
		{60000, NULL, EM, "often", "rule"},
		{67100, NULL, EM, "often", "rule"},
		{67101, NULL, VF, "back", "rule"},
	};

	(void)state;
	PLAY(policy, EM, rows);
}

static void a_vf_is_warm_as_long_as_its_rule_says(void **state)
{
	struct td_policy *policy = read_policy("hold: 0ms\nrules:\n- {name: m, when: maintenance, use: emulated, warm: off}\n"
					       "- {name: r, use: emulated, warm: 5m}\n");
	struct td_policy_nic nic;

	(void)state;
	td_policy_nic_init(&nic, policy, EM, 0);
	assert_true(td_policy_decide(&nic, 0));
	assert_int_equal(nic.decision.warm, TD_POLICY_WARM);
	assert_int_equal(nic.decision.next_ns, 300000000000);
	assert_false(td_policy_decide(&nic, 299999999999));
	assert_true(td_policy_decide(&nic, 300000000000));
	assert_int_equal(nic.decision.warm, TD_POLICY_COLD);
	assert_int_equal(nic.decision.since_ns, 300000000000);
	assert_true(nic.decision.next_ns == TD_POLICY_NEVER);
	td_policy_nic_init(&nic, policy, EM, 0);
	td_policy_set(&nic, TD_POLICY_FACT_MAINTENANCE, 1, 0);
	assert_true(td_policy_decide(&nic, 0));
	assert_int_equal(nic.decision.warm, TD_POLICY_COLD);
	free(policy);
}

static void time_does_not_go_back(void **state)
{
	struct td_policy *policy = read_policy("hold: 0ms\nrules:\n- {name: m, when: maintenance, for: 5s, use: vf}\n");
	struct td_policy_nic nic;

	(void)state;
	td_policy_nic_init(&nic, policy, EM, 100000000000);
	td_policy_set(&nic, TD_POLICY_FACT_MAINTENANCE, 1, 50000000000);
	(void)td_policy_decide(&nic, 0);
	assert_int_equal(nic.decision.next_ns, 105000000000);
	assert_int_equal(nic.decision.path, EM);
	(void)td_policy_decide(&nic, UINT64_MAX / 2);
	assert_int_equal(nic.decision.path, VF);
	free(policy);
}

static void rules_that_flip_for_ever_do_not_hang(void **state)
{
	struct td_policy *policy = read_policy("hold: 0ms\nflap_limit: {flips: 0}\nrules:\n- {name: a, when: path == vf, use: emulated}\n"
					       "- {name: b, use: vf}\n");
	struct td_policy_player player;

	(void)state;
	td_policy_player_init(&player, policy, EM, 1000000, NULL, NULL);
	td_policy_player_run(&player, 1000000000);
	assert_int_equal(player.flips, 1000);
	assert_int_equal(player.on_path_ns[0] + player.on_path_ns[1], 1000000000);
	free(policy);
}

static void an_explanation_says_what_would_have_to_change(void **state)
{
	struct td_policy *policy = read_policy(td_policy_schema_default);
	struct td_policy_player player;
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	(void)state;
	td_policy_player_init(&player, policy, EM, 50000000, NULL, NULL);
	tell(&player, "wanted = vf; guest.standby = no; vf.health = ok", 0);
	td_policy_player_run(&player, 12300000000);
	td_policy_explain(&player.nic, out);
	fclose(out);
	assert_string_equal(text, "path emulated, for 12.3 s\n"
				  "no rule holds: it stays [no-rule]\n"
				  "for vf: rule wanted-vf has to hold\n"
				  "    not now: guest.standby (guest.standby is no)\n");
	free(text);
	free(policy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_default_policy_leaves_a_dead_link_and_comes_back),
		cmocka_unit_test(the_default_policy_stays_where_neither_path_works),
		cmocka_unit_test(a_flip_that_fails_is_tried_again_ever_less_often),
		cmocka_unit_test(a_rule_waits_for_its_time_without_a_break),
		cmocka_unit_test(hold_and_flap_limit_keep_a_nic),
		cmocka_unit_test(of_rules_that_hold_the_highest_then_the_first_has_the_say),
		cmocka_unit_test(what_is_unknown_is_as_the_rule_says),
		cmocka_unit_test(time_on_the_path_needs_nobody_to_tell_it),
		cmocka_unit_test(a_vf_is_warm_as_long_as_its_rule_says),
		cmocka_unit_test(time_does_not_go_back),
		cmocka_unit_test(rules_that_flip_for_ever_do_not_hang),
		cmocka_unit_test(an_explanation_says_what_would_have_to_change),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
