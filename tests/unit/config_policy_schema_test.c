/* SPDX-License-Identifier: Apache-2.0 */
/* Policy files and simulations: each mistake is named with its place and what is allowed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/policy_schema.h"

static void each_mistake_has_its_place(void **state)
{
	static const struct {
		const char *text, *says;
	} rows[] = {
		{"", "p: rules: none"},
		{"rules: []\n", "p: rules: none"},
		{"rules:\n- use: vf\n", "p:2:3: rules[0]: a rule needs a name"},
		{"rules:\n- name: a\n", "p:2:3: rules[0]: rule 'a' needs 'use: vf' or 'use: emulated'"},
		{"rules:\n- {name: a, use: wire}\n", "p:2:18: rules[0].use: 'wire' is not known here: emulated or vf"},
		{"rules:\n- {name: a, use: vf}\n- {name: a, use: vf}\n", "p:3:3: rules[1]: a second rule is called 'a'"},
		{"rules:\n- {name: a, use: vf, until: maintenance}\n", "p:2:3: rules[0]: rule 'a' has 'until', but no 'when'"},
		{"rules:\n- {name: a, use: vf, warm: maybe}\n", "p:2:28: rules[0].warm: 'maybe' is not"},
		{"rules:\n- {name: a, use: vf, wehn: maintenance}\n", "p:2:22: rules[0].wehn: unknown key, did you mean 'when'?"},
		{"flap_limit: {flips: 65}\n", "p:1:21: flap_limit.flips: '65' is out of range: a whole number from 0 to 64"},
		{"hold: 5\n", "p:1:7: hold: '5' is not"},
		/* Within conditions: plain, quoted, folded over lines, kept as a block, behind characters of several bytes. */
		{"rules:\n- name: a\n  use: vf\n  when: maintenance and foo\n", "p:4:25: rules[0].when: 'foo' is no fact"},
		{"rules:\n- name: a\n  use: vf\n  when: 'maintenance and foo'\n", "p:4:26: rules[0].when: 'foo' is no fact"},
		{"rules:\n- name: a\n  use: vf\n  when: maintenance and\n    not   foo\n", "p:5:11: rules[0].when: 'foo' is no fact"},
		{"rules:\n- name: a\n  use: vf\n  when: >\n    maintenance\n    and foo\n", "p:6:9: rules[0].when: 'foo' is no fact"},
		{"rules:\n- name: a\n  use: vf\n  when: |\n    maintenance\n    and foo\n", "p:6:9: rules[0].when: 'foo' is no fact"},
		{"rules:\n- name: a\n  use: vf\n  when: maintenance\n  until: pf.speed < 10\n",
			"p:5:21: rules[0].until: '10' is no value of pf.speed: a speed as in"},
		{"rules:\n- name: a\n  use: vf\n  when: \"maintenance\\x20and foo\"\n", "p:4:9: rules[0].when: 'foo' is no fact"},
		{"rules:\n- {name: a, use: vf, when: label.ä == b}\n", "p:2:28: rules[0].when: "},
	};

	(void)state;
	for (unsigned i = 0; i < TD_COUNT(rows); i++) {
		struct td_policy *policy = NULL;
		struct td_err err = {0};

		if (!td_policy_schema_read(&policy, "p", rows[i].text, strlen(rows[i].text), &err))
			fail_msg("row %u was taken: %s", i, rows[i].text);
		if (strncmp(err.text, rows[i].says, strlen(rows[i].says)) != 0)
			fail_msg("row %u: %s, expected %s", i, err.text, rows[i].says);
	}
}

static void the_largest_policy_is_taken(void **state)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	struct td_policy *policy;
	struct td_err err = {0};

	(void)state;
	fprintf(out, "rules:\n");
	for (unsigned i = 0; i < TD_POLICY_RULES_MAX; i++)
		fprintf(out, "- {name: r%u, use: vf, priority: %u, when: packets > %u/s and not maintenance}\n", i, i, i);
	fclose(out);
	if (td_policy_schema_read(&policy, "p", text, len, &err))
		fail_msg("%s", err.text);
	assert_int_equal(policy->rule_count, TD_POLICY_RULES_MAX);
	assert_string_equal(policy->rule[0].name, "r127");
	assert_int_equal(policy->rule[0].config, 127);
	assert_true(td_policy_reads(policy, TD_POLICY_FACT_PACKETS));
	assert_false(td_policy_reads(policy, TD_POLICY_FACT_DROPS));
	free(policy);
	free(text);
}

static int simulate(const char *text, char **ret_said, struct td_err *err)
{
	struct td_policy_simulation_config *config = NULL;
	struct td_policy *policy;
	size_t len;
	FILE *out = open_memstream(ret_said, &len);

	assert_int_equal(td_policy_schema_load(&policy, NULL, err), 0);
	int rc = td_policy_schema_read_simulation(&config, "s", text, strlen(text), err);
	if (!rc)
		rc = td_policy_simulate(config, "s", policy, out, err);
	td_policy_schema_simulation_free(config);
	free(policy);
	fclose(out);
	return rc;
}

static void simulations_say_what_does_not_hold(void **state)
{
	struct td_err err = {0};
	char *said;

	(void)state;
	assert_int_equal(
		simulate("steps:\n- {set: [wanted = vf, guest.standby = yes], expect: vf}\n- {at: 1s, expect: emulated, rule: x}\n", &said,
			&err),
		2);
	assert_non_null(strstr(said, "     0.000 s  vf        rule wanted-vf [rule]\n"));
	assert_non_null(strstr(said, "s:3:3: at 1.000 s: path is vf, expected emulated\ns:3:3: at 1.000 s: rule is wanted-vf, expected x\n"
				     "    path vf, for 0.9 s\n    rule wanted-vf: use vf when wanted == vf and"));
	free(said);
}

static void simulations_with_mistakes_are_refused(void **state)
{
	static const struct {
		const char *text, *says;
	} rows[] = {
		{"steps:\n- {set: [wanted]}\n", "s:2:3: set[0]: 'wanted' is no fact with a value"},
		{"steps:\n- {set: [wanted = no]}\n", "s:2:3: set[0]: 'no' is no value of wanted: emulated or vf or unknown"},
		{"steps:\n- {set: [path = vf]}\n", "s:2:3: set[0]: path is known to the engine"},
		{"steps:\n- {set: [a = vf]}\n", "s:2:3: set[0]: 'a' is no fact"},
		{"steps:\n- {at: 2s}\n- {at: 1s}\n", "s:3:3: at: goes back in time"},
	};

	(void)state;
	for (unsigned i = 0; i < TD_COUNT(rows); i++) {
		struct td_err err = {0};
		char *said;

		assert_true(simulate(rows[i].text, &said, &err) < 0);
		if (strncmp(err.text, rows[i].says, strlen(rows[i].says)) != 0)
			fail_msg("row %u: %s, expected %s", i, err.text, rows[i].says);
		free(said);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_mistake_has_its_place),
		cmocka_unit_test(the_largest_policy_is_taken),
		cmocka_unit_test(simulations_say_what_does_not_hold),
		cmocka_unit_test(simulations_with_mistakes_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
