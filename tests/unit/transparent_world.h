/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transparent_world.h - a transparent NIC in the world of transparent_fake.h, and what must hold there after whatever has happened: one
 * side alone serves the guest, the outside sends to it, the guest saw nothing of it, and the next flips succeed.
 */
#ifndef TD_TESTS_TRANSPARENT_WORLD_H
#define TD_TESTS_TRANSPARENT_WORLD_H

#include "hybrid_fake_flip.h"
#include "transparent_fake.h"

/* Two virtual seconds are enough for what follows a flip: late frames, the VF's return, another try. */
#define SETTLE_MS 2000U

static uint32_t more_tail; /* of a guest that has sent more meanwhile; 0: it has not */

/* ---- what must hold ---- */

static inline void check_serving(void)
{
	const struct td_hybrid *nic = fake.nic;
	bool on_vf = nic->path == TD_PATH_VF;
	const struct td_vf82576_ring *tx = on_vf ? &card.tx : &guest.state.tx[0];

	assert_true(nic->flip.state == TD_FLIP_IDLE || nic->flip.state == TD_FLIP_LATE);
	assert_false(nic->limit.armed);
	assert_false(td_transparent_of(nic)->parked);
	assert_int_equal(td_transparent_of(nic)->rest_ns, 0);
	assert_false(guest.tx_held);
	assert_int_equal(td_transparent_of(nic)->on_hardware, on_vf);
	assert_int_equal(guest.model, on_vf ? FAKE_ON_HARDWARE : FAKE_GOES);
	assert_int_equal(card.phase == TD_HW82576_RUNNING, on_vf);
	if (nic->flip.state == TD_FLIP_IDLE)
		assert_int_not_equal(card.phase, TD_HW82576_PREPARED); /* its PF was told of the guest's filters */
	if (!nic->lost && !fake.job_count)			       /* what was asked of the host comes soon */
		assert_int_equal(fake.filter, on_vf);
	if (fake.announced >= 0)
		assert_int_equal(fake.announced, nic->path);
	if (tx->len_bytes) /* what the guest gave to be sent is still to be sent */
		assert_int_equal(tx->tail, more_tail ? more_tail : FAKE_TAIL);
}

static inline void check_settled(void)
{
	check_serving();
	assert_false(td_flip_active(&fake.nic->flip) || fake.job_count);
	assert_false(guest.parked);
	assert_false(fake.catching);
	assert_false(card.quiet);
	assert_false(fake.nic->lost || fake.nic->give_back);
	assert_int_equal(guest.anew, 0); /* the guest's link has not moved */
	assert_int_equal(td_transparent_of(fake.nic)->settle_until_ns, 0);
	assert_true(fake.nic->path == TD_PATH_EMULATED || !guest.listening);
}

static inline void settle(void)
{
	fake_run(SETTLE_MS, false);
	check_settled();
}

static inline void on_done(void *opaque, const json_t *record, const struct td_err *err)
{
	const struct td_hybrid_record *last = td_hybrid_last_record(fake.nic);

	(void)opaque;
	note_end(record, err);
	assert_true(!ended.ok || last->to == fake.nic->path || fake.nic->lost); /* lost as it was committed */
	check_serving();
}

/* ---- a world ---- */

/* On the path that serves it. */
static inline void driver_comes_up(void)
{
	const struct td_vf82576_ring rx = {.base = 0x1000, .len_bytes = 4096, .head = 7, .tail = 6};
	const struct td_vf82576_ring tx = {.base = 0x2000, .len_bytes = 4096, .head = 5, .tail = FAKE_TAIL};

	guest.driver_up = true;
	guest.state.handshaken = true;
	if (guest.model == FAKE_ON_HARDWARE) {
		card.rx = rx;
		card.tx = tx;
	} else {
		guest.state.rx[0] = rx;
		guest.state.tx[0] = tx;
	}
}

static inline void driver_leaves(void)
{
	const struct td_vf82576_ring off = {0};

	guest.driver_up = guest.state.handshaken = false;
	card.rx = card.tx = guest.state.rx[0] = guest.state.tx[0] = off;
}

/* The driver hears of it, and shakes hands again. */
static inline void pf_resets(void)
{
	static const uint32_t none[TD_VF_MAIL_WORDS];

	if (card.phase == TD_HW82576_RUNNING)
		card.events.pf_message(card.events.opaque, none);
}

/* Of the NICs that follow. */
static struct {
	bool cold;
	uint64_t vlan;
} variant;

static inline void set_up_world(void)
{
	const struct td_vm_net_config config = {
		.mode = TD_NIC_TRANSPARENT, .model = TD_NIC_IGBVF, .vlan = variant.vlan, .warm = !variant.cold};

	guest = (struct guest){.link = true};
	card = (struct card){.link = true};
	create_nic(&config);
	fake_run(10, false);
	driver_comes_up();
	memset(&ended, 0, sizeof(ended));
}

static inline void tear_down_world(void)
{
	guest.parked = true; /* the machine has stopped the guest */
	destroy_nic();
}

/* After whatever has happened. Those that want the VF may be back on it by now, without being asked. */
static inline void check_recovery(void)
{
	settle();
	if (!guest.driver_up)
		driver_comes_up();
	settle();
	if (fake.nic->wanted == TD_PATH_VF) /* a flip to the emulated path that failed is for who asked for it to repeat */
		assert_int_equal(fake.nic->path, TD_PATH_VF);
	flip_there_and_back();
}

static inline void lose_vf(void)
{
	if (fake.vf_made)
		card.events.lost(card.events.opaque, true);
}

#endif
