/* SPDX-License-Identifier: Apache-2.0 */
/* Which links are tandem's: by their mark, never by their name; what others made stays theirs. The engine on a kernel of paper. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/log.h"
#include "host_fake_expect.h"

/* Somebody makes a link of a name that a file has, and puts a NIC into it. */
static void somebody_makes(struct fake *fake, const char *name, const char *kind, const char *port)
{
	assert_int_equal(fake_make(fake, name, kind), 0);
	fake_put(fake, name, TD_HOST_ATTR_MARK, "");
	assert_int_equal(fake_join(fake, port, name), 0);
}

static const char team[] = "teams: [{name: bond7, members: [up0]}]\nnetworks: [{name: br7, uplinks: [bond7]}]";

static void expect_left_alone(struct fake *fake)
{
	struct td_err err;
	td_auto_free char *before = fake_dump(fake);
	assert_int_not_equal(fake_apply(fake, team, &err), 0);
	assert_int_equal(err.reason, TD_REASON_NOT_OURS);
	expect_dump(fake, before, "refused");
	expect_apply(fake, "");
	expect_dump(fake, before, "nothing is wanted");
}

/* Apply fails at each call, or is killed there; then somebody else makes a bond of this name. It is his. */
static void a_name_that_failed_is_free_for_others(void **state)
{
	static const enum fake_fault faults[] = {FAKE_FAILS, FAKE_FAILS_AFTER_ALL};
	unsigned calls = count_calls(fake_init, "", team).calls;
	(void)state;
	for (unsigned at = 1; at <= calls; at++)
		for (unsigned i = 0; i < TD_COUNT(faults); i++) {
			struct fake fake;
			struct td_err err;
			fake_init(&fake);
			fake.fault = faults[i];
			fake.fault_at = at;
			assert_int_not_equal(fake_apply(&fake, team, &err), 0);
			somebody_makes(&fake, "bond7", "bond", "up0");
			fake.fault = FAKE_NONE;
			expect_left_alone(&fake);
			expect_record(&fake, EMPTY_RECORD, err.text);
			fake_fini(&fake);
		}
}

/* Older versions took a link for theirs that was being made, by its name in the record, and left it there. */
static void a_record_of_older_versions_makes_no_link_ours(void **state)
{
	static const char old[] = "{\"version\":1,\"before\":[{\"kind\":\"link\",\"name\":\"bond7\",\"values\":{\"making\":\"yes\"}}],"
				  "\"journal\":[]}";
	struct fake fake;
	(void)state;
	fake_init(&fake);
	fake.saved = strdup(old);
	somebody_makes(&fake, "bond7", "bond", "up0");
	expect_left_alone(&fake);
	fake_fini(&fake);
}

/* So too while apply runs: what it finds in place of its own is not taken away by the undoing. */
static void a_link_that_others_made_meanwhile_stays(void **state)
{
	unsigned calls = count_calls(fake_init, "", team).calls;
	(void)state;
	for (unsigned at = 1; at <= calls; at++) {
		struct fake fake;
		struct td_err err;
		fake_init(&fake);
		fake.fault = FAKE_DIES_AFTER;
		fake.fault_at = at;
		assert_int_not_equal(fake_apply(&fake, team, &err), 0);
		fake.dead = false;
		if (fake_link(&fake, "bond7")) {
			fake_put(&fake, "up0", TD_HOST_ATTR_MASTER, "");
			td_host_state_remove(&fake.state, TD_HOST_LINK, "bond7");
			somebody_makes(&fake, "bond7", "bond", "up0");
			td_host_state_set(&fake.state, TD_HOST_LINK, "bond7", TD_HOST_ATTR_MODE, "balance-alb");
			/* Another file fails too, and all is undone. */
			fake.fault = FAKE_FAILS;
			fake.fault_at = fake.calls + 1;
			(void)fake_apply(&fake, "networks: [{name: br8}]", &err);
			assert_true(fake_is(&fake, "bond7", TD_HOST_ATTR_KIND, "bond"));
			assert_true(fake_is(&fake, "bond7", TD_HOST_ATTR_MODE, "balance-alb"));
			assert_true(fake_is(&fake, "up0", TD_HOST_ATTR_MASTER, "bond7"));
		}
		fake_fini(&fake);
	}
}

/* The record is lost: what the file has is taken over, what it has not is another's. */
static void strays_are_left_alone(void **state)
{
	struct fake fake;
	struct td_err err;
	unsigned steps = 99;
	(void)state;
	fake_init(&fake);
	expect_apply(&fake, team);
	td_auto_free char *before = fake_dump(&fake);
	free(fake.saved);
	fake.saved = NULL;
	expect_apply(&fake, "");
	expect_dump(&fake, before, "no record, and nothing is wanted");
	assert_int_not_equal(fake_apply(&fake, "networks: [{name: br8, uplinks: [up0]}]", &err), 0);
	assert_int_equal(err.reason, TD_REASON_NOT_OURS);
	assert_int_equal(fake_apply_as(&fake, team, false, false, &steps, &err), 0);
	assert_int_equal(steps, 0);
	assert_non_null(strstr(fake.saved, "\"bond7\""));
	expect_apply(&fake, "");
	assert_null(fake_link(&fake, "bond7"));
	assert_null(fake_link(&fake, "br7"));
	fake_fini(&fake);
}

int main(void)
{
	td_log_set_level(TD_LOG_ERROR);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_that_failed_is_free_for_others),
		cmocka_unit_test(a_record_of_older_versions_makes_no_link_ours),
		cmocka_unit_test(a_link_that_others_made_meanwhile_stays),
		cmocka_unit_test(strays_are_left_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
