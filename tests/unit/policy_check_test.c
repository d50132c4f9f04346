/* SPDX-License-Identifier: Apache-2.0 */
/* Rules that can never matter are named, with facts that show it; and a rule that is named never has a say in a random play. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/policy_schema.h"
#include "policy/policy_check.h"

static struct td_policy *read_policy(const char *text)
{
	struct td_policy *policy;
	struct td_err err = {0};

	if (td_policy_schema_read(&policy, "p", text, strlen(text), &err))
		fail_msg("%s", err.text);
	return policy;
}

struct said {
	const struct td_policy *policy;
	char text[4000];
	struct td_policy_rules dead;
};

/* "kind rule [other]: facts;" */
static void hear(void *opaque, const struct td_policy_finding *finding)
{
	struct said *said = opaque;
	size_t used = strlen(said->text);

	snprintf(said->text + used, sizeof(said->text) - used, "%s %s%s%s: %s;", td_policy_finding_name(finding->kind),
		said->policy->rule[finding->rule].name, finding->other >= 0 ? " " : "",
		finding->other >= 0 ? said->policy->rule[finding->other].name : "", finding->facts);
	if (finding->kind == TD_POLICY_NEVER_HOLDS || finding->kind == TD_POLICY_SHADOWED)
		said->dead.bit[finding->rule / 64] |= 1ULL << finding->rule % 64;
}

#define VF(name, rest)	"- {name: " name ", use: vf" rest "}\n"
#define EMU(name, rest) "- {name: " name ", use: emulated" rest "}\n"

static void what_can_never_matter_is_named(void **state)
{
	static const struct {
		const char *rules, *says;
	} rows[] = {
		{VF("a", ", when: packets > 20k/s and packets < 10k/s"), "never-holds a: ;"},
		{VF("a", ", when: packets > 10k/s and packets < 10001/s"), "never-holds a: ;"},
		{VF("a", ", when: packets >= 10k/s and packets < 10001/s"), ""},
		{VF("a", ", when: packets < 0/s"), "never-holds a: ;"},
		{VF("a", ", when: 'time > 23:59'"), "never-holds a: ;"},
		{VF("a", ", when: 'weekday in (sat, sun) and not weekday in (sun, sat)'"), "never-holds a: ;"},
		{VF("a", ", when: label.x == b and label.x == c"), "never-holds a: ;"},
		{VF("a", ", when: label.x != b and label.x != c"), ""},
		{VF("a", ", when: path == unknown"), "never-holds a: ;"},
		{VF("a", ", when: maintenance == unknown"), ""},
		/* What is open holds with unknown: yes. */
		{VF("a", ", when: maintenance and not maintenance"), "never-holds a: ;"},
		{VF("a", ", when: maintenance and not maintenance, unknown: yes"), ""},
		{VF("a", ", when: maintenance, until: maintenance"), "never-ends a: ;"},
		{VF("a", ", when: packets > 20k/s, until: packets > 30k/s"), "never-ends a: ;"},
		{VF("a", ", when: packets > 20k/s, until: packets < 10k/s"), ""},
		{VF("a", ", when: packets > 20k/s") VF("b", ", when: packets > 50k/s and maintenance"),
			"shadowed b a: packets = 50001/s, maintenance = yes;"},
		{VF("a", ", when: packets > 20k/s") VF("b", ", when: packets > 50k/s, priority: 1"), ""},
		{VF("a", ", when: packets > 20k/s, for: 5s") VF("b", ", when: packets > 50k/s"), ""},
		{VF("a", ", when: packets > 20k/s, for: 5s") VF("b", ", when: packets > 50k/s, for: 5s"),
			"shadowed b a: packets = 50001/s;"},
		{VF("a", ", when: packets > 20k/s") VF("b", ", when: packets > 50k/s, keep: 5s"), ""},
		{EMU("a", "") VF("b", ", when: maintenance"), "shadowed b a: maintenance = yes;"},
		/* Together only; unknown leaves room where it is not asked for. */
		{VF("a", ", when: maintenance") VF("b", ", when: not maintenance") VF("c", ""), ""},
		{VF("a", ", when: maintenance") VF("b", ", when: 'maintenance in (no, unknown)'") VF("c", ", when: drops > 1/s"),
			"shadowed c: drops = 2/s;"},
		{VF("a", ", when: maintenance") EMU("b", ", when: drops > 1/s"), "both-hold a b: drops = 2/s, maintenance = yes;"},
		{VF("a", ", when: maintenance") EMU("b", ", when: drops > 1/s and not maintenance"), ""},
		{VF("a", ", when: maintenance") EMU("b", ", when: drops > 1/s, priority: 3"), ""},
		{VF("a", ", when: maintenance") EMU("b", ""), ""},
	};

	(void)state;
	for (unsigned i = 0; i < TD_COUNT(rows); i++) {
		char text[1000];

		snprintf(text, sizeof(text), "rules:\n%s", rows[i].rules);
		struct td_policy *policy = read_policy(text);
		struct said said = {.policy = policy};
		unsigned wrong = td_policy_check(policy, hear, &said);
		if (strcmp(said.text, rows[i].says) != 0)
			fail_msg("row %u: %s\nsays %s\nexpected %s", i, text, said.text, rows[i].says);
		assert_int_equal(wrong, *said.text && strncmp(said.text, "both", 4) != 0);
		free(policy);
	}
}

static void the_default_policy_has_nothing_wrong(void **state)
{
	struct td_policy *policy = read_policy(td_policy_schema_default);
	struct said said = {.policy = policy};

	(void)state;
	assert_int_equal(td_policy_check(policy, hear, &said), 0);
	assert_string_equal(said.text, "");
	free(policy);
}

static unsigned draw(uint64_t *seed, unsigned max)
{
	*seed = *seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (unsigned)(*seed >> 33) % max;
}

static const char *const comparisons[] = {"packets > 20k/s", "packets < 10k/s", "packets >= 15k/s", "maintenance", "not maintenance",
	"maintenance == unknown", "vf.health == ok", "vf.health in (no-carrier, unknown)", "vf.health != pf-down", "path == vf",
	"label.x == a", "label.x != b", "packets == unknown"};

static void draw_condition(uint64_t *seed, FILE *out)
{
	unsigned count = 1 + draw(seed, 3);

	for (unsigned i = 0; i < count; i++)
		fprintf(out, "%s%s(%s)", i ? draw(seed, 2) ? " and " : " or " : "", draw(seed, 3) ? "" : "not ",
			comparisons[draw(seed, TD_COUNT(comparisons))]);
}

static struct td_policy *draw_policy(uint64_t *seed)
{
	static const char *const unknowns[] = {"no", "yes", "as-before"};
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	fputs("hold: 0ms\nstale: 1000m\nrules:\n", out);
	for (unsigned i = 0; i < 5; i++) {
		fprintf(out, "- {name: r%u, use: %s, for: %us, unknown: %s, when: '", i, draw(seed, 2) ? "vf" : "emulated", draw(seed, 3),
			unknowns[draw(seed, 3)]);
		draw_condition(seed, out);
		fputs("'}\n", out);
	}
	fclose(out);
	struct td_policy *policy = read_policy(text);
	free(text);
	return policy;
}

static void draw_facts(uint64_t *seed, struct td_policy_nic *nic, uint64_t now_ns)
{
	static const char *const sets[] = {"packets = 21k/s", "packets = 16k/s", "packets = 15k/s", "packets = 9k/s", "packets = unknown",
		"maintenance = yes", "maintenance = no", "maintenance = unknown", "vf.health = ok", "vf.health = no-carrier",
		"vf.health = pf-down", "vf.health = unknown", "label.x = a", "label.x = b", "label.x = c"};
	struct td_policy_slip slip;

	for (unsigned i = draw(seed, 4); i; i--)
		assert_true(td_policy_simulate_set(nic, sets[draw(seed, TD_COUNT(sets))], now_ns, &slip));
}

static void a_rule_that_is_named_never_has_a_say(void **state)
{
	unsigned named = 0;

	(void)state;
	for (uint64_t round = 1; round <= 300; round++) {
		uint64_t seed = round, now_ns = 0;
		struct td_policy *policy = draw_policy(&seed);
		struct said said = {.policy = policy};
		struct td_policy_player player;

		td_policy_check(policy, hear, &said);
		named += said.dead.bit[0] != 0;
		td_policy_player_init(&player, policy, TD_PATH_EMULATED, 1000000, NULL, NULL);
		for (unsigned i = 0; i < 300; i++, now_ns += draw(&seed, 3000) * 1000000ULL) {
			td_policy_player_run_before(&player, now_ns);
			draw_facts(&seed, &player.nic, now_ns);
			td_policy_player_run(&player, now_ns);
			int rule = player.nic.decision.rule;
			if (rule >= 0 && said.dead.bit[0] >> rule & 1)
				fail_msg("round %u: rule %s has a say: %s", (unsigned)round, policy->rule[rule].name, said.text);
		}
		free(policy);
	}
	assert_true(named > 50); /* else the test would show nothing */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_can_never_matter_is_named),
		cmocka_unit_test(the_default_policy_has_nothing_wrong),
		cmocka_unit_test(a_rule_that_is_named_never_has_a_say),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
