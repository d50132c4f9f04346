/* SPDX-License-Identifier: Apache-2.0 */
/*
 * job.h - work that may wait, beside a loop: one thread takes jobs in the order in which they were submitted, runs each without any lock of
 * the loop's, and posts its end back. What a job works on is the job's own until its end: plain data, descriptors, or an object that
 * nobody else touches meanwhile.
 *
 * One thread, so that two jobs never meet: what was submitted first has happened when the next begins. The price: a job that takes seconds
 * (pinning tens of GiB) makes those behind it wait, whose owners have limits of their own.
 */
#ifndef TD_CORE_JOB_H
#define TD_CORE_JOB_H

#include <pthread.h>

#include "core/base.h"
#include "core/loop.h"

/* Embedded by its owner; zero-initialise, set run and done, submit. Must live until done() was called. */
struct td_job {
	void (*run)(struct td_job *job);  /* on the jobs' thread */
	void (*done)(struct td_job *job); /* on the loop's thread, as any callback of it; may submit the job again */
	struct td_job *next;
	struct td_work end;
	struct td_jobs *jobs;
	bool busy; /* submitted, and done() was not called yet. For the loop's thread */
	bool over; /* run() has returned, and the end was posted. Under jobs->lock */
};

struct td_jobs {
	struct td_loop *loop;
	pthread_mutex_t lock; /* guards what follows; only the loop's post_lock is taken under it */
	pthread_cond_t changed;
	struct td_job *first, **last;
	bool started, stopping;
	pthread_t thread;
};

/* The thread is made with the first job. `loop` must outlive the jobs. */
void td_jobs_init(struct td_jobs *jobs, struct td_loop *loop);
/* Runs what was submitted to its end, and ends the thread. done() is not called any more: owners wait for theirs before. */
void td_jobs_fini(struct td_jobs *jobs);

/* The loop's thread. Not while the job is busy. Where no thread is to be had the job runs here and now. */
void td_jobs_submit(struct td_jobs *jobs, struct td_job *job);
/*
 * The loop's thread: blocks until the job has run, and calls done() here, instead of the loop. For a VM's start and end, when nobody else
 * waits for the loop. Harmless on a job that is not busy.
 */
void td_jobs_wait(struct td_jobs *jobs, struct td_job *job);

#endif
