/* SPDX-License-Identifier: Apache-2.0 */
/* failover_world.h - a failover NIC in the world of failover_fake.h, and what must hold whenever nothing is under way. */
#ifndef TD_TESTS_FAILOVER_WORLD_H
#define TD_TESTS_FAILOVER_WORLD_H

#include "failover_fake.h"
#include "hybrid_fake_flip.h"

#define SETTLE_MS 6000U /* late answers, another try */

/* ---- what must hold ---- */

static inline void check_serving(void)
{
	const struct td_hybrid *nic = fake.nic;
	bool on_vf = nic->path == TD_PATH_VF;

	assert_false(td_flip_active(&nic->flip) || nic->limit.armed || td_hybrid_leaving(nic) || nic->lost || nic->give_back);
	assert_int_equal(td_failover_of(nic)->state, on_vf ? TD_FS_ON_VF : TD_FS_EMULATED);
	assert_int_equal(td_failover_of(nic)->never_count, 0);
	assert_false(guest.no_link);
	assert_int_equal(guest.held, on_vf); /* a guest on its VF hears nothing by the other path */
	assert_int_equal(guest.vf_state == TD_VFIO_PLUGGED, on_vf);
	assert_int_equal(fake.filter, on_vf);
	assert_int_equal(fake.guarded, !on_vf);
	assert_false(fake.pinned);
	if (on_vf)
		assert_int_equal(guest.driver, TD_VFIO_DRIVER_UP);
	if (fake.announced >= 0)
		assert_int_equal(fake.announced, nic->path);
	if (nic->path == nic->wanted && nic->reason != TD_REASON_VF_LOST && nic->log_count)
		assert_int_equal(nic->reason == TD_REASON_NONE, td_hybrid_last_record(fake.nic)->ok);
}

static inline void on_done(void *opaque, const json_t *record, const struct td_err *err)
{
	(void)opaque;
	note_end(record, err);
}

/* ---- a world ---- */

static inline void settle(void)
{
	fake_run(SETTLE_MS, false);
	fake_run(60000, true);
	fake_run(SETTLE_MS, false);
	check_serving();
}

static inline void set_up_world(void)
{
	static char bridge[] = "br0";
	const struct td_vm_net_config config = {.bridge = bridge, .mode = TD_NIC_FAILOVER, .model = TD_NIC_VIRTIO, .warm = true};

	guest = (struct guest){.timer.expired = guest_steps};
	create_nic(&config);
	guest_will(STEP_BOOT);
	fake_run(100, false);
	assert_int_equal(fake.nic->path, TD_PATH_EMULATED);
	memset(&ended, 0, sizeof(ended));
}

static inline void tear_down_world(void)
{
	fake.vm.state = TD_VM_STOPPED;
	td_loop_disarm(NULL, &guest.timer);
	destroy_nic();
}

static inline void check_recovery(void)
{
	settle();
	flip_there_and_back();
	tear_down_world();
}

static inline void lose_vf(void)
{
	if (fake.vf_made)
		guest.vf_events.lost(guest.vf_events.opaque, true);
}

#endif
