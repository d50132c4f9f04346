/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy_check.h - what is wrong with a policy that can be read: rules that never hold, never end or never have a say, and rules of equal
 * rank that may hold at once and disagree. Pure; may take some tenths of a second.
 *
 * How it is found out. Conditions compare facts with constants, so each fact has few kinds of values that make a difference (below, at and
 * above each constant; each word; unknown). All their combinations are searched, a fact at a time, and what cannot lead to the end is left
 * out. It is exact but for this: facts are taken to be independent of each other (packets is not known to be rx.packets + tx.packets), so a
 * policy may have more wrong with it than is said; and a search that takes too long is given up, which is said (TD_POLICY_NOT_FOUND_OUT).
 */
#ifndef TD_POLICY_POLICY_CHECK_H
#define TD_POLICY_POLICY_CHECK_H

#include "policy/policy.h"

/* X(symbol, "name", is it a note only?) */
#define TD_POLICY_FINDINGS(X)                \
	X(NEVER_HOLDS, "never-holds", false) \
	X(NEVER_ENDS, "never-ends", false)   \
	X(SHADOWED, "shadowed", false)       \
	X(BOTH_HOLD, "both-hold", true)      \
	X(NOT_FOUND_OUT, "not-found-out", true)

enum td_policy_finding_kind {
#define TD_POLICY_FINDING_ENUM(symbol, name, note) TD_POLICY_##symbol,
	TD_POLICY_FINDINGS(TD_POLICY_FINDING_ENUM)
#undef TD_POLICY_FINDING_ENUM
};

struct td_policy_finding {
	enum td_policy_finding_kind kind;
	unsigned rule;
	int other;	 /* SHADOWED: by it, -1: by several together. BOTH_HOLD: the other, which comes later */
	char facts[400]; /* that show it, as a simulation sets them; "" where none can */
	char text[700];	 /* all of it, in a line */
};

typedef void td_policy_check_said(void *opaque, const struct td_policy_finding *finding);

/* Rules by rank. Returns how many findings are no notes. */
unsigned td_policy_check(const struct td_policy *policy, td_policy_check_said *said, void *opaque);

const char *td_policy_finding_name(enum td_policy_finding_kind kind);
bool td_policy_finding_is_note(enum td_policy_finding_kind kind);

#endif
