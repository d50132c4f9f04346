/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hybrid_fake.h - the world around a NIC with two paths, as far as it is the same in both modes, by link-time fakes: a clock, the main
 * loop, host jobs that run one a turn of it, and the host (hybrid_fake_host.h). They say in which order they were called, fail where told,
 * and hold the callers to what the headers ask of them. A guest and its VF are the mode's: failover_fake.h, transparent_fake.h.
 * nic/hybrid*.c and policy/flip.c are the real ones. Not for more than one program: it defines their neighbours.
 */
#ifndef TD_TESTS_HYBRID_FAKE_H
#define TD_TESTS_HYBRID_FAKE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/log.h"
#include "host/net/host_guard.h"
#include "host/sriov/sriov_netlink.h"
#include "nic/hybrid_parts.h"

#define FAKE_TRACE     512U
#define FAKE_TIMERS    6U
#define FAKE_JOBS      16U
#define FAKE_JOB_NS    200000U /* that one takes */
#define FAKE_FD	       1000    /* never used as a descriptor */
#define FAKE_TAP       "tap-of-nobody"
#define FAKE_TAP_INDEX 0x7a17

struct fake {
	struct td_vm vm;
	struct td_iommu *iommu;
	struct td_vm_net_config config;
	struct td_hybrid *nic;
	uint64_t now_ns;
	struct td_timer *timer[FAKE_TIMERS];
	bool reset_wanted; /* by the guest */
	struct td_job *job[FAKE_JOBS];
	unsigned job_count;
	bool jobs_stand; /* the host does not come to an end with the first */

	bool leased, vf_made, device_open, relay_open, catching, filter, pf_up, carrier;
	bool guarded; /* the bridge has the guest's MAC behind the tap */
	bool pinned;  /* so too, but its frames may come in by an uplink */
	bool foreign; /* and is another's, which it has not */
	unsigned tidied, renewed;
	int left;
	unsigned taps_lost;			       /* each that takes the place of one has the next index */
	unsigned tap_opens, tap_opens_any, taps_taken; /* tries by the name before, and by any; what the NIC took */
	bool tap_is_lost, tap_name_taken;
	struct td_sriov_vf_settings settings;
	bool vf_anew;		     /* another VF has its address */
	bool other_mac;		     /* somebody has given the VF another one */
	unsigned relayed;	     /* frames brought from the tap to the VF */
	int announced;		     /* enum td_path; -1: nowhere yet */
	unsigned seen, witness_sees; /* announcements on the emulated path; which of them is seen, 0: none can be */

	const char *trace[FAKE_TRACE];
	unsigned trace_count;
	unsigned calls, fail_nth; /* of what can fail, since fake_count(); 0: none fails */
	const char *fail_name;	  /* each call of this name does */
	enum td_reason fail_reason;
	bool failed;
	const char *hook_name;
	void (*hook)(void); /* each time before that call does anything */
};

static struct fake fake;

/* The mode's. */
static void fake_guest_resets(void);
static bool fake_vf_hears(void); /* what the wire brings to the guest's MAC */

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
	if (fake.nic && td_flip_active(&fake.nic->flip))
		fake.calls++;
	if ((!fake.fail_nth || fake.calls != fake.fail_nth || fake.failed) && (!fake.fail_name || strcmp(fake.fail_name, name) != 0))
		return 0;
	fake.failed = true;
	return td_err_set(err, EIO, fake.fail_reason ? fake.fail_reason : TD_REASON_SYSTEM, "fake: %s", name);
}

static inline unsigned fake_calls_of(const char *name)
{
	unsigned count = 0;

	for (unsigned i = 0; i < fake.trace_count; i++)
		count += !strcmp(fake.trace[i], name);
	return count;
}

/* Neighbours that a mode never calls; with -Wunused-parameter off. */
#define FAKE_UNUSED(declaration)  \
	declaration               \
	{                         \
		fail();           \
		__builtin_trap(); \
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

/* ---- host jobs ---- */

void td_jobs_submit(struct td_jobs *jobs, struct td_job *job)
{
	assert_ptr_equal(jobs, &fake.vm.jobs);
	assert_false(job->busy);
	assert_true(fake.job_count < FAKE_JOBS);
	job->busy = true;
	fake.job[fake.job_count++] = job;
}

static inline void fake_run_job(void)
{
	struct td_job *job = fake.job[0];

	memmove(&fake.job[0], &fake.job[1], --fake.job_count * sizeof(job));
	job->run(job);
	fake.now_ns += FAKE_JOB_NS;
	job->busy = false;
	job->done(job);
}

void td_jobs_wait(struct td_jobs *jobs, struct td_job *job)
{
	assert_ptr_equal(jobs, &fake.vm.jobs);
	while (job->busy)
		fake_run_job();
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
		if (fake.reset_wanted) {
			fake.reset_wanted = false;
			fake_guest_resets();
		}
		if (until_idle && !td_flip_active(&fake.nic->flip))
			return;
		if (fake.job_count && !fake.jobs_stand) {
			fake_run_job();
			continue;
		}
		next = fake_next_timer(until_ns);
		if (!next)
			break;
		fake.now_ns = TD_MAX(fake.now_ns, next->deadline_ns);
		td_loop_disarm(NULL, next);
		fake.trace_count = td_flip_active(&fake.nic->flip) ? fake.trace_count : 0;
		next->expired(next);
	} while (fake.now_ns < until_ns);
	fake.now_ns = TD_MAX(fake.now_ns, until_ns);
}

#include "hybrid_fake_host.h"

#endif
