/* SPDX-License-Identifier: Apache-2.0 */
/* core_loop_test.c - order of timers, posting from other threads, watches removed while their events wait, the guard. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/loop.h"

struct fixture {
	struct td_loop loop;
	struct td_lock guard;
	char order[16];
	unsigned count;
};

static struct fixture *fixture;

struct named_timer {
	struct td_timer timer;
	char name;
	bool last;
};

static int set_up(void **state)
{
	struct td_err err = {0};

	fixture = calloc(1, sizeof(*fixture));
	td_lock_init(&fixture->guard);
	*state = fixture;
	return td_loop_init(&fixture->loop, &fixture->guard, &err);
}

static int tear_down(void **state)
{
	(void)state;
	td_loop_fini(&fixture->loop);
	free(fixture);
	return 0;
}

static void note(char name)
{
	assert_true(fixture->count < sizeof(fixture->order) - 1);
	fixture->order[fixture->count++] = name;
}

static void timer_expired(struct td_timer *timer)
{
	struct named_timer *named = TD_CONTAINER_OF(timer, struct named_timer, timer);

	note(named->name);
	if (named->last)
		td_loop_stop(&fixture->loop);
}

#define TIMER(letter, is_last)                                                      \
	{                                                                           \
		.timer.expired = timer_expired, .name = (letter), .last = (is_last) \
	}

static void timers_run_by_deadline(void **state)
{
	struct named_timer a = TIMER('a', false), b = TIMER('b', false), c = TIMER('c', true), gone = TIMER('x', false);

	(void)state;
	td_loop_arm(&fixture->loop, &c.timer, 6000000);
	td_loop_arm(&fixture->loop, &gone.timer, 3000000);
	td_loop_arm(&fixture->loop, &a.timer, 1000000);
	td_loop_arm(&fixture->loop, &b.timer, 20000000);
	td_loop_arm(&fixture->loop, &b.timer, 2000000); /* moves it */
	td_loop_disarm(&fixture->loop, &gone.timer);
	assert_int_equal(td_loop_run(&fixture->loop), 0);
	assert_string_equal(fixture->order, "abc");
	assert_false(a.timer.armed);
}

static void timers_never_run_early(void **state)
{
	struct named_timer a = TIMER('a', true);
	uint64_t start = td_now_ns();

	(void)state;
	td_loop_arm(&fixture->loop, &a.timer, 5500000);
	td_loop_run(&fixture->loop);
	assert_true(td_now_ns() - start >= 5500000);
}

static void huge_delays_do_not_wrap(void **state)
{
	struct named_timer never = TIMER('x', true), a = TIMER('a', true);

	(void)state;
	td_loop_arm(&fixture->loop, &never.timer, UINT64_MAX);
	td_loop_arm(&fixture->loop, &a.timer, 0);
	td_loop_run(&fixture->loop);
	assert_string_equal(fixture->order, "a");
	td_loop_disarm(&fixture->loop, &never.timer);
	assert_null(fixture->loop.timers);
}

struct posted {
	struct td_work work;
	unsigned runs;
};

static void work_count(struct td_work *work)
{
	TD_CONTAINER_OF(work, struct posted, work)->runs++;
}

static void work_stop(struct td_work *work)
{
	TD_CONTAINER_OF(work, struct posted, work)->runs++;
	/* The guard is held around callbacks. */
	assert_int_equal(pthread_mutex_trylock(&fixture->guard.mutex), EBUSY);
	td_loop_stop(&fixture->loop);
}

static void *post_later(void *opaque)
{
	struct posted *posted = opaque;

	usleep(10000);
	/* And not while the loop waits. */
	assert_int_equal(pthread_mutex_trylock(&fixture->guard.mutex), 0);
	pthread_mutex_unlock(&fixture->guard.mutex);
	td_loop_post(&fixture->loop, &posted->work);
	return NULL;
}

static void threads_post_work(void **state)
{
	struct posted posted = {.work.run = work_stop};
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, post_later, &posted), 0);
	assert_int_equal(td_loop_run(&fixture->loop), 0);
	pthread_join(thread, NULL);
	assert_int_equal(posted.runs, 1);
}

static void posting_twice_runs_once_and_cancelling_never(void **state)
{
	struct posted a = {.work.run = work_count}, b = {.work.run = work_count}, end = {.work.run = work_stop};

	(void)state;
	td_loop_post(&fixture->loop, &a.work);
	td_loop_post(&fixture->loop, &a.work);
	td_loop_post(&fixture->loop, &b.work);
	td_loop_cancel(&fixture->loop, &b.work);
	td_loop_post(&fixture->loop, &end.work);
	td_loop_run(&fixture->loop);
	assert_int_equal(a.runs, 1);
	assert_int_equal(b.runs, 0);
	assert_int_equal(end.runs, 1);
	td_loop_cancel(&fixture->loop, &b.work);
	td_loop_post(&fixture->loop, &b.work);
	td_loop_post(&fixture->loop, &end.work);
	td_loop_run(&fixture->loop);
	assert_int_equal(b.runs, 1);
}

static void more_work_than_one_round_takes_is_not_lost(void **state)
{
	struct posted many[100], end = {.work.run = work_stop};

	(void)state;
	for (unsigned i = 0; i < TD_COUNT(many); i++) {
		many[i] = (struct posted){.work.run = work_count};
		td_loop_post(&fixture->loop, &many[i].work);
	}
	td_loop_post(&fixture->loop, &end.work);
	td_loop_run(&fixture->loop);
	for (unsigned i = 0; i < TD_COUNT(many); i++)
		assert_int_equal(many[i].runs, 1);
}

struct pair {
	struct td_watch watch;
	struct pair *other;
	unsigned calls;
};

/* Whichever comes first takes the other one away, and its memory too. */
static void remove_other(struct td_watch *watch, uint32_t events)
{
	struct pair *pair = TD_CONTAINER_OF(watch, struct pair, watch);

	assert_true(events & EPOLLIN);
	note('w');
	td_loop_unwatch(&fixture->loop, &pair->other->watch);
	close(pair->other->watch.fd);
	free(pair->other);
	td_loop_unwatch(&fixture->loop, watch);
}

static void a_watch_removed_within_its_batch_is_not_called(void **state)
{
	struct named_timer end = TIMER('e', true);
	struct pair *a = calloc(1, sizeof(*a)), *b = calloc(1, sizeof(*b));

	(void)state;
	a->watch = (struct td_watch){.fd = eventfd(1, EFD_CLOEXEC), .ready = remove_other, .events = EPOLLIN};
	b->watch = (struct td_watch){.fd = eventfd(1, EFD_CLOEXEC), .ready = remove_other, .events = EPOLLIN};
	a->other = b;
	b->other = a;
	assert_int_equal(td_loop_watch(&fixture->loop, &a->watch), 0);
	assert_int_equal(td_loop_watch(&fixture->loop, &b->watch), 0);
	td_loop_arm(&fixture->loop, &end.timer, 5000000);
	td_loop_run(&fixture->loop);
	assert_string_equal(fixture->order, "we");
	/* epoll reports in the order of adding, so `a` was the one called. */
	assert_false(a->watch.active);
	close(a->watch.fd);
	free(a);
}

struct removing_timer {
	struct td_timer timer;
	struct pair *pair;
};

static void remove_watch(struct td_timer *timer)
{
	struct removing_timer *removing = TD_CONTAINER_OF(timer, struct removing_timer, timer);

	note('t');
	td_loop_unwatch(&fixture->loop, &removing->pair->watch);
	close(removing->pair->watch.fd);
	free(removing->pair);
}

/* Both are at hand when the loop wakes, and timers come first. */
static void a_watch_removed_by_a_timer_is_not_called(void **state)
{
	struct named_timer end = TIMER('e', true);
	struct pair *pair = calloc(1, sizeof(*pair));
	struct removing_timer removing = {.timer.expired = remove_watch, .pair = pair};

	(void)state;
	pair->watch = (struct td_watch){.fd = eventfd(1, EFD_CLOEXEC), .ready = remove_other, .events = EPOLLIN};
	assert_int_equal(td_loop_watch(&fixture->loop, &pair->watch), 0);
	td_loop_arm(&fixture->loop, &removing.timer, 0);
	td_loop_arm(&fixture->loop, &end.timer, 5000000);
	td_loop_run(&fixture->loop);
	assert_string_equal(fixture->order, "te");
}

static void odd_descriptors_are_refused(void **state)
{
	struct td_watch closed = {.fd = 1000000, .events = EPOLLIN}, regular = {.events = EPOLLIN};
	char path[] = "/tmp/tandem-loop-XXXXXX";

	(void)state;
	assert_int_equal(td_loop_watch(&fixture->loop, &closed), -EBADF);
	assert_false(closed.active);
	assert_int_equal(td_loop_modify(&fixture->loop, &closed, EPOLLIN), -ENOENT);
	td_loop_unwatch(&fixture->loop, &closed);
	regular.fd = mkstemp(path);
	assert_int_equal(td_loop_watch(&fixture->loop, &regular), -EPERM);
	close(regular.fd);
	unlink(path);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(timers_run_by_deadline),
		TEST(timers_never_run_early),
		TEST(huge_delays_do_not_wrap),
		TEST(threads_post_work),
		TEST(posting_twice_runs_once_and_cancelling_never),
		TEST(more_work_than_one_round_takes_is_not_lost),
		TEST(a_watch_removed_within_its_batch_is_not_called),
		TEST(a_watch_removed_by_a_timer_is_not_called),
		TEST(odd_descriptors_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
