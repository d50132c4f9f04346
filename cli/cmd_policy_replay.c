/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_policy_replay.c - tandem policy replay: what policies would have done with what a trace holds: a timeline each, and their sums. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/client.h"
#include "cli/cmd_verbs.h"
#include "cli/commands.h"
#include "config/policy_schema.h"
#include "config/policy_trace.h"
#include "policy/policy_replay.h"

#define FLIP_TAKES_NS 50000000ULL

struct replays {
	unsigned count;
	struct {
		const char *name;
		struct td_policy *policy;
		struct td_policy_replay replay;
		struct td_policy_replay_sums sums;
	} of[TD_CMD_POLICIES_MAX];
	struct td_policy_nic *nic[TD_CMD_POLICIES_MAX]; /* of the line that is being told */
};

/* ---- the trace ---- */

static int replays_nic(void *opaque, unsigned nic, const char *name, struct td_err *err)
{
	struct replays *replays = opaque;

	(void)nic;
	for (unsigned i = 0; i < replays->count; i++)
		if (td_policy_replay_add(&replays->of[i].replay, name))
			return td_err_set(err, ENOMEM, TD_REASON_SYSTEM, "out of memory");
	return 0;
}

static void replays_begin(void *opaque, unsigned nic, uint64_t t_ns)
{
	struct replays *replays = opaque;

	for (unsigned i = 0; i < replays->count; i++)
		replays->nic[i] = td_policy_replay_begin(&replays->of[i].replay, nic, t_ns);
}

static void replays_fact(void *opaque, unsigned nic, enum td_policy_fact fact, int64_t value)
{
	struct replays *replays = opaque;

	(void)nic;
	for (unsigned i = 0; i < replays->count; i++)
		td_policy_set(replays->nic[i], fact, value, replays->nic[i]->now_ns);
}

static void replays_unknown(void *opaque, unsigned nic, enum td_policy_fact fact)
{
	struct replays *replays = opaque;

	(void)nic;
	for (unsigned i = 0; i < replays->count; i++)
		td_policy_forget(replays->nic[i], fact, replays->nic[i]->now_ns);
}

static void replays_label(void *opaque, unsigned nic, const char *name, const char *text)
{
	struct replays *replays = opaque;

	(void)nic;
	for (unsigned i = 0; i < replays->count; i++)
		td_policy_set_label(replays->nic[i], name, text, replays->nic[i]->now_ns);
}

static void replays_end(void *opaque, unsigned nic)
{
	struct replays *replays = opaque;

	for (unsigned i = 0; i < replays->count; i++)
		td_policy_replay_end(&replays->of[i].replay, nic);
}

static const struct td_policy_trace_ops trace_ops = {
	.nic = replays_nic,
	.begin = replays_begin,
	.fact = replays_fact,
	.unknown = replays_unknown,
	.label = replays_label,
	.end = replays_end,
};

/* ---- policies ---- */

static int replays_load(struct replays *replays, const struct td_cmd_options *options, struct td_err *err)
{
	unsigned count = TD_MAX(options->policy_count, 1U);

	for (unsigned i = 0; i < count; i++) {
		const char *name = options->policy_count ? options->policy[i] : "default";
		int rc = td_policy_schema_load(&replays->of[i].policy, strcmp(name, "default") != 0 ? name : NULL, err);

		if (rc)
			return rc;
		replays->of[i].name = name;
		td_policy_replay_init(&replays->of[i].replay, replays->of[i].policy, FLIP_TAKES_NS);
		replays->count++;
	}
	return 0;
}

static void replays_fini(struct replays *replays)
{
	for (unsigned i = 0; i < replays->count; i++) {
		td_policy_replay_fini(&replays->of[i].replay);
		free(replays->of[i].policy);
	}
}

/* ---- what is printed ---- */

static const char *change_rule(const struct td_policy *policy, const struct td_policy_decision *decision)
{
	return decision->rule < 0 ? "none" : policy->rule[decision->rule].name;
}

static void replays_print_changes(const struct replays *replays, unsigned index)
{
	const struct td_policy_replay *replay = &replays->of[index].replay;

	printf("policy %s\n", replays->of[index].name);
	for (size_t i = 0; i < replay->change_count; i++) {
		const struct td_policy_replay_change *change = &replay->change[i];
		const struct td_policy_decision *decision = &change->decision;

		printf("%12.3f s  %-16s %-8s  rule %s [%s]", (double)change->t_ns / 1e9, replay->nic[change->nic]->name,
			td_path_name(decision->path), change_rule(replay->policy, decision), td_policy_why_name(decision->why));
		if (decision->target != decision->path)
			printf(", wants %s", td_path_name(decision->target));
		putchar('\n');
	}
	putchar('\n');
}

static void replays_print_sums(const struct replays *replays)
{
	static const char *const columns[] = {"POLICY", "NICS", "FLIPS", "MOST OF ONE", "TIME ON VF", "PACKETS ON VF", NULL};
	struct td_table *table = td_table_create(columns);

	for (unsigned i = 0; i < replays->count; i++) {
		const struct td_policy_replay_sums *sums = &replays->of[i].sums;
		char cell[5][32];

		snprintf(cell[0], 32, "%u", replays->of[i].replay.nic_count);
		snprintf(cell[1], 32, "%u", sums->flips);
		snprintf(cell[2], 32, "%u", sums->most_flips);
		snprintf(cell[3], 32, "%.1f %%", 100 * sums->vf_share);
		snprintf(cell[4], 32, sums->packets > 0 ? "%.1f %%" : "-", sums->packets > 0 ? 100 * sums->vf_packets / sums->packets : 0);
		td_table_add(table, (const char *const[]){replays->of[i].name, cell[0], cell[1], cell[2], cell[3], cell[4]});
	}
	td_table_print(table);
}

static json_t *replays_changes_json(const struct td_policy_replay *replay)
{
	json_t *list = json_array();

	for (size_t i = 0; i < replay->change_count; i++) {
		const struct td_policy_replay_change *change = &replay->change[i];
		const struct td_policy_decision *decision = &change->decision;

		json_array_append_new(list,
			json_pack("{s:f, s:s, s:s, s:s, s:s, s:s}", "t", (double)change->t_ns / 1e9, "nic", replay->nic[change->nic]->name,
				"path", td_path_name(decision->path), "target", td_path_name(decision->target), "rule",
				change_rule(replay->policy, decision), "why", td_policy_why_name(decision->why)));
	}
	return list;
}

static void replays_print_json(const struct replays *replays, const struct td_policy_trace_totals *totals)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < replays->count; i++) {
		const struct td_policy_replay_sums *sums = &replays->of[i].sums;

		json_array_append_new(list,
			json_pack("{s:s, s:I, s:I, s:f, s:f, s:f, s:o}", "policy", replays->of[i].name, "flips", (json_int_t)sums->flips,
				"most_flips", (json_int_t)sums->most_flips, "vf_time_share", sums->vf_share, "packets", sums->packets,
				"vf_packets", sums->vf_packets, "changes", replays_changes_json(&replays->of[i].replay)));
	}
	json_t *answer = json_pack("{s:b, s:I, s:I, s:f, s:o}", "ok", 1, "nics", (json_int_t)totals->nics, "facts",
		(json_int_t)totals->facts, "seconds", (double)totals->last_ns / 1e9, "policies", list);
	td_client_print_json(answer);
	json_decref(answer);
}

static int replays_finish(
	struct replays *replays, const struct td_cmd_options *options, const struct td_policy_trace_totals *totals, struct td_err *err)
{
	for (unsigned i = 0; i < replays->count; i++) {
		td_policy_replay_finish(&replays->of[i].replay, totals->last_ns);
		td_policy_replay_sum(&replays->of[i].replay, &replays->of[i].sums);
		if (replays->of[i].replay.out_of_memory)
			return td_err_set(err, ENOMEM, TD_REASON_SYSTEM, "out of memory: too many changes");
	}
	if (options->json) {
		replays_print_json(replays, totals);
		return 0;
	}
	for (unsigned i = 0; i < replays->count; i++)
		replays_print_changes(replays, i);
	replays_print_sums(replays);
	printf("%s: %u NICs, %" PRIu64 " facts, %.0f s. A VF is taken to be free whenever one is wanted, and a flip to take %u ms.\n",
		options->trace, totals->nics, totals->facts, (double)totals->last_ns / 1e9, (unsigned)(FLIP_TAKES_NS / 1000000));
	return 0;
}

int td_cmd_policy_replay(const struct td_cmd_options *options, struct td_err *err)
{
	struct replays replays = {.count = 0};
	struct td_policy_trace_totals totals;
	FILE *in;
	int rc;

	if (!options->trace)
		return td_err_set(err, EINVAL, TD_REASON_USAGE, "no trace: give --trace FILE");
	in = fopen(options->trace, "re");
	if (!in)
		return td_err_sys(err, errno, TD_REASON_CONFIG_FILE, "%s: open", options->trace);
	rc = replays_load(&replays, options, err);
	if (!rc)
		rc = td_policy_trace_read(in, options->trace, &trace_ops, &replays, &totals, err);
	if (!rc)
		rc = replays_finish(&replays, options, &totals, err);
	replays_fini(&replays);
	fclose(in);
	return rc;
}
