/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A failover NIC's flips, each phase of both directions failed, stopped, and met by the VF's loss and the guest's reset; then each call
 * that can fail; then what nobody asks for: the PF's link, tries again, pauses, late answers.
 */
#include "failover_world.h"

/* ---- faults in phases ---- */

enum fault { FAILS_BEFORE, FAILS_AFTER, STOPS, VF_LOST_WITHIN, VF_LOST_WAITING, RESET_WITHIN, RESET_WAITING, FAULTS };

static const char *const fault_name[FAULTS] = {
	"fails at once", "fails when done", "stops", "VF lost within", "VF lost while it waits", "reset within", "reset while it waits"};

static struct {
	enum fault fault;
	enum td_path to;
	enum td_flip_phase phase;
	bool armed, waits;
} plan;

/* What the phase waits for does not come. */
static void hold_up(bool on)
{
	guest.stops_at = STEP_NONE;
	if (on && plan.to == TD_PATH_EMULATED && plan.phase == TD_FLIP_QUIESCE)
		guest.stops_at = STEP_DOWN;
	if (on && plan.to == TD_PATH_VF && plan.phase == TD_FLIP_SWAP)
		guest.stops_at = STEP_PROBE;
	guest.vf_silent = on && plan.to == TD_PATH_VF && plan.phase == TD_FLIP_VERIFY;
	fake.jobs_stand = on && plan.to == TD_PATH_VF &&
			  (plan.phase == TD_FLIP_RESERVE || plan.phase == TD_FLIP_PREPARE || plan.phase == TD_FLIP_STEER);
}

static int begin_with_fault(struct td_hybrid *nic, enum td_path to, enum td_flip_phase phase, struct td_err *err)
{
	int rc;

	if (!plan.armed || to != plan.to || phase != plan.phase)
		return td_failover_mode.begin(nic, to, phase, err);
	plan.armed = false;
	if (plan.fault == FAILS_BEFORE)
		return td_err_set(err, EIO, TD_REASON_SYSTEM, "planned");
	hold_up(plan.waits);
	rc = td_failover_mode.begin(nic, to, phase, err);
	if (plan.fault == FAILS_AFTER && (rc == 0 || rc == -EINPROGRESS))
		return td_err_set(err, EIO, TD_REASON_SYSTEM, "planned");
	if (plan.fault == VF_LOST_WITHIN)
		lose_vf();
	fake.reset_wanted |= plan.fault == RESET_WITHIN;
	return plan.waits && rc == 0 ? -EINPROGRESS : rc;
}

static void happen(void)
{
	if (!td_flip_active(&fake.nic->flip))
		return;
	while (plan.armed && td_flip_active(&fake.nic->flip))
		fake_run(1, false);
	if (plan.waits) {
		fake_run(5, true);
		assert_true(td_flip_active(&fake.nic->flip));
		assert_int_equal(fake.nic->flip.phase, plan.phase);
	}
	if (plan.fault == VF_LOST_WAITING)
		lose_vf();
	fake.reset_wanted |= plan.fault == RESET_WAITING;
	fake_run(60000, true);
	hold_up(false);
}

static void try_fault(enum td_path to, enum td_flip_phase phase, enum fault fault)
{
	struct td_hybrid_mode mode = td_failover_mode;

	print_message("to %s, %s: %s\n", td_path_name(to), td_flip_phase_name(phase), fault_name[fault]);
	plan.armed = false;
	mode.begin = begin_with_fault;
	set_up_on(other_than(to));
	memset(&ended, 0, sizeof(ended));
	plan.fault = fault;
	plan.to = to;
	plan.phase = phase;
	plan.waits = fault == STOPS || fault == VF_LOST_WAITING || fault == RESET_WAITING;
	plan.armed = true;
	fake.nic->mode = &mode;
	assert_int_equal(ask(to, false), 0);
	happen();
	assert_int_equal(ended.calls, 1);
	if (fault <= STOPS)
		assert_int_equal(ended.ok, phase == TD_FLIP_COMMIT);
	check_recovery();
}

static void test_phases(void **state)
{
	(void)state;
	for (unsigned to = TD_PATH_EMULATED; to <= TD_PATH_VF; to++)
		for (unsigned phase = 0; phase < TD_FLIP_PHASES; phase++)
			for (unsigned fault = phase == TD_FLIP_COMMIT ? FAILS_AFTER : FAILS_BEFORE; fault < FAULTS; fault++)
				try_fault((enum td_path)to, (enum td_flip_phase)phase, (enum fault)fault);
}

/* True when there was an n-th call. */
static bool try_call(enum td_path to, unsigned n)
{
	bool met;

	set_up_on(other_than(to));
	fake_count(n);
	(void)flip(to);
	met = fake.failed;
	fake_count(0);
	assert_true(met || ended.ok);
	check_recovery();
	return met;
}

static void test_calls(void **state)
{
	unsigned n = 1;

	(void)state;
	while (try_call(TD_PATH_VF, n))
		n++;
	assert_in_range(n, 6, 20);
	for (n = 1; try_call(TD_PATH_EMULATED, n); n++)
		;
	assert_int_equal(n, 3); /* the settings, the filter */
}

/* ---- the PF's link ---- */

static void check_left(enum td_reason reason, unsigned flips)
{
	check_serving();
	assert_int_equal(fake.nic->path, TD_PATH_EMULATED);
	assert_int_equal(fake.nic->wanted, TD_PATH_VF);
	assert_int_equal(fake.nic->reason, reason);
	assert_int_equal(fake.nic->log_count, flips);
	assert_true(td_hybrid_last_record(fake.nic)->automatic);
}

static void check_returned(void)
{
	check_serving();
	assert_int_equal(fake.nic->path, TD_PATH_VF);
	assert_int_equal(fake.nic->reason, TD_REASON_NONE);
	assert_true(td_hybrid_last_record(fake.nic)->automatic);
}

static void test_link_lost(void **state)
{
	unsigned flips;

	(void)state;
	set_up_on(TD_PATH_VF);
	flips = fake.nic->log_count;
	fake.carrier = false;
	fake_run(120, false);
	fake.carrier = true; /* too short to be believed */
	fake_run(1000, false);
	assert_int_equal(fake.nic->log_count, flips);
	fake.carrier = false;
	fake_run(1000, false);
	check_left(TD_REASON_NO_CARRIER, flips + 1);
	for (unsigned i = 0; i < 20; i++) { /* one that flaps does not take the guest along */
		fake.carrier = !fake.carrier;
		fake_run(500, false);
	}
	fake_run(100000, false);
	check_left(TD_REASON_NO_CARRIER, flips + 1);
	assert_false(flip(TD_PATH_VF)); /* who asks is told */
	assert_int_equal(ended.reason, TD_REASON_NO_CARRIER);
	fake.carrier = true;
	fake_run(8000, false);
	check_returned();
	fake.pf_up = false;
	fake_run(1000, false);
	check_left(TD_REASON_PF_DOWN, fake.nic->log_count);
	fake.pf_up = true;
	fake_run(8000, false);
	check_returned();
	tear_down_world();
}

static void is_there_already(void *opaque, const json_t *record, const struct td_err *err)
{
	(void)opaque;
	assert_null(err);
	assert_true(json_is_false(json_object_get(record, "changed")));
}

/* What was known of the link while the NIC was wanted elsewhere says nothing of a VF that it is told to go to later. */
static void test_link_known_of_old(void **state)
{
	unsigned flips;

	(void)state;
	set_up_on(TD_PATH_VF);
	fake.carrier = false;
	fake_run(1000, false);
	assert_int_equal(fake.nic->path, TD_PATH_EMULATED);
	assert_int_equal(td_hybrid_switch(fake.nic, TD_PATH_EMULATED, 0, is_there_already, NULL, NULL), 0);
	fake_run(1000, false);
	fake.carrier = true;
	fake_run(5000, false);
	assert_int_equal(fake.nic->path, TD_PATH_EMULATED);
	assert_true(flip(TD_PATH_VF));
	flips = fake.nic->log_count;
	fake_run(5000, false);
	assert_int_equal(fake.nic->path, TD_PATH_VF);
	assert_int_equal(fake.nic->log_count, flips);
	tear_down_world();
}

/* The guest does not give the VF up, then it does; and a link that comes back to a guest that is still there. */
static void test_link_lost_deaf(void **state)
{
	(void)state;
	set_up_on(TD_PATH_VF);
	guest.stops_at = STEP_DOWN;
	fake.carrier = false;
	fake_run(3000, false);
	assert_int_equal(fake.nic->path, TD_PATH_VF);
	assert_int_equal(fake.nic->reason, TD_REASON_UNPLUG_TIMEOUT);
	guest.stops_at = STEP_NONE;
	fake_run(500, false);
	assert_int_equal(fake.nic->path, TD_PATH_EMULATED);
	assert_int_equal(fake.nic->wanted, TD_PATH_VF);
	assert_int_equal(fake.nic->reason, TD_REASON_NO_CARRIER);
	fake.carrier = true;
	fake_run(8000, false);
	check_returned();
	tear_down_world();
}

/* ---- tries again ---- */

static void test_retries(void **state)
{
	uint64_t last_ns = 0, gap_ns = 500000000U;
	unsigned before;

	(void)state;
	set_up_world();
	fake.fail_name = "lease";
	fake.fail_reason = TD_REASON_NO_FREE_VF;
	before = fake.nic->log_count;
	assert_false(flip(TD_PATH_VF));
	for (unsigned i = 0; i < 9; i++) {
		for (unsigned ms = 0; fake.nic->log_count == before; ms++) {
			assert_in_range(ms, 0, 70000);
			fake_run(1, false);
		}
		before = fake.nic->log_count;
		if (last_ns) {
			gap_ns = TD_MIN(2 * gap_ns, 60000000000U);
			assert_in_range(fake.now_ns - last_ns, gap_ns, gap_ns + 200000000U);
		}
		last_ns = fake.now_ns;
	}
	fake.fail_name = NULL;
	fake_run(70000, false);
	check_returned();
	tear_down_world();

	set_up_world();
	guest.stops_at = STEP_PROBE; /* a guest without the VF's driver is not tried again and again */
	assert_false(flip(TD_PATH_VF));
	assert_int_equal(ended.reason, TD_REASON_PLUG_TIMEOUT);
	assert_non_null(strstr(td_hybrid_last_record(fake.nic)->text, "no driver took the VF")); /* and which kernels have none */
	assert_non_null(strstr(td_hybrid_last_record(fake.nic)->text, "cloud kernels lack igbvf and iavf"));
	before = fake.nic->log_count;
	fake_run(200000, false);
	assert_int_equal(fake.nic->log_count, before);
	guest.stops_at = STEP_NONE;
	check_recovery();
}

/* ---- pauses ---- */

static void test_lost_while_paused(void **state)
{
	struct td_err err = {0};

	(void)state;
	set_up_on(TD_PATH_VF);
	assert_int_equal(td_hybrid_may_pause(fake.nic, &err), 0);
	fake.vm.state = TD_VM_PAUSED;
	assert_int_equal(ask(TD_PATH_EMULATED, false), -EBUSY);
	assert_int_equal(fake.nic->wanted, TD_PATH_VF);
	lose_vf();
	fake_run(200, false);
	assert_false(fake.leased); /* the host has it back, and asked nobody */
	assert_int_equal(fake.nic->reason, TD_REASON_VF_LOST);
	fake_run(10000, false);
	assert_int_equal(fake.nic->path, TD_PATH_EMULATED);
	assert_true(td_pci_has_ghost(&fake.vm.pci));
	guest.stops_at = STEP_EJECT;
	fake.vm.state = TD_VM_RUNNING;
	fake_run(10000, false);
	assert_false(fake.leased); /* not beside the ghost */
	guest.stops_at = STEP_NONE;
	fake_run(SETTLE_MS, false);
	check_returned();
	tear_down_world();
}

static void test_pause_amid_flip(void **state)
{
	struct td_err err = {0};

	(void)state;
	set_up_on(TD_PATH_VF);
	assert_int_equal(ask(TD_PATH_EMULATED, false), 0);
	assert_int_equal(td_hybrid_may_pause(fake.nic, &err), -EBUSY);
	assert_int_equal(err.reason, TD_REASON_FLIP_BUSY);
	fake_run(60000, true);
	assert_int_equal(td_hybrid_may_pause(fake.nic, &err), 0);
	fake.vm.state = TD_VM_PAUSED;
	fake.carrier = false;
	fake_run(5000, false);
	fake.vm.state = TD_VM_RUNNING;
	fake.carrier = true;
	check_recovery();
}

/* ---- the filter, wishes, late answers ---- */

static void test_filter(void **state)
{
	(void)state;
	set_up_on(TD_PATH_VF);
	guest.stops_at = STEP_LET_GO;
	assert_int_equal(ask(TD_PATH_EMULATED, false), 0);
	fake_run(200, false);
	assert_int_equal(guest.driver, TD_VFIO_DRIVER_BOUND);
	assert_true(fake.filter); /* the driver asks for its MAC on its way down */
	guest.stops_at = STEP_EJECT;
	fake_run(50, false);
	assert_int_equal(guest.driver, TD_VFIO_DRIVER_NONE);
	assert_false(fake.filter);
	fake_run(3000, false);
	assert_int_equal(ended.reason, TD_REASON_UNPLUG_TIMEOUT);
	fake_run(1, false);
	assert_false(fake.filter || guest.held);
	assert_int_equal(fake.nic->path, TD_PATH_EMULATED);
	guest.stops_at = STEP_NONE;
	check_recovery();
}

/* The driver had left before the guest was asked. */
static void test_filter_without_driver(void **state)
{
	(void)state;
	set_up_on(TD_PATH_VF);
	guest.driver = TD_VFIO_DRIVER_NONE;
	guest.stops_at = STEP_EJECT;
	assert_false(flip(TD_PATH_EMULATED));
	assert_int_equal(ended.reason, TD_REASON_UNPLUG_TIMEOUT);
	fake_run(1, false);
	assert_false(fake.filter || guest.held);
	assert_int_equal(fake.nic->path, TD_PATH_EMULATED);
	guest.stops_at = STEP_NONE;
	check_recovery();
}

static void test_refused_wish(void **state)
{
	(void)state;
	set_up_world();
	guest.stops_at = STEP_PROBE;
	assert_false(flip(TD_PATH_VF)); /* and the guest is asked for the VF, which it does not give */
	guest.stops_at = STEP_EJECT;
	fake_run(100, false);
	assert_true(td_hybrid_leaving(fake.nic));
	fake.nic->wanted = TD_PATH_EMULATED;
	assert_int_equal(ask(TD_PATH_VF, false), -EBUSY);
	assert_int_equal(fake.nic->wanted, TD_PATH_EMULATED);
	guest.stops_at = STEP_NONE;
	check_recovery();
}

static void test_late_cold(void **state)
{
	(void)state;
	set_up_on(TD_PATH_VF);
	guest.stops_at = STEP_DOWN;
	assert_int_equal(ask(TD_PATH_EMULATED, true), 0);
	fake_run(60000, true);
	assert_int_equal(ended.reason, TD_REASON_UNPLUG_TIMEOUT);
	assert_int_equal(fake.nic->path, TD_PATH_VF);
	guest.stops_at = STEP_NONE;
	fake_run(2000, false);
	check_serving();
	assert_int_equal(fake.nic->path, TD_PATH_EMULATED);
	assert_false(fake.leased);
	check_recovery();
}

/* ---- the bridge's uplinks ---- */

static void check_told_of_move(bool told)
{
	fake.announced = -1;
	fake.nic->network.events.moved(fake.nic);
	assert_int_equal(fake.announced, told ? TD_PATH_EMULATED : -1);
	assert_int_equal(fake.guarded, told);
}

/* The outside looks for the guest behind them on the emulated path alone. */
static void test_uplink_moves(void **state)
{
	(void)state;
	set_up_world();
	check_told_of_move(true);
	flip_well(TD_PATH_VF);
	check_told_of_move(false);
	flip_well(TD_PATH_EMULATED);
	check_told_of_move(true);
	tear_down_world();
}

/* What the bridge lacks is put there, and what is too much taken away, a little after a change of its ports. */
static void test_ports_change(void **state)
{
	(void)state;
	set_up_world();
	fake.tidied = fake.renewed = 0;
	fake.nic->network.events.ports(fake.nic, 7);
	fake.nic->network.events.ports(fake.nic, 0);
	fake_run(1, false);
	assert_int_equal(fake.left, 7);
	assert_int_equal(fake.renewed, 0);
	fake_run(2000, false);
	assert_int_equal(fake.renewed, 1);
	flip_well(TD_PATH_VF);
	fake.nic->network.events.ports(fake.nic, 0);
	fake_run(2000, false);
	assert_int_equal(fake.renewed, 1);
	assert_int_equal(fake.tidied, 1);
	tear_down_world();
}

/* A bridge that becomes ours is guarded from its next change on. */
static void test_bridge_becomes_ours(void **state)
{
	(void)state;
	set_up_world();
	fake.foreign = true;
	fake.guarded = false;
	fake.nic->guard_is = TD_GUARD_OFF;
	fake.nic->network.events.ports(fake.nic, 0);
	fake_run(2000, false);
	assert_false(fake.guarded);
	fake.foreign = false;
	fake.nic->network.events.ports(fake.nic, 0);
	fake_run(2000, false);
	assert_true(fake.guarded);
	tear_down_world();
}

/* ---- an emulated path that does not work ---- */

static enum td_reason refusal(void)
{
	struct td_err err = {0};

	assert_int_equal(td_hybrid_switch(fake.nic, TD_PATH_EMULATED, 0, on_done, NULL, &err), -ENETDOWN);
	assert_int_equal(fake.nic->path, TD_PATH_VF);
	assert_int_equal(fake.nic->wanted, TD_PATH_VF);
	assert_false(td_flip_active(&fake.nic->flip));
	return err.reason;
}

static void test_no_flip_to_a_dead_path(void **state)
{
	static const enum td_reason dead[] = {TD_REASON_TAP_LOST, TD_REASON_BRIDGE_DOWN, TD_REASON_NO_PORT, TD_REASON_PORT_NOT_FORWARDING,
		TD_REASON_VLAN_MISSING, TD_REASON_MTU_TOO_SMALL, TD_REASON_NO_CARRIER};

	(void)state;
	set_up_on(TD_PATH_VF);
	for (unsigned i = 0; i < TD_COUNT(dead); i++) {
		health_is(dead[i], 0);
		assert_int_equal(refusal(), dead[i]);
	}
	assert_int_equal(td_hybrid_switch(fake.nic, TD_PATH_EMULATED, TD_HYBRID_FORCE, on_done, NULL, NULL), 0);
	fake_run(60000, true);
	settle();
	assert_int_equal(fake.nic->path, TD_PATH_EMULATED);
	flip_well(TD_PATH_VF);
	health_is(TD_REASON_NONE, 0);
	flip_well(TD_PATH_EMULATED);
	tear_down_world();
}

/* The guest is asked for its VF when the port forwards, and not before. */
static void test_flip_waits_for_its_path(void **state)
{
	(void)state;
	set_up_on(TD_PATH_VF);
	health_is(TD_REASON_PORT_NOT_FORWARDING, 31000);
	assert_int_equal(ask(TD_PATH_EMULATED, false), 0);
	fake_run(20000, true);
	assert_int_equal(fake.nic->flip.phase, TD_FLIP_RESERVE);
	assert_int_equal(fake.nic->marks.unplug_requests, 0);
	health_is(TD_REASON_PORT_NOT_FORWARDING, 16000);
	assert_int_equal(fake.nic->flip.phase, TD_FLIP_RESERVE);
	health_is(TD_REASON_NONE, 0);
	fake_run(60000, true);
	settle();
	assert_int_equal(fake.nic->path, TD_PATH_EMULATED);
	tear_down_world();
}

static void waits_in_vain(enum td_reason instead)
{
	unsigned before;

	set_up_on(TD_PATH_VF);
	health_is(TD_REASON_PORT_NOT_FORWARDING, 16000);
	before = ended.calls;
	assert_int_equal(ask(TD_PATH_EMULATED, false), 0);
	if (instead != TD_REASON_PORT_NOT_FORWARDING)
		health_is(instead, 0);
	fake_run(60000, true);
	assert_int_equal(ended.calls, before + 1);
	assert_false(ended.ok);
	assert_int_equal(ended.reason, instead);
	assert_int_equal(fake.nic->path, TD_PATH_VF);
	assert_int_equal(fake.nic->marks.unplug_requests, 0);
	health_is(TD_REASON_NONE, 0);
	flip_there_and_back();
	tear_down_world();
}

static void test_flip_waits_in_vain(void **state)
{
	(void)state;
	waits_in_vain(TD_REASON_PORT_NOT_FORWARDING); /* too long */
	waits_in_vain(TD_REASON_NO_PORT);
}

/* Who takes the VF does not wait for spanning tree. */
static void test_vf_lost_while_it_waits(void **state)
{
	(void)state;
	set_up_on(TD_PATH_VF);
	health_is(TD_REASON_PORT_NOT_FORWARDING, 31000);
	assert_int_equal(ask(TD_PATH_EMULATED, false), 0);
	fake_run(100, true);
	assert_int_equal(fake.nic->flip.phase, TD_FLIP_RESERVE);
	lose_vf();
	fake_run(5000, true);
	assert_false(td_flip_active(&fake.nic->flip));
	assert_int_equal(fake.nic->path, TD_PATH_EMULATED);
	health_is(TD_REASON_NONE, 0);
	tear_down_world();
}

/* Neither path works: it stays, says so, and goes as soon as the other one does. */
static void test_the_lesser_evil(void **state)
{
	(void)state;
	set_up_on(TD_PATH_VF);
	health_is(TD_REASON_BRIDGE_DOWN, 0);
	fake.carrier = false;
	fake_run(2000, false);
	assert_int_equal(fake.nic->path, TD_PATH_VF);
	assert_int_equal(fake.nic->reason, TD_REASON_NO_CARRIER);
	assert_non_null(strstr(fake.nic->reason_text, "does not work either"));
	health_is(TD_REASON_NONE, 0);
	fake_run(2000, false);
	assert_int_equal(fake.nic->path, TD_PATH_EMULATED);
	fake.carrier = true;
	fake_run(20000, false);
	assert_int_equal(fake.nic->path, TD_PATH_VF);
	health_is(TD_REASON_BRIDGE_DOWN, 0);
	lose_vf(); /* no choice */
	fake_run(5000, false);
	assert_int_equal(fake.nic->path, TD_PATH_EMULATED);
	assert_int_equal(fake.nic->reason, TD_REASON_VF_LOST);
	health_is(TD_REASON_NONE, 0);
	tear_down_world();
}

static void test_announced_when_well(void **state)
{
	(void)state;
	set_up_world();
	health_is(TD_REASON_BRIDGE_DOWN, 0);
	fake.announced = -1;
	health_is(TD_REASON_NONE, 0);
	assert_int_equal(fake.announced, TD_PATH_EMULATED);
	flip_well(TD_PATH_VF);
	fake.announced = -1;
	health_is(TD_REASON_BRIDGE_DOWN, 0);
	health_is(TD_REASON_NONE, 0);
	assert_int_equal(fake.announced, -1);
	tear_down_world();
}

/* What stood in the bridge for it stands for the one in its place, and nobody is asked by its name. */
static void test_tap_deleted(void **state)
{
	(void)state;
	set_up_world();
	assert_true(fake.guarded);
	fake_count(0);
	fake.tap_is_lost = true;
	health_is(TD_REASON_TAP_LOST, 0);
	fake_run(50, false);
	assert_int_equal(fake.tap_opens, 1);
	assert_int_equal(fake.taps_taken, 1);
	assert_int_equal(fake.nic->tap_index, FAKE_TAP_INDEX + 1);
	assert_int_equal(fake.nic->network.want.tap_index, FAKE_TAP_INDEX + 1);
	assert_true(fake.guarded);
	health_is(TD_REASON_NONE, 0);
	fake_run(3000, false);
	assert_int_equal(fake.tap_opens, 1);
	tear_down_world();
}

/* Where the kernel chose it, another will do; one that its user gave is waited for. */
static void test_tap_deleted_and_its_name_taken(void **state)
{
	(void)state;
	for (unsigned given = 0; given < 2; given++) {
		set_up_world();
		fake.config.tap = given ? (char *)(uintptr_t)FAKE_TAP : NULL;
		fake_count(0);
		fake.tap_is_lost = fake.tap_name_taken = true;
		health_is(TD_REASON_TAP_LOST, 0);
		fake_run(2500, false);
		assert_int_equal(fake.tap_opens_any, !given);
		assert_int_equal(fake.taps_taken, !given);
		fake.tap_name_taken = false;
		fake_run(1500, false);
		assert_int_equal(fake.taps_taken, 1);
		health_is(TD_REASON_NONE, 0);
		tear_down_world();
	}
}

/* One that was moved elsewhere serves the guest from there. */
static void test_tap_moved_elsewhere(void **state)
{
	(void)state;
	set_up_world();
	fake_count(0);
	health_is(TD_REASON_TAP_LOST, 0);
	fake_run(3000, false);
	assert_int_equal(fake.tap_opens, 0);
	tear_down_world();
}

/* ---- the guest's driver on the VF path ---- */

static void test_driver_lets_go(void **state)
{
	static const enum td_vfio_driver away[] = {TD_VFIO_DRIVER_NONE, TD_VFIO_DRIVER_BOUND};

	(void)state;
	for (unsigned i = 0; i < TD_COUNT(away); i++) {
		set_up_world();
		flip_well(TD_PATH_VF);
		guest.driver = away[i];
		fake_run(500, false); /* it may be a reset of its own */
		assert_int_equal(fake.nic->reason, TD_REASON_NONE);
		fake_run(1500, false);
		assert_int_equal(fake.nic->reason, TD_REASON_DRIVER_DOWN);
		assert_int_equal(fake.nic->path, TD_PATH_VF);
		guest.driver = TD_VFIO_DRIVER_UP;
		fake_run(500, false);
		assert_int_equal(fake.nic->reason, TD_REASON_NONE);
		tear_down_world();
	}
}

/* What was said of the VF does not outlive it, nor hide what is said later. */
static void test_driver_lets_go_and_vf_leaves(void **state)
{
	(void)state;
	set_up_world();
	flip_well(TD_PATH_VF);
	guest.driver = TD_VFIO_DRIVER_NONE;
	fake_run(2000, false);
	assert_int_equal(fake.nic->reason, TD_REASON_DRIVER_DOWN);
	flip_well(TD_PATH_EMULATED);
	fake_run(500, false);
	assert_int_equal(fake.nic->reason, TD_REASON_NONE);
	flip_well(TD_PATH_VF);
	fake_run(2000, false);
	assert_int_equal(fake.nic->reason, TD_REASON_NONE);
	tear_down_world();
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_phases), cmocka_unit_test(test_calls), cmocka_unit_test(test_link_lost),
		cmocka_unit_test(test_link_known_of_old), cmocka_unit_test(test_link_lost_deaf), cmocka_unit_test(test_retries),
		cmocka_unit_test(test_lost_while_paused), cmocka_unit_test(test_pause_amid_flip), cmocka_unit_test(test_filter),
		cmocka_unit_test(test_filter_without_driver), cmocka_unit_test(test_refused_wish), cmocka_unit_test(test_late_cold),
		cmocka_unit_test(test_uplink_moves), cmocka_unit_test(test_ports_change), cmocka_unit_test(test_bridge_becomes_ours),
		cmocka_unit_test(test_no_flip_to_a_dead_path), cmocka_unit_test(test_flip_waits_for_its_path),
		cmocka_unit_test(test_flip_waits_in_vain), cmocka_unit_test(test_vf_lost_while_it_waits),
		cmocka_unit_test(test_the_lesser_evil), cmocka_unit_test(test_announced_when_well), cmocka_unit_test(test_tap_deleted),
		cmocka_unit_test(test_tap_deleted_and_its_name_taken), cmocka_unit_test(test_tap_moved_elsewhere),
		cmocka_unit_test(test_driver_lets_go), cmocka_unit_test(test_driver_lets_go_and_vf_leaves)};

	td_log_set_level(TD_LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
