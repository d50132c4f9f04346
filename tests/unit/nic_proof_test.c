/* SPDX-License-Identifier: Apache-2.0 */
/* What shows that frames pass on the path that a flip has led to (nic/hybrid_proof.c), and who may end a flip's waiting. */
#include "failover_world.h"

/* Who asks again while a flip waits for its path ends the waiting. */
static void test_another_wish(void **state)
{
	(void)state;
	set_up_on(TD_PATH_VF);
	health_is(TD_REASON_PORT_NOT_FORWARDING, 31000);
	assert_int_equal(ask(TD_PATH_EMULATED, false), 0);
	fake_run(100, true);
	assert_int_equal(td_hybrid_switch(fake.nic, TD_PATH_VF, 0, NULL, NULL, NULL), 0);
	assert_false(td_flip_active(&fake.nic->flip));
	assert_int_equal(fake.nic->wanted, TD_PATH_VF);
	assert_int_equal(ask(TD_PATH_EMULATED, false), 0);
	fake_run(100, true);
	assert_int_equal(td_hybrid_switch(fake.nic, TD_PATH_EMULATED, TD_HYBRID_FORCE, on_done, NULL, NULL), 0);
	fake_run(60000, true);
	settle();
	assert_int_equal(fake.nic->path, TD_PATH_EMULATED);
	health_is(TD_REASON_NONE, 0);
	tear_down_world();
}

/* ---- what shows that frames pass ---- */

static enum td_hybrid_proof proof_of_last(void)
{
	return td_hybrid_last_record(fake.nic)->proof;
}

static void test_proof(void **state)
{
	static const struct {
		unsigned sees;
		enum td_hybrid_proof proof;
	} rows[] = {{0, TD_PROOF_NONE}, {1, TD_PROOF_ANNOUNCEMENT}, {2, TD_PROOF_ANNOUNCEMENT}, {9, TD_PROOF_NONE}};

	(void)state;
	for (unsigned i = 0; i < TD_COUNT(rows); i++) {
		set_up_on(TD_PATH_VF);
		fake.witness_sees = rows[i].sees;
		flip_well(TD_PATH_EMULATED);
		assert_int_equal(proof_of_last(), rows[i].proof);
		assert_int_equal(fake.nic->witness.witness.count, 0);
		tear_down_world();
	}
}

/* A flip that waits for its proof alone is done, and is not undone by the guest's reset. */
static void test_reset_while_it_is_proven(void **state)
{
	(void)state;
	set_up_on(TD_PATH_VF);
	fake.witness_sees = 9;
	assert_int_equal(td_hybrid_switch(fake.nic, TD_PATH_EMULATED, TD_HYBRID_COLD, on_done, NULL, NULL), 0);
	while (!fake.nic->verifying)
		fake_run(1, true);
	fake.reset_wanted = true;
	fake_run(60000, true);
	assert_true(ended.ok);
	settle();
	assert_false(fake.leased);
	fake.witness_sees = 0;
	tear_down_world();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_proof), cmocka_unit_test(test_reset_while_it_is_proven), cmocka_unit_test(test_another_wish)};

	td_log_set_level(TD_LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
