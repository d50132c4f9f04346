/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop.h - an event loop over epoll: descriptors, timers and work posted from other threads.
 *
 * A loop belongs to the thread that runs it. Everything here is called on that thread, but for td_loop_post() and td_loop_stop(), which
 * any thread may call. Callbacks may add and remove watches and timers, their own among them. The VM process has one main loop (control,
 * slow devices, flips) and one loop for each I/O thread.
 */
#ifndef TD_CORE_LOOP_H
#define TD_CORE_LOOP_H

#include <pthread.h>

#include "core/base.h"
#include "core/err.h"
#include "core/lock.h"

struct td_loop;
struct epoll_event;

/* Embedded by its owner; zero-initialise, then td_loop_watch(). events: EPOLLIN, EPOLLOUT, EPOLLHUP... as epoll_ctl(2) has them. */
struct td_watch {
	int fd; /* not owned */
	void (*ready)(struct td_watch *watch, uint32_t events);
	uint32_t events;
	bool active;
};

/* Embedded by its owner; one shot, re-armed by calling td_loop_arm() again. */
struct td_timer {
	void (*expired)(struct td_timer *timer);
	uint64_t deadline_ns;
	bool armed;
	struct td_timer *next;
};

/* Embedded by its owner; must live until it has run. Posting it again before it ran does nothing more. */
struct td_work {
	void (*run)(struct td_work *work);
	struct td_work *next;
	bool queued;
};

struct td_loop {
	int epoll_fd;
	int wake_fd;
	bool stopping;
	struct td_timer *timers; /* sorted by deadline */
	struct td_watch wake;
	pthread_mutex_t post_lock; /* guards the list below; a leaf: nothing is taken under it */
	struct td_work *posted, **posted_tail;
	struct epoll_event *batch; /* events being worked off, see loop.c */
	unsigned batch_count;
	struct td_lock *guard; /* taken around every callback when not NULL: see vm.h on locks */
};

/* guard may be NULL. */
int td_loop_init(struct td_loop *loop, struct td_lock *guard, struct td_err *err);
void td_loop_fini(struct td_loop *loop);

/* Runs until td_loop_stop(). Returns 0, or -errno when epoll itself fails. May be run again. */
int td_loop_run(struct td_loop *loop);
void td_loop_stop(struct td_loop *loop);

/* watch->fd, ready and events are set by the caller. -EPERM: a descriptor that epoll cannot watch (a regular file). */
int td_loop_watch(struct td_loop *loop, struct td_watch *watch);
int td_loop_modify(struct td_loop *loop, struct td_watch *watch, uint32_t events);
void td_loop_unwatch(struct td_loop *loop, struct td_watch *watch); /* before the descriptor is closed; harmless when not active */

void td_loop_arm(struct td_loop *loop, struct td_timer *timer, uint64_t delay_ns);
void td_loop_disarm(struct td_loop *loop, struct td_timer *timer);

void td_loop_post(struct td_loop *loop, struct td_work *work);
/* On the loop's thread: takes work back that has not run yet, so that its owner can go. Harmless when not posted. */
void td_loop_cancel(struct td_loop *loop, struct td_work *work);

#endif
