/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libFuzzer: a policy file, and a simulation that is played under the default policy. What is refused says why, in text that a terminal can
 * take; a policy that is taken decides about a NIC within its own words.
 */
#include <stdlib.h>
#include <string.h>

#include "config/policy_schema.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void require_said(const struct td_err *err)
{
	require(err->code < 0 && err->reason != TD_REASON_NONE && *err->text);
	for (const char *c = err->text; *c; c++)
		require((unsigned char)*c >= 0x20 && *c != 0x7f);
}

static void decide(const struct td_policy *policy, FILE *out)
{
	struct td_policy_player player;

	td_policy_player_init(&player, policy, TD_PATH_EMULATED, 1000000000, NULL, NULL);
	for (unsigned fact = 0; fact < TD_POLICY_FACT_COUNT; fact++) {
		if (td_policy_facts[fact].news == TD_POLICY_OWN)
			continue;
		td_policy_set(&player.nic, fact, fact & 1, player.nic.now_ns);
		td_policy_player_run(&player, player.nic.now_ns + 7000000000);
		require(player.nic.decision.rule < (int)policy->rule_count);
		require(player.nic.decision.next_ns > player.nic.now_ns);
	}
	td_policy_explain(&player.nic, out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static FILE *out;
	struct td_policy *policy = NULL;
	struct td_policy_simulation_config *config = NULL;
	struct td_err err = {0};

	if (!out)
		out = fopen("/dev/null", "w");
	if (td_policy_schema_read(&policy, "f", (const char *)data, size, &err))
		require_said(&err);
	else
		decide(policy, out);
	free(policy);
	if (td_policy_schema_read_simulation(&config, "f", (const char *)data, size, &err)) {
		require_said(&err);
		return 0;
	}
	require(td_policy_schema_load(&policy, NULL, &err) == 0);
	config->flip_takes_ms = TD_MAX(config->flip_takes_ms, 1000); /* days of flips would take long */
	if (td_policy_simulate(config, "f", policy, out, &err) < 0)
		require_said(&err);
	td_policy_schema_simulation_free(config);
	free(policy);
	return 0;
}
