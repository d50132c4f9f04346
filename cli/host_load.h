/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_load.h - what the verbs plan, apply and status of `tandem host` share: host.yaml read and checked, the running VMs'
 * NICs, and the engine (host/provision/host_apply.h) set up on this machine.
 */
#ifndef TD_CLI_HOST_LOAD_H
#define TD_CLI_HOST_LOAD_H

#include "host/provision/host_apply.h"
#include "host/provision/host_kernel.h"
#include "machine/rundir.h"

#define TD_HOST_LOAD_FILE "/etc/tandem/host.yaml"

/* Stays where it is: its parts point at each other. */
struct td_host_load {
	struct td_host_config config;
	char *text; /* the file, as it was read */
	size_t len_bytes;
	char run_dir[TD_RUNDIR_PATH_MAX];
	struct td_host_user *users;
	unsigned user_count;
	struct td_host_kernel kernel;
	struct td_host_record record;
	struct td_host_engine engine;
	bool has_config, has_record;
};

/* file: NULL is TD_HOST_LOAD_FILE; borrowed. */
int td_host_load(struct td_host_load *load, const char *file, struct td_err *err);
void td_host_load_fini(struct td_host_load *load);

/* The file is not what it was when it was loaded: TD_REASON_FILE_CHANGED. */
int td_host_load_check_unchanged(const struct td_host_load *load, struct td_err *err);
/* Waits until the NICs that the file names are there, at most so long: TD_REASON_LINK_MISSING names one. */
int td_host_load_wait(struct td_host_load *load, unsigned wait_s, struct td_err *err);
/* One apply at a time: the lock is held until the process ends or *ret_fd is closed. TD_REASON_HOST_BUSY names the other's process. */
int td_host_load_lock(const struct td_host_load *load, int *ret_fd, struct td_err *err);

#endif
