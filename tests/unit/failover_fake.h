/* SPDX-License-Identifier: Apache-2.0 */
/*
 * failover_fake.h - the world around a failover NIC, by link-time fakes: a guest with net_failover, its VF, a PF, a clock. The guest takes
 * its time for each step, and does none when told so. cli/hybrid*.c and policy/flip.c are the real ones. Not for more than one program: it
 * defines their neighbours.
 */
#ifndef TD_TESTS_FAILOVER_FAKE_H
#define TD_TESTS_FAILOVER_FAKE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/hybrid_parts.h"
#include "cli/hybrid_transparent.h"
#include "core/log.h"

#define FAKE_TIMERS 5U
#define FAKE_FD	    1000 /* never used as a descriptor */
#define FAKE_SLOT   3U	 /* of the VF in the guest */
#define STEP_MS	    20U	 /* of the guest */

/* What the guest does next. */
enum fake_step { STEP_NONE, STEP_PROBE, STEP_UP, STEP_DOWN, STEP_LET_GO, STEP_EJECT, STEP_BOOT };

struct fake {
	struct td_vm vm;
	struct td_iommu *iommu;
	struct td_vm_net_config config;
	struct td_hybrid *nic;
	uint64_t now_ns;
	struct td_timer *timer[FAKE_TIMERS];

	struct td_timer guest;
	enum fake_step step, stops_at; /* it never does that */
	bool reset_wanted, vf_silent;  /* it does not send by its VF, which has no link */
	struct td_virtio_net_events net_events;
	bool held;
	unsigned announcements;

	bool vf_made, leased, relay_open, filter, pf_up, carrier;
	enum td_vfio_state vf_state;
	enum td_vfio_driver driver;
	struct td_vfio_events vf_events;
	struct td_vfio_counters counters;
	unsigned opens;

	int announced; /* enum td_path; -1: nowhere yet */
	unsigned calls, fail_nth;
	const char *fail_name; /* each call of this name does */
	enum td_reason fail_reason;
	bool failed;
};

static struct fake fake;

/* A call that can fail. */
static inline int fake_try(const char *name, struct td_err *err)
{
	if (fake.nic && fake.nic->flip.active)
		fake.calls++;
	if ((!fake.fail_nth || fake.calls != fake.fail_nth || fake.failed) && (!fake.fail_name || strcmp(fake.fail_name, name) != 0))
		return 0;
	fake.failed = true;
	return td_err_set(err, EIO, fake.fail_reason ? fake.fail_reason : TD_REASON_SYSTEM, "fake: %s", name);
}

/* ---- clock and loop ---- */

int clock_gettime(clockid_t id, struct timespec *now)
{
	(void)id;
	fake.now_ns += 1000;
	*now = (struct timespec){(time_t)(fake.now_ns / 1000000000U), (long)(fake.now_ns % 1000000000U)};
	return 0;
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

/* ---- the guest ---- */

static inline void guest_will(enum fake_step step)
{
	fake.step = step;
	td_loop_arm(NULL, &fake.guest, STEP_MS * 1000000ULL);
}

static inline void guest_ejects(void)
{
	fake.vm.pci.ghosts = 0;
	if (fake.vf_state != TD_VFIO_PLUGGED)
		return;
	fake.vf_state = TD_VFIO_WARM;
	fake.vf_events.ejected(fake.vf_events.opaque);
}

static inline void guest_steps(struct td_timer *timer)
{
	enum fake_step step = fake.step;

	(void)timer;
	if (step == fake.stops_at || fake.vm.state != TD_VM_RUNNING) {
		guest_will(step); /* another time */
		return;
	}
	fake.step = STEP_NONE;
	if (step == STEP_PROBE || step == STEP_DOWN)
		fake.driver = TD_VFIO_DRIVER_BOUND;
	if (step == STEP_UP)
		fake.driver = TD_VFIO_DRIVER_UP;
	if (step == STEP_LET_GO)
		fake.driver = TD_VFIO_DRIVER_NONE;
	if (step == STEP_PROBE || step == STEP_DOWN || step == STEP_LET_GO)
		guest_will(step + 1);
	if (step == STEP_UP)
		fake.vf_events.driver_up(fake.vf_events.opaque);
	if (step == STEP_EJECT)
		guest_ejects();
	if (step == STEP_BOOT)
		fake.net_events.driver(fake.net_events.opaque, true, true);
}

static inline void guest_resets(void)
{
	fake.reset_wanted = false;
	fake.driver = TD_VFIO_DRIVER_NONE;
	fake.vm.pci.ghosts = 0;
	td_hybrid_guest_reset(fake.nic);
	fake.net_events.driver(fake.net_events.opaque, false, false);
	guest_will(STEP_BOOT);
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
			guest_resets();
		if (until_idle && !fake.nic->flip.active)
			return;
		next = fake_next_timer(until_ns);
		if (!next)
			break;
		fake.now_ns = TD_MAX(fake.now_ns, next->deadline_ns);
		td_loop_disarm(NULL, next);
		next->expired(next);
	} while (fake.now_ns < until_ns);
	fake.now_ns = TD_MAX(fake.now_ns, until_ns);
}

#include "failover_fake_host.h"

#endif
