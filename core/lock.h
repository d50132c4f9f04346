/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lock.h - a mutex under which nothing slow is done, and which can prove it. Built with TANDEM_LOCK_METER (the dev preset) each hold is
 * measured: CPU time, and whether the holder slept. One that takes more than TD_LOCK_HOLD_NS of CPU time, or sleeps, is told to the log
 * with where it was, and counted; with TANDEM_LOCK_METER=abort in the environment it ends the process. Otherwise it is a mutex and nothing
 * else.
 *
 * What KVM and VFIO wait for inside, when a guest changes its own memory map, interrupt routes or vectors, must be done before the guest's
 * next instruction: such calls stand between td_lock_excuse() and td_lock_excuse_end().
 */
#ifndef TD_CORE_LOCK_H
#define TD_CORE_LOCK_H

#include <pthread.h>

#include "core/base.h"

#define TD_LOCK_HOLD_NS 5000000ULL

struct td_lock_stats {
	uint64_t holds, longest_cpu_ns, too_long, slept; /* the last two: holds that broke the rule */
};

struct td_lock {
	pthread_mutex_t mutex;
#ifdef TANDEM_LOCK_METER
	uint64_t cpu_ns, sleeps; /* of the holder's thread when it took the lock */
	struct td_lock_stats stats;
#endif
};

void td_lock_init(struct td_lock *lock);
void td_lock_fini(struct td_lock *lock);
void td_lock_take(struct td_lock *lock);
void td_lock_give(struct td_lock *lock);

/* Of any thread, for itself; may be nested. */
void td_lock_excuse(void);
void td_lock_excuse_end(void);

/* The lock held. False: not measured in this build. */
bool td_lock_stats(const struct td_lock *lock, struct td_lock_stats *ret_stats);

#endif
