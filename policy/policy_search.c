/* SPDX-License-Identifier: Apache-2.0 */
/* policy_search.c - see policy_search.h: depth first, a fact at a time; the truths that are still possible say where to turn back. */
#include "policy/policy_search.h"

#include <string.h>

void td_policy_search_begin(struct td_policy_search *search, const struct td_policy *policy)
{
	search->policy = policy;
	search->want_count = search->fact_count = search->tries = 0;
	search->facts = search->set = search->known = 0;
	search->too_many = false;
}

void td_policy_search_want(struct td_policy_search *search, struct td_policy_code code, unsigned truths)
{
	search->want[search->want_count].code = code;
	search->want[search->want_count++].truths = truths;
	for (unsigned i = code.first; i < (unsigned)code.first + code.count; i++)
		if (td_policy_op_compares(&search->policy->op[i]))
			search->facts |= 1ULL << search->policy->op[i].fact;
}

/* ---- kinds of values ---- */

static bool search_never_unknown(unsigned fact)
{
	return fact >= TD_POLICY_FACT_COUNT || td_policy_facts[fact].news == TD_POLICY_OWN;
}

/* Do the two give each comparison with the fact the same truth? */
static bool search_same_kind(const struct td_policy_search *search, unsigned fact, int64_t a, int64_t b)
{
	int64_t value[TD_POLICY_FACTS_MAX];

	for (unsigned w = 0; w < search->want_count; w++)
		for (unsigned i = 0; i < search->want[w].code.count; i++) {
			const struct td_policy_op *op = &search->policy->op[search->want[w].code.first + i];

			if (!td_policy_op_compares(op) || op->fact != fact)
				continue;
			value[fact] = a;
			enum td_policy_truth truth = td_policy_expr_comparison(op, value, ~0ULL);
			value[fact] = b;
			if (td_policy_expr_comparison(op, value, ~0ULL) != truth)
				return false;
		}
	return true;
}

static void search_add_value(struct td_policy_search *search, unsigned at, int64_t value)
{
	unsigned fact = search->fact[at].fact, count = search->fact[at].count;

	for (unsigned i = 0; i < count; i++)
		if (search_same_kind(search, fact, search->fact[at].value[i], value))
			return;
	search->too_many |= count == TD_POLICY_VALUES_MAX;
	if (count < TD_POLICY_VALUES_MAX)
		search->fact[at].value[search->fact[at].count++] = value;
}

/* Around each constant that it is compared with. */
static void search_add_numbers(struct td_policy_search *search, unsigned at)
{
	unsigned fact = search->fact[at].fact;
	int64_t most = fact == TD_POLICY_FACT_TIME ? 24 * 60 - 1 : INT64_MAX;

	search_add_value(search, at, 0);
	for (unsigned w = 0; w < search->want_count; w++)
		for (unsigned i = 0; i < search->want[w].code.count; i++) {
			const struct td_policy_op *op = &search->policy->op[search->want[w].code.first + i];

			if (!td_policy_op_compares(op) || op->fact != fact || op->kind == TD_POLICY_OP_UNKNOWN)
				continue;
			for (int64_t value = op->value - 1; value <= op->value + 1; value++)
				if (value >= 0 && value <= most)
					search_add_value(search, at, value);
		}
}

static void search_add_fact(struct td_policy_search *search, unsigned fact)
{
	enum td_policy_type type = fact < TD_POLICY_FACT_COUNT ? td_policy_facts[fact].type : TD_POLICY_LABEL;
	unsigned at = search->fact_count++;

	search->fact[at].fact = fact;
	search->fact[at].count = 0;
	search->fact[at].unknown = !search_never_unknown(fact);
	if (type == TD_POLICY_BOOL)
		for (int64_t value = 0; value < 2; value++)
			search_add_value(search, at, value);
	else if (type == TD_POLICY_WORD)
		for (int64_t value = 0; td_policy_facts[fact].words[value]; value++)
			search_add_value(search, at, value);
	else if (type == TD_POLICY_LABEL)
		for (int64_t value = 0; value <= TD_POLICY_LABEL_NONE; value++)
			search_add_value(search, at, value);
	else
		search_add_numbers(search, at);
}

/* ---- truths that are possible ---- */

/* The truths that a comparison has over all kinds of values of its fact, or over the one that is set. */
static unsigned search_comparison(const struct td_policy_search *search, const struct td_policy_op *op)
{
	int64_t value[TD_POLICY_FACTS_MAX];
	unsigned truths = 0, at = 0;

	if (search->set >> op->fact & 1)
		return 1U << td_policy_expr_comparison(op, search->value, search->known);
	while (search->fact[at].fact != op->fact)
		at++;
	if (search->fact[at].unknown)
		truths |= 1U << td_policy_expr_comparison(op, value, 0);
	for (unsigned i = 0; i < search->fact[at].count; i++) {
		value[op->fact] = search->fact[at].value[i];
		truths |= 1U << td_policy_expr_comparison(op, value, ~0ULL);
	}
	return truths;
}

/* The least or the greatest of one of each set. */
static unsigned search_combine(unsigned a, unsigned b, bool least)
{
	unsigned truths = 0;

	for (unsigned x = TD_POLICY_NO; x <= TD_POLICY_YES; x++)
		for (unsigned y = TD_POLICY_NO; y <= TD_POLICY_YES; y++)
			if (a >> x & b >> y & 1)
				truths |= 1U << (least ? TD_MIN(x, y) : TD_MAX(x, y));
	return truths;
}

static unsigned search_negate(unsigned truths)
{
	return (truths & TD_POLICY_TRUTH_MAYBE) | (truths & TD_POLICY_TRUTH_NO ? TD_POLICY_TRUTH_YES : 0U) |
	       (truths & TD_POLICY_TRUTH_YES ? TD_POLICY_TRUTH_NO : 0U);
}

/* A set that holds each truth that is possible, and perhaps more: a fact that is read twice is taken for two. */
static unsigned search_truths(const struct td_policy_search *search, struct td_policy_code code)
{
	unsigned stack[TD_POLICY_EXPR_OPS_MAX + 1] = {0}, top = 0;

	if (!code.count)
		return TD_POLICY_TRUTH_YES;
	for (unsigned i = 0; i < code.count && top < TD_POLICY_EXPR_OPS_MAX; i++) {
		const struct td_policy_op *op = &search->policy->op[code.first + i];

		if (td_policy_op_compares(op)) {
			stack[++top] = search_comparison(search, op);
		} else if (op->kind == TD_POLICY_OP_NOT) {
			stack[top] = search_negate(stack[top]);
		} else if (top) {
			top--;
			stack[top] = search_combine(stack[top], stack[top + 1], op->kind == TD_POLICY_OP_AND);
		}
	}
	return stack[top];
}

/* ---- the search ---- */

static enum td_policy_answer search_from(struct td_policy_search *search, unsigned at);

static enum td_policy_answer search_with(struct td_policy_search *search, unsigned at, bool known, int64_t value)
{
	unsigned fact = search->fact[at].fact;
	uint64_t bit = 1ULL << fact;

	search->set |= bit;
	search->known = known ? search->known | bit : search->known & ~bit;
	search->value[fact] = value;
	enum td_policy_answer answer = search_from(search, at + 1);
	if (answer == TD_POLICY_IMPOSSIBLE)
		search->set &= ~bit;
	return answer;
}

/* Known values first: they make the better example. */
static enum td_policy_answer search_from(struct td_policy_search *search, unsigned at)
{
	enum td_policy_answer answer = TD_POLICY_IMPOSSIBLE;
	bool all = true;

	if (++search->tries > TD_POLICY_SEARCH_MAX)
		return TD_POLICY_DONT_KNOW;
	for (unsigned w = 0; w < search->want_count; w++) {
		unsigned truths = search_truths(search, search->want[w].code);

		if (!(truths & search->want[w].truths))
			return TD_POLICY_IMPOSSIBLE;
		all = all && !(truths & ~search->want[w].truths);
	}
	if (all)
		return TD_POLICY_POSSIBLE;
	if (at == search->fact_count)
		return TD_POLICY_IMPOSSIBLE;
	for (unsigned i = 0; i < search->fact[at].count && answer == TD_POLICY_IMPOSSIBLE; i++)
		answer = search_with(search, at, true, search->fact[at].value[i]);
	if (answer == TD_POLICY_IMPOSSIBLE && search->fact[at].unknown)
		answer = search_with(search, at, false, 0);
	return answer;
}

enum td_policy_answer td_policy_search_run(struct td_policy_search *search)
{
	for (unsigned fact = 0; fact < TD_POLICY_FACTS_MAX; fact++)
		if (search->facts >> fact & 1)
			search_add_fact(search, fact);
	return search->too_many ? TD_POLICY_DONT_KNOW : search_from(search, 0);
}

static const char *search_value_text(const struct td_policy_search *search, unsigned fact, char text[TD_POLICY_LABEL_BYTES])
{
	int64_t value = search->value[fact];

	if (!(search->known >> fact & 1))
		return "unknown";
	if (fact < TD_POLICY_FACT_COUNT)
		return td_policy_facts_print((enum td_policy_fact)fact, value, text);
	return value == TD_POLICY_LABEL_NONE		    ? "none"
	       : value < search->policy->labels.value_count ? search->policy->labels.value[value]
							    : "other";
}

void td_policy_search_print(const struct td_policy_search *search, char *ret_text, size_t len_bytes)
{
	char name[TD_POLICY_LABEL_BYTES + 8], value[TD_POLICY_LABEL_BYTES];
	size_t used = 0;

	*ret_text = '\0';
	for (unsigned i = 0; i < search->fact_count && used < len_bytes; i++) {
		unsigned fact = search->fact[i].fact;

		if (search->set >> fact & 1)
			used += (size_t)snprintf(ret_text + used, len_bytes - used, "%s%s = %s", used ? ", " : "",
				td_policy_fact_name(search->policy, fact, name), search_value_text(search, fact, value));
	}
}
