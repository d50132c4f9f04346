/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transparent_world.h - a transparent NIC in the world of transparent_fake.h, and what must hold there after whatever has happened: one
 * side alone serves the guest, the outside sends to it, the guest saw nothing of it, and the next flips succeed.
 */
#ifndef TD_TESTS_TRANSPARENT_WORLD_H
#define TD_TESTS_TRANSPARENT_WORLD_H

#include "transparent_fake.h"

/* Two virtual seconds are enough for what follows a flip: late frames, the VF's return, another try. */
#define SETTLE_MS 2000U

static struct {
	unsigned calls;
	bool ok;
	enum td_reason reason;
} ended;

/* ---- what must hold ---- */

static inline void check_serving(void)
{
	const struct td_hybrid *nic = fake.nic;
	bool on_vf = nic->path == TD_PATH_VF;
	const struct td_vf82576_ring *tx = on_vf ? &fake.hw_tx : &fake.state.tx[0];

	assert_false(nic->flip.active);
	assert_false(nic->limit.armed);
	assert_false(nic->transparent.parked);
	assert_int_equal(nic->transparent.on_hardware, on_vf);
	assert_int_equal(fake.model, on_vf ? FAKE_ON_HARDWARE : FAKE_GOES);
	assert_int_equal(fake.hw_phase == TD_HW82576_RUNNING, on_vf);
	assert_int_not_equal(fake.hw_phase, TD_HW82576_PREPARED); /* its PF was told of the guest's filters */
	if (!nic->lost)
		assert_int_equal(fake.filter, on_vf);
	if (fake.announced >= 0)
		assert_int_equal(fake.announced, nic->path);
	if (tx->len_bytes) /* what the guest gave to be sent is still to be sent */
		assert_int_equal(tx->tail, FAKE_TAIL);
}

static inline void check_settled(void)
{
	check_serving();
	assert_false(fake.parked);
	assert_false(fake.catching);
	assert_false(fake.quiet);
	assert_false(fake.nic->lost || fake.nic->give_back);
	assert_int_equal(fake.anew, 0); /* the guest's link has not moved */
	assert_int_equal(fake.nic->settle_until_ns, 0);
	assert_true(fake.nic->path == TD_PATH_EMULATED || !fake.listening);
}

static inline void on_done(void *opaque, const json_t *record, const struct td_err *err)
{
	const struct td_hybrid_record *last = td_hybrid_last_record(fake.nic);

	(void)opaque;
	assert_non_null(record);
	ended.calls++;
	ended.ok = err->code == 0;
	ended.reason = last->reason;
	assert_int_equal(last->ok, ended.ok);
	if (ended.ok) {
		assert_int_equal(last->reason, TD_REASON_NONE);
		assert_true(last->to == fake.nic->path || fake.nic->lost); /* lost as it was committed */
	} else {
		assert_int_not_equal(last->reason, TD_REASON_NONE);
		assert_true(strlen(last->text) > 0);
	}
	check_serving();
}

/* ---- a world ---- */

/* On the path that serves it. */
static inline void driver_comes_up(void)
{
	const struct td_vf82576_ring rx = {.base = 0x1000, .len_bytes = 4096, .head = 7, .tail = 6};
	const struct td_vf82576_ring tx = {.base = 0x2000, .len_bytes = 4096, .head = 5, .tail = FAKE_TAIL};

	fake.driver_up = true;
	fake.state.handshaken = true;
	if (fake.model == FAKE_ON_HARDWARE) {
		fake.hw_rx = rx;
		fake.hw_tx = tx;
	} else {
		fake.state.rx[0] = rx;
		fake.state.tx[0] = tx;
	}
}

static inline void driver_leaves(void)
{
	const struct td_vf82576_ring off = {0};

	fake.driver_up = fake.state.handshaken = false;
	fake.hw_rx = fake.hw_tx = fake.state.rx[0] = fake.state.tx[0] = off;
}

/* The driver hears of it, and shakes hands again. */
static inline void pf_resets(void)
{
	static const uint32_t none[TD_VF_MAIL_WORDS];

	if (fake.hw_phase == TD_HW82576_RUNNING)
		fake.events.pf_message(fake.events.opaque, none);
}

/* Of the NICs that follow. */
static struct {
	bool cold;
	uint64_t vlan;
} variant;

static inline void set_up_world(void)
{
	static char id[] = "net0";
	const struct td_hybrid_host host = {.vm = &fake.vm, .iommu = &fake.iommu, .run_dir = "/nowhere"};
	struct td_err err = {0};

	fake = (struct fake){.now_ns = 1000000000U, .announced = -1, .link = true, .model_link = true, .pf_up = true, .carrier = true};
	fake.vm.state = TD_VM_RUNNING;
	fake.config = (struct td_vm_net_config){.id = id,
		.mode = TD_NIC_TRANSPARENT,
		.model = TD_NIC_IGBVF,
		.mac = {0x52, 0x54, 0, 1, 2, 3},
		.vlan = variant.vlan,
		.warm = !variant.cold,
		.unplug_timeout_ms = 2000,
		.plug_timeout_ms = 10000};
	assert_int_equal(td_hybrid_create(&host, &fake.config, &fake.nic, &err), 0);
	fake_run(10, false);
	driver_comes_up();
	memset(&ended, 0, sizeof(ended));
}

static inline void tear_down_world(void)
{
	fake.parked = true; /* the machine has stopped the guest */
	td_hybrid_destroy(fake.nic);
	assert_false(fake.leased || fake.hw_made || fake.relay_open || fake.catching);
	for (unsigned i = 0; i < FAKE_TIMERS; i++)
		assert_null(fake.timer[i]);
}

/* Asks for a flip and waits for its end. */
static inline bool flip(enum td_path to)
{
	unsigned before = ended.calls;
	struct td_err err = {0};

	assert_int_equal(td_hybrid_switch(fake.nic, to, false, on_done, NULL, &err), 0);
	fake_run(60000, true);
	assert_int_equal(ended.calls, before + 1);
	return ended.ok;
}

static inline void flip_well(enum td_path to)
{
	if (!flip(to))
		fail_msg("flip to %s: %s", td_path_name(to), td_hybrid_last_record(fake.nic)->text);
	fake_run(SETTLE_MS, false);
	check_settled();
	assert_int_equal(fake.nic->path, to);
}

static inline void set_up_on(enum td_path path)
{
	set_up_world();
	if (path == TD_PATH_VF)
		flip_well(TD_PATH_VF);
}

/* After whatever has happened. Those that want the VF may be back on it by now, without being asked. */
static inline void check_recovery(void)
{
	fake_run(SETTLE_MS, false);
	check_settled();
	if (!fake.driver_up)
		driver_comes_up();
	fake_run(SETTLE_MS, false);
	check_settled();
	if (fake.nic->wanted == TD_PATH_VF) /* a flip to the emulated path that failed is for who asked for it to repeat */
		assert_int_equal(fake.nic->path, TD_PATH_VF);
	flip_well(fake.nic->path == TD_PATH_VF ? TD_PATH_EMULATED : TD_PATH_VF);
	flip_well(fake.nic->path == TD_PATH_VF ? TD_PATH_EMULATED : TD_PATH_VF);
}

static inline void lose_vf(void)
{
	if (fake.hw_made)
		fake.events.lost(fake.events.opaque, true);
}

#endif
