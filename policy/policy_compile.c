/* SPDX-License-Identifier: Apache-2.0 */
/* policy_compile.c - a policy file to rules in the order in which they have the say, their conditions to one flat program. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "policy/policy.h"

#define MS 1000000ULL

static_assert(TD_POLICY_FACTS_MAX < 64, "facts are bits of a uint64_t");

bool td_policy_parse_warm(const char *text, uint64_t *ret_ns)
{
	int64_t ms;

	if (!strcmp(text, "on") || !strcmp(text, "off")) {
		*ret_ns = text[1] == 'n' ? TD_POLICY_NEVER : 0;
		return true;
	}
	if (!td_policy_facts_parse(TD_POLICY_FACT_PATH_TIME, text, strlen(text), &ms) || ms > 30 * 24 * 3600 * 1000LL)
		return false;
	*ret_ns = (uint64_t)ms * MS;
	return true;
}

bool td_policy_reads(const struct td_policy *policy, unsigned fact)
{
	uint64_t any = 0;

	for (unsigned i = 0; i < TD_POLICY_RULE_WORDS; i++)
		any |= policy->reads[fact].bit[i];
	return any;
}

static int compile_fail(struct td_policy_problem *problem, unsigned rule, const char *fmt, ...) TD_PRINTF(3, 4);

static int compile_fail(struct td_policy_problem *problem, unsigned rule, const char *fmt, ...)
{
	va_list args;

	*problem = (struct td_policy_problem){.rule = rule, .slip.reason = TD_REASON_CONFIG_VALUE};
	va_start(args, fmt);
	vsnprintf(problem->slip.text, sizeof(problem->slip.text), fmt, args);
	va_end(args);
	return -EINVAL;
}

/* ---- conditions ---- */

static int compile_condition(struct td_policy *policy, const char *text, struct td_policy_code *ret_code, struct td_policy_slip *slip)
{
	struct td_policy_op ops[TD_POLICY_EXPR_OPS_MAX];
	int count = text ? td_policy_expr_parse(text, &policy->labels, ops, slip) : 0;

	if (count < 0)
		return count;
	/* There is room: as many rules as may be, each with two conditions, would need more, but nobody's file is that long. */
	if (policy->op_count + (unsigned)count > TD_POLICY_OPS_MAX) {
		*slip = (struct td_policy_slip){.reason = TD_REASON_CONFIG_VALUE};
		snprintf(slip->text, sizeof(slip->text), "the policy's conditions are too long together: at most %u comparisons",
			TD_POLICY_OPS_MAX);
		return -EINVAL;
	}
	*ret_code = (struct td_policy_code){(uint16_t)policy->op_count, (uint16_t)count};
	memcpy(policy->op + policy->op_count, ops, (unsigned)count * sizeof(ops[0]));
	policy->op_count += (unsigned)count;
	return 0;
}

/* path.time changes with nobody telling it: the times at which a comparison with it may change, just then and just behind. */
static void compile_age(struct td_policy *policy, const struct td_policy_op *op)
{
	for (int64_t ms = op->value; ms <= op->value + 1; ms++) {
		uint64_t age_ns = (uint64_t)ms * MS;
		unsigned at = policy->age_count;

		for (unsigned i = 0; i < policy->age_count; i++)
			if (policy->age_ns[i] == age_ns)
				return;
		for (; at && policy->age_ns[at - 1] > age_ns; at--)
			policy->age_ns[at] = policy->age_ns[at - 1];
		policy->age_ns[at] = age_ns;
		policy->age_count++;
	}
}

static int compile_reads(struct td_policy *policy, unsigned rule, struct td_policy_code code, struct td_policy_slip *slip)
{
	for (unsigned i = code.first; i < (unsigned)code.first + code.count; i++) {
		const struct td_policy_op *op = &policy->op[i];

		if (!td_policy_op_compares(op))
			continue;
		policy->reads[op->fact].bit[rule / 64] |= 1ULL << rule % 64;
		if (op->fact != TD_POLICY_FACT_PATH_TIME || op->kind == TD_POLICY_OP_UNKNOWN)
			continue;
		if (policy->age_count + 2 > TD_POLICY_AGES_MAX) {
			*slip = (struct td_policy_slip){.at = op->at, .reason = TD_REASON_CONFIG_VALUE};
			snprintf(slip->text, sizeof(slip->text), "path.time is compared with too many times: at most %u",
				TD_POLICY_AGES_MAX / 2);
			return -EINVAL;
		}
		compile_age(policy, op);
	}
	return 0;
}

/* ---- rules ---- */

static int compile_check_rule(const struct td_policy_config *config, unsigned index, struct td_policy_problem *problem)
{
	const struct td_policy_rule_config *rule = &config->rule[index];
	uint64_t warm_ns;

	if (!rule->name)
		return compile_fail(problem, index, "a rule needs a name");
	if (!rule->use_given)
		return compile_fail(problem, index, "rule '%s' needs 'use: vf' or 'use: emulated'", rule->name);
	if (rule->until && !rule->when)
		return compile_fail(problem, index, "rule '%s' has 'until', but no 'when' that it would end", rule->name);
	if (rule->warm && !td_policy_parse_warm(rule->warm, &warm_ns))
		return compile_fail(problem, index, "rule '%s': warm: on, off, or a time as in 5m", rule->name);
	if (strlen(rule->name) >= TD_POLICY_NAME_BYTES)
		return compile_fail(problem, index, "a rule's name has at most %d characters", TD_POLICY_NAME_BYTES - 1);
	for (unsigned i = 0; i < index; i++)
		if (!strcmp(config->rule[i].name, rule->name))
			return compile_fail(problem, index, "a second rule is called '%s': give each a name of its own", rule->name);
	return 0;
}

static int compile_rule(
	const struct td_policy_rule_config *from, unsigned index, struct td_policy *policy, unsigned at, struct td_policy_problem *problem)
{
	struct td_policy_rule *rule = &policy->rule[at];

	*rule = (struct td_policy_rule){
		.for_ns = from->for_ms * MS,
		.keep_ns = from->keep_ms * MS,
		.warm_ns = TD_POLICY_WARM_AS_SET,
		.use = (enum td_path)from->use,
		.urgent = from->urgent,
		.unknown = (enum td_policy_unknown)from->unknown,
		.config = index,
		.mark = {from->mark[0], from->mark[1]},
		.priority = from->priority,
	};
	snprintf(rule->name, sizeof(rule->name), "%s", from->name);
	if (from->warm)
		(void)td_policy_parse_warm(from->warm, &rule->warm_ns);
	*problem = (struct td_policy_problem){.rule = index, .part = TD_POLICY_IN_WHEN};
	int rc = compile_condition(policy, from->when, &rule->when, &problem->slip);
	if (!rc)
		rc = compile_reads(policy, at, rule->when, &problem->slip);
	if (rc)
		return rc;
	problem->part = TD_POLICY_IN_UNTIL;
	rc = compile_condition(policy, from->until, &rule->until, &problem->slip);
	if (!rc)
		rc = compile_reads(policy, at, rule->until, &problem->slip);
	if (rc)
		return rc;
	snprintf(policy->text[at][0], TD_POLICY_EXPR_BYTES, "%s", from->when ? from->when : "");
	snprintf(policy->text[at][1], TD_POLICY_EXPR_BYTES, "%s", from->until ? from->until : "");
	return 0;
}

/* By priority, the highest first; equal ones as in the file. */
static void compile_order(const struct td_policy_config *config, unsigned order[TD_POLICY_RULES_MAX])
{
	for (unsigned i = 0; i < config->rule_count; i++) {
		unsigned at = i;

		for (; at && config->rule[order[at - 1]].priority < config->rule[i].priority; at--)
			order[at] = order[at - 1];
		order[at] = i;
	}
}

int td_policy_compile(const struct td_policy_config *config, struct td_policy *ret_policy, struct td_policy_problem *problem)
{
	unsigned order[TD_POLICY_RULES_MAX] = {0};
	int rc = 0;

	memset(ret_policy, 0, sizeof(*ret_policy));
	ret_policy->hold_ns = config->hold_ms * MS;
	ret_policy->stale_ns = config->stale_ms * MS;
	ret_policy->within_ns = config->flap_limit.within_ms * MS;
	ret_policy->flips_max = (unsigned)config->flap_limit.flips;
	ret_policy->retry_first_ns = config->retry.first_ms * MS;
	ret_policy->retry_last_ns = TD_MAX(config->retry.last_ms, config->retry.first_ms) * MS;
	for (unsigned i = 0; i < config->rule_count && !rc; i++)
		rc = compile_check_rule(config, i, problem);
	if (rc)
		return rc;
	compile_order(config, order);
	for (unsigned at = 0; at < config->rule_count && !rc; at++)
		rc = compile_rule(&config->rule[order[at]], order[at], ret_policy, at, problem);
	ret_policy->rule_count = config->rule_count;
	return rc;
}
