/* SPDX-License-Identifier: Apache-2.0 */
/* policy_config.h - a policy file as it was read, before it is compiled (policy.h): filled by config/policy_schema.c. */
#ifndef TD_POLICY_POLICY_CONFIG_H
#define TD_POLICY_POLICY_CONFIG_H

#include "core/base.h"

#define TD_POLICY_RULES_MAX 128U

/* What a rule does when its condition can be neither true nor false, as facts are unknown: the words of the key `unknown`. */
enum td_policy_unknown { TD_POLICY_UNKNOWN_NO, TD_POLICY_UNKNOWN_YES, TD_POLICY_UNKNOWN_AS_BEFORE };

struct td_policy_rule_config {
	char *name;
	char *when, *until; /* NULL: always; until `when` ends */
	uint64_t for_ms, keep_ms;
	unsigned use; /* enum td_path */
	bool use_given;
	char *warm; /* "on", "off", a time; NULL: as the NIC's key says */
	uint64_t priority;
	bool urgent;
	unsigned unknown; /* enum td_policy_unknown */
	unsigned mark[2]; /* line and column in the file; 0: none */
};

struct td_policy_config {
	uint64_t hold_ms, stale_ms;
	struct {
		uint64_t flips; /* 0: no limit */
		uint64_t within_ms;
	} flap_limit;
	struct {
		uint64_t first_ms, last_ms;
	} retry;
	struct td_policy_rule_config rule[TD_POLICY_RULES_MAX];
	unsigned rule_count;
};

#endif
