/* SPDX-License-Identifier: Apache-2.0 */
/* Conditions: each row a text and facts, and what it is worth; and texts that are refused, with the place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/policy_expr.h"

#define U (-1) /* unknown */

static enum td_policy_truth worth(const char *text, int64_t health, int64_t standby, int64_t packets)
{
	struct td_policy_labels labels = {0};
	struct td_policy_op ops[TD_POLICY_EXPR_OPS_MAX];
	struct td_policy_slip slip;
	int64_t value[TD_POLICY_FACTS_MAX] = {0};
	uint64_t known = 0;
	const unsigned fact[] = {TD_POLICY_FACT_VF_HEALTH, TD_POLICY_FACT_GUEST_STANDBY, TD_POLICY_FACT_PACKETS};
	const int64_t given[] = {health, standby, packets};
	int count = td_policy_expr_parse(text, &labels, ops, &slip);

	if (count < 0)
		fail_msg("%s: %zu: %s", text, slip.at, slip.text);
	for (unsigned i = 0; i < TD_COUNT(fact); i++) {
		if (given[i] == U)
			continue;
		value[fact[i]] = given[i];
		known |= 1ULL << fact[i];
	}
	return td_policy_expr_eval(ops, (unsigned)count, value, known);
}

static void conditions_have_three_values(void **state)
{
	enum { OK, NO_CARRIER, PF_DOWN };
	static const struct {
		const char *text;
		int64_t health, standby, packets;
		enum td_policy_truth worth;
	} rows[] = {
		{"vf.health == ok", OK, U, U, TD_POLICY_YES},
		{"vf.health == ok", PF_DOWN, U, U, TD_POLICY_NO},
		{"vf.health == ok", U, U, U, TD_POLICY_MAYBE},
		{"vf.health != ok", U, U, U, TD_POLICY_MAYBE},
		{"vf.health == unknown", U, U, U, TD_POLICY_YES},
		{"vf.health == unknown", OK, U, U, TD_POLICY_NO},
		{"vf.health != unknown", OK, U, U, TD_POLICY_YES},
		{"vf.health != unknown", U, U, U, TD_POLICY_NO},
		{"vf.health in (ok, unknown)", U, U, U, TD_POLICY_YES},
		{"vf.health in (no-carrier, pf-down)", PF_DOWN, U, U, TD_POLICY_YES},
		{"vf.health in (no-carrier, pf-down)", U, U, U, TD_POLICY_MAYBE},
		{"vf.health not in (no-carrier, pf-down)", OK, U, U, TD_POLICY_YES},
		{"guest.standby", U, 1, U, TD_POLICY_YES},
		{"not guest.standby", U, 0, U, TD_POLICY_YES},
		{"not guest.standby", U, U, U, TD_POLICY_MAYBE},
		{"guest.standby == no", U, 0, U, TD_POLICY_YES},
		{"packets > 20k/s", U, U, 20000, TD_POLICY_NO},
		{"packets > 20k/s", U, U, 20001, TD_POLICY_YES},
		{"packets >= 20k/s", U, U, 20000, TD_POLICY_YES},
		{"packets < 1.5k/s", U, U, 1499, TD_POLICY_YES},
		{"packets < 1.5k/s", U, U, 1500, TD_POLICY_NO},
		{"packets <= 1.5k/s", U, U, 1500, TD_POLICY_YES},
		{"packets == 7/s", U, U, 7, TD_POLICY_YES},
		{"packets != 7/s", U, U, 7, TD_POLICY_NO},
		{"packets == unknown", U, U, U, TD_POLICY_YES},
		{"packets != unknown", U, U, 3, TD_POLICY_YES},
		{"packets < 1/s or packets == unknown", U, U, U, TD_POLICY_YES},
		/* Kleene: what is unknown does not matter where the rest decides. */
		{"guest.standby and packets > 1/s", U, 0, U, TD_POLICY_NO},
		{"guest.standby and packets > 1/s", U, 1, U, TD_POLICY_MAYBE},
		{"guest.standby or packets > 1/s", U, 1, U, TD_POLICY_YES},
		{"guest.standby or packets > 1/s", U, 0, U, TD_POLICY_MAYBE},
		/* `and` binds more than `or`, `not` more than `and`. */
		{"guest.standby or guest.standby and packets > 1/s", U, 1, 0, TD_POLICY_YES},
		{"(guest.standby or guest.standby) and packets > 1/s", U, 1, 0, TD_POLICY_NO},
		{"not guest.standby and packets > 1/s", U, 1, 0, TD_POLICY_NO},
		{"not (guest.standby and packets > 1/s)", U, 1, 0, TD_POLICY_YES},
		{"not not guest.standby", U, 1, U, TD_POLICY_YES},
	};

	(void)state;
	for (unsigned i = 0; i < TD_COUNT(rows); i++)
		if (worth(rows[i].text, rows[i].health, rows[i].standby, rows[i].packets) != rows[i].worth)
			fail_msg("row %u: %s", i, rows[i].text);
}

static void labels_are_texts(void **state)
{
	struct td_policy_labels labels = {0};
	struct td_policy_op ops[TD_POLICY_EXPR_OPS_MAX];
	struct td_policy_slip slip;
	int64_t value[TD_POLICY_FACTS_MAX] = {0};
	int count = td_policy_expr_parse("label.tier in (gold, silver) and label.site != b", &labels, ops, &slip);
	int tier = td_policy_labels_find(&labels, "tier", 4), site = td_policy_labels_find(&labels, "site", 4);

	(void)state;
	assert_int_equal(count, 3);
	assert_int_equal(tier, TD_POLICY_FACT_COUNT);
	assert_int_equal(site, TD_POLICY_FACT_COUNT + 1);
	assert_int_equal(td_policy_labels_find(&labels, "color", 5), -1);
	value[tier] = td_policy_labels_value(&labels, "silver", 6);
	value[site] = TD_POLICY_LABEL_NONE;
	assert_int_equal(td_policy_expr_eval(ops, 3, value, ~0ULL), TD_POLICY_YES);
	value[site] = td_policy_labels_value(&labels, "b", 1);
	assert_int_equal(td_policy_expr_eval(ops, 3, value, ~0ULL), TD_POLICY_NO);
	value[site] = value[tier] = td_policy_labels_value(&labels, "bronze", 6);
	assert_int_equal(value[tier], TD_POLICY_LABEL_OTHER);
	assert_int_equal(td_policy_expr_eval(ops, 3, value, ~0ULL), TD_POLICY_NO);
}

static void what_is_wrong_has_a_place(void **state)
{
	static const struct {
		const char *text;
		size_t at;
		const char *says;
	} rows[] = {
		{"", 0, "the end stands where a fact"},
		{"vf.healht == ok", 0, "'vf.healht' is no fact: known here: vf.health, "},
		{"vf.health", 9, "the end stands behind vf.health: compare it"},
		{"vf.health = ok", 10, "write =="},
		{"vf.health == okay", 13, "'okay' is no value of vf.health: ok, no-carrier"},
		{"vf.health < ok", 10, "has no order"},
		{"packets > 20k", 10, "a rate as in"},
		{"packets > 0.5/s", 10, "a rate as in"},
		{"packets in (1/s)", 11, "is a number"},
		{"packets > 20k/s or", 18, "the end stands where a fact"},
		{"(guest.standby", 14, "where 'and', 'or' or ')'"},
		{"guest.standby)", 13, "where 'and', 'or' or the end"},
		{"guest.standby maintenance", 14, "where 'and', 'or' or the end"},
		{"vf.health in ok", 13, "which takes a list"},
		{"vf.health in (ok", 16, "where ',' or ')'"},
		{"vf.health not ok", 14, "where 'in' is expected"},
		{"time > 24:00", 7, "a time of day"},
		{"path.time > 5", 12, "a time as in"},
		{"\x01", 0, "'?'"},
		{"((((((((((((((((((guest.standby", 16, "too deep"},
	};
	struct td_policy_op ops[TD_POLICY_EXPR_OPS_MAX];

	(void)state;
	for (unsigned i = 0; i < TD_COUNT(rows); i++) {
		struct td_policy_labels labels = {0};
		struct td_policy_slip slip = {0};

		assert_true(td_policy_expr_parse(rows[i].text, &labels, ops, &slip) < 0);
		if (slip.at != rows[i].at || !strstr(slip.text, rows[i].says))
			fail_msg("%s: %zu: %s", rows[i].text, slip.at, slip.text);
	}
}

static void long_conditions_are_refused(void **state)
{
	char text[TD_POLICY_EXPR_BYTES + 100] = "maintenance";
	struct td_policy_labels labels = {0};
	struct td_policy_op ops[TD_POLICY_EXPR_OPS_MAX];
	struct td_policy_slip slip;

	(void)state;
	while (strlen(text) < 60 * 15)
		strcat(text, " or maintenance");
	assert_true(td_policy_expr_parse(text, &labels, ops, &slip) < 0);
	assert_non_null(strstr(slip.text, "too long"));
	memset(text, ' ', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_true(td_policy_expr_parse(text, &labels, ops, &slip) < 0);
	assert_non_null(strstr(slip.text, "too long"));
}

static void values_come_back_as_they_are_written(void **state)
{
	static const struct {
		enum td_policy_fact fact;
		const char *text;
		int64_t value;
	} rows[] = {
		{TD_POLICY_FACT_PACKETS, "20k/s", 20000},
		{TD_POLICY_FACT_PACKETS, "1M/s", 1000000},
		{TD_POLICY_FACT_PACKETS, "0/s", 0},
		{TD_POLICY_FACT_PACKETS, "1001/s", 1001},
		{TD_POLICY_FACT_PF_SPEED, "10Gbit/s", 10000000000},
		{TD_POLICY_FACT_EMULATED_CPU, "80%", 80},
		{TD_POLICY_FACT_PATH_TIME, "5m", 300000},
		{TD_POLICY_FACT_PATH_TIME, "1500ms", 1500},
		{TD_POLICY_FACT_TIME, "22:05", 22 * 60 + 5},
		{TD_POLICY_FACT_WEEKDAY, "sun", 6},
		{TD_POLICY_FACT_MAINTENANCE, "yes", 1},
		{TD_POLICY_FACT_POOL_FREE, "3", 3},
	};
	char text[TD_POLICY_VALUE_BYTES];
	int64_t value;

	(void)state;
	for (unsigned i = 0; i < TD_COUNT(rows); i++) {
		assert_true(td_policy_facts_parse(rows[i].fact, rows[i].text, strlen(rows[i].text), &value));
		assert_int_equal(value, rows[i].value);
		assert_string_equal(td_policy_facts_print(rows[i].fact, value, text), rows[i].text);
	}
	assert_false(td_policy_facts_parse(TD_POLICY_FACT_PACKETS, "999999999999G/s", 15, &value));
	assert_false(td_policy_facts_parse(TD_POLICY_FACT_PACKETS, "1234567890123/s", 15, &value));
	assert_false(td_policy_facts_parse(TD_POLICY_FACT_PACKETS, "-1/s", 4, &value));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(conditions_have_three_values),
		cmocka_unit_test(labels_are_texts),
		cmocka_unit_test(what_is_wrong_has_a_place),
		cmocka_unit_test(long_conditions_are_refused),
		cmocka_unit_test(values_come_back_as_they_are_written),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
