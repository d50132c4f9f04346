/* SPDX-License-Identifier: Apache-2.0 */
/*
 * machine.h - one VM as its configuration says: the td_vm, its devices, its hybrid NICs, its control socket and its signals. The only
 * place that knows every device by name. Lives on the main thread.
 */
#ifndef TD_MACHINE_MACHINE_H
#define TD_MACHINE_MACHINE_H

#include "core/control.h"
#include "core/vm.h"
#include "machine/vm_config.h"
#include "nic/hybrid.h"

struct td_serial;

struct td_machine {
	struct td_vm vm;
	const struct td_vm_file_config *config;
	const char *run_dir;
	struct td_serial *serial; /* NULL: off. The VM owns it */
	struct td_iommu *iommu;
	struct td_hybrid *nic[TD_VM_NETS_MAX];
	struct td_control_request *switching[TD_VM_NETS_MAX]; /* who waits for that NIC's flip, or NULL */
	unsigned nic_count;
	int mac_fd[TD_VM_NETS_MAX]; /* locks of the NICs' MACs (mac_lock.h), the first mac_count */
	unsigned mac_count;
	const char *exact_vf[TD_VM_NETS_MAX]; /* of the configuration, for td_hybrid_host */
	struct td_control *control;
	struct td_watch signals;
	unsigned stop_signals; /* how many came: the first is the power button */
	uint64_t started_ns;
};

/* *machine is zeroed by the caller; config and run_dir are borrowed. After a failure as after success: td_machine_fini(). */
int td_machine_init(struct td_machine *machine, const struct td_vm_file_config *config, const char *run_dir, struct td_err *err);
/* Boots and runs until the VM has stopped. *ret_status: the process's exit status. */
int td_machine_run(struct td_machine *machine, int *ret_status, struct td_err *err);
void td_machine_fini(struct td_machine *machine);

/* machine_control.c: answers those who still wait for flips that will not end: the NICs are gone. */
void td_machine_drop_switching(struct td_machine *machine);
/* What the control socket knows; ended by a NULL name; opaque is the machine. */
extern const struct td_control_command td_machine_commands[];

#endif
