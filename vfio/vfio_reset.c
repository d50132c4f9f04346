/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vfio_reset.c - function-level resets beside the main loop. The kernel waits 100 ms and more in each (PCI Express 4.0 §6.6.2), far longer
 * than a flip may take, and whoever waits for it with the VM's lock stops every vCPU that leaves the guest. While it runs, the kernel
 * holds off every access to the device's registers: what the guest does with them meanwhile is answered without it (vfio_bar.c).
 */
#include <errno.h>
#include <linux/vfio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>

#include "core/log.h"
#include "core/vm.h"
#include "vfio/vfio_open.h"

static void reset(struct td_vfio_open *open)
{
	if (open->before_reset)
		open->before_reset(open);
	if (ioctl(open->device_fd, VFIO_DEVICE_RESET) < 0)
		td_log_limited(&open->reset_limit, TD_LOG_WARN, "%s: reset of the VF: %s", open->name, strerror(errno));
}

/* Touches nothing but device_fd, note_fd and what is the reset's, which all outlive it: who closes the device joins it before. */
static void *reset_main(void *opaque)
{
	struct td_vfio_open *open = opaque;

	reset(open);
	pthread_mutex_lock(&open->reset_lock);
	atomic_store(&open->reset_running, false);
	pthread_cond_broadcast(&open->reset_over);
	pthread_mutex_unlock(&open->reset_lock);
	eventfd_write(open->note_fd, 1);
	return NULL;
}

void td_vfio_reset_start(struct td_vfio_open *open)
{
	if (td_vfio_reset_runs(open) || !open->can_reset || open->lost || open->device_fd < 0)
		return;
	td_vfio_reset_end(open); /* the thread of the last one has nothing left to do */
	atomic_store(&open->reset_running, true);
	open->reset_joinable = pthread_create(&open->reset_thread, NULL, reset_main, open) == 0;
	if (open->reset_joinable)
		return;
	reset(open); /* no thread to be had: then it takes its time here */
	atomic_store(&open->reset_running, false);
}

void td_vfio_reset_wait(struct td_vfio_open *open)
{
	pthread_mutex_lock(&open->reset_lock);
	while (td_vfio_reset_runs(open))
		pthread_cond_wait(&open->reset_over, &open->reset_lock);
	pthread_mutex_unlock(&open->reset_lock);
}

bool td_vfio_reset_runs(struct td_vfio_open *open)
{
	return atomic_load(&open->reset_running);
}

void td_vfio_reset_end(struct td_vfio_open *open)
{
	if (!open->reset_joinable)
		return;
	pthread_join(open->reset_thread, NULL);
	open->reset_joinable = false;
}
