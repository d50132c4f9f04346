/* SPDX-License-Identifier: Apache-2.0 */
/* Another program changes the settings of a NIC's VF in its PF (nic/hybrid_settings.c): they are put back, and a flip does not leave a VF
 * for it. */
#include "failover_world.h"

/* As the kernel tells it, and some time after it. */
static void pf_changed(const char *name)
{
	fake.nic->network.events.pf(fake.nic, name);
	fake_run(5, false);
}

static void set_up_on_vf(void)
{
	fake_count(0);
	set_up_on(TD_PATH_VF);
	fake.settings.spoofchk = true; /* as it was before */
	fake.nic->lease.before.spoofchk = true;
}

static void meddle(unsigned which)
{
	struct td_sriov_vf_settings *settings = &fake.settings;

	settings->vlan = which == 0 ? 77 : settings->vlan;
	settings->spoofchk = which == 1 ? false : settings->spoofchk;
	settings->trust = which == 2 ? true : settings->trust;
	settings->max_tx_rate = which == 3 ? 10 : settings->max_tx_rate;
	settings->link_state = which == 4 ? TD_SRIOV_LINK_DISABLE : settings->link_state;
	fake.other_mac = which == 5;
}

static void check_as_before(void)
{
	assert_int_equal(fake.settings.vlan, 0);
	assert_true(fake.settings.spoofchk && !fake.settings.trust);
	assert_int_equal(fake.settings.max_tx_rate, 0);
	assert_int_equal(fake.settings.link_state, TD_SRIOV_LINK_AUTO);
	assert_true(fake.filter && !fake.other_mac);
}

static const char *const said[] = {"vlan 77, not 0", "spoofchk off, not on", "trust on, not off", "max_tx_rate 10, not 0",
	"state disable, not auto", "mac 02:00:00:00:00:00, not 52:54:00:01:02:03"};

static void test_each_is_put_back(void **state)
{
	(void)state;
	for (unsigned i = 0; i < TD_COUNT(said); i++) {
		set_up_on_vf();
		meddle(i);
		pf_changed("pf0");
		check_as_before();
		assert_int_equal(fake.nic->reason, TD_REASON_VF_CHANGED);
		assert_non_null(strstr(fake.nic->reason_text, said[i]));
		assert_int_equal(fake.nic->changes, 1);
		assert_int_equal(fake.nic->path, TD_PATH_VF);
		pf_changed("pf0"); /* the event of our own change */
		assert_int_equal(fake.nic->changes, 1);
		tear_down_world();
	}
}

/* Nothing but a look, where nothing is otherwise. */
static void test_own_changes_are_no_others(void **state)
{
	(void)state;
	set_up_on_vf();
	fake_count(0);
	pf_changed("pf0");
	assert_int_equal(fake_calls_of("settings"), 1);
	assert_int_equal(fake.trace_count, 1);
	assert_int_equal(fake.nic->reason, TD_REASON_NONE);
	flip_well(TD_PATH_EMULATED); /* the VF is warm, and has no MAC */
	pf_changed("pf0");
	flip_well(TD_PATH_VF);
	pf_changed("pf0");
	assert_int_equal(fake.nic->changes, 0);
	tear_down_world();
}

/* It was changed, and nobody has told yet: the guest keeps its VF until it is mended. */
static void test_flip_mends_first(void **state)
{
	(void)state;
	for (unsigned i = 0; i < TD_COUNT(said); i++) {
		set_up_on_vf();
		meddle(i);
		assert_int_equal(ask(TD_PATH_EMULATED, false), 0);
		while (fake.nic->flip.phase == TD_FLIP_RESERVE && td_flip_active(&fake.nic->flip))
			fake_run(1, true);
		assert_true(td_flip_active(&fake.nic->flip));
		check_as_before();
		fake_run(60000, true);
		settle();
		assert_int_equal(fake.nic->path, TD_PATH_EMULATED);
		assert_int_equal(fake.nic->changes, 1);
		meddle(i); /* of a warm VF */
		fake.other_mac = false;
		flip_well(TD_PATH_VF);
		check_as_before();
		tear_down_world();
	}
}

static unsigned vlans_set;

static void count_vlan(void)
{
	vlans_set++;
}

static void count_vlans(void)
{
	fake.hook_name = "vlan";
	fake.hook = count_vlan;
	vlans_set = 0;
}

static void test_can_not_be_put_back(void **state)
{
	(void)state;
	set_up_on_vf();
	meddle(0);
	fake.fail_name = "vlan";
	pf_changed("pf0");
	assert_int_equal(fake.nic->reason, TD_REASON_VF_CHANGED);
	assert_non_null(strstr(fake.nic->reason_text, "can't be put back"));
	assert_false(flip(TD_PATH_EMULATED));
	assert_int_equal(ended.reason, TD_REASON_VF_CHANGED);
	assert_int_equal(fake.nic->path, TD_PATH_VF);
	assert_int_equal(fake.nic->marks.unplug_requests, 0);
	count_vlans();
	fake_run(120000, false);
	assert_in_range(vlans_set, 2, 20); /* tried again, ever less often */
	fake.fail_name = NULL;
	fake_run(120000, false);
	check_as_before();
	meddle(0);
	fake.fail_name = "vlan";
	assert_int_equal(td_hybrid_switch(fake.nic, TD_PATH_EMULATED, TD_HYBRID_FORCE, on_done, NULL, NULL), 0);
	fake_run(60000, true);
	fake.fail_name = NULL;
	settle();
	assert_int_equal(fake.nic->path, TD_PATH_EMULATED);
	tear_down_world();
}

/* Two programs that both put back what the other has changed. */
static void test_can_not_be_read(void **state)
{
	(void)state;
	set_up_on_vf();
	fake.fail_name = "settings";
	assert_int_equal(ask(TD_PATH_EMULATED, false), 0); /* nothing is known to be wrong */
	fake_run(60000, true);
	fake.fail_name = NULL;
	settle();
	assert_int_equal(fake.nic->path, TD_PATH_EMULATED);
	tear_down_world();
}

/* Also while a flip waits for its guest. */
static void test_put_back_during_a_flip(void **state)
{
	(void)state;
	set_up_on_vf();
	guest.stops_at = STEP_DOWN;
	assert_int_equal(ask(TD_PATH_EMULATED, false), 0);
	fake_run(500, true);
	assert_int_equal(fake.nic->flip.phase, TD_FLIP_QUIESCE);
	meddle(0);
	pf_changed("pf0");
	assert_int_equal(fake.settings.vlan, 0);
	guest.stops_at = STEP_NONE;
	fake_run(60000, true);
	tear_down_world();
}

static void test_a_fight(void **state)
{
	(void)state;
	set_up_on_vf();
	count_vlans();
	for (unsigned i = 0; i < 200; i++) {
		meddle(0);
		pf_changed("pf0");
	}
	assert_in_range(vlans_set, 10, 20);
	fake_run(3000, false);
	check_as_before();
	tear_down_world();
}

static void test_a_pf_is_renamed(void **state)
{
	(void)state;
	set_up_on_vf();
	pf_changed("pf9");
	assert_string_equal(fake.nic->lease.vf.pf_name, "pf9");
	pf_changed("");
	assert_string_equal(fake.nic->lease.vf.pf_name, "pf9");
	pf_changed("pf0");
	tear_down_world();
}

/* A lease whose device is not open is no obstacle to who destroys the VF; the one at its address next is not taken for it. */
static void test_vf_made_anew(void **state)
{
	(void)state;
	for (unsigned told = 0; told < 2; told++) {
		set_up_on_vf();
		flip_well(TD_PATH_EMULATED);
		meddle(0);
		fake.vf_anew = true;
		count_vlans();
		if (told) {
			pf_changed("pf0");
		} else {
			assert_false(flip(TD_PATH_VF));
			assert_int_equal(ended.reason, TD_REASON_VF_LOST);
		}
		assert_int_equal(fake.nic->reason, TD_REASON_VF_LOST);
		assert_int_equal(vlans_set, 0); /* it is somebody else's */
		assert_int_equal(fake.nic->changes, 0);
		assert_int_equal(fake.nic->path, TD_PATH_EMULATED);
		fake_run(5000, false);
		assert_false(fake.leased);
		flip_well(TD_PATH_VF);
		assert_false(fake.vf_anew); /* another lease */
		tear_down_world();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_each_is_put_back), cmocka_unit_test(test_own_changes_are_no_others),
		cmocka_unit_test(test_flip_mends_first), cmocka_unit_test(test_can_not_be_put_back), cmocka_unit_test(test_a_fight),
		cmocka_unit_test(test_can_not_be_read), cmocka_unit_test(test_put_back_during_a_flip), cmocka_unit_test(test_vf_made_anew),
		cmocka_unit_test(test_a_pf_is_renamed)};

	td_log_set_level(TD_LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
