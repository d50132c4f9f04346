/* SPDX-License-Identifier: Apache-2.0 */
/* lock.c - see lock.h. */
#include "core/lock.h"

#ifdef TANDEM_LOCK_METER
#include <execinfo.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "core/log.h"

#define TOLD_MAX 20U
#define FRAMES	 16

static _Thread_local unsigned excused;
static _Thread_local uint64_t excused_since, excused_sleeps;

static uint64_t cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000ULL + (uint64_t)now.tv_nsec;
}

/* How often this thread gave its CPU away to wait for something. */
static uint64_t sleeps(void)
{
	struct rusage usage;

	return getrusage(RUSAGE_THREAD, &usage) == 0 ? (uint64_t)usage.ru_nvcsw : 0;
}

void td_lock_excuse(void)
{
	if (excused++ == 0)
		excused_since = sleeps();
}

void td_lock_excuse_end(void)
{
	if (--excused == 0)
		excused_sleeps += sleeps() - excused_since;
}

static void note_taken(struct td_lock *lock)
{
	lock->cpu_ns = cpu_ns();
	lock->sleeps = sleeps() - excused_sleeps;
}

static void tell(const struct td_lock *lock, uint64_t held_ns, uint64_t slept)
{
	const char *wish = getenv("TANDEM_LOCK_METER");
	void *frame[FRAMES];

	if (lock->stats.too_long + lock->stats.slept > TOLD_MAX)
		return;
	td_error("lock: held for %.1f ms of CPU time, slept %llu times", (double)held_ns / 1e6, (unsigned long long)slept);
	backtrace_symbols_fd(frame, backtrace(frame, FRAMES), STDERR_FILENO);
	if (wish && strcmp(wish, "abort") == 0)
		abort();
}

static void note_given(struct td_lock *lock)
{
	uint64_t held_ns = cpu_ns() - lock->cpu_ns, slept = sleeps() - excused_sleeps - lock->sleeps;

	lock->stats.holds++;
	lock->stats.longest_cpu_ns = TD_MAX(lock->stats.longest_cpu_ns, held_ns);
	lock->stats.too_long += held_ns > TD_LOCK_HOLD_NS;
	lock->stats.slept += slept > 0;
	if (held_ns > TD_LOCK_HOLD_NS || slept)
		tell(lock, held_ns, slept);
}

bool td_lock_stats(const struct td_lock *lock, struct td_lock_stats *ret_stats)
{
	*ret_stats = lock->stats;
	return true;
}
#else
void td_lock_excuse(void)
{
}

void td_lock_excuse_end(void)
{
}

static void note_taken(struct td_lock *lock)
{
	(void)lock;
}

static void note_given(struct td_lock *lock)
{
	(void)lock;
}

bool td_lock_stats(const struct td_lock *lock, struct td_lock_stats *ret_stats)
{
	(void)lock;
	*ret_stats = (struct td_lock_stats){0};
	return false;
}
#endif

void td_lock_init(struct td_lock *lock)
{
	*lock = (struct td_lock){0};
	pthread_mutex_init(&lock->mutex, NULL);
}

void td_lock_fini(struct td_lock *lock)
{
	pthread_mutex_destroy(&lock->mutex);
}

void td_lock_take(struct td_lock *lock)
{
	pthread_mutex_lock(&lock->mutex);
	note_taken(lock);
}

void td_lock_give(struct td_lock *lock)
{
	note_given(lock);
	pthread_mutex_unlock(&lock->mutex);
}
