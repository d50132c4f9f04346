/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vfio_open.h - a function that VFIO gave to this process: group, container and descriptor, its configuration space, regions and vectors,
 * VFIO's two messages about it, and its reset. What the users of it have in common: vfio_pci.c, which shows it to the guest whole, and
 * hw82576.c, which shows its queues only. Knows no guest-visible part. Private to vfio/ and its tests.
 *
 * All calls on the main loop with the VM's lock held, but td_vfio_open_write_config(), td_vfio_open_set_bus_master() and
 * td_vfio_open_set_irqs(), which a vCPU's thread may call with the lock too; and those that wait, which say so: they are for a host job
 * (core/job.h), any thread without the lock, while nobody else uses the struct.
 */
#ifndef TD_VFIO_VFIO_OPEN_H
#define TD_VFIO_VFIO_OPEN_H

#include <pthread.h>
#include <stdatomic.h>

#include "core/base.h"
#include "core/err.h"
#include "core/log.h"
#include "core/loop.h"
#include "iommu/iommu.h"

struct td_vm;
struct vfio_region_info;

struct td_vfio_open {
	struct td_vm *vm;
	struct td_iommu *iommu;
	const char *name; /* borrowed: the prefix of log lines */
	char bdf[16];
	int group;
	/* On the main loop; both may close the function, and both must be there. */
	void (*gone)(struct td_vfio_open *open, bool release_requested); /* it had an error, or the host wants it back */
	void (*noted)(struct td_vfio_open *open);			 /* note_fd was signalled: a reset is over, or the owner did it */

	/* On the reset's thread, without the lock, before each reset; may be NULL. */
	void (*before_reset)(struct td_vfio_open *open);

	int group_fd, device_fd; /* -1: closed */
	uint64_t config_offset;	 /* of configuration space in device_fd */
	bool can_reset;
	bool bus_master;  /* as written to the hardware */
	bool lost;	  /* had an error: registers are not to be read */
	bool wanted_back; /* the host asked for it; it works until it is closed */

	/* What a guest can bring about as often as it likes. */
	struct td_log_limit log_limit;	 /* with the VM's lock */
	struct td_log_limit reset_limit; /* the reset's thread */

	int error_fd, request_fd;
	struct td_watch error_watch, request_watch;

	pthread_t reset_thread;
	bool reset_joinable;	    /* reset_thread is to be joined */
	_Atomic bool reset_running; /* cleared by reset_thread as its last act but one */
	pthread_mutex_t reset_lock; /* for reset_over, a leaf */
	pthread_cond_t reset_over;
	int note_fd; /* wakes the main loop; the owner may signal it for a reason of its own */
	struct td_watch note_watch;
};

/* name is borrowed; gone and noted are set by the caller after this. Needs no undoing while closed. */
void td_vfio_open_init(struct td_vfio_open *open, struct td_vm *vm, struct td_iommu *iommu, const char *name, const char *bdf, int group);

/*
 * Group, guest RAM in the IOMMU, device (the kernel resets it), configuration space found. Waits: seconds for tens of GiB. On failure the
 * caller still calls td_vfio_open_close().
 */
int td_vfio_open_device(struct td_vfio_open *open, struct td_err *err);
/* Device (the kernel resets it) and group, after a reset that runs. Waits. Harmless when not open. Events are unwatched already. */
void td_vfio_open_close(struct td_vfio_open *open);

void td_vfio_open_write_config(struct td_vfio_open *open, unsigned offset, unsigned width, uint32_t value);
void td_vfio_open_set_bus_master(struct td_vfio_open *open, bool on);

/* The region's description with its capabilities: heap, the caller's to free(). -errno. */
int td_vfio_open_get_region(const struct td_vfio_open *open, unsigned index, struct vfio_region_info **ret_info);

/* VFIO_DEVICE_SET_IRQS: eventfds for vectors 0..count-1 of an index; count 0: the index is disabled. -errno; at most TD_MSIX_VECTORS_MAX.
 */
int td_vfio_open_set_irqs(struct td_vfio_open *open, uint32_t index, const int *fds, unsigned count);

/* Errors and release requests -> gone(), and note_fd -> noted(). Where kernel or bus don't send one of them, it never comes. */
int td_vfio_open_watch_events(struct td_vfio_open *open, struct td_err *err);
void td_vfio_open_unwatch_events(struct td_vfio_open *open); /* harmless when not watched */

/* vfio_reset.c: VFIO_DEVICE_RESET takes 100 ms and more, so it runs beside the main loop, and beside host jobs. */

/* The device is quiet already. One that runs is as good as a new one: nobody reaches the registers meanwhile. */
void td_vfio_reset_start(struct td_vfio_open *open);
void td_vfio_reset_wait(struct td_vfio_open *open); /* until it is over. Waits: any thread */
/* While true, the device must not be accessed: that would wait for the reset, with the VM's lock held. Any thread. */
bool td_vfio_reset_runs(struct td_vfio_open *open);
void td_vfio_reset_end(struct td_vfio_open *open); /* waits, and lets go of the thread: the device is being closed */

#endif
