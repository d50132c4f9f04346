/* SPDX-License-Identifier: Apache-2.0 */
/* The standby of a failover NIC while the guest is on its VF: whose frames are brought to the VF, and whose are not; drivers that come and
 * go. */
#include "failover_world.h"

/* ---- the emulated path while the guest is on its VF ---- */

/* One frame a millisecond comes by it. */
static void frames_come(unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		guest.in_tap += guest.held;
		fake_run(1, false);
	}
}

/* igbvf loses its carrier: the guest sends by the standby, where it hears nothing, and the outside follows it there. */
static void test_falls_back(void **state)
{
	uint64_t discarded;

	(void)state;
	set_up_on(TD_PATH_VF);
	discarded = fake.nic->relay.discarded;
	for (unsigned time = 0; time < 3; time++) {
		guest.kicks = 0;
		fake.announced = -1;
		guest.falls_back = true;
		frames_come(300);
		assert_int_equal(guest.kicks, 1);
		assert_int_equal(fake.announced, TD_PATH_VF);
		fake_run(300, false);
		assert_int_equal(guest.in_tap, 0);
		assert_int_equal(td_failover_of(fake.nic)->state, TD_FS_ON_VF); /* looked at no more than else */
		fake_run(20000, false);
	}
	assert_int_equal(fake.nic->relay.discarded, discarded);
	check_recovery();
}

/* igbvf's queue stands still after a look: it is made to start it, once, and sends. */
static void test_queue_stands_still(void **state)
{
	(void)state;
	for (unsigned past = 0; past < 2; past++) {
		set_up_world();
		assert_true(flip(TD_PATH_VF));
		guest.falls_back = true;
		while (guest.falls_back)
			fake_run(1, false);
		guest.stuck = true;
		guest.looks_past = past;
		fake_run(150, false);
		assert_true(guest.stuck);
		fake_run(past ? 650 : 200, false);
		assert_false(guest.stuck || guest.no_link);
		assert_int_equal(guest.lost_link, 1);
		fake_run(20000, false);
		assert_int_equal(guest.lost_link, 1);
		check_recovery();
	}
}

/* Long after its probe a look does no harm: a guest that has nothing to send after one is not bothered. */
static void test_queue_runs(void **state)
{
	(void)state;
	set_up_on(TD_PATH_VF);
	fake_run(10000, false);
	guest.falls_back = true;
	while (guest.falls_back)
		fake_run(1, false);
	guest.stuck = true;
	fake_run(2000, false);
	assert_int_equal(guest.lost_link, 0);
	guest.stuck = false;
	check_recovery();
}

/* The second time that the VF is plugged is as the first, also where the main loop is late. */
static void test_queue_never_ran_again(void **state)
{
	(void)state;
	set_up_on(TD_PATH_VF);
	assert_true(flip(TD_PATH_EMULATED));
	guest.stuck = true;
	guest.lost_link = 0;
	assert_true(flip(TD_PATH_VF));
	fake.now_ns += 150000000U;
	fake_run(1000, false);
	assert_int_equal(guest.lost_link, 1);
	assert_false(guest.stuck);
	check_recovery();
}

/* From the start: the flip does not wait for more than that. */
static void test_queue_never_ran(void **state)
{
	(void)state;
	set_up_world();
	guest.stuck = true;
	assert_true(flip(TD_PATH_VF));
	fake_run(1000, false);
	assert_int_equal(guest.lost_link, 1);
	assert_false(guest.stuck);
	check_recovery();
}

/* Asked for its VF while it is shown no link, it is shown it again. */
static void test_queue_stands_still_and_flips(void **state)
{
	(void)state;
	set_up_world();
	guest.stuck = true;
	guest.looks_past = 1;
	assert_true(flip(TD_PATH_VF));
	while (!guest.no_link)
		fake_run(1, false);
	guest.stops_at = STEP_DOWN;
	assert_false(flip(TD_PATH_EMULATED));
	assert_false(guest.no_link);
	guest.stops_at = STEP_NONE;
	check_recovery();
}

/* It talks with its PF: another time. */
static void test_queue_stands_still_and_mail_is_busy(void **state)
{
	(void)state;
	set_up_world();
	guest.stuck = guest.busy_mail = true;
	assert_true(flip(TD_PATH_VF));
	fake_run(2000, false);
	assert_true(guest.stuck && !guest.no_link);
	guest.busy_mail = false;
	fake_run(300, false);
	assert_false(guest.stuck);
	check_recovery();
}

/* One that only receives is without buffers now and then: that is no reason to take its link again and again. */
static void test_receives_only(void **state)
{
	(void)state;
	set_up_world();
	guest.stuck = true;
	guest.looks_past = 1000;
	assert_true(flip(TD_PATH_VF));
	for (unsigned i = 0; i < 100; i++) {
		guest.driver = TD_VFIO_DRIVER_BOUND;
		fake_run(150, false);
		guest.driver = TD_VFIO_DRIVER_UP;
		fake_run(150, false);
	}
	assert_int_equal(guest.looks_past, 998);
	guest.looks_past = 0;
	guest.stuck = false;
	check_recovery();
}

/* An idle guest is left in peace after it was looked at twice. */
static void test_sends_nothing(void **state)
{
	(void)state;
	set_up_world();
	guest.stuck = true;
	guest.looks_past = 1000;
	assert_true(flip(TD_PATH_VF));
	fake_run(20000, false);
	assert_int_equal(guest.looks_past, 998);
	guest.looks_past = 0;
	check_recovery();
}

/* What came is brought to it when the guest runs again. */
static void test_falls_back_and_is_paused(void **state)
{
	uint64_t relayed;

	(void)state;
	set_up_on(TD_PATH_VF);
	guest.falls_back = true;
	while (td_failover_of(fake.nic)->state != TD_FS_SETTLING)
		fake_run(1, false);
	relayed = fake.nic->relay.relayed;
	fake.vm.state = TD_VM_PAUSED;
	guest.driver = TD_VFIO_DRIVER_BOUND; /* as a full ring looks */
	frames_come(10);
	fake_run(10000, false);
	assert_int_equal(guest.in_tap, 10);
	fake.vm.state = TD_VM_RUNNING;
	guest.driver = TD_VFIO_DRIVER_UP;
	fake_run(500, false);
	assert_int_equal(fake.nic->relay.relayed, relayed + 10);
	check_recovery();
}

/* Who has not heard yet that it went there, and sends little, is told, and loses nothing. */
static void test_followed(void **state)
{
	uint64_t relayed;

	(void)state;
	set_up_world();
	assert_true(flip(TD_PATH_VF));
	fake_run(1000, false);
	relayed = fake.nic->relay.relayed;
	fake.announced = -1;
	for (unsigned i = 0; i < 5; i++) {
		guest.in_tap++;
		fake_run(300, false);
	}
	assert_int_equal(fake.nic->relay.relayed, relayed + 5);
	assert_int_equal(fake.announced, TD_PATH_VF);
	check_recovery();
}

/* Until the guest has done with its standby nobody is told; then the outside is, and later the bridge, which lets go of the tap for it. */
static void test_told_in_order(void **state)
{
	(void)state;
	set_up_world();
	guest.falls_back = guest.stays_back = true;
	fake.announced = -1;
	assert_int_equal(ask(TD_PATH_VF, false), 0);
	fake_run(1000, false);
	assert_true(fake.pinned);
	assert_int_equal(fake.announced, -1);
	guest.falls_back = guest.stays_back = false;
	while (fake.announced < 0)
		fake_run(1, false);
	assert_int_equal(fake.announced, TD_PATH_VF);
	assert_true(fake.pinned);
	fake.announced = -1;
	while (fake.pinned)
		fake_run(1, false);
	assert_int_equal(fake.announced, TD_PATH_VF);
	fake.announced = -1;
	fake_run(20000, false);
	assert_int_equal(fake.announced, -1);
	check_recovery();
}

/* Frames that switches bring everywhere come by the VF, too: they must not come twice. The outside is told, in measure. */
static void test_strays(void **state)
{
	unsigned told = 0;
	uint64_t relayed;

	(void)state;
	set_up_on(TD_PATH_VF);
	fake_run(5000, false); /* its flip is long over */
	relayed = fake.nic->relay.relayed;
	for (unsigned i = 0; i < 100; i++) {
		fake.announced = -1;
		frames_come(100);
		told += fake.announced >= 0;
	}
	assert_in_range(told, 9, 11);
	fake_run(200, false);
	assert_int_equal(guest.in_tap, 0);
	assert_int_equal(fake.nic->relay.relayed, relayed);
	check_recovery();
}

/* A driver that opens its VF anew gets what came meanwhile, but not what is old. */
static void test_driver_is_down_for_a_moment(void **state)
{
	uint64_t relayed;

	(void)state;
	set_up_on(TD_PATH_VF);
	relayed = fake.nic->relay.relayed;
	guest.driver = TD_VFIO_DRIVER_BOUND;
	frames_come(300);
	guest.driver = TD_VFIO_DRIVER_UP;
	fake_run(300, false);
	assert_int_equal(fake.nic->relay.relayed, relayed + 300);
	guest.driver = TD_VFIO_DRIVER_BOUND;
	frames_come(3000);
	assert_in_range(guest.in_tap, 0, 100);
	guest.driver = TD_VFIO_DRIVER_UP;
	fake_run(300, false);
	assert_in_range(fake.nic->relay.relayed, relayed + 300, relayed + 400);
	check_recovery();
}

/* Without it, the standby is all that the guest has. */
static void test_driver_is_loaded_anew(void **state)
{
	(void)state;
	set_up_on(TD_PATH_VF);
	guest.driver = TD_VFIO_DRIVER_NONE;
	fake_run(200, false);
	assert_false(guest.held);
	guest.driver = TD_VFIO_DRIVER_UP;
	fake_run(200, false);
	assert_true(guest.held);
	check_recovery();
}

/* The device forgets that it holds when its driver resets it. */
static void test_held_again(void **state)
{
	(void)state;
	set_up_on(TD_PATH_VF);
	guest.stops_at = STEP_DOWN;
	guest.held = false;
	guest.net_events.driver(guest.net_events.opaque, false, false);
	fake_run(5, false);
	guest.held = false; /* its probe does so again */
	guest.net_events.driver(guest.net_events.opaque, true, true);
	fake_run(5, false);
	assert_true(guest.held);
	guest.stops_at = STEP_NONE;
	check_recovery();
}

/* It was nearly up when the time for it was over: the flip is off, and what comes is the standby's. */
static void test_opening_ends(void **state)
{
	(void)state;
	set_up_world();
	guest.stops_at = STEP_UP;
	assert_int_equal(ask(TD_PATH_VF, false), 0);
	fake_run(9990, false);
	guest.driver = TD_VFIO_DRIVER_UP;
	fake_run(5, false);
	assert_true(guest.held);
	guest.driver = TD_VFIO_DRIVER_BOUND;
	fake_run(60000, true);
	assert_int_equal(ended.reason, TD_REASON_DRIVER_DOWN);
	assert_false(guest.held);
	guest.driver = TD_VFIO_DRIVER_UP; /* now it is up, though nobody wants it there */
	fake.nic->wanted = TD_PATH_EMULATED;
	guest.vf_events.driver_up(guest.vf_events.opaque);
	fake_run(60000, true);
	assert_int_equal(fake.nic->path, TD_PATH_VF);
	fake_run(SETTLE_MS, false);
	guest.driver = TD_VFIO_DRIVER_NONE;
	fake_run(200, false);
	assert_false(guest.held);
	guest.driver = TD_VFIO_DRIVER_UP;
	guest.stops_at = STEP_NONE;
	check_recovery();
}

/* Which cannot be helped: it is asked to look so often, and no more. */
static void test_stays_back(void **state)
{
	(void)state;
	set_up_on(TD_PATH_VF);
	guest.kicks = 0;
	guest.falls_back = guest.stays_back = true;
	frames_come(5000);
	assert_int_equal(guest.kicks, 40);
	guest.falls_back = guest.stays_back = false;
	check_recovery();
}

/* A driver that is unloaded sends by the standby first. */
static void test_falls_back_and_unloads(void **state)
{
	(void)state;
	set_up_on(TD_PATH_VF);
	guest.falls_back = true;
	while (td_failover_of(fake.nic)->state != TD_FS_SETTLING)
		fake_run(1, false);
	guest.driver = TD_VFIO_DRIVER_BOUND;
	fake_run(100, false);
	assert_true(guest.held);
	guest.driver = TD_VFIO_DRIVER_NONE;
	fake_run(2, false);
	assert_false(guest.held);
	guest.driver = TD_VFIO_DRIVER_UP;
	guest.falls_back = false;
	check_recovery();
}

/* The VF's interface is down and the guest goes on sending: nothing is done a thousand times a second for that. */
static void test_sends_while_down(void **state)
{
	unsigned ticks = 0;

	(void)state;
	set_up_on(TD_PATH_VF);
	guest.driver = TD_VFIO_DRIVER_BOUND;
	guest.falls_back = true;
	fake_run(5000, false);
	for (unsigned i = 0; i < 1000; i++) {
		guest.in_tap += guest.held;
		fake_run(1, false);
		ticks += td_failover_of(fake.nic)->state == TD_FS_SETTLING;
	}
	assert_int_equal(ticks, 0);
	assert_in_range(guest.in_tap, 0, 101);
	guest.driver = TD_VFIO_DRIVER_UP;
	guest.falls_back = false;
	check_recovery();
}

/* A ring without buffers for a moment is no VF that is opened anew. */
static void test_empty_for_a_moment(void **state)
{
	uint64_t relayed;

	(void)state;
	set_up_on(TD_PATH_VF);
	fake_run(5000, false);
	relayed = fake.nic->relay.relayed;
	for (unsigned i = 0; i < 20; i++) {
		guest.driver = TD_VFIO_DRIVER_BOUND;
		frames_come(100);
		guest.driver = TD_VFIO_DRIVER_UP;
		frames_come(100);
	}
	assert_int_equal(fake.nic->relay.relayed, relayed);
	check_recovery();
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_falls_back), cmocka_unit_test(test_queue_stands_still),
		cmocka_unit_test(test_queue_never_ran), cmocka_unit_test(test_queue_runs), cmocka_unit_test(test_queue_never_ran_again),
		cmocka_unit_test(test_sends_nothing), cmocka_unit_test(test_queue_stands_still_and_flips),
		cmocka_unit_test(test_queue_stands_still_and_mail_is_busy), cmocka_unit_test(test_receives_only),
		cmocka_unit_test(test_falls_back_and_is_paused), cmocka_unit_test(test_followed), cmocka_unit_test(test_told_in_order),
		cmocka_unit_test(test_strays), cmocka_unit_test(test_driver_is_down_for_a_moment),
		cmocka_unit_test(test_driver_is_loaded_anew), cmocka_unit_test(test_held_again), cmocka_unit_test(test_opening_ends),
		cmocka_unit_test(test_stays_back), cmocka_unit_test(test_falls_back_and_unloads), cmocka_unit_test(test_sends_while_down),
		cmocka_unit_test(test_empty_for_a_moment)};

	td_log_set_level(TD_LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
