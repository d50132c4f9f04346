/* SPDX-License-Identifier: Apache-2.0 */
/* io_thread.h - how the thread that moves one device's frames is made. What it does, and how it ends, is the device's. */
#ifndef TD_EMUL_IO_THREAD_H
#define TD_EMUL_IO_THREAD_H

#include <pthread.h>

/* Named after the device ("net0": io-net0); signals of the process do not come to it. 0 or -errno; joined by the caller. */
int td_io_thread_start(pthread_t *ret_thread, const char *device, void *(*run)(void *opaque), void *opaque);

#endif
