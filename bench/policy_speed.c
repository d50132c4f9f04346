/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy_speed.c - tandem-policy-speed: how long the policy engine takes, beside its goals. No VM, no privilege. usage: tandem-policy-speed
 * [TRACE]. The best of several rounds counts, as a busy machine only ever adds.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "config/policy_schema.h"
#include "config/policy_trace.h"
#include "policy/policy_replay.h"

#define NICS   1000U
#define RULES  100U
#define ROUNDS 15U

static uint64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* Rules of three comparisons; each reads packets, as that is the worst case for a fact that changes. */
static struct td_policy *make_policy(void)
{
	struct td_policy *policy = NULL;
	struct td_err err = {0};
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	fputs("hold: 10s\nrules:\n", out);
	for (unsigned i = 0; i < RULES; i++)
		fprintf(out,
			"- {name: r%u, use: %s, for: %us, when: 'packets > %uk/s and guest.standby and not vf.health in (no-carrier, "
			"pf-down)'}\n",
			i, i % 2 ? "vf" : "emulated", i % 7, i + 10);
	fclose(out);
	if (td_policy_schema_read(&policy, "bench", text, len, &err))
		td_err_print(stderr, &err);
	free(text);
	return policy;
}

static void line(const char *what, double value, const char *unit, double goal, bool at_most)
{
	printf("%-58s %12.1f %-8s goal %s %.0f: %s\n", what, value, unit, at_most ? "<=" : ">=", goal,
		(at_most ? value <= goal : value >= goal) ? "met" : "missed");
}

static uint64_t all_ns(struct td_policy_nic *nics, const struct td_policy *policy)
{
	for (unsigned i = 0; i < NICS; i++) {
		td_policy_nic_init(&nics[i], policy, TD_PATH_EMULATED, 0);
		td_policy_set(&nics[i], TD_POLICY_FACT_PACKETS, 1000 * (i % 200), 0);
		td_policy_set(&nics[i], TD_POLICY_FACT_GUEST_STANDBY, 1, 0);
		td_policy_set(&nics[i], TD_POLICY_FACT_VF_HEALTH, 0, 0);
	}
	uint64_t before = cpu_ns();
	for (unsigned i = 0; i < NICS; i++)
		(void)td_policy_decide(&nics[i], 0);
	return cpu_ns() - before;
}

static uint64_t one_fact_ns(struct td_policy_nic *nics, unsigned fact, unsigned round)
{
	uint64_t before = cpu_ns();

	for (unsigned i = 0; i < NICS; i++) {
		td_policy_set(&nics[i], fact, (int64_t)(round + i) % 2, nics[i].now_ns + 1000000);
		(void)td_policy_decide(&nics[i], nics[i].now_ns);
	}
	return (cpu_ns() - before) / NICS;
}

static void measure_engine(const struct td_policy *policy)
{
	struct td_policy_nic *nics = calloc(NICS, sizeof(*nics));
	uint64_t all = UINT64_MAX, read = UINT64_MAX, unread = UINT64_MAX;

	if (!nics)
		return;
	for (unsigned round = 0; round < ROUNDS; round++) {
		uint64_t ns = all_ns(nics, policy);

		all = TD_MIN(all, ns);
		ns = one_fact_ns(nics, TD_POLICY_FACT_PACKETS, round);
		read = TD_MIN(read, ns);
		ns = one_fact_ns(nics, TD_POLICY_FACT_MIGRATION, round);
		unread = TD_MIN(unread, ns);
	}
	line("1,000 NICs x 100 rules, all decided", (double)all / 1e6, "ms", 5, true);
	line("one fact that all 100 rules read, of one NIC", (double)read / 1e3, "us", 50, true);
	line("one fact that no rule reads", (double)unread / 1e3, "us", 50, true);
	free(nics);
}

/* ---- a trace ---- */

static int speed_nic(void *opaque, unsigned nic, const char *name, struct td_err *err)
{
	(void)nic;
	return td_policy_replay_add(opaque, name) ? td_err_set(err, ENOMEM, TD_REASON_SYSTEM, "out of memory") : 0;
}

static void speed_begin(void *opaque, unsigned nic, uint64_t t_ns)
{
	(void)td_policy_replay_begin(opaque, nic, t_ns);
}

static void speed_fact(void *opaque, unsigned nic, enum td_policy_fact fact, int64_t value)
{
	struct td_policy_replay *replay = opaque;

	td_policy_set(&replay->nic[nic]->player.nic, fact, value, replay->nic[nic]->player.nic.now_ns);
}

static void speed_unknown(void *opaque, unsigned nic, enum td_policy_fact fact)
{
	struct td_policy_replay *replay = opaque;

	td_policy_forget(&replay->nic[nic]->player.nic, fact, replay->nic[nic]->player.nic.now_ns);
}

static void speed_label(void *opaque, unsigned nic, const char *name, const char *text)
{
	struct td_policy_replay *replay = opaque;

	td_policy_set_label(&replay->nic[nic]->player.nic, name, text, replay->nic[nic]->player.nic.now_ns);
}

static void speed_end(void *opaque, unsigned nic)
{
	td_policy_replay_end(opaque, nic);
}

static int measure_trace(const struct td_policy *policy, const char *file)
{
	static const struct td_policy_trace_ops ops = {speed_nic, speed_begin, speed_fact, speed_unknown, speed_label, speed_end};
	double best = 0;
	FILE *in = fopen(file, "re");

	if (!in) {
		perror(file);
		return 1;
	}
	for (unsigned round = 0; round < 5; round++) {
		struct td_policy_replay replay;
		struct td_policy_trace_totals totals;
		struct td_err err = {0};
		uint64_t before = cpu_ns();

		rewind(in);
		td_policy_replay_init(&replay, policy, 50000000);
		int rc = td_policy_trace_read(in, file, &ops, &replay, &totals, &err);
		td_policy_replay_finish(&replay, totals.last_ns);
		td_policy_replay_fini(&replay);
		if (rc) {
			td_err_print(stderr, &err);
			return 1;
		}
		best = TD_MAX(best, (double)totals.facts / ((double)(cpu_ns() - before) / 1e9));
	}
	line("replay of the trace, with its JSON, under the default policy", best, "facts/s", 1e6, false);
	fclose(in);
	return 0;
}

/* ---- the engine alone, by facts as they come in a replay: five of a NIC, then it is decided ---- */

static void measure_replay(const struct td_policy *policy)
{
	static struct td_policy_player player;
	double best = 0;

	for (unsigned round = 0; round < 5; round++) {
		uint64_t before = cpu_ns(), facts = 0;

		td_policy_player_init(&player, policy, TD_PATH_EMULATED, 50000000, NULL, NULL);
		for (uint64_t t = 1; t < 200000; t++, facts += 5) {
			uint64_t now_ns = t * 1000000000;

			td_policy_player_run_before(&player, now_ns);
			for (unsigned fact = TD_POLICY_FACT_PACKETS; fact < TD_POLICY_FACT_PACKETS + 5; fact++)
				td_policy_set(&player.nic, fact, (int64_t)(t * 7919 % 150000), now_ns);
			td_policy_player_run(&player, now_ns);
		}
		best = TD_MAX(best, (double)facts / ((double)(cpu_ns() - before) / 1e9));
	}
	line("replay, the engine alone, 100 rules that all read one of five", best, "facts/s", 1e6, false);
}

int main(int argc, char **argv)
{
	struct td_policy *policy = make_policy(), *standard = NULL;
	struct td_err err = {0};
	int status = 0;

	if (!policy || td_policy_schema_load(&standard, NULL, &err))
		return 1;
	printf("CPU time of this process; state of a NIC: %zu bytes\n", sizeof(struct td_policy_nic));
	measure_engine(policy);
	measure_replay(policy);
	if (argc > 1)
		status = measure_trace(standard, argv[1]);
	free(policy);
	free(standard);
	return status;
}
