/* SPDX-License-Identifier: Apache-2.0 */
/* policy_engine.c - one NIC under a policy: see the theory of operation in policy.h. */
#include <string.h>

#include "policy/policy.h"

#define MS 1000000ULL

static const struct {
	const char *name, *text;
} whys[] = {
#define WHY_ENTRY(symbol, name, text) {name, text},
	TD_POLICY_WHYS(WHY_ENTRY)
#undef WHY_ENTRY
};

const char *td_policy_why_name(enum td_policy_why why)
{
	return whys[why].name;
}

const char *td_policy_why_text(enum td_policy_why why)
{
	return whys[why].text;
}

/* ---- sets of rules ---- */

static void rules_put(struct td_policy_rules *rules, unsigned rule, bool in)
{
	uint64_t bit = 1ULL << rule % 64;

	rules->bit[rule / 64] = in ? rules->bit[rule / 64] | bit : rules->bit[rule / 64] & ~bit;
}

static bool rules_have(const struct td_policy_rules *rules, unsigned rule)
{
	return rules->bit[rule / 64] >> rule % 64 & 1;
}

static int rules_first(const struct td_policy_rules *rules)
{
	for (unsigned i = 0; i < TD_POLICY_RULE_WORDS; i++)
		if (rules->bit[i])
			return (int)(64 * i) + __builtin_ctzll(rules->bit[i]);
	return -1;
}

/* Takes one out, the first. */
static int rules_take(struct td_policy_rules *rules)
{
	int first = rules_first(rules);

	if (first >= 0)
		rules->bit[first / 64] &= rules->bit[first / 64] - 1;
	return first;
}

/* ---- facts ---- */

static uint64_t advance(struct td_policy_nic *nic, uint64_t now_ns)
{
	nic->now_ns = TD_MAX(nic->now_ns, now_ns);
	return nic->now_ns;
}

static void fact_changed(struct td_policy_nic *nic, unsigned fact)
{
	nic->since_ns[fact] = nic->now_ns;
	for (unsigned i = 0; i < TD_POLICY_RULE_WORDS; i++)
		nic->dirty.bit[i] |= nic->policy->reads[fact].bit[i];
}

static uint64_t stale_at(const struct td_policy *policy, uint64_t told_ns)
{
	return policy->stale_ns == TD_POLICY_NEVER ? TD_POLICY_NEVER : told_ns + policy->stale_ns;
}

void td_policy_set(struct td_policy_nic *nic, unsigned fact, int64_t value, uint64_t now_ns)
{
	uint64_t bit = 1ULL << fact;
	bool same = nic->known & bit && nic->value[fact] == value;

	nic->told_ns[fact] = advance(nic, now_ns);
	if (same)
		return;
	nic->value[fact] = value;
	nic->known |= bit;
	nic->stale &= ~bit;
	fact_changed(nic, fact);
	if (fact < TD_POLICY_FACT_COUNT && td_policy_facts[fact].news == TD_POLICY_SAMPLED)
		nic->stale_check_ns = TD_MIN(nic->stale_check_ns, stale_at(nic->policy, nic->now_ns));
}

void td_policy_forget(struct td_policy_nic *nic, unsigned fact, uint64_t now_ns)
{
	uint64_t bit = 1ULL << fact;

	advance(nic, now_ns);
	nic->stale &= ~bit;
	if (!(nic->known & bit))
		return;
	nic->known &= ~bit;
	fact_changed(nic, fact);
}

void td_policy_set_label(struct td_policy_nic *nic, const char *name, const char *text, uint64_t now_ns)
{
	int fact = td_policy_labels_find(&nic->policy->labels, name, strlen(name));

	if (fact >= 0)
		td_policy_set(nic, (unsigned)fact, td_policy_labels_value(&nic->policy->labels, text, strlen(text)), now_ns);
}

/* Samples that stopped coming. The check may come too early, as later news do not move it: then the next one is known. */
static void forget_stale(struct td_policy_nic *nic)
{
	if (nic->now_ns < nic->stale_check_ns)
		return;
	nic->stale_check_ns = TD_POLICY_NEVER;
	for (unsigned fact = 0; fact < TD_POLICY_FACT_COUNT; fact++) {
		uint64_t bit = 1ULL << fact, until_ns = stale_at(nic->policy, nic->told_ns[fact]);

		if (!(nic->known & bit) || td_policy_facts[fact].news != TD_POLICY_SAMPLED)
			continue;
		if (nic->now_ns >= until_ns) {
			nic->known &= ~bit;
			nic->stale |= bit;
			fact_changed(nic, fact);
		} else {
			nic->stale_check_ns = TD_MIN(nic->stale_check_ns, until_ns);
		}
	}
}

/* ---- what the engine knows itself ---- */

static unsigned flips_within(const struct td_policy_nic *nic, uint64_t *ret_oldest_ns)
{
	unsigned count = 0, kept = TD_MIN(nic->flip_count, TD_POLICY_FLIPS_MAX);

	*ret_oldest_ns = TD_POLICY_NEVER;
	for (; count < kept; count++) {
		uint64_t at_ns = nic->flip_ns[(nic->flip_count - 1 - count) % TD_POLICY_FLIPS_MAX];

		if (at_ns + nic->policy->within_ns <= nic->now_ns)
			break;
		*ret_oldest_ns = at_ns;
	}
	return count;
}

/* Returns when they may make a difference next. */
static uint64_t know_oneself(struct td_policy_nic *nic)
{
	const struct td_policy *policy = nic->policy;
	uint64_t oldest_ns, age_ns = nic->now_ns - nic->path_since_ns, next_ns = TD_POLICY_NEVER;

	if (td_policy_reads(policy, TD_POLICY_FACT_PATH_TIME))
		td_policy_set(nic, TD_POLICY_FACT_PATH_TIME, (int64_t)(age_ns / MS), nic->now_ns);
	for (unsigned i = 0; i < policy->age_count && next_ns == TD_POLICY_NEVER; i++)
		if (policy->age_ns[i] > age_ns)
			next_ns = nic->path_since_ns + policy->age_ns[i];
	if (td_policy_reads(policy, TD_POLICY_FACT_FLIPS)) {
		td_policy_set(nic, TD_POLICY_FACT_FLIPS, flips_within(nic, &oldest_ns), nic->now_ns);
		if (oldest_ns != TD_POLICY_NEVER)
			next_ns = TD_MIN(next_ns, oldest_ns + policy->within_ns);
	}
	return next_ns;
}

/* ---- rules ---- */

static enum td_policy_truth truth_of_code(const struct td_policy_nic *nic, struct td_policy_code code)
{
	return td_policy_expr_eval(nic->policy->op + code.first, code.count, nic->value, nic->known);
}

static bool when_holds(struct td_policy_nic *nic, unsigned index)
{
	const struct td_policy_rule *rule = &nic->policy->rule[index];
	enum td_policy_truth truth = truth_of_code(nic, rule->when);
	bool holds = truth == TD_POLICY_YES;

	if (truth == TD_POLICY_MAYBE)
		holds = rule->unknown == TD_POLICY_UNKNOWN_YES ||
			(rule->unknown == TD_POLICY_UNKNOWN_AS_BEFORE && rules_have(&nic->held, index));
	rules_put(&nic->held, index, holds);
	return holds;
}

static bool end_holds(const struct td_policy_nic *nic, const struct td_policy_rule *rule, bool when)
{
	return !when && (!rule->until.count || truth_of_code(nic, rule->until) == TD_POLICY_YES);
}

static void rule_enter(struct td_policy_nic *nic, unsigned index, enum td_policy_rule_state state)
{
	nic->state[index] = (uint8_t)state;
	nic->entered_ns[index] = nic->now_ns;
	rules_put(&nic->active, index, state == TD_POLICY_ACTIVE || state == TD_POLICY_ENDING);
	rules_put(&nic->timed, index, state == TD_POLICY_WAITING || state == TD_POLICY_ENDING);
}

/* At most once around: a rule that ends does not begin in the same moment, as its end is that `when` does not hold. */
static void rule_step(struct td_policy_nic *nic, unsigned index)
{
	const struct td_policy_rule *rule = &nic->policy->rule[index];
	bool when = when_holds(nic, index);
	const uint8_t *state = &nic->state[index];

	if (*state == TD_POLICY_IDLE && when)
		rule_enter(nic, index, TD_POLICY_WAITING);
	if (*state == TD_POLICY_WAITING && !when)
		rule_enter(nic, index, TD_POLICY_IDLE);
	if (*state == TD_POLICY_WAITING && nic->now_ns - nic->entered_ns[index] >= rule->for_ns)
		rule_enter(nic, index, TD_POLICY_ACTIVE);
	if (*state == TD_POLICY_ACTIVE && end_holds(nic, rule, when))
		rule_enter(nic, index, TD_POLICY_ENDING);
	if (*state == TD_POLICY_ENDING && !end_holds(nic, rule, when))
		rule_enter(nic, index, TD_POLICY_ACTIVE);
	if (*state == TD_POLICY_ENDING && nic->now_ns - nic->entered_ns[index] >= rule->keep_ns)
		rule_enter(nic, index, TD_POLICY_IDLE);
}

static uint64_t rule_due_ns(const struct td_policy_nic *nic, unsigned index)
{
	const struct td_policy_rule *rule = &nic->policy->rule[index];

	return nic->entered_ns[index] + (nic->state[index] == TD_POLICY_WAITING ? rule->for_ns : rule->keep_ns);
}

static void rules_step(struct td_policy_nic *nic)
{
	struct td_policy_rules timed = nic->timed;

	for (int i; (i = rules_take(&timed)) >= 0;)
		if (nic->now_ns >= rule_due_ns(nic, (unsigned)i))
			rules_put(&nic->dirty, (unsigned)i, true);
	for (int i; (i = rules_take(&nic->dirty)) >= 0;)
		rule_step(nic, (unsigned)i);
}

static uint64_t rules_next_ns(const struct td_policy_nic *nic)
{
	struct td_policy_rules timed = nic->timed;
	uint64_t next_ns = TD_POLICY_NEVER;

	for (int i; (i = rules_take(&timed)) >= 0;)
		next_ns = TD_MIN(next_ns, rule_due_ns(nic, (unsigned)i));
	return next_ns;
}

/* ---- the decision ---- */

/* What keeps it from its rule's path, and until when. */
static enum td_policy_why what_keeps(const struct td_policy_nic *nic, const struct td_policy_rule *rule, uint64_t *ret_until_ns)
{
	const struct td_policy *policy = nic->policy;
	uint64_t oldest_ns;

	*ret_until_ns = nic->retry[rule->use].at_ns;
	if (nic->now_ns < *ret_until_ns)
		return TD_POLICY_WHY_RETRY;
	*ret_until_ns = nic->path_since_ns + policy->hold_ns;
	if (!rule->urgent && nic->flip_count && nic->now_ns < *ret_until_ns)
		return TD_POLICY_WHY_HOLD;
	if (!rule->urgent && policy->flips_max && flips_within(nic, &oldest_ns) >= policy->flips_max) {
		uint64_t last = nic->flip_ns[(nic->flip_count - policy->flips_max) % TD_POLICY_FLIPS_MAX];

		*ret_until_ns = last + policy->within_ns;
		return TD_POLICY_WHY_FLAPPING;
	}
	*ret_until_ns = TD_POLICY_NEVER;
	return TD_POLICY_WHY_RULE;
}

static enum td_policy_warm warmth(const struct td_policy_nic *nic, const struct td_policy_rule *rule, uint64_t *next_ns)
{
	uint64_t until_ns;

	if (rule->warm_ns == TD_POLICY_WARM_AS_SET)
		return TD_POLICY_AS_SET;
	if (rule->warm_ns == TD_POLICY_NEVER)
		return TD_POLICY_WARM;
	until_ns = nic->path_since_ns + rule->warm_ns;
	if (td_policy_path(nic) == TD_PATH_EMULATED && nic->now_ns >= until_ns)
		return TD_POLICY_COLD;
	if (td_policy_path(nic) == TD_PATH_EMULATED)
		*next_ns = TD_MIN(*next_ns, until_ns);
	return rule->warm_ns ? TD_POLICY_WARM : TD_POLICY_COLD;
}

static struct td_policy_decision decide(const struct td_policy_nic *nic, uint64_t next_ns)
{
	enum td_path path = td_policy_path(nic);
	struct td_policy_decision decision = {
		.path = path, .target = path, .why = TD_POLICY_WHY_NO_RULE, .rule = rules_first(&nic->active)};
	uint64_t until_ns = TD_POLICY_NEVER;

	if (decision.rule >= 0) {
		const struct td_policy_rule *rule = &nic->policy->rule[decision.rule];

		decision.target = rule->use;
		decision.why = rule->use == path ? TD_POLICY_WHY_RULE : what_keeps(nic, rule, &until_ns);
		if (decision.why == TD_POLICY_WHY_RULE)
			decision.path = rule->use;
		decision.warm = warmth(nic, rule, &next_ns);
	}
	next_ns = TD_MIN(next_ns, until_ns);
	next_ns = TD_MIN(next_ns, rules_next_ns(nic));
	decision.next_ns = TD_MIN(next_ns, nic->stale_check_ns);
	return decision;
}

static bool decision_same(const struct td_policy_decision *a, const struct td_policy_decision *b)
{
	return a->path == b->path && a->target == b->target && a->why == b->why && a->rule == b->rule && a->warm == b->warm;
}

bool td_policy_decide(struct td_policy_nic *nic, uint64_t now_ns)
{
	struct td_policy_decision before = nic->decision;
	uint64_t next_ns;

	advance(nic, now_ns);
	forget_stale(nic);
	next_ns = know_oneself(nic);
	rules_step(nic);
	nic->decision = decide(nic, next_ns);
	bool same = decision_same(&before, &nic->decision);
	nic->decision.since_ns = same ? before.since_ns : nic->now_ns;
	return !same;
}

/* ---- its life ---- */

void td_policy_nic_init(struct td_policy_nic *nic, const struct td_policy *policy, enum td_path path, uint64_t now_ns)
{
	memset(nic, 0, sizeof(*nic));
	nic->policy = policy;
	nic->now_ns = nic->path_since_ns = now_ns;
	nic->stale_check_ns = TD_POLICY_NEVER;
	for (unsigned i = 0; i < policy->rule_count; i++)
		rules_put(&nic->dirty, i, true);
	td_policy_set(nic, TD_POLICY_FACT_PATH, path, now_ns);
	for (unsigned i = 0; i < policy->labels.name_count; i++)
		td_policy_set(nic, TD_POLICY_FACT_COUNT + i, TD_POLICY_LABEL_NONE, now_ns);
	for (unsigned i = 0; i < TD_POLICY_FACTS_MAX; i++)
		nic->since_ns[i] = now_ns;
	nic->decision = (struct td_policy_decision){.path = path, .target = path, .rule = TD_POLICY_UNDECIDED, .next_ns = now_ns};
}

void td_policy_flipped(struct td_policy_nic *nic, enum td_path to, bool ok, uint64_t now_ns)
{
	const struct td_policy *policy = nic->policy;
	uint64_t *patience_ns = &nic->retry[to].patience_ns;

	advance(nic, now_ns);
	if (!ok) {
		*patience_ns = TD_MIN(TD_MAX(2 * *patience_ns, policy->retry_first_ns), policy->retry_last_ns);
		nic->retry[to].at_ns = nic->now_ns + *patience_ns;
		return;
	}
	nic->retry[to].at_ns = *patience_ns = 0;
	if (to == td_policy_path(nic))
		return;
	nic->path_since_ns = nic->now_ns;
	nic->flip_ns[nic->flip_count++ % TD_POLICY_FLIPS_MAX] = nic->now_ns;
	td_policy_set(nic, TD_POLICY_FACT_PATH, to, now_ns);
}
