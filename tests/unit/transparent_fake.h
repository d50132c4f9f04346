/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transparent_fake.h - the world around a transparent NIC, by link-time fakes: a guest, its function, a hardware VF, a PF, a wire, a clock.
 * They say in which order they were called, fail where told, hold the callers to what the headers ask of them, and know enough to tell
 * who serves the guest. cli/hybrid*.c and policy/flip.c are the real ones. Not for more than one program: it defines their neighbours.
 */
#ifndef TD_TESTS_TRANSPARENT_FAKE_H
#define TD_TESTS_TRANSPARENT_FAKE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

#include "cli/hybrid_parts.h"
#include "core/log.h"

#define FAKE_TRACE  512U
#define FAKE_TIMERS 4U
#define FAKE_FD	    1000 /* never used as a descriptor */
#define FAKE_TAIL   9U	 /* of the guest's transmit ring: frames 5 to 8 wait */

enum fake_model { FAKE_GOES, FAKE_RESTS, FAKE_ON_HARDWARE };

struct fake {
	struct td_vm vm;
	struct td_iommu *iommu;
	struct td_vm_net_config config;
	struct td_hybrid *nic;
	uint64_t now_ns;
	struct td_timer *timer[FAKE_TIMERS];

	enum fake_model model;
	struct td_vf82576_state state, prepared;
	struct td_igbvf_hardware front;
	bool driver_up, mail_pending, listening, reset_wanted, parked, model_link;
	unsigned anew;		   /* times that the driver was told to start anew: its link drops */
	bool burn_stuck;	   /* the guest posts nothing */
	unsigned burn_rounds;	   /* that its buffers do not suffice for */
	unsigned waiting, relayed; /* frames in the tap; brought to the VF */
	unsigned waiting_groups;   /* so many of the last are broadcasts and multicasts, by turns */
	unsigned parks;

	bool hw_made, connected, quiet, link, capture_loses;
	enum td_hw82576_phase hw_phase;
	struct td_hw82576_events events;
	struct td_vf82576_ring hw_rx, hw_tx;

	bool leased, relay_open, catching, filter, pf_up, carrier;
	struct td_sriov_vf_settings settings;
	int announced; /* enum td_path; -1: nowhere yet */

	const char *trace[FAKE_TRACE];
	unsigned trace_count;
	unsigned calls, fail_nth; /* of what can fail, since fake_count(); 0: none fails */
	const char *fail_name;	  /* each call of this name does */
	bool failed;
	const char *hook_name;
	void (*hook)(void); /* each time before that call does anything */
};

static struct fake fake;

/* ---- calls ---- */

static inline void fake_note(const char *name)
{
	if (fake.trace_count < FAKE_TRACE)
		fake.trace[fake.trace_count++] = name;
	if (fake.hook && !strcmp(fake.hook_name, name))
		fake.hook();
}

static inline void fake_count(unsigned fail_nth)
{
	fake.trace_count = fake.calls = 0;
	fake.fail_nth = fail_nth;
	fake.failed = false;
}

/* A call that can fail. */
static inline int fake_try(const char *name, struct td_err *err)
{
	fake_note(name);
	if (fake.nic && fake.nic->flip.active)
		fake.calls++;
	if ((!fake.fail_nth || fake.calls != fake.fail_nth || fake.failed) && (!fake.fail_name || strcmp(fake.fail_name, name) != 0))
		return 0;
	fake.failed = true;
	return td_err_set(err, EIO, TD_REASON_SYSTEM, "fake: %s", name);
}

static inline unsigned fake_calls_of(const char *name)
{
	unsigned count = 0;

	for (unsigned i = 0; i < fake.trace_count; i++)
		count += !strcmp(fake.trace[i], name);
	return count;
}

static inline bool fake_model_is_still(void)
{
	return fake.model == FAKE_RESTS || fake.model == FAKE_ON_HARDWARE;
}

/* ---- clock and loop ---- */

int clock_gettime(clockid_t id, struct timespec *now)
{
	(void)id;
	fake.now_ns += 1000;
	*now = (struct timespec){(time_t)(fake.now_ns / 1000000000U), (long)(fake.now_ns % 1000000000U)};
	return 0;
}

int nanosleep(const struct timespec *time, struct timespec *left)
{
	(void)left;
	fake.now_ns += (uint64_t)time->tv_sec * 1000000000U + (uint64_t)time->tv_nsec;
	return 0;
}

void td_loop_disarm(struct td_loop *loop, struct td_timer *timer)
{
	(void)loop;
	for (unsigned i = 0; i < FAKE_TIMERS; i++)
		if (fake.timer[i] == timer)
			fake.timer[i] = NULL;
	timer->armed = false;
}

void td_loop_arm(struct td_loop *loop, struct td_timer *timer, uint64_t delay_ns)
{
	unsigned i = 0;

	td_loop_disarm(loop, timer);
	while (fake.timer[i])
		assert_true(++i < FAKE_TIMERS);
	fake.timer[i] = timer;
	timer->deadline_ns = fake.now_ns + delay_ns;
	timer->armed = true;
}

int td_loop_watch(struct td_loop *loop, struct td_watch *watch)
{
	(void)loop;
	watch->active = true;
	return 0;
}

void td_loop_unwatch(struct td_loop *loop, struct td_watch *watch)
{
	(void)loop;
	watch->active = false;
}

static inline void fake_guest_resets(void)
{
	struct td_vf82576_ring off = {0};

	fake.reset_wanted = false;
	fake.parked = true;
	fake.driver_up = fake.mail_pending = false;
	fake.state = (struct td_vf82576_state){0};
	fake.hw_rx = fake.hw_tx = off;
	td_hybrid_guest_reset(fake.nic);
	fake.parked = false;
}

static inline struct td_timer *fake_next_timer(uint64_t until_ns)
{
	struct td_timer *next = NULL;

	for (unsigned i = 0; i < FAKE_TIMERS; i++)
		if (fake.timer[i] && fake.timer[i]->deadline_ns <= until_ns && (!next || fake.timer[i]->deadline_ns < next->deadline_ns))
			next = fake.timer[i];
	return next;
}

/* The main loop, for so long; or until no flip is in progress. */
static inline void fake_run(uint64_t ms, bool until_idle)
{
	uint64_t until_ns = fake.now_ns + ms * 1000000U;
	struct td_timer *next;

	do {
		if (fake.reset_wanted)
			fake_guest_resets();
		if (until_idle && !fake.nic->flip.active)
			return;
		next = fake_next_timer(until_ns);
		if (!next)
			break;
		fake.now_ns = TD_MAX(fake.now_ns, next->deadline_ns);
		td_loop_disarm(NULL, next);
		fake.trace_count = fake.nic->flip.active ? fake.trace_count : 0;
		next->expired(next);
	} while (fake.now_ns < until_ns);
	fake.now_ns = TD_MAX(fake.now_ns, until_ns);
}

/* ---- vCPUs ---- */

void td_vm_park(struct td_vm *vm)
{
	assert_ptr_equal(vm, &fake.vm);
	assert_false(fake.parked);
	fake_note("park");
	fake.parked = true;
	fake.parks++;
}

void td_vm_unpark(struct td_vm *vm)
{
	assert_int_equal(vm->state, TD_VM_RUNNING);
	assert_true(fake.parked);
	fake_note("unpark");
	fake.parked = fake.reset_wanted;
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
	return "tap0";
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
	return 0;
}

ssize_t td_igbvf_take_rx(struct td_igbvf *dev, void *frame, size_t room_bytes)
{
	uint8_t *at = frame;

	(void)dev;
	if (fake.model == FAKE_GOES || !fake.waiting)
		return -EAGAIN;
	memset(at, 0, room_bytes);
	at += TD_VIRTIO_NET_HEADER_BYTES;
	if (fake.waiting-- > fake.waiting_groups)
		memcpy(at, fake.config.mac, 6);
	else
		memcpy(at, fake.waiting % 2 ? "\xff\xff\xff\xff\xff\xff" : "\x01\x00\x5e\x01\x02\x03", 6);
	return 60;
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
	fake.listening = on;
}

void td_igbvf_set_link(struct td_igbvf *dev, bool up)
{
	(void)dev;
	fake.model_link = up;
}

void td_igbvf_tell_link(struct td_igbvf *dev)
{
	(void)dev;
	fake_note("tell link");
}

/* ---- the bridge's uplink ---- */

int td_uplink_open(struct td_uplink *uplink, struct td_loop *loop, const char *tap, void (*changed)(void *opaque, bool up), void *opaque,
	struct td_err *err)
{
	(void)loop, (void)err;
	assert_string_equal(tap, "tap0");
	*uplink = (struct td_uplink){.watch.fd = FAKE_FD, .up = true, .changed = changed, .opaque = opaque};
	return 0;
}

void td_uplink_close(struct td_uplink *uplink)
{
	uplink->watch.fd = -1;
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
	return fake.driver_up;
}

bool td_igbvf_mail_pending(const struct td_igbvf *dev)
{
	(void)dev;
	return fake.mail_pending;
}

int td_igbvf_check(struct td_igbvf *dev, struct td_err *err)
{
	(void)dev;
	return fake_try("check", err);
}

void td_igbvf_rest(struct td_igbvf *dev)
{
	(void)dev;
	assert_int_not_equal(fake.model, FAKE_ON_HARDWARE);
	fake_note("rest");
	fake.model = FAKE_RESTS;
}

void td_igbvf_go(struct td_igbvf *dev)
{
	(void)dev;
	fake_note("go");
	if (fake.model == FAKE_RESTS)
		fake.model = FAKE_GOES;
}

const struct td_vf82576_state *td_igbvf_state(struct td_igbvf *dev)
{
	(void)dev;
	return &fake.state;
}

void td_igbvf_copy_state(struct td_igbvf *dev, struct td_vf82576_state *ret_state)
{
	(void)dev;
	*ret_state = fake.state;
}

int td_igbvf_burn_to_start(struct td_igbvf *dev, unsigned *ret_burned)
{
	(void)dev;
	assert_int_equal(fake.model, FAKE_RESTS);
	fake_note("burn");
	*ret_burned = 0;
	if (fake.burn_stuck)
		return -EAGAIN;
	if (fake.burn_rounds) {
		fake.burn_rounds--;
		*ret_burned = 16;
		return -EAGAIN;
	}
	*ret_burned = fake.state.rx[0].head ? 3 : 0;
	fake.state.rx[0].head = 0;
	return 0;
}

int td_igbvf_to_hardware(struct td_igbvf *dev, const struct td_igbvf_hardware *hardware, struct td_err *err)
{
	int rc;

	(void)dev;
	assert_int_equal(fake.model, FAKE_RESTS);
	assert_true(fake.parked);
	rc = fake_try("to hardware", err);
	if (rc < 0)
		return rc;
	fake.front = *hardware;
	fake.model = FAKE_ON_HARDWARE;
	fake.listening = true;
	return 0;
}

void td_igbvf_to_software(struct td_igbvf *dev, const struct td_vf82576_state *rings)
{
	(void)dev;
	assert_int_equal(fake.model, FAKE_ON_HARDWARE);
	assert_int_not_equal(fake.hw_phase, TD_HW82576_RUNNING);
	assert_true(fake.parked);
	fake_note("to software");
	memcpy(fake.state.rx, rings->rx, sizeof(rings->rx));
	memcpy(fake.state.tx, rings->tx, sizeof(rings->tx));
	fake.model = FAKE_GOES;
	fake.mail_pending = false;
	fake.waiting = 0;
}

void td_igbvf_answer(struct td_igbvf *dev, const uint32_t words[TD_VF_MAIL_WORDS])
{
	(void)dev, (void)words;
	fake.mail_pending = false;
}

void td_igbvf_pf_message(struct td_igbvf *dev, const uint32_t words[TD_VF_MAIL_WORDS])
{
	(void)dev;
	fake.anew += !(words[0] & TD_VF_MAIL_ANSWER_CTS);
}

#include "transparent_fake_hw.h"

#endif
