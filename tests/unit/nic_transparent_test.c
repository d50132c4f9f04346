/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A transparent NIC's flips, each phase of both directions failed, stopped, and met by the VF's loss and the guest's reset; then each call
 * that can fail, one after another.
 */
#include "transparent_world.h"

/* ---- faults in phases ---- */

enum fault { FAILS_BEFORE, FAILS_AFTER, STOPS, VF_LOST, RESET, DRIVER_LEAVES, PF_RESETS, PF_GOES_DOWN, FAULTS };

static const char *const fault_name[FAULTS] = {[FAILS_BEFORE] = "fails at once",
	[FAILS_AFTER] = "fails when done",
	[STOPS] = "stops",
	[VF_LOST] = "VF lost",
	[RESET] = "reset",
	[DRIVER_LEAVES] = "driver unloaded",
	[PF_RESETS] = "PF reset",
	[PF_GOES_DOWN] = "PF down"};

static struct {
	enum fault fault;
	enum td_path to;
	enum td_flip_phase phase;
	bool waits; /* the fault comes while the phase waits; else within it */
	bool armed;
} plan;

static bool waits_by_itself(void)
{
	if (plan.to == TD_PATH_EMULATED)
		return plan.phase == TD_FLIP_PREPARE || plan.phase == TD_FLIP_STEER;
	return plan.phase <= TD_FLIP_STEER || plan.phase == TD_FLIP_VERIFY;
}

/* What the phase waits for does not come. */
static void hold_up(bool on)
{
	guest.burn_stuck = on && plan.to == TD_PATH_VF && plan.phase == TD_FLIP_QUIESCE;
	card.link = !(on && plan.to == TD_PATH_VF && plan.phase == TD_FLIP_VERIFY);
	guest.mail_pending = on && plan.to == TD_PATH_EMULATED && plan.phase == TD_FLIP_PREPARE;
	fake.jobs_stand = on && (plan.phase == TD_FLIP_STEER || (plan.to == TD_PATH_VF && plan.phase < TD_FLIP_QUIESCE));
}

/* What is no failure of a call's. */
static void strike(void)
{
	switch (plan.fault) {
	case VF_LOST:
		lose_vf();
		break;
	case RESET:
		fake.reset_wanted = true;
		break;
	case DRIVER_LEAVES:
		driver_leaves();
		break;
	case PF_RESETS:
		pf_resets();
		break;
	case PF_GOES_DOWN:
		fake.pf_up = fake.carrier = card.link = false;
		break;
	default:
		break;
	}
}

static int meet_fault(struct td_hybrid *nic, struct td_err *err)
{
	int rc;

	if (plan.fault == FAILS_BEFORE)
		return td_err_set(err, EIO, TD_REASON_SYSTEM, "planned");
	if (plan.waits && waits_by_itself())
		hold_up(true);
	rc = td_transparent_mode.begin(nic, plan.to, plan.phase, err);
	if (rc < 0 && rc != -EINPROGRESS)
		return rc;
	if (plan.fault == FAILS_AFTER)
		return td_err_set(err, EIO, TD_REASON_SYSTEM, "planned");
	if (!plan.waits)
		strike();
	return plan.waits ? -EINPROGRESS : rc;
}

static int begin_with_fault(struct td_hybrid *nic, enum td_path to, enum td_flip_phase phase, struct td_err *err)
{
	if (!plan.armed || to != plan.to || phase != plan.phase)
		return td_transparent_mode.begin(nic, to, phase, err);
	plan.armed = false;
	return meet_fault(nic, err);
}

/* While a phase waits, the loop runs; then what is planned happens. What happened within one may make a later one wait. */
static void happen(void)
{
	if (plan.waits && td_flip_active(&fake.nic->flip)) {
		fake_run(20, true);
		assert_true(td_flip_active(&fake.nic->flip));
		assert_int_equal(fake.nic->flip.phase, plan.phase);
		strike();
	}
	fake_run(60000, true);
	hold_up(false);
}

static void mend(void)
{
	fake.pf_up = fake.carrier = card.link = true;
	guest.anew = plan.fault == PF_RESETS ? 0 : guest.anew; /* there the driver is told to */
}

static void check_verdict(enum td_path from)
{
	bool last = plan.phase == TD_FLIP_COMMIT;

	if (plan.fault == FAILS_BEFORE || plan.fault == FAILS_AFTER || plan.fault == STOPS)
		assert_int_equal(ended.ok, last);
	if (plan.fault == STOPS && !last)
		assert_true(ended.reason == TD_REASON_FLIP_TIMEOUT ||
			    (ended.reason == TD_REASON_NO_CARRIER && plan.phase == TD_FLIP_VERIFY && plan.to == TD_PATH_VF));
	if (plan.fault <= STOPS && plan.to == TD_PATH_VF && !last)
		assert_int_equal(fake.nic->path, from);
	if (plan.fault <= STOPS && plan.to == TD_PATH_EMULATED && plan.phase < TD_FLIP_STEER)
		assert_int_equal(fake.nic->path, from);
}

static void try_fault(enum td_path to, enum td_flip_phase phase, enum fault fault, bool waits)
{
	enum td_path from = other_than(to);
	struct td_hybrid_mode mode = td_transparent_mode;

	if (waits && to == TD_PATH_EMULATED && phase == TD_FLIP_QUIESCE)
		return; /* it waits for the card, and ends by itself */
	print_message("to %s, %s: %s%s\n", td_path_name(to), td_flip_phase_name(phase), fault_name[fault], waits ? ", while it waits" : "");
	plan.armed = false;
	mode.begin = begin_with_fault;
	set_up_on(from);
	memset(&ended, 0, sizeof(ended));
	plan.fault = fault;
	plan.to = to;
	plan.phase = phase;
	plan.waits = waits;
	plan.armed = true;
	fake.nic->mode = &mode;
	assert_int_equal(ask(to, false), 0);
	happen();
	assert_int_equal(ended.calls, 1);
	check_verdict(from);
	mend();
	check_recovery();
	tear_down_world();
}

static void test_phases(void **state)
{
	variant.cold = *state != NULL;
	for (unsigned to = TD_PATH_EMULATED; to <= TD_PATH_VF; to++)
		for (unsigned phase = 0; phase < TD_FLIP_PHASES; phase++)
			for (unsigned fault = 0; fault < FAULTS; fault++)
				for (unsigned waits = fault == STOPS; waits <= (fault >= STOPS); waits++)
					try_fault((enum td_path)to, (enum td_flip_phase)phase, (enum fault)fault, waits);
	variant.cold = false;
}

/* ---- each call that can fail ---- */

/* True when there was an n-th call. */
static bool try_call(enum td_path to, unsigned n, bool *failed_phases)
{
	bool met;

	set_up_on(other_than(to));
	fake_count(n);
	(void)flip(to);
	met = fake.failed;
	fake_count(0);
	if (!ended.ok)
		failed_phases[fake.nic->flip.phase] = true;
	assert_true(met || ended.ok);
	check_recovery();
	tear_down_world();
	return met;
}

static void test_calls(void **state)
{
	bool there[TD_FLIP_PHASES] = {false}, back[TD_FLIP_PHASES] = {false};
	unsigned n = 1;

	(void)state;
	while (try_call(TD_PATH_VF, n, there))
		n++;
	assert_in_range(n, 10, 40);
	assert_true(there[TD_FLIP_RESERVE] && there[TD_FLIP_PREPARE] && there[TD_FLIP_STEER]);
	n = 1;
	while (try_call(TD_PATH_EMULATED, n, back))
		n++;
	assert_in_range(n, 4, 20);
	assert_true(back[TD_FLIP_STEER]);
	assert_false(back[TD_FLIP_PREPARE]); /* what merely helps is no reason to stay */
}

/* The PF's filter can be set, but, once something else has failed, not taken away again: the lease's end has to. */
static void test_filter_stays(void **state)
{
	struct td_err err = {0};

	(void)state;
	set_up_world();
	card.link = false;
	fake.fail_name = "filter off";
	assert_int_equal(td_hybrid_switch(fake.nic, TD_PATH_VF, 0, NULL, NULL, &err), 0);
	fake_run(60000, true);
	assert_int_equal(fake.nic->path, TD_PATH_EMULATED);
	assert_true(fake.filter);
	fake_run(900, false);
	assert_false(fake.leased);
	check_settled();
	card.link = true;
	fake.fail_name = NULL;
	check_recovery();
	tear_down_world();
}

int main(void)
{
	static bool cold = true;
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_phases), cmocka_unit_test_prestate(test_phases, &cold),
		cmocka_unit_test(test_calls), cmocka_unit_test(test_filter_stays)};

	td_log_set_level(TD_LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
