/* SPDX-License-Identifier: Apache-2.0 */
/* io_thread.c - see io_thread.h. */
#include "emul/io_thread.h"

#include <signal.h>
#include <stdio.h>

#define STACK_BYTES (128U * 1024U)

int td_io_thread_start(pthread_t *ret_thread, const char *device, void *(*run)(void *opaque), void *opaque)
{
	pthread_attr_t attr;
	sigset_t all, before;
	char name[16];
	int rc;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(ret_thread, &attr, run, opaque);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	if (rc)
		return -rc;
	snprintf(name, sizeof(name), "io-%.12s", device);
	pthread_setname_np(*ret_thread, name);
	return 0;
}
