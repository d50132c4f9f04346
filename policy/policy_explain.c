/* SPDX-License-Identifier: Apache-2.0 */
/* policy_explain.c - a decision for people: which rule, by which facts, what keeps it, and what would have to change. */
#include <inttypes.h>
#include <string.h>

#include "policy/policy.h"

#define SAID_MAX 3U /* rules for the other path that are named */

const char *td_policy_fact_name(const struct td_policy *policy, unsigned fact, char ret_text[TD_POLICY_LABEL_BYTES + 8])
{
	if (fact < TD_POLICY_FACT_COUNT)
		return td_policy_facts[fact].name;
	snprintf(ret_text, TD_POLICY_LABEL_BYTES + 8, "label.%s", policy->labels.name[fact - TD_POLICY_FACT_COUNT]);
	return ret_text;
}

static const char *explain_label(const struct td_policy *policy, int64_t value)
{
	if (value == TD_POLICY_LABEL_NONE)
		return "none";
	return value == TD_POLICY_LABEL_OTHER ? "another text" : policy->labels.value[value];
}

const char *td_policy_value_text(const struct td_policy_nic *nic, unsigned fact, char ret_text[TD_POLICY_LABEL_BYTES])
{
	if (nic->stale >> fact & 1)
		return "unknown (stale)";
	if (!(nic->known >> fact & 1))
		return "unknown";
	return fact < TD_POLICY_FACT_COUNT ? td_policy_facts_print((enum td_policy_fact)fact, nic->value[fact], ret_text)
					   : explain_label(nic->policy, nic->value[fact]);
}

/* "12.3 s", "5 m 3 s", "2 h 5 m". */
static const char *explain_time(uint64_t ns, char text[32])
{
	uint64_t ms = ns / 1000000, s = ms / 1000;

	if (s < 60)
		snprintf(text, 32, "%" PRIu64 ".%" PRIu64 " s", s, ms / 100 % 10);
	else if (s < 3600)
		snprintf(text, 32, "%" PRIu64 " m %" PRIu64 " s", s / 60, s % 60);
	else
		snprintf(text, 32, "%" PRIu64 " h %" PRIu64 " m", s / 3600, s / 60 % 60);
	return text;
}

static const char *explain_in(const struct td_policy_nic *nic, uint64_t at_ns, char text[32])
{
	return explain_time(at_ns > nic->now_ns ? at_ns - nic->now_ns : 0, text);
}

/* The facts of a condition, each once. */
static uint64_t explain_facts_of(const struct td_policy *policy, struct td_policy_code code)
{
	uint64_t facts = 0;

	for (unsigned i = code.first; i < (unsigned)code.first + code.count; i++)
		if (td_policy_op_compares(&policy->op[i]))
			facts |= 1ULL << policy->op[i].fact;
	return facts;
}

static void explain_facts(const struct td_policy_nic *nic, uint64_t facts, FILE *out)
{
	char name[TD_POLICY_LABEL_BYTES + 8], value[TD_POLICY_LABEL_BYTES], time[32];

	for (unsigned fact = 0; fact < TD_POLICY_FACTS_MAX; fact++)
		if (facts >> fact & 1 && fact != TD_POLICY_FACT_PATH_TIME)
			fprintf(out, "    %s is %s, for %s\n", td_policy_fact_name(nic->policy, fact, name),
				td_policy_value_text(nic, fact, value), explain_time(nic->now_ns - nic->since_ns[fact], time));
}

/* The comparisons of a condition that do not hold: what keeps the rule from it. */
static void explain_missing(const struct td_policy_nic *nic, unsigned index, FILE *out)
{
	const struct td_policy *policy = nic->policy;
	struct td_policy_code code = policy->rule[index].when;
	char name[TD_POLICY_LABEL_BYTES + 8], value[TD_POLICY_LABEL_BYTES];
	const char *text = policy->text[index][0];

	for (unsigned i = code.first; i < (unsigned)code.first + code.count; i++) {
		const struct td_policy_op *op = &policy->op[i];

		if (!td_policy_op_compares(op) || td_policy_expr_comparison(op, nic->value, nic->known) == TD_POLICY_YES)
			continue;
		fprintf(out, "    not now: %.*s (%s is %s)\n", op->len, text + op->at, td_policy_fact_name(policy, op->fact, name),
			td_policy_value_text(nic, op->fact, value));
	}
}

static void explain_rule(const struct td_policy_nic *nic, unsigned index, FILE *out)
{
	const struct td_policy *policy = nic->policy;
	const struct td_policy_rule *rule = &policy->rule[index];
	char time[32];

	fprintf(out, "rule %s: use %s", rule->name, td_path_name(rule->use));
	if (rule->when.count)
		fprintf(out, " when %s", policy->text[index][0]);
	fprintf(out, "\n");
	if (nic->state[index] == TD_POLICY_ENDING)
		fprintf(out, "    it ends in %s, unless its condition holds again before\n",
			explain_in(nic, nic->entered_ns[index] + rule->keep_ns, time));
	else if (rule->until.count)
		fprintf(out, "    until %s\n", policy->text[index][1]);
	explain_facts(nic, explain_facts_of(policy, rule->when) | explain_facts_of(policy, rule->until), out);
}

static void explain_what_keeps(const struct td_policy_nic *nic, FILE *out)
{
	const struct td_policy_decision *decision = &nic->decision;
	char time[32];

	if (decision->target == decision->path)
		return;
	fprintf(out, "it does not go to its path %s yet: %s [%s]", td_path_name(decision->target), td_policy_why_text(decision->why),
		td_policy_why_name(decision->why));
	if (decision->next_ns != TD_POLICY_NEVER)
		fprintf(out, "; it is looked at again in %s", explain_in(nic, decision->next_ns, time));
	fprintf(out, "\n");
}

/* Rules for the other path: those above the one that has the say need only hold; others need that one to end, too. */
static void explain_other(const struct td_policy_nic *nic, FILE *out)
{
	const struct td_policy *policy = nic->policy;
	const struct td_policy_decision *decision = &nic->decision;
	enum td_path other = decision->target == TD_PATH_VF ? TD_PATH_EMULATED : TD_PATH_VF;
	unsigned said = 0;
	char time[32];

	for (unsigned i = 0; i < policy->rule_count && said < SAID_MAX; i++) {
		const struct td_policy_rule *rule = &policy->rule[i];
		bool below = decision->rule >= 0 && i > (unsigned)decision->rule;

		if (rule->use != other)
			continue;
		said++;
		fprintf(out, "for %s: rule %s%s%s%s\n", td_path_name(other), rule->name,
			rule->when.count ? " has to hold" : " always holds", below ? ", and has to wait for the end of rule " : "",
			below ? policy->rule[decision->rule].name : "");
		if (nic->state[i] == TD_POLICY_WAITING)
			fprintf(out, "    it holds, and has the say in %s\n", explain_in(nic, nic->entered_ns[i] + rule->for_ns, time));
		else if (nic->state[i] == TD_POLICY_IDLE)
			explain_missing(nic, i, out);
	}
	if (!said)
		fprintf(out, "for %s: there is no rule\n", td_path_name(other));
}

void td_policy_explain(const struct td_policy_nic *nic, FILE *out)
{
	const struct td_policy_decision *decision = &nic->decision;
	char time[32];

	fprintf(out, "path %s, for %s\n", td_path_name(td_policy_path(nic)), explain_time(nic->now_ns - nic->path_since_ns, time));
	if (decision->rule >= 0)
		explain_rule(nic, (unsigned)decision->rule, out);
	else
		fprintf(out, "%s [%s]\n", td_policy_why_text(decision->why), td_policy_why_name(decision->why));
	explain_what_keeps(nic, out);
	explain_other(nic, out);
}
