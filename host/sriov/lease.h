/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lease.h - a VF held by a VM, and the journal that gives it back after a crash. Each change of the host is written to
 * DIR/undo-BDF.json, one file a VF, before it is made; DIR/lock is held by flock(2) for the life of the process, so a directory whose lock
 * is free belongs to a process that died, and anybody may undo what its journals say: MAC and settings of the VFs, drivers. (Taps die with
 * their process.)
 */
#ifndef TD_HOST_SRIOV_LEASE_H
#define TD_HOST_SRIOV_LEASE_H

#include "core/base.h"
#include "core/err.h"
#include "host/sriov/sriov.h"

struct td_lease {
	char dir[96];	/* run directory of the VM: /run/tandem/NAME, made and locked by the caller */
	int vf_lock_fd; /* /run/tandem/vf-BDF.lock: one holder per VF on this host */
	struct td_sriov_vf vf;
	struct td_sriov_vf_settings before;
	char driver_before[32], override_before[TD_SRIOV_OVERRIDE_LEN];
	bool held;
};

/* Exactly one VF, or the first free one of a PF. "Free": bound to no driver or to its network driver with the interface down, and not
 * leased. */
struct td_lease_request {
	const char *bdf;     /* or NULL */
	const char *pf_name; /* or NULL */
	/* VFs of the PF that are not to be taken, though they be free: other requests of the same VM name them. Borrowed. */
	const char *const *kept;
	unsigned kept_count;
};

/* Gives back what dead processes left (what cannot be is logged), journals, binds to vfio-pci. A process may hold many, of one `dir`.
 * TD_REASON_NO_FREE_VF says for each VF of the PF why it was not taken. */
int td_lease_acquire(struct td_lease *lease, const char *dir, const struct td_lease_request *request, struct td_err *err);
/* Settings and driver as they were; journal removed. Goes on after a failure and reports the first one. Harmless when not held. */
int td_lease_release(struct td_lease *lease, struct td_err *err);

/*
 * The VF's lock alone, below `root`: for who takes VFs away or gives them another driver, so that no VM takes one meanwhile. Held until
 * *ret_fd is closed; `owner` is what others are told. -EBUSY, TD_REASON_VF_BUSY: a VM has it, and which.
 */
int td_lease_lock(const char *root, const char *bdf, const char *owner, int *ret_fd, struct td_err *err);

/*
 * Undoes what dead processes left in all directories below `root` (/run/tandem). *ret_count: how many VFs were given back. A journal that
 * cannot be undone is reported and left (TD_REASON_CLEANUP); the others are done. err says the first, the log the rest.
 */
int td_lease_recover(const char *root, unsigned *ret_count, struct td_err *err);
/* Is it the name of a journal, sound or damaged? What removes run directories must keep those. */
bool td_lease_is_journal(const char *file_name);
/* Or of one that a crash left half written? That one says nothing, and may go. */
bool td_lease_is_unfinished(const char *file_name);

#endif
