/* SPDX-License-Identifier: Apache-2.0 */
/* vm_config.h - what a VM is: plain data, filled from vm.yaml or flags by config/vm_schema.c. Strings are owned by the config. */
#ifndef TD_MACHINE_VM_CONFIG_H
#define TD_MACHINE_VM_CONFIG_H

#include "core/base.h"
#include "core/log.h"
#include "emul/disk_format.h"
#include "nic/nic_config.h"

#define TD_VM_NETS_MAX	8
#define TD_VM_DISKS_MAX 8
#define TD_VM_NAME_MAX	63 /* [A-Za-z0-9._-], not starting with '.' or '-' */

enum td_serial_mode { TD_SERIAL_MODE_TTY, TD_SERIAL_MODE_PTY, TD_SERIAL_MODE_FILE, TD_SERIAL_MODE_OFF };

struct td_vm_disk_config {
	char *path;
	enum td_disk_format format;
	bool readonly, direct;
	struct td_vm_mark mark;
};

struct td_vm_file_config {
	char *name;
	uint64_t cpus;
	uint64_t memory_bytes;
	bool hugepages, thp, prefault;
	char *kernel, *initramfs, *cmdline;
	enum td_serial_mode serial_mode;
	bool serial_mode_given;
	char *serial_file;
	struct td_vm_disk_config disk[TD_VM_DISKS_MAX];
	unsigned disk_count;
	bool rng;
	uint64_t debug_exit; /* port; 0: none */
	bool exit_on_reboot;
	enum td_log_level log_level;
	struct td_vm_net_config net[TD_VM_NETS_MAX];
	unsigned net_count;
};

#endif
