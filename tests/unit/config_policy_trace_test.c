/* SPDX-License-Identifier: Apache-2.0 */
/* Traces: each mistake is named with its line; what is told reaches the NICs that it is of; a replay of one gives the known sums. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/policy_schema.h"
#include "config/policy_trace.h"
#include "policy/policy_replay.h"

#define HEAD "{\"tandem-trace\": 1}\n"

struct heard {
	char text[2000];
	struct td_policy_replay *replay; /* or NULL */
};

static void hear(struct heard *heard, const char *fmt, ...) TD_PRINTF(2, 3);

static void hear(struct heard *heard, const char *fmt, ...)
{
	size_t used = strlen(heard->text);
	va_list args;

	va_start(args, fmt);
	vsnprintf(heard->text + used, sizeof(heard->text) - used, fmt, args);
	va_end(args);
}

static int hear_nic(void *opaque, unsigned nic, const char *name, struct td_err *err)
{
	struct heard *heard = opaque;

	(void)err;
	hear(heard, "nic %u %s;", nic, name);
	return heard->replay ? td_policy_replay_add(heard->replay, name) : 0;
}

static void hear_begin(void *opaque, unsigned nic, uint64_t t_ns)
{
	struct heard *heard = opaque;

	hear(heard, "%u@%" PRIu64 ":", nic, t_ns / 1000000);
	if (heard->replay)
		(void)td_policy_replay_begin(heard->replay, nic, t_ns);
}

static void hear_fact(void *opaque, unsigned nic, enum td_policy_fact fact, int64_t value)
{
	struct heard *heard = opaque;

	hear(heard, " %s=%" PRId64, td_policy_facts[fact].name, value);
	if (heard->replay)
		td_policy_set(&heard->replay->nic[nic]->player.nic, fact, value, heard->replay->nic[nic]->player.nic.now_ns);
}

static void hear_unknown(void *opaque, unsigned nic, enum td_policy_fact fact)
{
	(void)nic;
	hear(opaque, " %s=?", td_policy_facts[fact].name);
}

static void hear_label(void *opaque, unsigned nic, const char *name, const char *text)
{
	(void)nic;
	hear(opaque, " %s~%s", name, text);
}

static void hear_end(void *opaque, unsigned nic)
{
	struct heard *heard = opaque;

	hear(heard, ";");
	if (heard->replay)
		td_policy_replay_end(heard->replay, nic);
}

static int read_trace(const char *text, size_t len, struct heard *heard, struct td_policy_trace_totals *totals, struct td_err *err)
{
	static const struct td_policy_trace_ops ops = {hear_nic, hear_begin, hear_fact, hear_unknown, hear_label, hear_end};
	FILE *in = fmemopen((void *)(uintptr_t)text, len, "r");
	int rc = td_policy_trace_read(in, "t", &ops, heard, totals, err);

	fclose(in);
	return rc;
}

static void facts_reach_the_nics_that_they_are_of(void **state)
{
	static const char text[] = HEAD "{\"t\": 0, \"nic\": \"a\", \"pool\": \"p\", \"label.tier\": \"gold\", \"guest.standby\": true}\n"
					"{\"t\": 0, \"nic\": \"b\", \"vf.health\": \"pf-down\", \"time\": \"01:05\"}\n"
					"{\"t\": 1.5, \"pool\": \"p\", \"pool.free\": 2}\n"
					"{\"t\": 2, \"host\": \"h\", \"maintenance\": false}\n"
					"{\"t\": 3, \"nic\": \"b\", \"vf.health\": null, \"packets\": \"20k/s\", \"emulated.cpu\": 12.7}";
	struct heard heard = {.text = ""};
	struct td_policy_trace_totals totals;
	struct td_err err = {0};

	(void)state;
	if (read_trace(text, strlen(text), &heard, &totals, &err))
		fail_msg("%s", err.text);
	assert_string_equal(heard.text, "nic 0 a;0@0: tier~gold guest.standby=1;nic 1 b;1@0: vf.health=2 time=65;0@1500: pool.free=2;"
					"0@2000: maintenance=0;1@2000: maintenance=0;1@3000: vf.health=? packets=20000 emulated.cpu=12;");
	assert_int_equal(totals.nics, 2);
	assert_int_equal(totals.facts, 10);
	assert_int_equal(totals.last_ns, 3000000000);
}

static void each_mistake_has_its_line(void **state)
{
	static const struct {
		const char *text, *says;
	} rows[] = {
		{"\n", "t:1:1: not JSON: "},
		{"{\"t\": 0}\n", "t:1:1: no trace: its first line is {\"tandem-trace\": 1}"},
		{"{\"tandem-trace\": 2}\n", "t:1:1: a trace of version 2: this tandem reads version 1"},
		{HEAD "[]\n", "t:2:1: a line is an object"},
		{HEAD "{\"t\": 0,\n", "t:2:8: not JSON: "},
		{HEAD "{\"t\": 0, \"nic\": \"a\", \"nic\": \"b\"}\n", "t:2:26: not JSON: duplicate object key"},
		{HEAD "{\"nic\": \"a\"}\n", "t:2:1: t: seconds since the start"},
		{HEAD "{\"t\": -1, \"nic\": \"a\"}\n", "t:2:1: t: seconds since the start"},
		{HEAD "{\"t\": 1e300, \"nic\": \"a\"}\n", "t:2:1: t: seconds since the start"},
		{HEAD "{\"t\": 1, \"nic\": \"a\"}\n{\"t\": 0.9, \"nic\": \"a\"}\n", "t:3:1: t: goes back in time"},
		{HEAD "{\"t\": 0, \"packets\": 1}\n", "t:2:1: whose facts are these?"},
		{HEAD "{\"t\": 0, \"nic\": 7}\n", "t:2:1: nic: a name"},
		{HEAD "{\"t\": 0, \"nic\": \"\"}\n", "t:2:1: nic ''"},
		{HEAD "{\"t\": 0, \"nic\": \"a\", \"pakets\": 1}\n", "t:2:1: 'pakets' is no fact"},
		{HEAD "{\"t\": 0, \"nic\": \"a\", \"packets\": -1}\n", "t:2:1: packets: a number from 0, or null"},
		{HEAD "{\"t\": 0, \"nic\": \"a\", \"packets\": \"20k\"}\n", "t:2:1: packets: a number from 0, or null"},
		{HEAD "{\"t\": 0, \"nic\": \"a\", \"vf.health\": \"bad\"}\n", "t:2:1: vf.health: a text, ok, no-carrier"},
		{HEAD "{\"t\": 0, \"nic\": \"a\", \"maintenance\": 1}\n", "t:2:1: maintenance: true, false, yes or no"},
		{HEAD "{\"t\": 0, \"nic\": \"a\", \"path\": \"vf\"}\n", "t:2:1: path is known to the engine"},
		{HEAD "{\"t\": 0, \"nic\": \"a\", \"label.x\": 1}\n", "t:2:1: label.x: a text, of a NIC"},
		{HEAD "{\"t\": 0, \"nic\": \"a\", \"pool\": \"p\"}\n{\"t\": 0, \"pool\": \"p\", \"packets\": 1}\n",
			"t:3:1: packets is a fact of the nic: the line says \"pool\""},
	};

	(void)state;
	for (unsigned i = 0; i < TD_COUNT(rows); i++) {
		struct heard heard = {.text = ""};
		struct td_policy_trace_totals totals;
		struct td_err err = {0};

		assert_true(read_trace(rows[i].text, strlen(rows[i].text), &heard, &totals, &err) < 0);
		if (strncmp(err.text, rows[i].says, strlen(rows[i].says)) != 0)
			fail_msg("row %u: %s, expected %s", i, err.text, rows[i].says);
	}
}

static void a_line_without_an_end_is_refused(void **state)
{
	size_t len = 3 * TD_POLICY_TRACE_LINE_BYTES;
	char *text = malloc(len);
	struct heard heard = {.text = ""};
	struct td_policy_trace_totals totals;
	struct td_err err = {0};

	(void)state;
	memset(text, ' ', len);
	assert_true(read_trace(text, len, &heard, &totals, &err) < 0);
	assert_non_null(strstr(err.text, "a line has at most"));
	memset(text, 'x', 2);
	text[1] = '\0'; /* a NUL does not hide what is behind it */
	assert_true(read_trace(text, 4, &heard, &totals, &err) < 0);
	free(text);
}

/* 10 s on the emulated path at 1k/s, 20 s on the VF at 10k/s, and what a flip of 50 ms leaves behind. */
static void a_replay_gives_the_known_sums(void **state)
{
	static const char text[] = HEAD "{\"t\": 0, \"nic\": \"a\", \"wanted\": \"emulated\", \"guest.standby\": true, \"packets\": 1000}\n"
					"{\"t\": 5, \"nic\": \"a\", \"packets\": 1000}\n"
					"{\"t\": 10, \"nic\": \"a\", \"wanted\": \"vf\", \"packets\": 10000}\n"
					"{\"t\": 20, \"nic\": \"a\", \"packets\": 10000}\n"
					"{\"t\": 30.05, \"nic\": \"a\", \"packets\": 10000}\n";
	struct td_policy_replay replay;
	struct td_policy_replay_sums sums;
	struct td_policy_trace_totals totals;
	struct td_policy *policy;
	struct td_err err = {0};

	(void)state;
	assert_int_equal(td_policy_schema_load(&policy, NULL, &err), 0);
	policy->stale_ns = TD_POLICY_NEVER;
	td_policy_replay_init(&replay, policy, 50000000);
	if (read_trace(text, strlen(text), &(struct heard){.replay = &replay}, &totals, &err))
		fail_msg("%s", err.text);
	td_policy_replay_finish(&replay, totals.last_ns);
	td_policy_replay_sum(&replay, &sums);
	assert_int_equal(sums.flips, 1);
	assert_int_equal(replay.change_count, 2);
	assert_int_equal(replay.change[1].t_ns, 10000000000);
	assert_int_equal(replay.change[1].decision.path, TD_PATH_VF);
	assert_int_equal((int)(sums.packets + 0.5), 10000 + 200500);
	assert_int_equal((int)(sums.vf_packets + 0.5), 200000);
	assert_int_equal((int)(1000 * sums.vf_share), 665);
	td_policy_replay_fini(&replay);
	free(policy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(facts_reach_the_nics_that_they_are_of),
		cmocka_unit_test(each_mistake_has_its_line),
		cmocka_unit_test(a_line_without_an_end_is_refused),
		cmocka_unit_test(a_replay_gives_the_known_sums),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
