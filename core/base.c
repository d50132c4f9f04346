/* SPDX-License-Identifier: Apache-2.0 */
/* base.c - cleanup helpers and the clock. */
#include "core/base.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

void td_cleanup_close(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	errno = saved;
}

static void *close_main(void *opaque)
{
	close((int)(intptr_t)opaque);
	return NULL;
}

void td_close_behind(int *fd)
{
	pthread_t thread;

	if (*fd >= 0 && pthread_create(&thread, NULL, close_main, (void *)(intptr_t)*fd) == 0)
		pthread_detach(thread);
	else
		td_cleanup_close(fd);
	*fd = -1;
}

void td_cleanup_free(void *ptr)
{
	int saved = errno;

	free(*(void **)ptr);
	errno = saved;
}

uint64_t td_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000ULL + (uint64_t)now.tv_nsec;
}
