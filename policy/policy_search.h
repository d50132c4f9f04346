/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy_search.h - are there facts that give conditions the truths that are asked for? Exact over facts that are independent of each
 * other; bounded in time. Pure.
 */
#ifndef TD_POLICY_POLICY_SEARCH_H
#define TD_POLICY_POLICY_SEARCH_H

#include "policy/policy.h"

#define TD_POLICY_WANTS_MAX  (TD_POLICY_RULES_MAX + 2)
#define TD_POLICY_VALUES_MAX 96U    /* kinds of values of one fact */
#define TD_POLICY_SEARCH_MAX 20000U /* tries before it is given up */

enum { TD_POLICY_TRUTH_NO = 1U << TD_POLICY_NO, TD_POLICY_TRUTH_MAYBE = 1U << TD_POLICY_MAYBE, TD_POLICY_TRUTH_YES = 1U << TD_POLICY_YES };

enum td_policy_answer { TD_POLICY_IMPOSSIBLE, TD_POLICY_POSSIBLE, TD_POLICY_DONT_KNOW };

struct td_policy_search {
	const struct td_policy *policy;
	struct {
		struct td_policy_code code;
		unsigned truths; /* a set of TD_POLICY_TRUTH_* */
	} want[TD_POLICY_WANTS_MAX];
	unsigned want_count;
	uint64_t facts; /* that they read: a bit each */
	unsigned fact_count;
	struct {
		unsigned fact, count;
		bool unknown;			     /* one more kind of value */
		int64_t value[TD_POLICY_VALUES_MAX]; /* one of each kind */
	} fact[TD_POLICY_FACTS_MAX];
	/* The facts so far. */
	uint64_t set, known;
	int64_t value[TD_POLICY_FACTS_MAX];
	unsigned tries;
	bool too_many; /* kinds of values */
};

void td_policy_search_begin(struct td_policy_search *search, const struct td_policy *policy);
/* The condition's truth shall be one of these. A condition without comparisons is always true. */
void td_policy_search_want(struct td_policy_search *search, struct td_policy_code code, unsigned truths);
enum td_policy_answer td_policy_search_run(struct td_policy_search *search);
/* Behind TD_POLICY_POSSIBLE: "vf.health = ok, packets = 20001/s"; facts that do not matter are left out. */
void td_policy_search_print(const struct td_policy_search *search, char *ret_text, size_t len_bytes);

#endif
