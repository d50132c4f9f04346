/* SPDX-License-Identifier: Apache-2.0 */
/* policy_simulate.h - a simulation: facts at times, and what is expected then; filled by config/policy_schema.c, and its run. Pure. */
#ifndef TD_POLICY_POLICY_SIMULATE_H
#define TD_POLICY_POLICY_SIMULATE_H

#include "policy/policy_player.h"

#define TD_POLICY_STEPS_MAX 256U
#define TD_POLICY_SETS_MAX  40U

struct td_policy_step_config {
	uint64_t at_ms;
	char *set[TD_POLICY_SETS_MAX]; /* "vf.health = ok" */
	unsigned set_count;
	unsigned flips_fail; /* of the key `flips`; as before where it is not given */
	bool flips_given;
	unsigned expect; /* enum td_path */
	bool expect_given;
	char *rule, *why; /* expected, too; or NULL */
	unsigned mark[2];
};

struct td_policy_simulation_config {
	char *policy; /* a file; NULL: the default policy */
	unsigned path;
	uint64_t flip_takes_ms;
	struct td_policy_step_config step[TD_POLICY_STEPS_MAX];
	unsigned step_count;
};

/* "NAME = VALUE", VALUE may be "unknown". False with *slip. A label that the policy does not name is no news. */
bool td_policy_simulate_set(struct td_policy_nic *nic, const char *text, uint64_t now_ns, struct td_policy_slip *slip);

/*
 * Plays all steps, in the order of the file, whose times must not go back. Samples do not go stale: *policy is told so. Prints each change
 * of the decision and each expectation that does not hold, "file:line:column: ...". Returns how many those are, or -EINVAL with err.
 */
int td_policy_simulate(
	const struct td_policy_simulation_config *config, const char *file, struct td_policy *policy, FILE *out, struct td_err *err);

#endif
