/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transparent_fake.h - the world around a transparent NIC: that of hybrid_fake.h, with a guest, the model of its NIC, and a hardware VF
 * (transparent_fake_hw.h), which know enough to tell who serves the guest.
 */
#ifndef TD_TESTS_TRANSPARENT_FAKE_H
#define TD_TESTS_TRANSPARENT_FAKE_H

#include <limits.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "hybrid_fake.h"
#include "nic/transparent/transparent.h"

#define FAKE_TAIL 9U /* of the guest's transmit ring: frames 5 to 8 wait */

enum fake_model { FAKE_GOES, FAKE_RESTS, FAKE_ON_HARDWARE };

/* The guest and its NIC, which the model or the card serves. */
struct guest {
	enum fake_model model;
	struct td_vf82576_state state;
	bool driver_up, mail_pending, listening, parked, link;
	bool tx_held, tx_kept;		  /* what it sends waits, on the card; and it has sent something */
	unsigned anew;			  /* times that the driver was told to start anew: its link drops */
	bool burn_stuck;		  /* it posts nothing */
	unsigned goes;			  /* at work again, after a rest or whatever */
	uint64_t slow_ns, rests_since_ns; /* so long it must find nothing to receive before it has posted enough */
	unsigned burn_rounds;		  /* that its buffers do not suffice for */
	unsigned ahead_rounds;		  /* until its head is near the start; UINT_MAX: it never is */
	unsigned waiting;		  /* frames in the tap */
	unsigned waiting_groups;	  /* so many of the last are broadcasts and multicasts, by turns */
	unsigned parks;
};

/* The hardware VF. */
struct card {
	enum td_hw82576_phase phase;
	struct td_hw82576_events events;
	struct td_vf82576_state prepared;
	struct td_vf82576_ring rx, tx;
	bool connected, quiet, link, capture_loses, gone;
	bool asking, asked_quiet; /* the PF, in a job */
	uint32_t posted;	  /* receive buffers, as it says; 0: it does not */
};

static struct guest guest;
static struct card card;

static const struct td_hybrid_mode *const fake_mode = &td_transparent_mode;

static inline bool fake_model_is_still(void)
{
	return guest.model == FAKE_RESTS || guest.model == FAKE_ON_HARDWARE;
}

/* ---- clock and vCPUs ---- */

static void fake_guest_resets(void)
{
	struct td_vf82576_ring off = {0};

	guest.parked = true;
	guest.driver_up = guest.mail_pending = false;
	guest.state = (struct td_vf82576_state){0};
	card.rx = card.tx = off;
	td_hybrid_guest_reset(fake.nic);
	guest.parked = false;
}

void td_vm_park(struct td_vm *vm)
{
	assert_ptr_equal(vm, &fake.vm);
	assert_true(!guest.parked || fake.reset_wanted); /* one that is to be reset is not let go */
	fake_note("park");
	guest.parked = true;
	guest.parks++;
}

void td_vm_unpark(struct td_vm *vm)
{
	assert_int_equal(vm->state, TD_VM_RUNNING);
	assert_true(guest.parked);
	fake_note("unpark");
	guest.parked = fake.reset_wanted;
}

/* ---- the guest's function ---- */

int td_igbvf_create(struct td_vm *vm, const struct td_igbvf_config *config, struct td_igbvf **ret_dev, struct td_err *err)
{
	(void)vm, (void)config, (void)err;
	*ret_dev = (struct td_igbvf *)(void *)&fake;
	return 0;
}

const char *td_igbvf_tap(const struct td_igbvf *dev)
{
	(void)dev;
	return FAKE_TAP;
}

bool td_igbvf_lost_tap(const struct td_igbvf *dev)
{
	(void)dev;
	return fake_lost_tap();
}

int td_igbvf_renew_tap(struct td_igbvf *dev, struct td_tap *anew)
{
	(void)dev;
	return fake_renew_tap(anew);
}

unsigned td_igbvf_tap_index(const struct td_igbvf *dev)
{
	(void)dev;
	return FAKE_TAP_INDEX;
}

void td_igbvf_counters(struct td_igbvf *dev, struct td_net_counters *ret_counters)
{
	(void)dev;
	*ret_counters = (struct td_net_counters){0};
}

void td_igbvf_stats(const struct td_igbvf *dev, struct td_igbvf_stats *ret_stats)
{
	(void)dev;
	*ret_stats = (struct td_igbvf_stats){0};
}

int td_igbvf_inject_tx(struct td_igbvf *dev, const uint8_t *frame, size_t len_bytes)
{
	(void)dev, (void)frame;
	assert_in_range(len_bytes, 14, 1514);
	fake_note("announce emulated");
	fake.announced = TD_PATH_EMULATED;
	fake.seen++;
	return 0;
}

ssize_t td_igbvf_take_rx(struct td_igbvf *dev, void *frame, size_t room_bytes)
{
	uint8_t *at = frame;

	(void)dev;
	if (guest.model == FAKE_GOES || !guest.waiting)
		return -EAGAIN;
	memset(at, 0, room_bytes);
	at += TD_VIRTIO_NET_HEADER_BYTES;
	if (guest.waiting-- > guest.waiting_groups)
		memcpy(at, fake.config.mac, 6);
	else
		memcpy(at, guest.waiting % 2 ? "\xff\xff\xff\xff\xff\xff" : "\x01\x00\x5e\x01\x02\x03", 6);
	return 60;
}

bool td_igbvf_await_rx(struct td_igbvf *dev, uint64_t limit_ns)
{
	(void)dev;
	assert_int_equal(guest.model, FAKE_ON_HARDWARE);
	if (!limit_ns)
		return guest.waiting;
	assert_true(guest.tx_held);
	assert_in_range(limit_ns, 1, 1000000);
	if (!guest.waiting)
		usleep((useconds_t)(limit_ns / 1000 + 1));
	return guest.waiting;
}

/* Broadcasts; it is in no multicast group. */
bool td_igbvf_hears(const struct td_igbvf *dev, const uint8_t address[6])
{
	(void)dev;
	return address[0] == 0xff;
}

void td_igbvf_listen(struct td_igbvf *dev, bool on)
{
	(void)dev;
	fake_note(on ? "listen" : "deaf");
	guest.listening = on;
}

void td_igbvf_set_link(struct td_igbvf *dev, bool up)
{
	(void)dev;
	guest.link = up;
}

void td_igbvf_tell_link(struct td_igbvf *dev)
{
	(void)dev;
	fake_note("tell link");
}

int td_igbvf_msix_fd(const struct td_igbvf *dev, unsigned vector)
{
	(void)dev;
	return FAKE_FD + 1 + (int)vector;
}

int eventfd_write(int fd, eventfd_t value)
{
	(void)value;
	assert_in_range(fd, FAKE_FD + 1, FAKE_FD + 2);
	return 0;
}

bool td_igbvf_driver_up(const struct td_igbvf *dev)
{
	(void)dev;
	return guest.driver_up;
}

bool td_igbvf_mail_pending(const struct td_igbvf *dev)
{
	(void)dev;
	return guest.mail_pending;
}

int td_igbvf_check(struct td_igbvf *dev, struct td_err *err)
{
	(void)dev;
	return fake_try("check", err);
}

void td_igbvf_rest(struct td_igbvf *dev)
{
	(void)dev;
	assert_int_not_equal(guest.model, FAKE_ON_HARDWARE);
	fake_note("rest");
	if (guest.model != FAKE_RESTS)
		guest.rests_since_ns = td_now_ns();
	guest.model = FAKE_RESTS;
}

void td_igbvf_go(struct td_igbvf *dev)
{
	(void)dev;
	fake_note("go");
	guest.goes++;
	if (guest.model == FAKE_RESTS)
		guest.model = FAKE_GOES;
}

const struct td_vf82576_state *td_igbvf_state(struct td_igbvf *dev)
{
	(void)dev;
	return &guest.state;
}

void td_igbvf_copy_state(struct td_igbvf *dev, struct td_vf82576_state *ret_state)
{
	(void)dev;
	*ret_state = guest.state;
}

bool td_igbvf_burn_ahead(struct td_igbvf *dev, bool hasty, unsigned *ret_burned)
{
	(void)dev, (void)hasty;
	assert_int_equal(guest.model, FAKE_GOES);
	*ret_burned = guest.ahead_rounds ? 5 : 0;
	if (guest.ahead_rounds && guest.ahead_rounds != UINT_MAX)
		guest.ahead_rounds--;
	return guest.ahead_rounds == 0;
}

int td_igbvf_burn_to_start(struct td_igbvf *dev, unsigned *ret_burned)
{
	(void)dev;
	assert_int_equal(guest.model, FAKE_RESTS);
	fake_note("burn");
	*ret_burned = 0;
	if (guest.burn_stuck || td_now_ns() - guest.rests_since_ns < guest.slow_ns)
		return -EAGAIN;
	if (guest.burn_rounds) {
		guest.burn_rounds--;
		*ret_burned = 16;
		return -EAGAIN;
	}
	*ret_burned = guest.state.rx[0].head ? 3 : 0;
	guest.state.rx[0].head = 0;
	return 0;
}

int td_igbvf_to_hardware(struct td_igbvf *dev, const struct td_igbvf_hardware *hardware, struct td_err *err)
{
	int rc;

	(void)dev, (void)hardware;
	assert_int_equal(guest.model, FAKE_RESTS);
	assert_true(guest.parked);
	rc = fake_try("to hardware", err);
	if (rc < 0)
		return rc;
	guest.model = FAKE_ON_HARDWARE;
	guest.listening = guest.tx_held = guest.tx_kept = true;
	return 0;
}

void td_igbvf_hold_tx(struct td_igbvf *dev)
{
	(void)dev;
	fake_note("hold");
	if (guest.model != FAKE_ON_HARDWARE || guest.tx_held)
		return;
	guest.tx_held = true;
	guest.tx_kept = false;
}

void td_igbvf_release_tx(struct td_igbvf *dev)
{
	(void)dev;
	fake_note("release");
	if (!guest.tx_held)
		return;
	guest.tx_held = false;
	if (guest.tx_kept)
		card.tx.tail = guest.state.tx[0].tail;
}

void td_igbvf_give_pages(struct td_igbvf *dev)
{
	(void)dev;
	assert_true(guest.parked && !guest.tx_held);
	fake_note("pages");
}

void td_igbvf_to_software(struct td_igbvf *dev, const struct td_vf82576_state *rings)
{
	uint32_t tail = guest.state.tx[0].tail;

	(void)dev;
	assert_int_equal(guest.model, FAKE_ON_HARDWARE);
	assert_int_not_equal(card.phase, TD_HW82576_RUNNING);
	assert_true(guest.parked);
	fake_note("to software");
	memcpy(guest.state.rx, rings->rx, sizeof(rings->rx));
	guest.state.tx[0] = rings->tx[0];
	if (guest.tx_held && guest.tx_kept)
		guest.state.tx[0].tail = tail;
	guest.model = FAKE_GOES;
	guest.mail_pending = guest.tx_held = false;
	guest.waiting = 0;
}

void td_igbvf_answer(struct td_igbvf *dev, const uint32_t words[TD_VF_MAIL_WORDS])
{
	(void)dev, (void)words;
	guest.mail_pending = false;
}

void td_igbvf_pf_message(struct td_igbvf *dev, const uint32_t words[TD_VF_MAIL_WORDS])
{
	(void)dev;
	guest.anew += !(words[0] & TD_VF_MAIL_ANSWER_CTS);
}

#include "transparent_fake_hw.h"

#endif
