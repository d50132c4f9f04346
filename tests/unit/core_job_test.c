/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of core/job.c: jobs run in order on a thread of their own, their ends come on the loop, and who waits gets an end once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "core/job.h"

#define JOBS 50U

struct world {
	struct td_loop loop;
	struct td_lock guard;
	struct td_jobs jobs;
	unsigned ran, ended;
	pthread_t owner;
};

struct counted {
	struct td_job job;
	struct world *world;
	unsigned ran_as, ended_as, again;
	pthread_mutex_t *gate; /* run() waits for it */
};

static void counted_run(struct td_job *job)
{
	struct counted *counted = TD_CONTAINER_OF(job, struct counted, job);

	assert_false(pthread_equal(pthread_self(), counted->world->owner));
	if (counted->gate) {
		pthread_mutex_lock(counted->gate);
		pthread_mutex_unlock(counted->gate);
	}
	counted->ran_as = ++counted->world->ran;
}

static void counted_done(struct td_job *job)
{
	struct counted *counted = TD_CONTAINER_OF(job, struct counted, job);
	struct world *world = counted->world;

	assert_true(pthread_equal(pthread_self(), world->owner));
	assert_false(job->busy);
	counted->ended_as = ++world->ended;
	if (counted->again) {
		counted->again--;
		td_jobs_submit(&world->jobs, job);
	} else if (world->ended == JOBS) {
		td_loop_stop(&world->loop);
	}
}

static void set_up(struct world *world)
{
	*world = (struct world){.owner = pthread_self()};
	td_lock_init(&world->guard);
	assert_int_equal(td_loop_init(&world->loop, &world->guard, NULL), 0);
	td_jobs_init(&world->jobs, &world->loop);
}

static void tear_down(struct world *world)
{
	td_jobs_fini(&world->jobs);
	td_loop_fini(&world->loop);
	td_lock_fini(&world->guard);
}

static void test_in_order(void **state)
{
	struct counted counted[JOBS] = {0};
	struct world world;

	(void)state;
	set_up(&world);
	for (unsigned i = 0; i < JOBS; i++) {
		counted[i] = (struct counted){.job = {.run = counted_run, .done = counted_done}, .world = &world};
		td_jobs_submit(&world.jobs, &counted[i].job);
		assert_true(counted[i].job.busy);
	}
	assert_int_equal(td_loop_run(&world.loop), 0);
	for (unsigned i = 0; i < JOBS; i++) {
		assert_int_equal(counted[i].ran_as, i + 1);
		assert_int_equal(counted[i].ended_as, i + 1);
	}
	tear_down(&world);
}

static void test_again_from_its_end(void **state)
{
	struct world world;
	struct counted counted = {.job = {.run = counted_run, .done = counted_done}, .world = &world, .again = JOBS - 1};

	(void)state;
	set_up(&world);
	td_jobs_submit(&world.jobs, &counted.job);
	assert_int_equal(td_loop_run(&world.loop), 0);
	assert_int_equal(world.ran, JOBS);
	tear_down(&world);
}

/* The loop does not run: each end comes from the wait, once, and the job may be freed after it. */
static void test_wait(void **state)
{
	struct world world;

	(void)state;
	set_up(&world);
	for (unsigned i = 0; i < JOBS; i++) {
		struct counted *counted = calloc(1, sizeof(*counted));

		assert_non_null(counted);
		*counted = (struct counted){.job = {.run = counted_run, .done = counted_done}, .world = &world};
		td_jobs_wait(&world.jobs, &counted->job); /* not busy: nothing */
		td_jobs_submit(&world.jobs, &counted->job);
		td_jobs_wait(&world.jobs, &counted->job);
		assert_int_equal(world.ended, i + 1);
		free(counted);
	}
	tear_down(&world);
}

/* Who holds the guard, as the loop's callbacks do, does not hold up a job; and the loop is free while a job waits. */
static void test_no_lock_is_shared(void **state)
{
	pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
	struct world world;
	struct counted slow = {.world = &world, .gate = &gate}, last = {.world = &world};

	(void)state;
	set_up(&world);
	slow.job = last.job = (struct td_job){.run = counted_run, .done = counted_done};
	pthread_mutex_lock(&gate);
	td_jobs_submit(&world.jobs, &slow.job);
	td_jobs_submit(&world.jobs, &last.job);
	pthread_mutex_lock(&world.guard.mutex);
	assert_true(slow.job.busy && last.job.busy);
	pthread_mutex_unlock(&gate);
	td_jobs_wait(&world.jobs, &last.job); /* under the guard */
	pthread_mutex_unlock(&world.guard.mutex);
	assert_int_equal(world.ran, 2);
	td_jobs_wait(&world.jobs, &slow.job);
	assert_int_equal(world.ended, 2);
	tear_down(&world);
}

/* What was submitted is still run. */
static void test_fini_runs_the_rest(void **state)
{
	struct counted counted[JOBS];
	struct world world;

	(void)state;
	set_up(&world);
	for (unsigned i = 0; i < JOBS; i++) {
		counted[i] = (struct counted){.job = {.run = counted_run, .done = counted_done}, .world = &world};
		td_jobs_submit(&world.jobs, &counted[i].job);
	}
	tear_down(&world);
	assert_int_equal(world.ran, JOBS);
	assert_int_equal(world.ended, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_order),
		cmocka_unit_test(test_again_from_its_end),
		cmocka_unit_test(test_wait),
		cmocka_unit_test(test_no_lock_is_shared),
		cmocka_unit_test(test_fini_runs_the_rest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
