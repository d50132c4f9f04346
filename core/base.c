/* SPDX-License-Identifier: Apache-2.0 */
/* base.c - cleanup helpers and the clock. */
#include "core/base.h"

#include <errno.h>
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
