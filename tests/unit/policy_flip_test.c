/* SPDX-License-Identifier: Apache-2.0 */
/* The flip's state machine: each phase failing, pending, timing out, aborted, called back into; undo order; late events; times. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "policy/flip.h"

enum plan { PLAN_DONE, PLAN_PENDING, PLAN_FAIL, PLAN_DONE_INSIDE, PLAN_FAIL_INSIDE, PLAN_ABORT_INSIDE, PLAN_DONE_THEN_ABORT_INSIDE };

struct fake {
	struct td_flip flip;
	enum plan plan[TD_FLIP_PHASES];
	char trace[256]; /* begun phases "RPQ...", undone ones in lower case, '.' finished */
	uint64_t now_ns, armed_ms;
	unsigned finished, restarts, begin_depth;
	struct td_err err;
	bool poke_in_undo, at_work;
};

static const char letters[] = "RPQTSAVC";

static void note(struct fake *fake, char c)
{
	size_t len = strlen(fake->trace);

	assert_true(len + 1 < sizeof(fake->trace));
	fake->trace[len] = c;
}

static struct td_err canceled(void)
{
	struct td_err err = {0};

	td_err_set(&err, ECANCELED, TD_REASON_FLIP_ABORTED, "the guest was reset");
	return err;
}

static int fake_begin(void *opaque, enum td_path to, enum td_flip_phase phase, struct td_err *err)
{
	struct fake *fake = opaque;
	struct td_err cause = canceled();

	(void)to;
	assert_int_equal(fake->begin_depth, 0);
	fake->begin_depth++;
	note(fake, letters[phase]);
	fake->now_ns += 1000 * (phase + 1);
	switch (fake->plan[phase]) {
	case PLAN_DONE_THEN_ABORT_INSIDE:
		assert_true(td_flip_done(&fake->flip, phase));
		td_flip_abort(&fake->flip, &cause);
		break;
	case PLAN_DONE_INSIDE:
		assert_true(td_flip_done(&fake->flip, phase));
		break;
	case PLAN_FAIL_INSIDE:
		assert_true(td_flip_fail(&fake->flip, phase, &cause));
		break;
	case PLAN_ABORT_INSIDE:
		td_flip_abort(&fake->flip, &cause);
		break;
	default:
		break;
	}
	fake->begin_depth--;
	if (fake->plan[phase] == PLAN_FAIL)
		return td_err_set(err, EIO, TD_REASON_VFIO, "planned");
	return fake->plan[phase] == PLAN_DONE ? 0 : -EINPROGRESS;
}

static void fake_undo(void *opaque, enum td_path to, enum td_flip_phase phase)
{
	struct fake *fake = opaque;
	struct td_err cause = canceled();

	(void)to;
	note(fake, (char)(letters[phase] + 'a' - 'A'));
	if (fake->poke_in_undo) {
		assert_false(td_flip_done(&fake->flip, fake->flip.phase));
		assert_false(td_flip_fail(&fake->flip, fake->flip.phase, &cause));
		td_flip_abort(&fake->flip, &cause);
		td_flip_timeout(&fake->flip);
		assert_int_equal(td_flip_start(&fake->flip, TD_PATH_VF, NULL), -EBUSY);
	}
}

static bool fake_at_work(void *opaque, enum td_path to, enum td_flip_phase phase)
{
	struct fake *fake = opaque;

	assert_int_equal(to, fake->flip.to);
	assert_int_equal(phase, fake->flip.phase);
	return fake->at_work;
}

static void fake_arm(void *opaque, uint64_t delay_ms)
{
	((struct fake *)opaque)->armed_ms = delay_ms;
}

static uint64_t fake_now(void *opaque)
{
	return ((struct fake *)opaque)->now_ns;
}

static void fake_finished(void *opaque, const struct td_flip *flip, const struct td_err *err)
{
	struct fake *fake = opaque;

	assert_true(flip->state == TD_FLIP_IDLE || (flip->state == TD_FLIP_LATE && fake->at_work));
	note(fake, '.');
	fake->finished++;
	fake->err = *err;
	if (fake->restarts) {
		fake->restarts--;
		assert_int_equal(td_flip_start(&fake->flip, TD_PATH_EMULATED, NULL), 0);
	}
}

static const struct td_flip_ops fake_ops = {fake_begin, fake_undo, fake_at_work, fake_arm, fake_now, fake_finished};

static void set_up(struct fake *fake)
{
	memset(fake, 0, sizeof(*fake));
	td_flip_init(&fake->flip, &fake_ops, fake);
}

static void expect_undone(struct fake *fake, unsigned phase, int code, enum td_reason reason)
{
	char expected[64] = {0};
	unsigned n = 0;

	for (unsigned i = 0; i <= phase; i++)
		expected[n++] = letters[i];
	for (unsigned i = phase + 1; i-- > 0;)
		expected[n++] = (char)(letters[i] + 'a' - 'A');
	expected[n] = '.';
	assert_string_equal(fake->trace, expected);
	assert_int_equal(fake->finished, 1);
	assert_int_equal(fake->err.code, code);
	assert_int_equal(fake->err.reason, reason);
	assert_int_equal(fake->flip.phase, phase);
	assert_false(td_flip_active(&fake->flip));
	assert_int_equal(fake->armed_ms, 0);
}

static void expect_committed(struct fake *fake)
{
	assert_string_equal(fake->trace, "RPQTSAVC.");
	assert_int_equal(fake->finished, 1);
	assert_int_equal(fake->err.code, 0);
	assert_int_equal(fake->armed_ms, 0);
}

static void test_straight(void **state)
{
	struct fake fake;
	uint64_t sum = 0;

	(void)state;
	set_up(&fake);
	fake.now_ns = 500;
	assert_int_equal(td_flip_start(&fake.flip, TD_PATH_VF, NULL), 0);
	expect_committed(&fake);
	for (unsigned i = 0; i < TD_FLIP_PHASES; i++) {
		assert_int_equal(fake.flip.phase_ns[i], 1000 * (i + 1));
		sum += fake.flip.phase_ns[i];
	}
	assert_int_equal(fake.flip.total_ns, sum);
}

static void test_each_phase_fails(void **state)
{
	static const enum plan ways[] = {PLAN_FAIL, PLAN_FAIL_INSIDE, PLAN_ABORT_INSIDE, PLAN_DONE_THEN_ABORT_INSIDE};

	(void)state;
	for (unsigned way = 0; way < TD_COUNT(ways); way++) {
		for (unsigned phase = 0; phase < TD_FLIP_COMMIT; phase++) {
			struct fake fake;

			set_up(&fake);
			fake.poke_in_undo = true;
			fake.plan[phase] = ways[way];
			assert_int_equal(td_flip_start(&fake.flip, TD_PATH_VF, NULL), 0);
			if (ways[way] == PLAN_FAIL)
				expect_undone(&fake, phase, -EIO, TD_REASON_VFIO);
			else
				expect_undone(&fake, phase, -ECANCELED, TD_REASON_FLIP_ABORTED);
		}
	}
}

static void test_each_phase_pends_and_ends(void **state)
{
	(void)state;
	for (unsigned phase = 0; phase < TD_FLIP_PHASES; phase++) {
		struct fake fake;

		set_up(&fake);
		fake.plan[phase] = PLAN_PENDING;
		td_flip_start(&fake.flip, TD_PATH_VF, NULL);
		assert_int_equal(fake.finished, 0);
		assert_int_equal(fake.armed_ms, fake.flip.limit_ms[phase]);
		assert_true(fake.armed_ms > 0);
		for (unsigned other = 0; other < TD_FLIP_PHASES; other++) {
			if (other != phase)
				assert_false(td_flip_done(&fake.flip, (enum td_flip_phase)other));
		}
		fake.now_ns += 7000000;
		assert_true(td_flip_done(&fake.flip, (enum td_flip_phase)phase));
		expect_committed(&fake);
		assert_int_equal(fake.flip.phase_ns[phase], 7000000 + 1000 * (phase + 1));
		assert_false(td_flip_done(&fake.flip, (enum td_flip_phase)phase));
	}
}

static void test_each_phase_times_out(void **state)
{
	(void)state;
	for (unsigned phase = 0; phase < TD_FLIP_COMMIT; phase++) {
		struct fake fake;

		set_up(&fake);
		fake.poke_in_undo = true;
		fake.plan[phase] = PLAN_PENDING;
		td_flip_start(&fake.flip, TD_PATH_EMULATED, NULL);
		td_flip_timeout(&fake.flip);
		expect_undone(&fake, phase, -ETIMEDOUT, TD_REASON_FLIP_TIMEOUT);
		assert_non_null(strstr(fake.err.text, td_flip_phase_name((enum td_flip_phase)phase)));
		/* What comes too late changes nothing. */
		assert_false(td_flip_done(&fake.flip, (enum td_flip_phase)phase));
		td_flip_timeout(&fake.flip);
		assert_int_equal(fake.finished, 1);
	}
}

static void test_each_phase_is_aborted(void **state)
{
	(void)state;
	for (unsigned phase = 0; phase < TD_FLIP_COMMIT; phase++) {
		struct fake fake;
		struct td_err cause = canceled();

		set_up(&fake);
		fake.plan[phase] = PLAN_PENDING;
		td_flip_start(&fake.flip, TD_PATH_VF, NULL);
		td_flip_abort(&fake.flip, &cause);
		expect_undone(&fake, phase, -ECANCELED, TD_REASON_FLIP_ABORTED);
		td_flip_abort(&fake.flip, &cause);
		assert_int_equal(fake.finished, 1);
	}
}

static void test_all_end_inside_begin(void **state)
{
	struct fake fake;

	(void)state;
	set_up(&fake);
	for (unsigned phase = 0; phase < TD_FLIP_PHASES; phase++)
		fake.plan[phase] = PLAN_DONE_INSIDE;
	td_flip_start(&fake.flip, TD_PATH_VF, NULL);
	expect_committed(&fake);
}

static void test_commit_cannot_fail(void **state)
{
	static const enum plan ways[] = {PLAN_FAIL, PLAN_FAIL_INSIDE, PLAN_ABORT_INSIDE};
	struct td_err cause = canceled();
	struct fake fake;

	(void)state;
	for (unsigned way = 0; way < TD_COUNT(ways); way++) {
		set_up(&fake);
		fake.plan[TD_FLIP_COMMIT] = ways[way];
		td_flip_start(&fake.flip, TD_PATH_VF, NULL);
		expect_committed(&fake);
	}
	set_up(&fake);
	fake.plan[TD_FLIP_COMMIT] = PLAN_PENDING;
	td_flip_start(&fake.flip, TD_PATH_VF, NULL);
	td_flip_timeout(&fake.flip);
	expect_committed(&fake);
	set_up(&fake);
	fake.plan[TD_FLIP_COMMIT] = PLAN_PENDING;
	td_flip_start(&fake.flip, TD_PATH_VF, NULL);
	td_flip_abort(&fake.flip, &cause);
	expect_committed(&fake);
}

static void test_busy(void **state)
{
	struct td_err err = {0};
	struct fake fake;

	(void)state;
	set_up(&fake);
	fake.plan[TD_FLIP_SWAP] = PLAN_PENDING;
	td_flip_start(&fake.flip, TD_PATH_VF, NULL);
	assert_int_equal(td_flip_start(&fake.flip, TD_PATH_EMULATED, &err), -EBUSY);
	assert_int_equal(err.reason, TD_REASON_FLIP_BUSY);
	assert_int_equal(fake.flip.to, TD_PATH_VF);
	assert_true(td_flip_done(&fake.flip, TD_FLIP_SWAP));
	expect_committed(&fake);
}

static void test_restart_from_finished(void **state)
{
	struct fake fake;

	(void)state;
	set_up(&fake);
	fake.restarts = 2;
	td_flip_start(&fake.flip, TD_PATH_VF, NULL);
	assert_string_equal(fake.trace, "RPQTSAVC.RPQTSAVC.RPQTSAVC.");
	assert_int_equal(fake.flip.to, TD_PATH_EMULATED);
	assert_false(td_flip_active(&fake.flip));
	/* Also after a failure, and the old error is forgotten. */
	set_up(&fake);
	fake.plan[TD_FLIP_PREPARE] = PLAN_PENDING;
	fake.restarts = 1;
	td_flip_start(&fake.flip, TD_PATH_VF, NULL);
	td_flip_timeout(&fake.flip);
	assert_string_equal(fake.trace, "RPpr.RP");
	assert_true(td_flip_done(&fake.flip, TD_FLIP_PREPARE));
	assert_string_equal(fake.trace, "RPpr.RPQTSAVC.");
	assert_int_equal(fake.err.code, 0);
}

static void test_idle_is_left_alone(void **state)
{
	struct td_err cause = canceled();
	struct fake fake;

	(void)state;
	set_up(&fake);
	td_flip_abort(&fake.flip, &cause);
	td_flip_timeout(&fake.flip);
	assert_false(td_flip_done(&fake.flip, TD_FLIP_RESERVE));
	assert_false(td_flip_fail(&fake.flip, TD_FLIP_RESERVE, &cause));
	assert_string_equal(fake.trace, "");
}

static void test_failure_without_a_code(void **state)
{
	struct td_err empty = {0};
	struct fake fake;

	(void)state;
	set_up(&fake);
	fake.plan[TD_FLIP_QUIESCE] = PLAN_PENDING;
	td_flip_start(&fake.flip, TD_PATH_VF, NULL);
	assert_true(td_flip_fail(&fake.flip, TD_FLIP_QUIESCE, &empty));
	assert_true(fake.err.code < 0);
	assert_string_equal(fake.trace, "RPQqpr.");
}

/* Work that a phase gave away outlives the flip: it is undone when it is back, and no flip begins before. */
static void test_late_work(void **state)
{
	(void)state;
	for (unsigned phase = 0; phase < TD_FLIP_COMMIT; phase++)
		for (unsigned by_limit = 0; by_limit < 2; by_limit++) {
			struct td_err cause = canceled(), err = {0};
			struct fake fake;
			char before[256];

			set_up(&fake);
			fake.poke_in_undo = fake.at_work = true;
			fake.plan[phase] = PLAN_PENDING;
			td_flip_start(&fake.flip, TD_PATH_VF, NULL);
			if (by_limit)
				td_flip_timeout(&fake.flip);
			else
				td_flip_abort(&fake.flip, &cause);
			assert_int_equal(fake.finished, 1); /* whoever asked is told at once */
			assert_int_equal(fake.err.reason, by_limit ? TD_REASON_FLIP_TIMEOUT : TD_REASON_FLIP_ABORTED);
			assert_int_equal(fake.flip.state, TD_FLIP_LATE);
			assert_int_equal(fake.armed_ms, 0);
			snprintf(before, sizeof(before), "%s", fake.trace);
			assert_int_equal(strlen(before), phase + 2); /* begun, and finished; nothing is undone */
			/* Nothing but its return ends it. */
			td_flip_abort(&fake.flip, &cause);
			td_flip_timeout(&fake.flip);
			assert_false(td_flip_done(&fake.flip, (enum td_flip_phase)phase));
			assert_false(td_flip_fail(&fake.flip, (enum td_flip_phase)phase, &cause));
			assert_int_equal(td_flip_start(&fake.flip, TD_PATH_EMULATED, &err), -EBUSY);
			assert_int_equal(err.reason, TD_REASON_FLIP_BUSY);
			assert_non_null(strstr(err.text, td_flip_phase_name((enum td_flip_phase)phase)));
			assert_string_equal(fake.trace, before);
			assert_true(td_flip_returned(&fake.flip));
			assert_int_equal(strlen(fake.trace), 2 * (phase + 1) + 1);
			for (unsigned i = 0; i <= phase; i++) /* backwards, and the one that failed first */
				assert_int_equal(fake.trace[phase + 2 + i], letters[phase - i] + 'a' - 'A');
			assert_int_equal(fake.finished, 1);
			assert_false(td_flip_active(&fake.flip) || td_flip_returned(&fake.flip));
			fake.at_work = false;
			fake.plan[phase] = PLAN_DONE;
			assert_int_equal(td_flip_start(&fake.flip, TD_PATH_VF, NULL), 0);
			assert_int_equal(fake.finished, 2);
			assert_int_equal(fake.err.code, 0);
		}
}

/* Its owner ends: nothing is called any more, in whatever state it is. */
static void test_drop(void **state)
{
	(void)state;
	for (unsigned late = 0; late < 2; late++) {
		struct fake fake;
		char before[256];

		set_up(&fake);
		fake.at_work = late;
		fake.plan[TD_FLIP_PREPARE] = PLAN_PENDING;
		td_flip_start(&fake.flip, TD_PATH_VF, NULL);
		if (late)
			td_flip_timeout(&fake.flip);
		snprintf(before, sizeof(before), "%s", fake.trace);
		td_flip_drop(&fake.flip);
		assert_int_equal(fake.armed_ms, 0);
		assert_false(td_flip_done(&fake.flip, TD_FLIP_PREPARE) || td_flip_returned(&fake.flip));
		td_flip_timeout(&fake.flip);
		assert_string_equal(fake.trace, before);
	}
}

static void test_names(void **state)
{
	(void)state;
	for (unsigned phase = 0; phase < TD_FLIP_PHASES; phase++)
		assert_non_null(td_flip_phase_name((enum td_flip_phase)phase));
	assert_string_equal(td_flip_phase_name(TD_FLIP_RESERVE), "reserve");
	assert_string_equal(td_flip_phase_name(TD_FLIP_COMMIT), "commit");
	assert_string_equal(td_flip_phase_name(TD_FLIP_PHASES), "?");
	assert_string_equal(td_path_name(TD_PATH_VF), "vf");
	assert_string_equal(td_path_name(TD_PATH_EMULATED), "emulated");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_straight),
		cmocka_unit_test(test_each_phase_fails),
		cmocka_unit_test(test_each_phase_pends_and_ends),
		cmocka_unit_test(test_each_phase_times_out),
		cmocka_unit_test(test_each_phase_is_aborted),
		cmocka_unit_test(test_all_end_inside_begin),
		cmocka_unit_test(test_commit_cannot_fail),
		cmocka_unit_test(test_busy),
		cmocka_unit_test(test_restart_from_finished),
		cmocka_unit_test(test_idle_is_left_alone),
		cmocka_unit_test(test_failure_without_a_code),
		cmocka_unit_test(test_late_work),
		cmocka_unit_test(test_drop),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
