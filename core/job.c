/* SPDX-License-Identifier: Apache-2.0 */
/* job.c - see job.h. */
#include "core/job.h"

#include <signal.h>
#include <string.h>

static void job_end(struct td_work *work)
{
	struct td_job *job = TD_CONTAINER_OF(work, struct td_job, end);

	job->busy = false;
	job->done(job);
}

/* In one piece: who waits may take the end back and free the job as soon as it is over. */
static void job_over(struct td_jobs *jobs, struct td_job *job)
{
	pthread_mutex_lock(&jobs->lock);
	job->over = true;
	td_loop_post(jobs->loop, &job->end);
	pthread_cond_broadcast(&jobs->changed);
	pthread_mutex_unlock(&jobs->lock);
}

/* NULL: there will be none any more. */
static struct td_job *take_job(struct td_jobs *jobs)
{
	struct td_job *job;

	pthread_mutex_lock(&jobs->lock);
	while (!jobs->first && !jobs->stopping)
		pthread_cond_wait(&jobs->changed, &jobs->lock);
	job = jobs->first;
	if (job)
		jobs->first = job->next;
	if (!jobs->first)
		jobs->last = &jobs->first;
	pthread_mutex_unlock(&jobs->lock);
	return job;
}

static void *jobs_main(void *opaque)
{
	struct td_jobs *jobs = opaque;
	struct td_job *job;

	while ((job = take_job(jobs))) {
		job->run(job);
		job_over(jobs, job);
	}
	return NULL;
}

void td_jobs_init(struct td_jobs *jobs, struct td_loop *loop)
{
	memset(jobs, 0, sizeof(*jobs));
	jobs->loop = loop;
	jobs->last = &jobs->first;
	pthread_mutex_init(&jobs->lock, NULL);
	pthread_cond_init(&jobs->changed, NULL);
}

void td_jobs_fini(struct td_jobs *jobs)
{
	pthread_mutex_lock(&jobs->lock);
	jobs->stopping = true;
	pthread_cond_broadcast(&jobs->changed);
	pthread_mutex_unlock(&jobs->lock);
	if (jobs->started)
		pthread_join(jobs->thread, NULL);
	jobs->started = false;
	pthread_cond_destroy(&jobs->changed);
	pthread_mutex_destroy(&jobs->lock);
}

/* Signals are the main thread's. */
static bool start_thread(struct td_jobs *jobs)
{
	sigset_t all, before;

	if (jobs->started)
		return true;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	jobs->started = pthread_create(&jobs->thread, NULL, jobs_main, jobs) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return jobs->started;
}

void td_jobs_submit(struct td_jobs *jobs, struct td_job *job)
{
	job->next = NULL;
	job->jobs = jobs;
	job->end.run = job_end;
	job->busy = true;
	job->over = false;
	if (!start_thread(jobs)) {
		job->run(job);
		job_over(jobs, job);
		return;
	}
	pthread_mutex_lock(&jobs->lock);
	*jobs->last = job;
	jobs->last = &job->next;
	pthread_cond_broadcast(&jobs->changed);
	pthread_mutex_unlock(&jobs->lock);
}

void td_jobs_wait(struct td_jobs *jobs, struct td_job *job)
{
	if (!job->busy)
		return;
	pthread_mutex_lock(&jobs->lock);
	while (!job->over)
		pthread_cond_wait(&jobs->changed, &jobs->lock);
	pthread_mutex_unlock(&jobs->lock);
	td_loop_cancel(jobs->loop, &job->end);
	job_end(&job->end);
}
