/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy.h - a policy, compiled, and the state of one NIC under it: facts go in, the decision comes out. Pure: no clock, no device, no
 * allocation. One thread at a time for a NIC; a policy is not changed once it is compiled, and any number of NICs may be under it.
 *
 * Theory of operation. Each rule is a small machine:
 *
 *   IDLE --`when` holds--> WAITING --it has held for `for`--> ACTIVE --its end holds--> ENDING --it has held for `keep`--> IDLE
 *
 * Its end: `when` does not hold any more, and `until`, where there is one, does. Of the rules that are ACTIVE or ENDING the one with the
 * highest priority has the say; of equal ones, the first in the file. Rules stand in that order, so that it is the lowest bit of a bitmap.
 * Then come, for a rule that is not urgent: the hold time and the flap limit; for each: the wait after a flip that failed.
 *
 * A fact that changes marks the rules that read it; td_policy_decide() looks at those, and at the ones whose time has come. The decision
 * says when the next one comes (next_ns), so nobody polls.
 */
#ifndef TD_POLICY_POLICY_H
#define TD_POLICY_POLICY_H

#include "policy/flip.h"
#include "policy/policy_config.h"
#include "policy/policy_expr.h"

#define TD_POLICY_OPS_MAX     8192U
#define TD_POLICY_RULE_WORDS  (TD_POLICY_RULES_MAX / 64)
#define TD_POLICY_FLIPS_MAX   64U /* the most that a flap limit counts */
#define TD_POLICY_AGES_MAX    64U
#define TD_POLICY_UNDECIDED   (-2)
#define TD_POLICY_NEVER	      UINT64_MAX
#define TD_POLICY_NAME_BYTES  64
#define TD_POLICY_WARM_AS_SET (UINT64_MAX - 1) /* as the NIC's key says */

struct td_policy_rules { /* a set of them */
	uint64_t bit[TD_POLICY_RULE_WORDS];
};

struct td_policy_code {
	uint16_t first, count; /* of policy->op; count 0: none */
};

struct td_policy_rule {
	char name[TD_POLICY_NAME_BYTES];
	struct td_policy_code when, until;
	uint64_t for_ns, keep_ns;
	uint64_t warm_ns; /* on the emulated path; TD_POLICY_NEVER: it stays warm; or TD_POLICY_WARM_AS_SET */
	enum td_path use;
	bool urgent;
	enum td_policy_unknown unknown;
	unsigned config;  /* its place in the file */
	unsigned mark[2]; /* its line and column there; 0: none */
	uint64_t priority;
};

struct td_policy {
	unsigned rule_count;
	struct td_policy_rule rule[TD_POLICY_RULES_MAX]; /* the one with the most to say first */
	struct td_policy_op op[TD_POLICY_OPS_MAX];
	unsigned op_count;
	struct td_policy_labels labels;
	char text[TD_POLICY_RULES_MAX][2][TD_POLICY_EXPR_BYTES]; /* when and until, for explanations */
	struct td_policy_rules reads[TD_POLICY_FACTS_MAX];	 /* which rules read a fact */
	uint64_t age_ns[TD_POLICY_AGES_MAX];			 /* that rules compare path.time with, ascending */
	unsigned age_count;
	uint64_t stale_ns; /* TD_POLICY_NEVER: samples do not go stale */
	uint64_t hold_ns, within_ns, retry_first_ns, retry_last_ns;
	unsigned flips_max; /* 0: no limit */
};

/* Where a policy file is wrong: a rule by its place in the file, and which of its texts. */
struct td_policy_problem {
	unsigned rule;
	enum { TD_POLICY_IN_RULE, TD_POLICY_IN_WHEN, TD_POLICY_IN_UNTIL } part;
	struct td_policy_slip slip;
};

/* -EINVAL with *problem. ret_policy is large, and the caller's; it borrows nothing. */
int td_policy_compile(const struct td_policy_config *config, struct td_policy *ret_policy, struct td_policy_problem *problem);
/* "on", "off" or a time as in 5m. */
bool td_policy_parse_warm(const char *text, uint64_t *ret_ns);
/* Does any rule read the fact? What none reads need not be told. */
bool td_policy_reads(const struct td_policy *policy, unsigned fact);

/* ---- one NIC ---- */

/* X(symbol, "reason-code", "what it means"): why a decision is as it is. */
#define TD_POLICY_WHYS(X)                                                              \
	X(RULE, "rule", "the rule says so")                                            \
	X(NO_RULE, "no-rule", "no rule holds: it stays")                               \
	X(HOLD, "hold", "the last flip was a moment ago (key hold)")                   \
	X(FLAPPING, "flapping", "it has flipped too often (key flap_limit): it stays") \
	X(RETRY, "retry", "the last flip there failed: it is tried again later (key retry)")

enum td_policy_why {
#define TD_POLICY_WHY_ENUM(symbol, ...) TD_POLICY_WHY_##symbol,
	TD_POLICY_WHYS(TD_POLICY_WHY_ENUM)
#undef TD_POLICY_WHY_ENUM
};

const char *td_policy_why_name(enum td_policy_why why);
const char *td_policy_why_text(enum td_policy_why why);

enum td_policy_warm { TD_POLICY_AS_SET, TD_POLICY_WARM, TD_POLICY_COLD };

struct td_policy_decision {
	enum td_path path;   /* where it is to be now; other than where it is: flip */
	enum td_path target; /* where its rule has it; other than `path`: `why` says what keeps it */
	enum td_policy_warm warm;
	enum td_policy_why why;
	int rule;	   /* that has the say; -1: none; TD_POLICY_UNDECIDED: before the first td_policy_decide() */
	uint64_t since_ns; /* decided so first */
	uint64_t next_ns;  /* may change then with no fact changing: call td_policy_decide() */
};

enum td_policy_rule_state { TD_POLICY_IDLE, TD_POLICY_WAITING, TD_POLICY_ACTIVE, TD_POLICY_ENDING };

struct td_policy_nic {
	const struct td_policy *policy;
	int64_t value[TD_POLICY_FACTS_MAX];
	uint64_t since_ns[TD_POLICY_FACTS_MAX]; /* has this value, or is unknown, since then */
	uint64_t told_ns[TD_POLICY_FACTS_MAX];
	uint64_t known, stale;				   /* a bit a fact. stale: was known, and is not told any more */
	struct td_policy_rules dirty, active, timed, held; /* held: `when` held, when it was looked at last */
	uint8_t state[TD_POLICY_RULES_MAX];
	uint64_t entered_ns[TD_POLICY_RULES_MAX];
	uint64_t now_ns; /* of the last call; time does not go back */
	uint64_t stale_check_ns;
	uint64_t path_since_ns, flip_ns[TD_POLICY_FLIPS_MAX];
	unsigned flip_count; /* ever; the last stand in flip_ns[n % TD_POLICY_FLIPS_MAX] */
	struct {
		uint64_t at_ns, patience_ns;
	} retry[2]; /* of flips to each path */
	struct td_policy_decision decision;
};

/* On the path since now. Nothing is known but that; labels: it has none. The policy is borrowed. */
void td_policy_nic_init(struct td_policy_nic *nic, const struct td_policy *policy, enum td_path path, uint64_t now_ns);

/* A fact is told, or no longer known. Values as of policy_facts.h. Nothing is decided before td_policy_decide(). */
void td_policy_set(struct td_policy_nic *nic, unsigned fact, int64_t value, uint64_t now_ns);
void td_policy_forget(struct td_policy_nic *nic, unsigned fact, uint64_t now_ns);
/* A label; one that the policy does not name is no news. */
void td_policy_set_label(struct td_policy_nic *nic, const char *name, const char *text, uint64_t now_ns);
/* A flip has ended: it is on the path `to` now, or, when it failed, where it was. */
void td_policy_flipped(struct td_policy_nic *nic, enum td_path to, bool ok, uint64_t now_ns);
/* nic->decision as of now; true: it is another one (its path, target, rule, why or warm). */
bool td_policy_decide(struct td_policy_nic *nic, uint64_t now_ns);

static inline enum td_path td_policy_path(const struct td_policy_nic *nic)
{
	return (enum td_path)nic->value[TD_POLICY_FACT_PATH];
}

/*
 * For people: the path, the rule, the facts that it reads with their values and since when; what keeps it from its target; what would have
 * to change for the other path; when the next thing may happen.
 */
void td_policy_explain(const struct td_policy_nic *nic, FILE *out);
/* A fact's value here, "unknown" or "unknown (stale)". */
const char *td_policy_value_text(const struct td_policy_nic *nic, unsigned fact, char ret_text[TD_POLICY_LABEL_BYTES]);
/* "vf.health", "label.tier". */
const char *td_policy_fact_name(const struct td_policy *policy, unsigned fact, char ret_text[TD_POLICY_LABEL_BYTES + 8]);

#endif
