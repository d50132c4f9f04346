/* SPDX-License-Identifier: Apache-2.0 */
/* policy_check.c - see policy_check.h: which questions are asked. How they are answered: policy_search.c. */
#include "policy/policy_check.h"

#include <string.h>

#include "policy/policy_search.h"

struct check {
	const struct td_policy *policy;
	td_policy_check_said *said;
	void *opaque;
	unsigned wrong;
	struct td_policy_search search;
};

static const struct {
	const char *name;
	bool note;
} kinds[] = {
#define KIND_ENTRY(symbol, name, note) {name, note},
	TD_POLICY_FINDINGS(KIND_ENTRY)
#undef KIND_ENTRY
};

const char *td_policy_finding_name(enum td_policy_finding_kind kind)
{
	return kinds[kind].name;
}

bool td_policy_finding_is_note(enum td_policy_finding_kind kind)
{
	return kinds[kind].note;
}

static void check_say(struct check *check, struct td_policy_finding *finding, const char *fmt, ...) TD_PRINTF(3, 4);

static void check_say(struct check *check, struct td_policy_finding *finding, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(finding->text, sizeof(finding->text), fmt, args);
	va_end(args);
	check->wrong += !kinds[finding->kind].note;
	check->said(check->opaque, finding);
}

/* ---- questions ---- */

/* Which truths of its `when` let a rule hold, or not; with unknown: as-before, either may be. */
static unsigned truths_that_hold(const struct td_policy_rule *rule)
{
	return rule->unknown == TD_POLICY_UNKNOWN_NO ? TD_POLICY_TRUTH_YES : TD_POLICY_TRUTH_YES | TD_POLICY_TRUTH_MAYBE;
}

static unsigned truths_that_do_not(const struct td_policy_rule *rule)
{
	return rule->unknown == TD_POLICY_UNKNOWN_YES ? TD_POLICY_TRUTH_NO : TD_POLICY_TRUTH_NO | TD_POLICY_TRUTH_MAYBE;
}

static void ask_that_it_holds(struct check *check, const struct td_policy_rule *rule)
{
	td_policy_search_want(&check->search, rule->when, truths_that_hold(rule));
}

static void ask_that_it_does_not(struct check *check, const struct td_policy_rule *rule)
{
	td_policy_search_want(&check->search, rule->when, truths_that_do_not(rule));
}

static bool check_undecided(struct check *check, unsigned rule, enum td_policy_answer answer, const char *question)
{
	struct td_policy_finding finding = {.kind = TD_POLICY_NOT_FOUND_OUT, .rule = rule, .other = -1};

	if (answer != TD_POLICY_DONT_KNOW)
		return false;
	check_say(check, &finding, "rule '%s': whether %s was not found out: too many facts together", check->policy->rule[rule].name,
		question);
	return true;
}

/* ---- one rule ---- */

static bool never_holds(struct check *check, unsigned index)
{
	const struct td_policy_rule *rule = &check->policy->rule[index];
	struct td_policy_finding finding = {.kind = TD_POLICY_NEVER_HOLDS, .rule = index, .other = -1};

	td_policy_search_begin(&check->search, check->policy);
	/* As it was before is no, until it has been yes. */
	td_policy_search_want(
		&check->search, rule->when, rule->unknown == TD_POLICY_UNKNOWN_AS_BEFORE ? TD_POLICY_TRUTH_YES : truths_that_hold(rule));
	enum td_policy_answer answer = td_policy_search_run(&check->search);
	if (check_undecided(check, index, answer, "it can hold") || answer == TD_POLICY_POSSIBLE)
		return false;
	check_say(check, &finding, "rule '%s' can never hold: no facts make its 'when' true", rule->name);
	return true;
}

static void check_ends(struct check *check, unsigned index)
{
	const struct td_policy_rule *rule = &check->policy->rule[index];
	struct td_policy_finding finding = {.kind = TD_POLICY_NEVER_ENDS, .rule = index, .other = -1};

	if (!rule->until.count)
		return;
	td_policy_search_begin(&check->search, check->policy);
	ask_that_it_does_not(check, rule);
	td_policy_search_want(&check->search, rule->until, TD_POLICY_TRUTH_YES);
	enum td_policy_answer answer = td_policy_search_run(&check->search);
	if (!check_undecided(check, index, answer, "it can end") && answer == TD_POLICY_IMPOSSIBLE)
		check_say(check, &finding, "rule '%s' never ends: no facts make its 'until' true while its 'when' is not", rule->name);
}

/* ---- a rule and those above it ---- */

/*
 * Is `above` active whenever `rule` is? Of what has held for `for`, only a rule that asks for no more time can be said; what goes on behind
 * its `when` (keep, until) is active without it.
 */
static bool may_be_shadowed(const struct td_policy_rule *rule)
{
	return !rule->keep_ns && !rule->until.count;
}

static enum td_policy_answer ask_alone(struct check *check, unsigned index, unsigned above)
{
	td_policy_search_begin(&check->search, check->policy);
	ask_that_it_holds(check, &check->policy->rule[index]);
	ask_that_it_does_not(check, &check->policy->rule[above]);
	return td_policy_search_run(&check->search);
}

/* Facts for an example: the rule's `when` holds. */
static void find_example(struct check *check, unsigned index, char *facts, size_t len)
{
	td_policy_search_begin(&check->search, check->policy);
	ask_that_it_holds(check, &check->policy->rule[index]);
	*facts = '\0';
	if (td_policy_search_run(&check->search) == TD_POLICY_POSSIBLE)
		td_policy_search_print(&check->search, facts, len);
}

static bool shadowed_by_one(struct check *check, unsigned index)
{
	const struct td_policy_rule *rule = &check->policy->rule[index];
	struct td_policy_finding finding = {.kind = TD_POLICY_SHADOWED, .rule = index};

	for (unsigned above = 0; above < index; above++) {
		const struct td_policy_rule *other = &check->policy->rule[above];

		if (other->for_ns > rule->for_ns || ask_alone(check, index, above) != TD_POLICY_IMPOSSIBLE)
			continue;
		finding.other = (int)above;
		find_example(check, index, finding.facts, sizeof(finding.facts));
		check_say(check, &finding, "rule '%s' never has a say: rule '%s' comes before it and holds whenever it does%s%s",
			rule->name, other->name, *finding.facts ? ", as with " : "", finding.facts);
		return true;
	}
	return false;
}

/* Several together, of those that hold at once: while one takes over from another, none that waits would. */
static bool is_shadowed(struct check *check, unsigned index)
{
	const struct td_policy_rule *rule = &check->policy->rule[index];
	struct td_policy_finding finding = {.kind = TD_POLICY_SHADOWED, .rule = index, .other = -1};

	if (!may_be_shadowed(rule))
		return false;
	if (shadowed_by_one(check, index))
		return true;
	td_policy_search_begin(&check->search, check->policy);
	ask_that_it_holds(check, rule);
	for (unsigned above = 0; above < index; above++)
		if (!check->policy->rule[above].for_ns)
			ask_that_it_does_not(check, &check->policy->rule[above]);
	enum td_policy_answer answer = td_policy_search_run(&check->search);
	if (check_undecided(check, index, answer, "it ever has a say") || answer == TD_POLICY_POSSIBLE)
		return false;
	find_example(check, index, finding.facts, sizeof(finding.facts));
	check_say(check, &finding, "rule '%s' never has a say: of the rules before it, one holds whenever it does%s%s", rule->name,
		*finding.facts ? ", as with " : "", finding.facts);
	return true;
}

/* ---- two rules of equal rank ---- */

/* A rule without `when` is what is left for all others: it is meant to give way. */
static void check_pair(struct check *check, unsigned first, unsigned second)
{
	const struct td_policy_rule *a = &check->policy->rule[first], *b = &check->policy->rule[second];
	struct td_policy_finding finding = {.kind = TD_POLICY_BOTH_HOLD, .rule = first, .other = (int)second};

	if (a->priority != b->priority || a->use == b->use || !a->when.count || !b->when.count)
		return;
	td_policy_search_begin(&check->search, check->policy);
	ask_that_it_holds(check, a);
	ask_that_it_holds(check, b);
	if (td_policy_search_run(&check->search) != TD_POLICY_POSSIBLE)
		return;
	td_policy_search_print(&check->search, finding.facts, sizeof(finding.facts));
	check_say(check, &finding,
		"rules '%s' (%s) and '%s' (%s) have the same priority, and both may hold, as with %s: '%s' decides, as it comes first",
		a->name, td_path_name(a->use), b->name, td_path_name(b->use), finding.facts, a->name);
}

/* Of rules that never matter, no more is said. */
unsigned td_policy_check(const struct td_policy *policy, td_policy_check_said *said, void *opaque)
{
	struct check check = {.policy = policy, .said = said, .opaque = opaque};
	bool matters[TD_POLICY_RULES_MAX];

	for (unsigned i = 0; i < policy->rule_count; i++) {
		matters[i] = !never_holds(&check, i) && !is_shadowed(&check, i);
		if (!matters[i])
			continue;
		check_ends(&check, i);
		for (unsigned above = 0; above < i; above++)
			if (matters[above])
				check_pair(&check, above, i);
	}
	return check.wrong;
}
