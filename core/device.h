/* SPDX-License-Identifier: Apache-2.0 */
/*
 * device.h - what every device of a VM is: a name, a reset, a way to come to rest, an end.
 * A device embeds struct td_device first and implements all of the ops; one with nothing to do has an explicit empty function.
 */
#ifndef TD_CORE_DEVICE_H
#define TD_CORE_DEVICE_H

#include "core/base.h"

struct td_device;

struct td_device_ops {
	/*
	 * Guarantees: registers as after power-on; no DMA, no interrupt and no write to guest RAM until the guest's driver enables the
	 * device again. Called with vCPUs stopped (reboot) and the VM's lock held.
	 */
	void (*reset)(struct td_device *device);
	/*
	 * Guarantees: after it returns 0 there is no DMA, no interrupt and no write to guest RAM until resume(). Guest-visible state is
	 * unchanged. vCPUs are stopped, the VM's lock is held. -EBUSY: hardware that the guest drives and that can't be stopped without
	 * its driver seeing it; -errno: could not come to rest. Either goes on as before.
	 */
	int (*quiesce)(struct td_device *device);
	/* Guarantees: goes on from where quiesce() left; work that came meanwhile is looked at. Harmless when not quiesced. */
	void (*resume)(struct td_device *device);
	/* Guarantees: host resources are given back, threads ended, memory freed; the device is off every bus. vCPUs are stopped. */
	void (*destroy)(struct td_device *device);
};

struct td_device {
	const struct td_device_ops *ops;
	char name[32];		/* "net0", "serial0": the prefix of log lines */
	bool keeps_dma;		/* the VM was paused, and quiesce() said -EBUSY */
	bool broken;		/* the guest broke the device's rules; only a reset mends it */
	struct td_device *next; /* list of the VM, in order of creation */
};

#endif
