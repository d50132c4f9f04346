/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vfio_reset.c - function-level resets beside the main loop. The kernel waits 100 ms and more in each (PCI Express 4.0 §6.6.2), far longer
 * than a flip may take, and whoever waits for it with the VM's lock stops every vCPU that leaves the guest. While it runs, the kernel
 * holds off every access to the device's registers: what the guest does with them meanwhile is answered without it (vfio_bar.c).
 */
#include <errno.h>
#include <linux/vfio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "core/log.h"
#include "core/vm.h"
#include "vfio/vfio_open.h"

static void reset(struct td_vfio_open *open)
{
	if (open->before_reset)
		open->before_reset(open);
	if (ioctl(open->device_fd, VFIO_DEVICE_RESET) < 0)
		td_warn("%s: reset of the VF: %s", open->name, strerror(errno));
}

/* Runs without the lock: touches nothing but device_fd, note_fd and the flag, which all outlive it (the owner joins before it closes). */
static void *reset_main(void *opaque)
{
	struct td_vfio_open *open = opaque;

	reset(open);
	atomic_store(&open->reset_finished, true);
	eventfd_write(open->note_fd, 1);
	return NULL;
}

static void note_ready(struct td_watch *watch, uint32_t events)
{
	struct td_vfio_open *open = TD_CONTAINER_OF(watch, struct td_vfio_open, note_watch);
	eventfd_t count;

	(void)events;
	if (eventfd_read(watch->fd, &count) < 0)
		return;
	(void)td_vfio_reset_runs(open); /* joins what is over */
	open->noted(open);		/* may close the device */
}

int td_vfio_reset_open(struct td_vfio_open *open, struct td_err *err)
{
	open->note_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (open->note_fd < 0)
		return td_err_sys(err, errno, TD_REASON_SYSTEM, "vf %s: eventfd", open->bdf);
	open->note_watch = (struct td_watch){.fd = open->note_fd, .ready = note_ready, .events = EPOLLIN};
	int rc = td_loop_watch(&open->vm->loop, &open->note_watch);
	return rc < 0 ? td_err_sys(err, -rc, TD_REASON_SYSTEM, "vf %s: watch its events", open->bdf) : 0;
}

void td_vfio_reset_close(struct td_vfio_open *open)
{
	td_vfio_reset_wait(open);
	td_loop_unwatch(&open->vm->loop, &open->note_watch);
	td_cleanup_close(&open->note_fd);
	open->note_fd = -1;
}

void td_vfio_reset_start(struct td_vfio_open *open)
{
	if (td_vfio_reset_runs(open) || !open->can_reset || open->lost || open->device_fd < 0)
		return;
	atomic_store(&open->reset_finished, false);
	int rc = pthread_create(&open->reset_thread, NULL, reset_main, open);
	open->reset_started = rc == 0;
	if (rc != 0)
		reset(open); /* no thread to be had: then it takes its time here */
}

void td_vfio_reset_wait(struct td_vfio_open *open)
{
	if (!open->reset_started)
		return;
	pthread_join(open->reset_thread, NULL);
	open->reset_started = false;
}

bool td_vfio_reset_runs(struct td_vfio_open *open)
{
	if (open->reset_started && atomic_load(&open->reset_finished))
		td_vfio_reset_wait(open); /* it has nothing left to do */
	return open->reset_started;
}
