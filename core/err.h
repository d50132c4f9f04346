/* SPDX-License-Identifier: Apache-2.0 */
/*
 * err.h - one error as it travels up: -errno, a stable reason code, and one line that names the object.
 *
 * Calls return 0 or -errno. Set-up calls take a last `struct td_err *err`; the lowest layer that knows the object's name writes the
 * text, layers above pass it on, and only the command prints it (td_err_print), once, with what to do next.
 */
#ifndef TD_CORE_ERR_H
#define TD_CORE_ERR_H

#include <stdarg.h>
#include <stdio.h>

#include "core/base.h"

/*
 * Reason codes: X(symbol, "stable-name", "what to do").
 * Names are an interface (scripts match them, docs/reason-codes lists them): add, never rename. The hint is the default; a text that can
 * say something more exact about what to do says it itself, and then the hint still must not contradict it.
 */
#define TD_REASONS(X)                                                                                                                     \
	X(NONE, "none", "")                                                                                                               \
	X(INTERNAL, "internal", "this is a defect of tandem: please report it with the line above")                                       \
	X(SYSTEM, "system", "see the system error named above")                                                                           \
	X(NEEDS_ROOT, "needs-root", "run it as root: sudo")                                                                               \
	X(NO_MEMORY, "no-memory", "give the VM as much memory as its kernel needs, and no more than the host has free")                   \
	X(USAGE, "usage", "see the command's --help")                                                                                     \
	X(CONFIG_SYNTAX, "config-syntax", "correct the YAML at the place named")                                                          \
	X(CONFIG_FILE, "config-file", "give a file that can be read; examples are in docs/examples")                                      \
	X(CONFIG_KEY, "config-key", "remove or correct the key; man tandem.yaml, host.yaml, policy.yaml list all")                        \
	X(CONFIG_VALUE, "config-value", "correct the value at the place named")                                                           \
	X(NO_KVM, "no-kvm", "load kvm_amd or kvm_intel, enable virtualisation in the firmware, join group kvm")                           \
	X(KVM_CAP, "kvm-capability", "use a newer host kernel")                                                                           \
	X(KERNEL_IMAGE, "kernel-image", "give a bzImage, a PVH ELF kernel or a Multiboot v1 image")                                       \
	X(INITRD, "initrd", "give a readable initrd that fits into the guest's memory")                                                   \
	X(NO_IOMMU, "no-iommu", "enable the IOMMU in the firmware and boot the host with intel_iommu=on (AMD: on by default)")            \
	X(IRQ_REMAP, "no-interrupt-remapping", "enable interrupt remapping (x2APIC) in the firmware")                                     \
	X(GROUP_NOT_VIABLE, "group-not-viable", "bind the other devices of the group to vfio-pci, or use another VF")                     \
	X(NO_FREE_VF, "no-free-vf", "make more VFs (sriov_numvfs), or free one: tandem vm list")                                          \
	X(NO_SRIOV, "no-sriov", "name a PF whose card and driver support SR-IOV")                                                         \
	X(PF_MISSING, "pf-missing", "name an existing network interface of an SR-IOV PF: ip link")                                        \
	X(PF_DOWN, "pf-down", "bring the PF up: ip link set PF up")                                                                       \
	X(VF_BUSY, "vf-busy", "free it first, from what is named; --force, where there is one, moves VMs away")                           \
	X(VF_LOST, "vf-lost", "the VF was taken away; see the host's kernel log for the PF")                                              \
	X(VF_MODEL, "vf-model", "use a PF of an Intel 82576, or mode: failover")                                                          \
	X(PF_MAILBOX, "pf-mailbox", "see the host's kernel log for the PF; bring it up: ip link set PF up")                               \
	X(VFIO_DRIVER, "vfio-driver", "modprobe vfio-pci")                                                                                \
	X(VFIO, "vfio", "see the host's kernel log")                                                                                      \
	X(MEMLOCK, "memlock-too-low", "raise RLIMIT_MEMLOCK (ulimit -l, LimitMEMLOCK=) to the number named")                              \
	X(IOMMU_MAP, "iommu-map", "see the host's kernel log; check the VM's memory size")                                                \
	X(NETLINK, "netlink", "check the interface's name, that its driver can do it, and your privileges (CAP_NET_ADMIN)")               \
	X(TAP, "tap", "check /dev/net/tun and your privileges (CAP_NET_ADMIN)")                                                           \
	X(TAP_EXISTS, "tap-exists", "choose another tap name, or remove the interface: ip link del")                                      \
	X(BRIDGE, "bridge", "make the bridge first: ip link add NAME type bridge")                                                        \
	X(VHOST, "vhost", "modprobe vhost_net, or set vhost=off")                                                                         \
	X(DISK, "disk", "check the image file's path, size and permissions")                                                              \
	X(DISK_IN_USE, "disk-in-use", "end the VM that uses the image, or give every VM that uses it readonly=on")                        \
	X(DISK_TIMEOUT, "disk-timeout", "the disk's storage does not answer: see the host's kernel log, then try again")                  \
	X(SERIAL, "serial", "check the serial device's file or PTY")                                                                      \
	X(CONTROL_IN_USE, "control-socket-in-use", "a VM of this name runs already: tandem vm list")                                      \
	X(CONTROL, "control-socket", "check the path and permissions of the control socket")                                              \
	X(RUN_DIR, "run-directory", "give a directory that you may write to: TANDEM_RUN_DIR=DIR")                                         \
	X(VM_NOT_FOUND, "vm-not-found", "tandem vm list shows the running VMs")                                                           \
	X(NIC_NOT_FOUND, "nic-not-found", "tandem nic list shows the NICs")                                                               \
	X(VM_STATE, "vm-state", "see the VM's state: tandem vm info")                                                                     \
	X(DEVICE_STATE, "device-state", "move VMs between versions of tandem that know each other's devices")                             \
	X(STANDBY_REFUSED, "standby-refused", "use a guest kernel with net_failover (Linux >= 4.17)")                                     \
	X(UNPLUG_TIMEOUT, "unplug-timeout", "the guest did not give the VF up in time; it keeps it. Look at the guest, then try again")   \
	X(PLUG_TIMEOUT, "plug-timeout", "the guest's VF driver did not come up in time; load it in the guest, then try again")            \
	X(DRIVER_DOWN, "driver-down", "load the NIC's driver in the guest and bring its interface up: ip link set DEV up")                \
	X(FLIP_BUSY, "flip-busy", "wait for the flip in progress: tandem nic info")                                                       \
	X(FLIP_TIMEOUT, "flip-timeout", "the phase named took too long and was undone; try again")                                        \
	X(FLIP_ABORTED, "flip-aborted", "the guest or the host changed during the flip; try again")                                       \
	X(DRIVER_UNKNOWN, "driver-unknown", "use Linux's igbvf in the guest; another driver keeps the VF it has")                         \
	X(NO_CARRIER, "no-carrier", "check the cable of the link named, and what it is plugged into")                                     \
	X(NO_PORT, "no-port", "make the tap a port of its bridge again: ip link set TAP master BRIDGE")                                   \
	X(BRIDGE_DOWN, "bridge-down", "make the bridge again, or bring it up: ip link set BRIDGE up")                                     \
	X(PORT_NOT_FORWARDING, "port-not-forwarding",                                                                                     \
		"wait for the bridge's spanning tree, or turn it off: ip link set BRIDGE type bridge stp_state 0")                        \
	X(VLAN_MISSING, "vlan-missing", "give the tap's port the NIC's VLAN: bridge vlan add dev TAP vid N pvid untagged")                \
	X(TAP_LOST, "tap-lost", "find out what removed the tap or has its name: ip -d link")                                              \
	X(MTU_TOO_SMALL, "mtu-too-small", "raise the bridge's MTU (ip link set BRIDGE mtu N), or give the NIC a smaller one: mtu=")       \
	X(VF_CHANGED, "vf-changed", "find out what changes the VF's settings: a .link file, networkd, NetworkManager, a script")          \
	X(MAC_IN_USE, "mac-in-use", "give each NIC a MAC of its own, or end the VM named")                                                \
	X(DISK_FORMAT, "disk-format", "format=raw where a guest wrote its raw disk so; else as named, or format=ITS-OWN")                 \
	X(RESET_LOOP, "reset-loop", "look at the guest's console: tandem vm console; then tandem vm resume, or kill")                     \
	X(VF_LIST_CUT, "vf-list-cut", "use a newer host kernel, or make fewer VFs of this PF")                                            \
	X(LINK_MISSING, "link-missing", "name a network interface that is there: ip link")                                                \
	X(NOT_OURS, "not-ours", "choose another name in host.yaml, or free the link: ip link set LINK nomaster takes it out of a bridge") \
	X(WOULD_DISCONNECT, "would-disconnect", "work from the console, or say --allow-disconnect")                                       \
	X(HOST_BUSY, "host-busy", "wait until the other apply has ended")                                                                 \
	X(FILE_CHANGED, "file-changed", "run tandem host apply again")                                                                    \
	X(NOT_APPLIED, "not-applied", "find out what changes it at the same time: NetworkManager, networkd, another script")              \
	X(HUGEPAGES, "hugepages", "give a smaller count, or hugepages=N on the kernel's command line, and reboot")                        \
	X(MODULE, "module", "install the kernel's modules; see its log: dmesg")                                                           \
	X(CLEANUP, "cleanup", "undo by hand what the message names")

enum td_reason {
#define TD_REASON_ENUM(symbol, name, hint) TD_REASON_##symbol,
	TD_REASONS(TD_REASON_ENUM)
#undef TD_REASON_ENUM
		TD_REASON_COUNT
};

struct td_err {
	int code; /* -errno; 0: no error */
	enum td_reason reason;
	char text[512];
};

/*
 * Fills *err (may be NULL) and returns the negative of errnum (a positive errno value; 0 counts as EIO).
 * An error that is already set is replaced: the caller adds context only by td_err_prefix().
 */
int td_err_set(struct td_err *err, int errnum, enum td_reason reason, const char *fmt, ...) TD_PRINTF(4, 5);

/* As td_err_set, with ": strerror(errnum)" behind the text. */
int td_err_sys(struct td_err *err, int errnum, enum td_reason reason, const char *fmt, ...) TD_PRINTF(4, 5);

#ifdef __clang_analyzer__ /* it does not see into err.c */
#define td_err_set(...) ((void)(td_err_set)(__VA_ARGS__), -1)
#define td_err_sys(...) ((void)(td_err_sys)(__VA_ARGS__), -1)
#endif

/* Puts "prefix: " before the text of an error that is set. Returns err->code. */
int td_err_prefix(struct td_err *err, const char *fmt, ...) TD_PRINTF(2, 3);

/* "group-not-viable" for a reason; the constant is static. */
const char *td_reason_name(enum td_reason reason);

/* What to do about it, one line; "" where there is nothing to say. */
const char *td_reason_hint(enum td_reason reason);

/* "tandem: TEXT [reason-code]\n  try: HINT\n" */
void td_err_print(FILE *out, const struct td_err *err);

#endif
