/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop.c - epoll_wait, then timers, then posted work, then descriptors.
 *
 * Theory of operation: epoll hands out a batch of events, each with a pointer to its watch. A callback may remove any watch, and free it;
 * td_loop_unwatch() therefore strikes the watch out of the batch that is being worked off. Timers and work need no such care: they are
 * taken off their list before they run.
 */
#include "core/loop.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define BATCH 16

static void loop_lock(struct td_loop *loop)
{
	if (loop->guard)
		td_lock_take(loop->guard);
}

static void loop_unlock(struct td_loop *loop)
{
	if (loop->guard)
		td_lock_give(loop->guard);
}

static void loop_signal(struct td_loop *loop)
{
	uint64_t one = 1;

	/* EAGAIN: the counter is full, so the loop is being woken anyway. */
	while (write(loop->wake_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

static struct td_work *take_work(struct td_loop *loop)
{
	struct td_work *work;

	pthread_mutex_lock(&loop->post_lock);
	work = loop->posted;
	if (work) {
		loop->posted = work->next;
		if (!loop->posted)
			loop->posted_tail = &loop->posted;
		work->queued = false;
	}
	pthread_mutex_unlock(&loop->post_lock);
	return work;
}

static bool has_work(struct td_loop *loop)
{
	bool has;

	pthread_mutex_lock(&loop->post_lock);
	has = loop->posted != NULL;
	pthread_mutex_unlock(&loop->post_lock);
	return has;
}

/* Runs what stands in the list now; what is posted meanwhile wakes the loop again, so that it cannot starve descriptors. */
static void wake_ready(struct td_watch *watch, uint32_t events)
{
	struct td_loop *loop = TD_CONTAINER_OF(watch, struct td_loop, wake);
	struct td_work *work;
	uint64_t count;

	(void)events;
	while (read(loop->wake_fd, &count, sizeof(count)) < 0 && errno == EINTR)
		;
	for (unsigned i = 0; i < BATCH && (work = take_work(loop)); i++)
		work->run(work);
	if (has_work(loop))
		loop_signal(loop);
}

int td_loop_init(struct td_loop *loop, struct td_lock *guard, struct td_err *err)
{
	int r;

	memset(loop, 0, sizeof(*loop));
	loop->guard = guard;
	loop->posted_tail = &loop->posted;
	loop->wake_fd = -1;
	pthread_mutex_init(&loop->post_lock, NULL);
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll_fd < 0)
		return td_err_sys(err, errno, TD_REASON_SYSTEM, "event loop: epoll_create1");
	loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (loop->wake_fd < 0) {
		r = td_err_sys(err, errno, TD_REASON_SYSTEM, "event loop: eventfd");
		td_loop_fini(loop);
		return r;
	}
	loop->wake = (struct td_watch){.fd = loop->wake_fd, .ready = wake_ready, .events = EPOLLIN};
	r = td_loop_watch(loop, &loop->wake);
	if (r < 0) {
		td_loop_fini(loop);
		return td_err_sys(err, -r, TD_REASON_SYSTEM, "event loop: epoll_ctl");
	}
	return 0;
}

void td_loop_fini(struct td_loop *loop)
{
	td_cleanup_close(&loop->wake_fd);
	td_cleanup_close(&loop->epoll_fd);
	loop->wake_fd = -1;
	loop->epoll_fd = -1;
	pthread_mutex_destroy(&loop->post_lock);
}

static int next_timeout_ms(const struct td_loop *loop)
{
	uint64_t now, left;

	if (!loop->timers)
		return -1;
	now = td_now_ns();
	if (loop->timers->deadline_ns <= now)
		return 0;
	/* Rounded up: waking before the deadline would spin. */
	left = (loop->timers->deadline_ns - now + 999999) / 1000000;
	return (int)TD_MIN(left, 3600000ULL);
}

/* Those due now; one that is armed again with delay 0 waits for the next round. */
static void run_timers(struct td_loop *loop)
{
	uint64_t now;

	if (!loop->timers)
		return;
	now = td_now_ns();
	while (loop->timers && loop->timers->deadline_ns <= now && !__atomic_load_n(&loop->stopping, __ATOMIC_RELAXED)) {
		struct td_timer *timer = loop->timers;

		loop->timers = timer->next;
		timer->armed = false;
		timer->next = NULL;
		loop_lock(loop);
		timer->expired(timer);
		loop_unlock(loop);
	}
}

static void run_events(struct td_loop *loop)
{
	for (unsigned i = 0; i < loop->batch_count && !__atomic_load_n(&loop->stopping, __ATOMIC_RELAXED); i++) {
		struct td_watch *watch;

		loop_lock(loop);
		watch = loop->batch[i].data.ptr;
		if (watch)
			watch->ready(watch, loop->batch[i].events);
		loop_unlock(loop);
	}
}

int td_loop_run(struct td_loop *loop)
{
	struct epoll_event event[BATCH];
	int count;

	while (!__atomic_load_n(&loop->stopping, __ATOMIC_ACQUIRE)) {
		count = epoll_wait(loop->epoll_fd, event, BATCH, next_timeout_ms(loop));
		if (count < 0 && errno != EINTR)
			return -errno;
		/* Timers may take away watches of which an event is at hand already: td_loop_unwatch() looks here. */
		loop->batch = event;
		loop->batch_count = count > 0 ? (unsigned)count : 0;
		run_timers(loop);
		run_events(loop);
		loop->batch = NULL;
		loop->batch_count = 0;
	}
	__atomic_store_n(&loop->stopping, false, __ATOMIC_RELAXED);
	return 0;
}

void td_loop_stop(struct td_loop *loop)
{
	__atomic_store_n(&loop->stopping, true, __ATOMIC_RELEASE);
	loop_signal(loop);
}

static int watch_control(struct td_loop *loop, int operation, struct td_watch *watch)
{
	struct epoll_event event = {.events = watch->events, .data.ptr = watch};

	return epoll_ctl(loop->epoll_fd, operation, watch->fd, &event) < 0 ? -errno : 0;
}

int td_loop_watch(struct td_loop *loop, struct td_watch *watch)
{
	int r = watch_control(loop, EPOLL_CTL_ADD, watch);

	if (r == 0)
		watch->active = true;
	return r;
}

int td_loop_modify(struct td_loop *loop, struct td_watch *watch, uint32_t events)
{
	if (!watch->active)
		return -ENOENT;
	watch->events = events;
	return watch_control(loop, EPOLL_CTL_MOD, watch);
}

void td_loop_unwatch(struct td_loop *loop, struct td_watch *watch)
{
	if (!watch->active)
		return;
	watch_control(loop, EPOLL_CTL_DEL, watch);
	watch->active = false;
	for (unsigned i = 0; i < loop->batch_count; i++) {
		if (loop->batch[i].data.ptr == watch)
			loop->batch[i].data.ptr = NULL;
	}
}

void td_loop_arm(struct td_loop *loop, struct td_timer *timer, uint64_t delay_ns)
{
	struct td_timer **at;
	uint64_t now = td_now_ns();

	td_loop_disarm(loop, timer);
	timer->deadline_ns = delay_ns > UINT64_MAX - now ? UINT64_MAX : now + delay_ns;
	/* `<=`: timers of one deadline run in the order they were armed. */
	for (at = &loop->timers; *at && (*at)->deadline_ns <= timer->deadline_ns; at = &(*at)->next)
		;
	timer->next = *at;
	*at = timer;
	timer->armed = true;
}

void td_loop_disarm(struct td_loop *loop, struct td_timer *timer)
{
	struct td_timer **at;

	if (!timer->armed)
		return;
	for (at = &loop->timers; *at && *at != timer; at = &(*at)->next)
		;
	if (*at)
		*at = timer->next;
	timer->armed = false;
	timer->next = NULL;
}

void td_loop_post(struct td_loop *loop, struct td_work *work)
{
	bool first = false;

	pthread_mutex_lock(&loop->post_lock);
	if (!work->queued) {
		first = !loop->posted;
		work->queued = true;
		work->next = NULL;
		*loop->posted_tail = work;
		loop->posted_tail = &work->next;
	}
	pthread_mutex_unlock(&loop->post_lock);
	if (first)
		loop_signal(loop);
}

void td_loop_cancel(struct td_loop *loop, struct td_work *work)
{
	struct td_work **at;

	pthread_mutex_lock(&loop->post_lock);
	for (at = &loop->posted; *at && *at != work; at = &(*at)->next)
		;
	if (*at) {
		*at = work->next;
		if (!*at)
			loop->posted_tail = at;
		work->queued = false;
	}
	pthread_mutex_unlock(&loop->post_lock);
}
