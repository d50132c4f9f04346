/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rundir.h - ROOT/NAME, a running VM's directory: `lock` (flock(2) held for the process's life, its pid as text) and `control.sock`;
 * journals of leases stand there too (host/sriov/lease.h). A directory whose lock is free belongs to a process that died; one without such
 * a lock file is not a VM's, whoever's it is. ROOT: $TANDEM_RUN_DIR, else /run/tandem for root, else $XDG_RUNTIME_DIR/tandem.
 */
#ifndef TD_MACHINE_RUNDIR_H
#define TD_MACHINE_RUNDIR_H

#include <sys/types.h>

#include "core/base.h"
#include "core/err.h"
#include "machine/vm_config.h"

#define TD_RUNDIR_PATH_MAX 96 /* as struct td_lease has it */

struct td_rundir {
	char path[TD_RUNDIR_PATH_MAX];
	int lock_fd; /* -1: none */
};

int td_rundir_root(char ret_root[TD_RUNDIR_PATH_MAX], struct td_err *err);

/* Makes and locks ROOT/NAME. -EADDRINUSE with TD_REASON_CONTROL_IN_USE when a VM of this name runs. */
int td_rundir_create(struct td_rundir *dir, const char *root, const char *name, struct td_err *err);
/* Removes it, but for a journal that could not be undone and for files that are not tandem's. Harmless when lock_fd is -1. */
void td_rundir_remove(struct td_rundir *dir);

/*
 * Gives back what dead processes left: VFs by their journals, then their directories. What cannot be is left: err says the first of it, the
 * log the rest, and the directory of whoever held it stays.
 */
int td_rundir_recover(const char *root, struct td_err *err);
/* Is there something left of a VM by this name, alive or dead? */
bool td_rundir_exists(const char *root, const char *name);

struct td_rundir_entry {
	char name[TD_VM_NAME_MAX + 1];
	bool alive;
	pid_t pid; /* when alive; 0: not written yet */
};

/* Sorted by name; *ret_entries is the caller's to free(). A ROOT that is not there holds nothing. */
int td_rundir_list(const char *root, struct td_rundir_entry **ret_entries, unsigned *ret_count, struct td_err *err);

/*
 * Kills the process that holds the lock, by a pidfd and only while it holds it, and waits until the lock is free. -ESRCH: nobody holds it.
 */
int td_rundir_kill(const char *root, const char *name, struct td_err *err);
/* Waits until the lock is free, or the directory gone. -ETIMEDOUT. */
int td_rundir_wait(const char *root, const char *name, unsigned timeout_ms);

#endif
