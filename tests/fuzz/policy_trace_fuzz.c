/* SPDX-License-Identifier: Apache-2.0 */
/* libFuzzer: a trace, replayed under the default policy. What is refused says why, in text that a terminal can take. */
#include <stdlib.h>
#include <string.h>

#include "config/policy_schema.h"
#include "config/policy_trace.h"
#include "policy/policy_replay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static struct td_policy_nic *nic_of(void *opaque, unsigned nic)
{
	struct td_policy_replay *replay = opaque;

	require(nic < replay->nic_count);
	return &replay->nic[nic]->player.nic;
}

static int fuzz_nic(void *opaque, unsigned nic, const char *name, struct td_err *err)
{
	struct td_policy_replay *replay = opaque;

	(void)err;
	require(nic == replay->nic_count && strlen(name) < TD_POLICY_TRACE_NAME_BYTES);
	return td_policy_replay_add(replay, name);
}

static void fuzz_begin(void *opaque, unsigned nic, uint64_t t_ns)
{
	require(nic_of(opaque, nic)->now_ns <= t_ns);
	(void)td_policy_replay_begin(opaque, nic, t_ns);
}

static void fuzz_fact(void *opaque, unsigned nic, enum td_policy_fact fact, int64_t value)
{
	require(value >= 0 && td_policy_facts[fact].news != TD_POLICY_OWN);
	td_policy_set(nic_of(opaque, nic), fact, value, 0);
}

static void fuzz_unknown(void *opaque, unsigned nic, enum td_policy_fact fact)
{
	td_policy_forget(nic_of(opaque, nic), fact, 0);
}

static void fuzz_label(void *opaque, unsigned nic, const char *name, const char *text)
{
	td_policy_set_label(nic_of(opaque, nic), name, text, 0);
}

static void fuzz_end(void *opaque, unsigned nic)
{
	td_policy_replay_end(opaque, nic);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct td_policy_trace_ops ops = {fuzz_nic, fuzz_begin, fuzz_fact, fuzz_unknown, fuzz_label, fuzz_end};
	static struct td_policy *policy;
	struct td_policy_trace_totals totals;
	struct td_policy_replay replay;
	struct td_err err = {0};

	if (!size || (!policy && td_policy_schema_load(&policy, NULL, &err)))
		return 0;
	FILE *in = fmemopen((void *)(uintptr_t)data, size, "r");
	td_policy_replay_init(&replay, policy, 50000000);
	if (td_policy_trace_read(in, "f", &ops, &replay, &totals, &err)) {
		require(err.code < 0 && err.reason != TD_REASON_NONE && *err.text);
		for (const char *c = err.text; *c; c++)
			require((unsigned char)*c >= 0x20 && *c != 0x7f);
	} else {
		struct td_policy_replay_sums sums;

		td_policy_replay_finish(&replay, totals.last_ns);
		td_policy_replay_sum(&replay, &sums);
		require(sums.vf_share >= 0 && sums.vf_share <= 1 && sums.vf_packets <= sums.packets);
	}
	td_policy_replay_fini(&replay);
	fclose(in);
	return 0;
}
