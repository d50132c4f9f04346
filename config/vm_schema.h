/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vm_schema.h - a VM (machine/vm_config.h) as read from vm.yaml or from flags: both go through one table of keys (vm_schema.c), so that
 * they know the same words, limits and messages. Spelling follows cloud-hypervisor. Strings are owned by the config.
 *
 *   name: web1
 *   cpus: {boot: 2}                      # or cpus: 2, as the flag; so too memory: 512M, serial: pty, disks: [root.raw]
 *   memory: {size: 512M, hugepages: off, thp: off, prefault: off}
 *   payload: {kernel: vmlinuz, initramfs: initrd, cmdline: "console=ttyS0"}
 *   serial: {mode: tty}                  # tty | pty | file | off; file: PATH
 *   disks: [{path: root.raw, format: auto, readonly: off, direct: off}]   # auto | raw | qcow2 | vmdk | vhdx | vdi | vhd
 *   rng: on
 *   debug_exit: 0xf4
 *   on_reboot: restart                   # restart | exit
 *   log_level: warn                      # error | warn | info | debug
 *   net:
 *   - id: net0
 *     mode: failover                     # failover | transparent | emulated | vf
 *     model: virtio                      # the emulated path's: virtio | igbvf
 *     mac: 52:54:00:12:34:56
 *     bridge: br0                        # emulated path
 *     tap: tap0
 *     vhost: auto                        # auto | on | off
 *     queues: 1
 *     mtu: 1500
 *     pf: pf0                            # VF path: any free VF of this PF, or
 *     vf: 0000:02:10.0                   #   this one
 *     vlan: 0
 *     vlans: [10, 20-29]                 # mode emulated: by their tags
 *     path: vf                           # where it starts: vf | emulated
 *     warm: on                           # keep the VF open while on the emulated path
 *     unplug_timeout: 2s
 *     plug_timeout: 10s
 */
#ifndef TD_CONFIG_VM_SCHEMA_H
#define TD_CONFIG_VM_SCHEMA_H

#include "core/base.h"
#include "core/err.h"
#include "machine/vm_config.h"

/* Defaults first, then the file (when given), then the flags, then td_vm_config_check(). argv as main's, after "run". */
int td_vm_config_from_args(struct td_vm_file_config *config, int argc, char **argv, struct td_err *err);
/* Is --help or -h among them, and not as a flag's value? */
bool td_vm_config_wants_help(int argc, char **argv);
/* "vm.yaml:12:7: memory.size: '12Q' is not a size: a number with K, M, G or T". text need not be NUL-terminated. */
int td_vm_config_from_yaml(struct td_vm_file_config *config, const char *file_name, const char *text, size_t len_bytes, struct td_err *err);
/*
 * What no single key can say: two NICs with one MAC, one VF twice, a failover NIC without PF or VF, ... marks: where values stand in the
 * file, for messages; or NULL.
 */
struct td_schema_marks;
int td_vm_config_check(const struct td_vm_file_config *config, const struct td_schema_marks *marks, struct td_err *err);

/*
 * The MAC of a NIC that is given none: of names, so that a VM keeps it, and of the machine's id, so that a file that is run on two hosts of
 * one network does not give one address twice.
 */
void td_vm_config_derive_mac(const char *machine_id, const char *vm_name, const char *nic_id, uint8_t mac[6]);
void td_vm_config_fini(struct td_vm_file_config *config);

/* The table, for --help and the man page. */
struct td_schema_key;
const struct td_schema_key *td_vm_config_keys(void);

#endif
