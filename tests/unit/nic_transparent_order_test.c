/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A transparent NIC's flips that go well: in which order things happen, how the guest's buffers and filters are waited for, which flips are
 * tried without being asked for, and what becomes of the NIC when something happens between flips.
 */
#include "transparent_world.h"

/* ---- order ---- */

static void check_order(const char *const *names, unsigned count)
{
	unsigned at = 0;

	for (unsigned i = 0; i < count; i++) {
		while (at < fake.trace_count && strcmp(fake.trace[at], names[i]) != 0)
			at++;
		if (at == fake.trace_count)
			fail_msg("'%s' is not where it should be", names[i]);
		at++;
	}
}

static void test_order_there(void **state)
{
	static const char *const names[] = {"lease", "open", "prepare", "connect", "rest", "burn", "park", "to hardware", "restore",
		"unpark", "filter on", "relay", "announce vf", "release", "park", "pages", "unpark", "announce vf", "tell link"};

	(void)state;
	set_up_world();
	guest.waiting = 3;
	fake_count(0);
	assert_true(flip(TD_PATH_VF));
	check_order(names, TD_COUNT(names));
	assert_int_equal(fake_calls_of("release"), 1);
	assert_int_equal(fake_calls_of("park"), 2);
	assert_int_equal(fake.relayed, 3);
	settle();
	tear_down_world();
}

static void test_order_back(void **state)
{
	static const char *const names[] = {"catch open", "quiet", "hold", "drain", "listen", "announce emulated", "catch forget",
		"filter off", "park", "capture", "to software", "catch run", "unpark", "announce emulated", "catch run"};

	(void)state;
	set_up_on(TD_PATH_VF);
	fake_count(0);
	assert_true(flip(TD_PATH_EMULATED));
	fake_note("catch run"); /* the one of later comes by the tick */
	check_order(names, TD_COUNT(names));
	assert_int_equal(fake_calls_of("park"), 1);
	tear_down_world();
}

/* ---- the guest acts while the filter moves ---- */

enum act { SENDS, LEAVES, RESETS, ACTS };

static enum act acting;

/* Four frames more: the tail that must be served in the end is another. */
static void act(void)
{
	assert_true(guest.tx_held && !guest.parked);
	fake.hook = NULL;
	if (acting == SENDS) {
		guest.state.tx[0].tail = more_tail = FAKE_TAIL + 4;
		guest.tx_kept = true;
	} else if (acting == LEAVES) {
		driver_leaves();
		guest.tx_kept = false;
	} else {
		fake.reset_wanted = true;
	}
}

static void test_acts_meanwhile(void **state)
{
	(void)state;
	for (unsigned to = TD_PATH_EMULATED; to <= TD_PATH_VF; to++)
		for (unsigned fails = 0; fails < 2; fails++)
			for (acting = 0; acting < ACTS; acting++) {
				set_up_on(other_than((enum td_path)to));
				fake.hook_name = to == TD_PATH_VF ? "filter on" : "filter off";
				fake.hook = act;
				fake.fail_name = fails ? fake.hook_name : NULL;
				(void)flip((enum td_path)to);
				assert_null(fake.hook);
				fake.fail_name = NULL;
				if (acting == SENDS)
					check_serving();
				more_tail = 0;
				if (acting == SENDS) /* they have been sent */
					guest.state.tx[0].tail = card.tx.tail = FAKE_TAIL;
				check_recovery();
				tear_down_world();
			}
}

/* A filter that could not be taken away, or was and nobody knows, is set again. */
static void test_filter_again(void **state)
{
	(void)state;
	set_up_on(TD_PATH_VF);
	fake_count(0);
	fake.fail_name = "filter off";
	assert_false(flip(TD_PATH_EMULATED));
	fake.fail_name = NULL;
	td_jobs_wait(&fake.vm.jobs, &fake.nic->steer.job);
	assert_int_equal(fake_calls_of("filter on"), 1);
	settle();
	tear_down_world();
}

/* A VF that the host wants back works still: what it sends is held all the same. */
static void test_hold_when_lost(void **state)
{
	(void)state;
	set_up_on(TD_PATH_VF);
	fake_count(0);
	lose_vf();
	fake_run(1000, true);
	assert_int_equal(fake.nic->path, TD_PATH_EMULATED);
	assert_int_equal(fake_calls_of("hold"), 1);
	check_recovery();
	tear_down_world();
}

/* Back before the outside has learned: what the PF still catches, the VF hears itself. */
static void test_back_so_soon(void **state)
{
	(void)state;
	set_up_on(TD_PATH_VF);
	for (unsigned i = 0; i < 4; i++) {
		assert_true(flip(i % 2 ? TD_PATH_VF : TD_PATH_EMULATED));
		fake_run(20, false);
		check_serving();
		assert_true(td_transparent_of(fake.nic)->settle_until_ns);
	}
	settle();
	tear_down_world();
}

/* A cold flip's VF is measured for a while before it goes; who wants one back at once gets one. */
static void test_back_from_cold(void **state)
{
	(void)state;
	set_up_on(TD_PATH_VF);
	assert_int_equal(ask(TD_PATH_EMULATED, true), 0);
	fake_run(60000, true);
	assert_int_equal(fake.nic->path, TD_PATH_EMULATED);
	assert_true(fake.leased && td_hybrid_last_record(fake.nic)->measuring);
	fake_count(0);
	assert_true(flip(TD_PATH_VF));
	assert_int_equal(fake_calls_of("lease"), 1); /* given back, and taken anew */
	assert_false(fake.nic->log[fake.nic->log_count - 2].measuring);
	settle();
	tear_down_world();
}

static void expect_unchanged(void *opaque, const json_t *record, const struct td_err *err)
{
	unsigned *calls = opaque;

	assert_null(err);
	assert_true(json_is_true(json_object_get(record, "ok")));
	assert_true(json_is_false(json_object_get(record, "changed")));
	++*calls;
}

/* To where it is already: done, whatever the VM's state; a warm VF that is wanted no more still goes. */
static void test_already_there(void **state)
{
	struct td_err err = {0};
	unsigned calls = 0;

	(void)state;
	set_up_on(TD_PATH_VF);
	assert_int_equal(td_hybrid_switch(fake.nic, TD_PATH_VF, 0, expect_unchanged, &calls, &err), 0);
	flip_well(TD_PATH_EMULATED);
	fake.vm.state = TD_VM_PAUSED;
	assert_int_equal(td_hybrid_switch(fake.nic, TD_PATH_EMULATED, 0, expect_unchanged, &calls, &err), 0);
	fake.vm.state = TD_VM_RUNNING;
	fake_run(SETTLE_MS, false);
	assert_true(fake.leased);
	assert_int_equal(td_hybrid_switch(fake.nic, TD_PATH_EMULATED, TD_HYBRID_COLD, expect_unchanged, &calls, &err), 0);
	fake_run(SETTLE_MS, false);
	assert_false(fake.leased);
	assert_int_equal(calls, 3);
	tear_down_world();
}

/* Who relays and who catches knows of the VF's VLAN: the fakes look. */
static void test_vlan(void **state)
{
	(void)state;
	variant.vlan = 100;
	set_up_on(TD_PATH_VF);
	fake_count(0);
	flip_well(TD_PATH_EMULATED);
	tear_down_world();
	variant.vlan = 0;
}

/* What is left on a VF of whoever had it before does not stay; what need not change is not set. */
static void test_leftovers(void **state)
{
	static const struct {
		uint16_t before, wanted;
		enum td_sriov_link link;
	} rows[] = {{7, 0, TD_SRIOV_LINK_AUTO}, {7, 100, TD_SRIOV_LINK_DISABLE}, {100, 100, TD_SRIOV_LINK_ENABLE}};

	(void)state;
	for (unsigned i = 0; i < TD_COUNT(rows); i++) {
		bool off = rows[i].link == TD_SRIOV_LINK_DISABLE;

		variant.vlan = rows[i].wanted;
		set_up_world();
		fake.settings.vlan = rows[i].before;
		fake.settings.link_state = rows[i].link;
		fake_count(0);
		assert_true(flip(TD_PATH_VF));
		assert_int_equal(fake.settings.vlan, rows[i].wanted);
		assert_int_equal(fake.settings.link_state, off ? TD_SRIOV_LINK_AUTO : rows[i].link);
		assert_int_equal(fake_calls_of("vlan"), rows[i].before != rows[i].wanted);
		assert_int_equal(fake_calls_of("link state"), off);
		tear_down_world();
	}
	variant.vlan = 0;
}

/* A frame that comes by the tap while a flip to the VF settles is brought to the VF; the tap is deaf afterwards. */
static void test_late_frames(void **state)
{
	(void)state;
	set_up_world();
	assert_true(flip(TD_PATH_VF));
	guest.waiting = 2;
	fake_run(50, false);
	assert_int_equal(fake.relayed, 2);
	assert_true(guest.listening);
	fake_run(SETTLE_MS, false);
	assert_false(guest.listening);
	tear_down_world();
}

/* More of them than the relay is through with when a flip has settled otherwise: they are waited for, but not without end. */
static void test_many_late_frames(void **state)
{
	(void)state;
	set_up_world();
	assert_true(flip(TD_PATH_VF));
	guest.waiting = 400 * FAKE_RELAYED_A_RUN;
	fake_run(350, false);
	assert_true(guest.listening);
	fake_run(100, false);
	assert_int_equal(fake.relayed, 400 * FAKE_RELAYED_A_RUN);
	assert_false(guest.listening);
	guest.waiting = 0;
	flip_well(TD_PATH_EMULATED);
	flip_well(TD_PATH_VF);
	guest.waiting = 1000000 * FAKE_RELAYED_A_RUN;
	fake_run(SETTLE_MS, false);
	assert_false(guest.listening);
	tear_down_world();
}

/* A guest that has all it can do to receive posts little of its ring: a quarter is enough, in the end, and of a large ring less. */
static void test_few_posted(void **state)
{
	static const struct {
		uint32_t count, too_few;
	} rows[] = {{256, 63}, {1024, 255}, {4096, 255}};
	struct td_vf82576_ring *ring = &guest.state.rx[0];

	(void)state;
	for (unsigned i = 0; i < TD_COUNT(rows); i++) {
		set_up_world();
		ring->len_bytes = rows[i].count * 16;
		ring->control = TD_VF_QUEUE_ENABLE;
		ring->tail = rows[i].too_few;
		assert_false(flip(TD_PATH_VF));
		assert_int_equal(ended.reason, TD_REASON_FLIP_TIMEOUT);
		check_serving();
		ring->tail = rows[i].too_few + 1;
		flip_well(TD_PATH_VF);
		tear_down_world();
	}
}

/* Only as many as the VF has buffers for; the rest when it has. */
static void test_no_room(void **state)
{
	(void)state;
	set_up_world();
	card.posted = 64;
	guest.waiting = 40;
	assert_true(flip(TD_PATH_VF));
	assert_int_equal(fake.relayed, 0);
	card.posted = 64 + 10;
	fake_run(1, false);
	assert_int_equal(fake.relayed, 10);
	fake_run(500, false); /* what waits is not given up with the rest of the flip */
	assert_true(guest.listening);
	card.posted = 200;
	fake_run(50, false);
	assert_int_equal(fake.relayed, 40);
	card.posted = 0;
	settle();
	tear_down_world();

	set_up_world(); /* where nothing waits, no room is waited for */
	card.posted = 64;
	assert_true(flip(TD_PATH_VF));
	assert_in_range(td_hybrid_last_record(fake.nic)->marks.held_ns, 1, 10000000);
	settle();
	tear_down_world();
}

/* Nothing is held back from a VF that no longer answers: its pages stay in the guest until it is stopped. */
static void test_no_hold_when_gone(void **state)
{
	(void)state;
	set_up_on(TD_PATH_VF);
	fake_count(0);
	card.gone = true;
	lose_vf();
	fake_run(1000, true);
	assert_int_equal(fake_calls_of("hold"), 0);
	card.gone = false;
	check_recovery();
	tear_down_world();
}

/* A broadcast that came before the VF received is brought to it; one that comes later it hears itself. */
static void test_broadcasts(void **state)
{
	(void)state;
	set_up_world();
	guest.waiting = 7;
	guest.waiting_groups = 4;
	assert_true(flip(TD_PATH_VF));
	assert_int_equal(fake.relayed, 3 + 2);
	guest.waiting = guest.waiting_groups = 4;
	fake_run(50, false);
	assert_int_equal(guest.waiting, 0);
	assert_int_equal(fake.relayed, 3 + 2);
	tear_down_world();
}

/* ---- the way to rest ---- */

static void test_burn_rounds(void **state)
{
	(void)state;
	set_up_world();
	guest.burn_rounds = 7;
	assert_true(flip(TD_PATH_VF));
	assert_int_equal(td_hybrid_last_record(fake.nic)->marks.burned, 7 * 16 + 3);
	assert_int_equal(guest.parks, 2); /* not for tries that fail */
	tear_down_world();
}

/* A guest that catches up only while nothing comes: each try rests longer, up to a limit. */
static void test_long_rests(void **state)
{
	static const struct {
		unsigned slow_ms, tries, rest_ms;
	} rows[] = {{90, 1, 90}, {190, 2, 100 + 190}, {390, 3, 100 + 200 + 390}};

	(void)state;
	for (unsigned i = 0; i < TD_COUNT(rows); i++) {
		set_up_world();
		guest.slow_ns = rows[i].slow_ms * 1000000ULL;
		assert_true(flip(TD_PATH_VF));
		assert_int_equal(guest.goes, rows[i].tries - 1);
		assert_in_range(td_hybrid_last_record(fake.nic)->marks.rest_ns / 1000000, rows[i].rest_ms, rows[i].rest_ms + 30);
		flip_well(TD_PATH_EMULATED);
		assert_int_equal(td_hybrid_last_record(fake.nic)->marks.rest_ns, 0);
		tear_down_world();
	}
	set_up_world();
	guest.slow_ns = 410000000;
	assert_false(flip(TD_PATH_VF));
	assert_int_equal(ended.reason, TD_REASON_FLIP_TIMEOUT);
	check_serving();
	tear_down_world();
}

static void test_burn_ahead(void **state)
{
	(void)state;
	set_up_world();
	guest.ahead_rounds = 6;
	assert_true(flip(TD_PATH_VF));
	assert_int_equal(td_hybrid_last_record(fake.nic)->marks.burned, 6 * 5 + 3);
	tear_down_world();

	set_up_world();
	guest.ahead_rounds = UINT_MAX; /* it is not waited for for ever */
	assert_true(flip(TD_PATH_VF));
	assert_in_range(td_hybrid_last_record(fake.nic)->phase_ns[TD_FLIP_QUIESCE], 150000000, 400000000);
	tear_down_world();
}

static void change_filters(void)
{
	guest.state.hash_count = (guest.state.hash_count + 1) % TD_VF82576_HASHES_MAX;
}

static void change_filters_once(void)
{
	change_filters();
	fake.hook = NULL;
}

static void test_filters_change(void **state)
{
	(void)state;
	set_up_world();
	fake_count(0);
	fake.hook_name = "burn";
	fake.hook = change_filters_once;
	assert_true(flip(TD_PATH_VF));
	assert_int_equal(fake_calls_of("prepare"), 2);
	assert_int_equal(card.prepared.hash_count, guest.state.hash_count);
	tear_down_world();

	set_up_world();
	fake_count(0);
	fake.hook_name = "burn";
	fake.hook = change_filters;
	assert_false(flip(TD_PATH_VF));
	assert_int_equal(ended.reason, TD_REASON_FLIP_ABORTED);
	assert_in_range(fake_calls_of("prepare"), 2, 10);
	fake.hook = NULL;
	check_recovery();
	tear_down_world();
}

/* The last moment in which the guest acts: its head elsewhere, its filters others. The model goes on, and then it is tried again. */
static void spoil(void)
{
	fake.hook = NULL;
	change_filters();
	guest.state.rx[0].head = 5;
}

static void test_last_moment(void **state)
{
	(void)state;
	set_up_world();
	fake_count(0);
	fake.hook_name = "park";
	fake.hook = spoil;
	assert_true(flip(TD_PATH_VF));
	assert_int_equal(guest.parks, 3);
	assert_int_equal(fake_calls_of("prepare"), 2);
	assert_int_equal(fake_calls_of("restore"), 1);
	tear_down_world();
}

static void leave(void)
{
	guest.driver_up = false;
}

static void test_driver_leaves(void **state)
{
	(void)state;
	set_up_world();
	fake.hook_name = "burn";
	fake.hook = leave;
	assert_false(flip(TD_PATH_VF));
	assert_int_equal(ended.reason, TD_REASON_DRIVER_DOWN);
	fake.hook = NULL;
	assert_false(flip(TD_PATH_VF));
	assert_int_equal(ended.reason, TD_REASON_DRIVER_DOWN);
	check_recovery();
	tear_down_world();
}

/* ---- tries that nobody asked for ---- */

static void test_retries(void **state)
{
	unsigned before;
	uint64_t last_ns = 0, gap_ns = 500000000U;

	(void)state;
	set_up_world();
	fake.nic->wanted = TD_PATH_VF;
	fake.fail_name = "lease";
	td_hybrid_wake(fake.nic);
	before = fake.nic->log_count;
	for (unsigned i = 0; i < 9; i++) {
		while (fake.nic->log_count == before)
			fake_run(1, false);
		before = fake.nic->log_count;
		assert_true(td_hybrid_last_record(fake.nic)->automatic);
		if (last_ns) {
			gap_ns = TD_MIN(2 * gap_ns, 60000000000U);
			assert_in_range(fake.now_ns - last_ns, gap_ns, gap_ns + 200000000U);
		}
		last_ns = fake.now_ns;
	}
	guest.driver_up = false; /* a driver that starts anew does not wait for what its predecessor met */
	fake_run(500, false);
	guest.driver_up = true;
	fake.fail_name = NULL;
	fake_run(500, false);
	check_serving();
	assert_int_equal(fake.nic->path, TD_PATH_VF);
	tear_down_world();
}

/* A flip that takes long to fail is not followed by the next at once. */
static void test_retry_after_end(void **state)
{
	uint64_t end_ns;

	(void)state;
	set_up_world();
	card.link = false;
	for (unsigned i = 0; i < 3; i++) {
		unsigned before = fake.nic->log_count;

		if (!i)
			assert_false(flip(TD_PATH_VF));
		while (fake.nic->log_count == before)
			fake_run(1, false);
		assert_int_equal(td_hybrid_last_record(fake.nic)->reason, TD_REASON_NO_CARRIER);
		end_ns = fake.now_ns;
		while (!td_flip_active(&fake.nic->flip))
			fake_run(1, false);
		assert_in_range(fake.now_ns - end_ns, 900000000ULL << i, 1200000000ULL << i);
	}
	card.link = true;
	settle();
	assert_int_equal(fake.nic->path, TD_PATH_VF);
	flip_well(TD_PATH_EMULATED); /* one that went well ends the matter */
	fake.fail_name = "prepare";
	assert_false(flip(TD_PATH_VF));
	fake.fail_name = NULL;
	fake_run(1200, false);
	assert_int_equal(fake.nic->path, TD_PATH_VF);
	tear_down_world();
}

static void test_no_retry_unwanted(void **state)
{
	(void)state;
	set_up_on(TD_PATH_VF);
	flip_well(TD_PATH_EMULATED);
	fake_run(120000, false);
	assert_int_equal(fake.nic->path, TD_PATH_EMULATED);
	tear_down_world();
}

/* ---- at other times ---- */

static void uplink_is(bool up)
{
	fake.nic->network.events.uplink(fake.nic, up);
	health_is(up ? TD_REASON_NONE : TD_REASON_NO_CARRIER, 0);
}

/* On either path, for the day the model serves the guest again. */
static void test_uplink(void **state)
{
	(void)state;
	set_up_world();
	uplink_is(false);
	assert_false(guest.link);
	uplink_is(true);
	assert_int_equal(fake.announced, TD_PATH_EMULATED);
	uplink_is(false);
	flip_well(TD_PATH_VF);
	uplink_is(true);
	assert_true(guest.link);
	assert_int_equal(fake.announced, TD_PATH_VF);
	tear_down_world();
}

/* A VM that is paused stays so, whatever becomes of its VF. */
static void test_lost_while_paused(void **state)
{
	(void)state;
	set_up_on(TD_PATH_VF);
	guest.parked = true;
	fake.vm.state = TD_VM_PAUSED;
	lose_vf();
	assert_true(guest.parked);
	assert_int_equal(fake.nic->path, TD_PATH_EMULATED);
	guest.parked = false;
	fake.vm.state = TD_VM_RUNNING;
	check_recovery();
	tear_down_world();
}

/* One that merely stands by is given back, and leased again when it is wanted. */
static void test_lost_standby(void **state)
{
	(void)state;
	set_up_on(TD_PATH_VF);
	flip_well(TD_PATH_EMULATED);
	assert_true(fake.leased);
	lose_vf();
	fake_run(SETTLE_MS, false);
	assert_false(fake.leased);
	check_settled();
	check_recovery();
	tear_down_world();
}

static void test_rings_lost(void **state)
{
	(void)state;
	set_up_on(TD_PATH_VF);
	card.capture_loses = true;
	assert_true(flip(TD_PATH_EMULATED));
	assert_int_equal(guest.anew, 1); /* only this may be seen by the guest */
	guest.anew = 0;
	card.capture_loses = false;
	check_recovery();
	tear_down_world();
}

static void test_reset_on_vf(void **state)
{
	(void)state;
	set_up_on(TD_PATH_VF);
	fake.reset_wanted = true;
	fake_run(1, false);
	check_serving();
	assert_int_equal(fake.nic->path, TD_PATH_EMULATED);
	check_recovery();
	tear_down_world();
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_order_there), cmocka_unit_test(test_order_back),
		cmocka_unit_test(test_late_frames), cmocka_unit_test(test_many_late_frames), cmocka_unit_test(test_back_so_soon),
		cmocka_unit_test(test_vlan), cmocka_unit_test(test_burn_rounds), cmocka_unit_test(test_burn_ahead),
		cmocka_unit_test(test_filters_change), cmocka_unit_test(test_driver_leaves), cmocka_unit_test(test_retries),
		cmocka_unit_test(test_no_retry_unwanted), cmocka_unit_test(test_retry_after_end), cmocka_unit_test(test_lost_standby),
		cmocka_unit_test(test_lost_while_paused), cmocka_unit_test(test_rings_lost), cmocka_unit_test(test_reset_on_vf),
		cmocka_unit_test(test_uplink), cmocka_unit_test(test_broadcasts), cmocka_unit_test(test_last_moment),
		cmocka_unit_test(test_back_from_cold), cmocka_unit_test(test_leftovers), cmocka_unit_test(test_already_there),
		cmocka_unit_test(test_acts_meanwhile), cmocka_unit_test(test_filter_again), cmocka_unit_test(test_few_posted),
		cmocka_unit_test(test_long_rests), cmocka_unit_test(test_no_room), cmocka_unit_test(test_no_hold_when_gone),
		cmocka_unit_test(test_hold_when_lost)};

	td_log_set_level(TD_LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
