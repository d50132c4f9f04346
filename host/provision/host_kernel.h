/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_kernel.h - the engine's ops on the running kernel: links by rtnetlink, VFs by host/sriov/sriov.h, huge pages and modules. Needs
 * root.
 */
#ifndef TD_HOST_PROVISION_HOST_KERNEL_H
#define TD_HOST_PROVISION_HOST_KERNEL_H

#include "host/provision/host_apply.h"
#include "host/provision/host_observe.h"
#include "host/sys/host_netlink.h"

/* The ops' opaque. */
struct td_host_kernel {
	struct td_host_observe observe;
	struct td_host_netlink netlink; /* open */
	const char *run_dir;		/* where the record stands */
	/* Asks a VM to give the VF up; who knows VMs has it. */
	int (*free_vf)(const char *bdf, const char *holder, struct td_err *err);
	/* VFs that are on their way out: nobody takes them any more. */
	struct td_host_kernel_lock {
		char bdf[16];
		int fd;
	} * lock;
	unsigned lock_count;
};

extern const struct td_host_ops td_host_kernel_ops;

/* Locks of VFs that a failed apply still has; the socket is the caller's. Harmless when there are none. */
void td_host_kernel_unlock(struct td_host_kernel *kernel);

/* Who else has VFs that the plan takes away from vfio-pci: into HOLDER of look->is. */
void td_host_kernel_probe_groups(struct td_host_look *look);

/*
 * Frames that come back (host_guard.h), in all networks of ours that stand after an apply, or after its undoing. Nothing fails for it: it
 * warns.
 */
void td_host_kernel_guard(struct td_host_kernel *kernel, const struct td_host_look *look);

/* ---- for host_kernel*.c */
int td_host_kernel_link(
	struct td_host_kernel *kernel, const char *link, enum td_host_attr attr, const char *from, const char *to, struct td_err *err);
int td_host_kernel_bond(struct td_host_kernel *kernel, const char *bond, enum td_host_attr attr, const char *to, struct td_err *err);
int td_host_kernel_vf(struct td_host_kernel *kernel, const char *vf, enum td_host_attr attr, const char *to, struct td_err *err);
int td_host_kernel_num_vfs(struct td_host_kernel *kernel, const char *pf, const char *to, struct td_err *err);

#endif
