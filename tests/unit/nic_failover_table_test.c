/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of mode failover, walked as a table: what each event makes of each state stands here once more, written by hand, and then what
 * must hold of the whole.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "nic/failover/failover_table.h"

/* The next state by the first letter of its row; '-': the event cannot come there; '.': it says nothing new. */
static const char letters[TD_FS_COUNT + 1] = "EPOVSNALDGU";

static const char *const next[TD_FS_COUNT] = {
	/*                     PLUGGED SETTLE WITHDRAWN DOWN ASKED KEPT | OPENING DRIVER_UP EJECTED RESET | UP SHUT NONE OPEN USED QUIET
			       PAUSED TIMEOUT | TAKEN */
	[TD_FS_EMULATED] = "P----E"
			   "-.-E"
			   "--------"
			   "-",
	[TD_FS_PLUGGED] = "--GU--"
			  "OPEE"
			  "O..-----"
			  "E",
	[TD_FS_OPENING] = "--GU--"
			  "OOEE"
			  "..PV---P"
			  "E",
	[TD_FS_VERIFYING] = "-SL---"
			    "..EE"
			    "--------"
			    "E",
	[TD_FS_SETTLING] = "----LS"
			   "..EE"
			   "..A--NSN"
			   "E",
	[TD_FS_ON_VF] = "----LS"
			"..EE"
			"..A-S---"
			"E",
	[TD_FS_AWAY] = "----G."
		       "N.EE"
		       "NN.-----"
		       "E",
	[TD_FS_LEAVING] = "----LS"
			  "..EE"
			  "LDG-----"
			  "E",
	[TD_FS_DEAF] = "----DN"
		       "..EE"
		       "D.G-----"
		       "E",
	[TD_FS_LET_GO] = "----GU"
			 "..EE"
			 "L..-----"
			 "E",
	[TD_FS_UNUSED] = "P---G."
			 ".UEE"
			 "--------"
			 "E",
};

/* What is done beside entering a state: all else only enters. */
static const struct {
	enum td_failover_action action;
	enum td_failover_state state;
	enum td_failover_event event;
} actions[] = {
	{TD_FA_UNSTEER, TD_FS_EMULATED, TD_FE_KEPT},
	{TD_FA_ASK, TD_FS_PLUGGED, TD_FE_WITHDRAWN},
	{TD_FA_WAKE, TD_FS_PLUGGED, TD_FE_DRIVER_UP},
	{TD_FA_ASK, TD_FS_OPENING, TD_FE_WITHDRAWN},
	{TD_FA_AGAIN, TD_FS_OPENING, TD_FE_OPENING},
	{TD_FA_WAKE, TD_FS_OPENING, TD_FE_DRIVER_UP},
	{TD_FA_ARRIVE, TD_FS_OPENING, TD_FE_OPEN},
	{TD_FA_SETTLE, TD_FS_VERIFYING, TD_FE_SETTLE},
	{TD_FA_ASK, TD_FS_VERIFYING, TD_FE_WITHDRAWN},
	{TD_FA_ASK, TD_FS_SETTLING, TD_FE_ASKED},
	{TD_FA_SETTLE, TD_FS_SETTLING, TD_FE_KEPT},
	{TD_FA_LOSE_DRIVER, TD_FS_SETTLING, TD_FE_SEES_NONE},
	{TD_FA_AGAIN, TD_FS_SETTLING, TD_FE_PAUSED},
	{TD_FA_ASK, TD_FS_ON_VF, TD_FE_ASKED},
	{TD_FA_SETTLE, TD_FS_ON_VF, TD_FE_KEPT},
	{TD_FA_LOSE_DRIVER, TD_FS_ON_VF, TD_FE_SEES_NONE},
	{TD_FA_SETTLE, TD_FS_ON_VF, TD_FE_USED},
	{TD_FA_ASK_AWAY, TD_FS_AWAY, TD_FE_ASKED},
	{TD_FA_ASK, TD_FS_LEAVING, TD_FE_ASKED},
	{TD_FA_SETTLE, TD_FS_LEAVING, TD_FE_KEPT},
	{TD_FA_RELAY, TD_FS_LEAVING, TD_FE_SEES_UP},
	{TD_FA_GO_DEAF, TD_FS_LEAVING, TD_FE_SEES_SHUT},
	{TD_FA_LET_GO_AT_ONCE, TD_FS_LEAVING, TD_FE_SEES_NONE},
	{TD_FA_ASK, TD_FS_DEAF, TD_FE_ASKED},
	{TD_FA_RELAY, TD_FS_DEAF, TD_FE_SEES_UP},
	{TD_FA_LET_GO, TD_FS_DEAF, TD_FE_SEES_NONE},
	{TD_FA_ASK, TD_FS_LET_GO, TD_FE_ASKED},
	{TD_FA_KEEP_UNUSED, TD_FS_LET_GO, TD_FE_KEPT},
	{TD_FA_RELAY, TD_FS_LET_GO, TD_FE_SEES_UP},
	{TD_FA_ASK, TD_FS_UNUSED, TD_FE_ASKED},
	{TD_FA_COME_LATE, TD_FS_UNUSED, TD_FE_DRIVER_UP},
};

#define EACH_STATE(state) (unsigned state = 0; state < TD_FS_COUNT; state++)
#define EACH_EVENT(event) (unsigned event = 0; event < TD_FE_COUNT; event++)

static struct td_failover_step step_of(unsigned state, unsigned event)
{
	return td_failover_step((enum td_failover_state)state, (enum td_failover_event)event);
}

static const struct td_failover_stand *stand_of(unsigned state)
{
	return td_failover_stand((enum td_failover_state)state);
}

static bool moves(struct td_failover_step step)
{
	return step.action != TD_FA_NEVER && step.action != TD_FA_STAY;
}

static enum td_failover_action expected_action(unsigned state, unsigned event)
{
	for (unsigned i = 0; i < TD_COUNT(actions); i++)
		if (actions[i].state == state && actions[i].event == event)
			return actions[i].action;
	if (next[state][event] == '-')
		return TD_FA_NEVER;
	if (next[state][event] == '.')
		return TD_FA_STAY;
	if (event == TD_FE_EJECTED || event == TD_FE_TAKEN || event == TD_FE_RESET)
		return TD_FA_TO_EMULATED;
	return TD_FA_ENTER;
}

static void test_each_pair(void **test_state)
{
	(void)test_state;
	for
		EACH_STATE(state)
		{
			assert_int_equal(strlen(next[state]), TD_FE_COUNT);
		for
			EACH_EVENT(event)
			{
				struct td_failover_step step = step_of(state, event);

				if (step.action != expected_action(state, event))
					fail_msg("event %u in %s: action %u", event, stand_of(state)->name, step.action);
				if (step.action == TD_FA_STAY)
					assert_int_equal(step.next, state);
				if (moves(step) && letters[step.next] != next[state][event])
					fail_msg("event %u in %s: to %s", event, stand_of(state)->name, stand_of(step.next)->name);
			}
		}
}

/* Whoever has no VF hears by the emulated path alone. */
static void test_stands(void **test_state)
{
	(void)test_state;
	for
		EACH_STATE(state)
		{
			const struct td_failover_stand *stand = stand_of(state);

			assert_non_null(stand->name);
			assert_int_equal(stand->plugged, state != TD_FS_EMULATED);
			if (!stand->plugged)
				assert_false(stand->held || stand->leaving || stand->path == TD_PATH_VF);
			/* What is held is brought to the VF, or let go, by a look that comes soon; a flip looks by itself. */
			if (stand->held && stand->leaving)
				assert_int_equal(stand->tick_ns, 1000000);
			if (stand->leaving)
				assert_int_not_equal(stand->tick_ns, 0); /* it is asked again */
		}
	/* Nothing is held from a guest that has nothing but its standby. */
	assert_false(stand_of(TD_FS_AWAY)->held || stand_of(TD_FS_LET_GO)->held || stand_of(TD_FS_UNUSED)->held);
}

/* However the VF goes: then the NIC is on its emulated path. */
static void test_vf_goes(void **test_state)
{
	(void)test_state;
	for
		EACH_STATE(state)
		{
			assert_int_equal(step_of(state, TD_FE_RESET).action, TD_FA_TO_EMULATED);
			assert_int_equal(step_of(state, TD_FE_RESET).next, TD_FS_EMULATED);
			if (!stand_of(state)->plugged)
				continue;
			assert_int_equal(step_of(state, TD_FE_EJECTED).next, TD_FS_EMULATED);
			assert_int_equal(step_of(state, TD_FE_TAKEN).next, TD_FS_EMULATED);
		}
}

/* It comes by being plugged alone, and goes by three events alone. */
static void test_vf_comes_and_goes(void **test_state)
{
	(void)test_state;
	for
		EACH_STATE(state)
		{
		for
			EACH_EVENT(event)
			{
				struct td_failover_step step = step_of(state, event);
				bool before = stand_of(state)->plugged, after = stand_of(step.next)->plugged;

				if (!moves(step))
					continue;
				if (!before && after)
					assert_int_equal(event, TD_FE_PLUGGED);
				if (before && !after)
					assert_true(event == TD_FE_EJECTED || event == TD_FE_TAKEN || event == TD_FE_RESET);
			}
		}
}

/* The guest is asked whenever it begins to leave, and leaves no other way. */
static void test_leaving(void **test_state)
{
	(void)test_state;
	for
		EACH_STATE(state)
		{
		for
			EACH_EVENT(event)
			{
				struct td_failover_step step = step_of(state, event);
				bool before = stand_of(state)->leaving, after = stand_of(step.next)->leaving;

				if (!moves(step))
					continue;
				if (!before && after)
					assert_true(step.action == TD_FA_ASK || step.action == TD_FA_ASK_AWAY);
				if (before && !after && stand_of(step.next)->plugged)
					assert_int_equal(event, TD_FE_KEPT);
				if (event == TD_FE_ASKED || event == TD_FE_WITHDRAWN)
					assert_true(after);
			}
		}
}

/* The path changes to the VF when the guest receives by it, and by nothing else. */
static void test_path(void **test_state)
{
	(void)test_state;
	for
		EACH_STATE(state)
		{
		for
			EACH_EVENT(event)
			{
				struct td_failover_step step = step_of(state, event);

				if (moves(step) && stand_of(state)->path == TD_PATH_EMULATED && stand_of(step.next)->path == TD_PATH_VF)
					assert_true(event == TD_FE_OPEN || (state == TD_FS_LET_GO && event == TD_FE_SEES_UP));
			}
		}
}

/* There is a way to each state, and from each to the VF and back. */
static void test_reachable(void **test_state)
{
	bool reached[TD_FS_COUNT];

	(void)test_state;
	for
		EACH_STATE(from)
		{
			memset(reached, 0, sizeof(reached));
			reached[from] = true;
			for (unsigned round = 0; round < TD_FS_COUNT; round++)
			for
				EACH_STATE(state)
				for
					EACH_EVENT(event)
				if (reached[state] && moves(step_of(state, event)))
					reached[step_of(state, event).next] = true;
		for
			EACH_STATE(state)
		assert_true(reached[state]);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_each_pair), cmocka_unit_test(test_stands), cmocka_unit_test(test_vf_goes),
		cmocka_unit_test(test_vf_comes_and_goes), cmocka_unit_test(test_leaving), cmocka_unit_test(test_path),
		cmocka_unit_test(test_reachable)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
