/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor.h - why VMs cannot have VFs on a host, or are slower than they need be: checks that read a doctor_tree.h, and what they found,
 * each with a stable reason, what was seen, what it stops and what to do. Nothing on the host is changed. Which checks there are stands in
 * doctor.c, which findings in the table below.
 */
#ifndef TD_HOST_DOCTOR_DOCTOR_H
#define TD_HOST_DOCTOR_DOCTOR_H

#include "core/base.h"
#include "core/err.h"
#include "host/doctor/doctor_tree.h"

enum td_doctor_severity {
	TD_DOCTOR_STOPS, /* VMs, VFs or the path beside them cannot work */
	TD_DOCTOR_SLOWS, /* they work, slower or with losses */
	TD_DOCTOR_NOTE,	 /* good to know */
	TD_DOCTOR_FINE,
};

/*
 * Findings: X(symbol, "stable-name", severity, what `tandem run` ends with for this reason, "what it stops", "what to do").
 * Names are an interface as those of core/err.h: add, never rename. "{}" is the finding's object. A check that knows more exact words for
 * what to do says those.
 */
#define TD_DOCTOR_FINDINGS(X)                                                                                                              \
	X(OK, "ok", FINE, NONE, "", "")                                                                                                    \
	/* IOMMU */                                                                                                                        \
	X(IOMMU_NOT_FOUND, "iommu-not-found", STOPS, NO_IOMMU,                                                                             \
		"No VM can have a VF: nothing would keep the card's DMA inside the VM's memory.",                                          \
		"In the firmware setup, switch on VT-d (Intel) or IOMMU / AMD-Vi (AMD); if the host is a VM itself, give it a virtual "    \
		"IOMMU")                                                                                                                   \
	X(IOMMU_NOT_ON, "iommu-not-on", STOPS, NO_IOMMU, "No VM can have a VF: nothing would keep the card's DMA inside the VM's memory.", \
		"Add intel_iommu=on iommu=pt (AMD: iommu=pt) to GRUB_CMDLINE_LINUX in /etc/default/grub; then: update-grub && reboot")     \
	X(HOST_DMA_STRICT, "host-dma-strict", SLOWS, NONE,                                                                                 \
		"The host's own traffic on this card, emulated NICs' too, pays for the IOMMU at each packet. VFs in VMs do not.",          \
		"Add iommu=pt to GRUB_CMDLINE_LINUX in /etc/default/grub; then: update-grub && reboot")                                    \
	X(NO_INTERRUPT_REMAPPING, "no-interrupt-remapping", STOPS, IRQ_REMAP,                                                              \
		"No VM can have a VF: its card could raise any interrupt of the host, so VFIO refuses.",                                   \
		"In the firmware setup, switch on x2APIC / interrupt remapping; remove intremap=off and noapic from the kernel's command " \
		"line")                                                                                                                    \
	X(INTERRUPTS_UNSAFE, "interrupts-unsafe", NOTE, NONE,                                                                              \
		"VFIO takes devices without interrupt remapping: a VM with a VF can raise any interrupt of the host.",                     \
		"Where VMs are not trusted: remove allow_unsafe_interrupts from /etc/modprobe.d, and switch on interrupt remapping")       \
	X(GROUP_NOT_VIABLE, "group-not-viable", STOPS, GROUP_NOT_VIABLE,                                                                   \
		"No device of this IOMMU group can go to a VM while the host uses another one of it.",                                     \
		"Put the card into another slot, or switch on ACS in the firmware setup: then groups are smaller")                         \
	X(GROUP_SHARED, "group-shared", NOTE, NONE, "These devices can only go to the same VM, or all but one stay unused.",               \
		"Put the card into another slot, or switch on ACS in the firmware setup: then groups are smaller")                         \
	X(NO_ACS, "no-acs", NOTE, NONE, "What is behind this bridge shares one IOMMU group: devices there could reach each other unseen.", \
		"Switch on ACS in the firmware setup, or put the card into a slot at another root port")                                   \
	X(ACS_OVERRIDE, "acs-override", NOTE, NONE,                                                                                        \
		"IOMMU groups look smaller than they are: a VM with a VF may reach other devices by DMA between them.",                    \
		"Where VMs are not trusted: remove pcie_acs_override from the kernel's command line")                                      \
	/* SR-IOV */                                                                                                                       \
	X(NO_SRIOV, "no-sriov", STOPS, NO_SRIOV, "There are no VFs to give to VMs; emulated NICs work.",                                   \
		"Use a network card with SR-IOV; if this host has one, switch on SR-IOV in the firmware setup and in the card's own")      \
	X(SRIOV_OFF_IN_CARD, "sriov-off-in-card", STOPS, NO_SRIOV, "This card gives no VFs.",                                              \
		"Switch on SR-IOV in the card's own firmware (setup menu at boot; NVIDIA: mlxconfig -d {} set SRIOV_EN=1 NUM_OF_VFS=8)")   \
	X(PF_NO_INTERFACE, "pf-no-interface", STOPS, PF_MISSING,                                                                           \
		"VFs of this card cannot be set up: their MACs are set by the PF's driver.",                                               \
		"Give the PF back to its driver: echo {} >/sys/bus/pci/drivers_probe (after driver_override is cleared)")                  \
	X(NO_VFS, "no-vfs", STOPS, NO_FREE_VF, "There is no VF that a VM could have.",                                                     \
		"echo 4 >/sys/class/net/{}/device/sriov_numvfs; for good: a pool in host.yaml and tandem host apply")                      \
	X(NO_FREE_VF, "no-free-vf", STOPS, NO_FREE_VF, "The host uses each VF of this PF itself, so no VM can have one.",                  \
		"Take one VF's interface down: ip link set VF down; or make more VFs")                                                     \
	X(VF_IN_HOST_USE, "vf-in-host-use", NOTE, VF_BUSY, "VMs get the other VFs of this PF; these are refused.",                         \
		"If the host does not need it: ip link set VF down")                                                                       \
	X(VF_BAR_SPACE, "vf-bar-space", STOPS, NONE, "VFs cannot be made, or have no registers: the firmware left no addresses for them.", \
		"In the firmware setup, switch on SR-IOV and Above 4G Decoding; or add pci=realloc to the kernel's command line")          \
	X(VF_NO_RESET, "vf-no-reset", STOPS, NONE, "A VF that cannot be reset alone would keep what the last VM left in it.",              \
		"Update the card's firmware; VFs have to offer a function-level reset (FLR)")                                              \
	X(VF_AUTOPROBE, "vf-autoprobe", SLOWS, NONE,                                                                                       \
		"Each new VF becomes an interface of the host, which other programs may set up; each start of a VM has to unbind it "      \
		"first.",                                                                                                                  \
		"echo 0 >/sys/class/net/{}/device/sriov_drivers_autoprobe, before sriov_numvfs is written; tandem host apply does so")     \
	X(VF_MAC_UNSET, "vf-mac-unset", NOTE, NONE,                                                                                        \
		"Nothing, with tandem, which sets the VM's MAC; another user of these VFs gets a random MAC at each start.",               \
		"For other users: ip link set {} vf 0 mac MAC")                                                                            \
	X(PF_DOWN, "pf-down", STOPS, PF_DOWN, "VFs of a PF that is down have no link.", "ip link set {} up")                               \
	X(PF_NO_CARRIER, "pf-no-carrier", STOPS, NO_CARRIER, "VFs of this PF reach nothing outside the host.",                             \
		"Check cable, transceiver and switch port: ethtool {}")                                                                    \
	/* VFIO */                                                                                                                         \
	X(VFIO_NOT_LOADED, "vfio-driver", STOPS, VFIO_DRIVER, "No VM can have a VF: this is the driver that gives it away.",               \
		"modprobe vfio-pci; for good: echo vfio-pci >/etc/modules-load.d/vfio-pci.conf")                                           \
	X(VFIO_DEVICE, "vfio-device", STOPS, VFIO, "No VM can have a VF: guest memory is given to the IOMMU through this file.",           \
		"modprobe vfio_iommu_type1; in a container: let it have /dev/vfio")                                                        \
	X(VFIO_ACCESS, "vfio-access", STOPS, VFIO, "VMs of this user cannot have the VFs of this group.",                                  \
		"chown USER {}; for good: a udev rule SUBSYSTEM==\"vfio\", GROUP=\"kvm\", MODE=\"0660\"; or run tandem as root")           \
	X(VFIO_NOIOMMU, "vfio-noiommu", NOTE, NONE, "Programs can be given devices that reach all of the host's memory.",                  \
		"Unless something needs it: echo N >/sys/module/vfio/parameters/enable_unsafe_noiommu_mode")                               \
	/* KVM */                                                                                                                          \
	X(NO_VIRTUALISATION, "no-virtualisation", STOPS, NO_KVM, "No VM can run.",                                                         \
		"In the firmware setup, switch on VMX / Intel VT-x (Intel) or SVM (AMD)")                                                  \
	X(NO_KVM, "no-kvm", STOPS, NO_KVM, "No VM can run.", "modprobe kvm_intel (AMD: kvm_amd); if that fails, dmesg says why")           \
	X(KVM_ACCESS, "kvm-access", STOPS, NO_KVM, "This user cannot run VMs.", "As root: usermod -aG kvm USER; then log in anew")         \
	X(NO_NESTED_PAGING, "no-nested-paging", SLOWS, NONE,                                                                               \
		"Each change of a guest's page tables costs an exit: VMs are slower by a multiple.",                                       \
		"Remove ept=0 / npt=0 from /etc/modprobe.d and the kernel's command line; then reload kvm_intel / kvm_amd")                \
	X(NO_POSTED_INTERRUPTS, "no-posted-interrupts", NOTE, NONE,                                                                        \
		"Each interrupt of a VF or an emulated NIC costs a running guest an exit.",                                                \
		"Where the CPU can: options kvm_intel enable_apicv=1 (AMD: options kvm_amd avic=1) in /etc/modprobe.d/kvm.conf")           \
	X(FLIP_REFAULTS, "flip-refaults", SLOWS, NONE,                                                                                     \
		"Each flip to or from a VF drops all of the guest's page mappings, and the guest pays to get them back.",                  \
		"Use Linux 6.12 or newer")                                                                                                 \
	X(SLOW_KICKS, "slow-kicks", SLOWS, NONE, "Each time a guest tells an emulated NIC of new packets, KVM decodes an instruction.",    \
		"Use Linux 6.19 or newer (Intel CPUs do not have this)")                                                                   \
	X(CLOCK_NOT_TSC, "clock-not-tsc", SLOWS, NONE,                                                                                     \
		"Each reading of the clock by the host takes long: statistics, timers, blackouts measured.",                               \
		"dmesg | grep -i -e tsc -e clocksource says why; where the TSC is sound: tsc=reliable on the kernel's command line")       \
	/* memory */                                                                                                                       \
	X(MEMLOCK, "memlock-too-low", STOPS, MEMLOCK, "A VM with a VF needs all its memory locked, so this user's cannot have one.",       \
		"\"USER - memlock unlimited\" in /etc/security/limits.d/tandem.conf, then log in anew; in a systemd unit: "                \
		"LimitMEMLOCK=infinity")                                                                                                   \
	X(NO_HUGE_PAGES, "no-huge-pages", SLOWS, NONE,                                                                                     \
		"Guest memory is mapped in 4 KiB pages: more TLB misses, slower starts and flips to VFs.",                                 \
		"echo advise >/sys/kernel/mm/transparent_hugepage/shmem_enabled and thp=on in the VM's file; or reserve: sysctl "          \
		"vm.nr_hugepages=512")                                                                                                     \
	X(CGROUP_MEMORY, "cgroup-memory", NOTE, NONE, "VMs started from here are killed when they need more memory than this together.",   \
		"Start VMs elsewhere (systemd-run --scope -p MemoryMax=infinity tandem run ...), or raise MemoryMax of the unit")          \
	X(CGROUP_TASKS, "cgroup-tasks", NOTE, NONE,                                                                                        \
		"VMs started from here cannot start when this many threads run; a VM has one a CPU and some more.",                        \
		"Raise TasksMax of the unit: systemctl set-property UNIT TasksMax=infinity")                                               \
	/* network */                                                                                                                      \
	X(NO_TUN, "no-tun", STOPS, TAP, "No VM can have an emulated NIC, and so none a hybrid one.",                                       \
		"modprobe tun; for good: echo tun >/etc/modules-load.d/tun.conf")                                                          \
	X(TUN_ACCESS, "tun-access", STOPS, TAP, "VMs of this user cannot have emulated NICs.", "As root: chmod 0666 /dev/net/tun")         \
	X(NO_NET_ADMIN, "no-net-admin", STOPS, NETLINK, "This user can neither make taps nor set a VF's MAC: VMs have no network.",        \
		"Run tandem as root, or as a systemd unit with AmbientCapabilities=CAP_NET_ADMIN")                                         \
	X(NO_VHOST_NET, "no-vhost-net", SLOWS, VHOST,                                                                                      \
		"Packets of emulated NICs are carried by tandem itself, which is slower, most of all for small ones.",                     \
		"modprobe vhost_net; for good: echo vhost_net >/etc/modules-load.d/vhost_net.conf")                                        \
	X(VHOST_ACCESS, "vhost-access", SLOWS, VHOST,                                                                                      \
		"Packets of this user's emulated NICs are carried by tandem itself, which is slower.",                                     \
		"As root: chgrp kvm /dev/vhost-net && chmod 0660 /dev/vhost-net, for good by a udev rule")                                 \
	X(UPLINK_RETURNS_FRAMES, "uplink-returns-frames", SLOWS, NONE,                                                                     \
		"The card's switch returns broadcasts of VMs to the bridge, which then looks for these VMs outside: packets are lost.",    \
		"Make the bridge a network of host.yaml (tandem host apply drops what comes back), or use an uplink without VFs")          \
	X(UPLINK_IS_VF_POOL, "uplink-is-vf-pool", NOTE, NONE,                                                                              \
		"A VM on a VF of this PF reaches a VM on this bridge only if the card's switch knows that VM's MAC: many cards do not "    \
		"learn it.",                                                                                                               \
		"In a network of host.yaml the card is told (tandem run warns where it takes no more addresses); else use another "        \
		"uplink, "                                                                                                                 \
		"or tell it: bridge fdb add MAC dev {} self permanent")                                                                    \
	X(BRIDGE_STP, "bridge-stp", SLOWS, PORT_NOT_FORWARDING,                                                                            \
		"A VM's port passes nothing for twice the bridge's forward delay after it is made, and again after each change of the "    \
		"tree.",                                                                                                                   \
		"If no loop goes through this bridge: ip link set {} type bridge stp_state 0; else: forward_delay 200 (2 s)")              \
	X(BRIDGE_VLANS, "bridge-vlans", NOTE, VLAN_MISSING,                                                                                \
		"The bridge puts untagged frames into no VLAN: a NIC without vlan reaches nobody by it.",                                  \
		"Give each NIC on it a vlan; or: ip link set {} type bridge vlan_default_pvid 1")                                          \
	X(BRIDGE_MTU, "bridge-mtu", NOTE, MTU_TOO_SMALL,                                                                                   \
		"Packets that pass on a VF do not fit on the emulated path: a guest with the PF's MTU loses them after a flip.",           \
		"ip link set {} mtu N, with the PF's; or give NICs the smaller one: mtu=")                                                 \
	X(BRIDGE_NETFILTER, "bridge-netfilter", SLOWS, NONE,                                                                               \
		"Each frame between VMs goes through the host's firewall, which may drop it (Docker's drops forwarded traffic).",          \
		"sysctl -w net.bridge.bridge-nf-call-iptables=0 (and -ip6tables, -arptables), unless the firewall shall filter VMs")       \
	X(NETWORKMANAGER_VF, "networkmanager-vf", SLOWS, VF_BUSY,                                                                          \
		"It brings the VF's interface up, and a VF that is up is not given to a VM.",                                              \
		"In /etc/NetworkManager/conf.d/tandem.conf: [keyfile] unmanaged-devices=interface-name:{}; then: nmcli general reload")    \
	X(NETWORKD_VF, "networkd-vf", SLOWS, VF_BUSY, "It brings the VF's interface up, and a VF that is up is not given to a VM.",        \
		"A file /etc/systemd/network/05-tandem.network: [Match] Name={} [Link] Unmanaged=yes; then: networkctl reload")            \
	X(IFUPDOWN_VF, "ifupdown-vf", SLOWS, VF_BUSY, "It brings the VF's interface up, and a VF that is up is not given to a VM.",        \
		"Remove {} from /etc/network/interfaces; then: ifdown {}")                                                                 \
	X(BRIDGE_MANAGED, "bridge-managed", NOTE, NONE,                                                                                    \
		"Two programs set up one bridge: ports and VLANs of VMs can go when the other one reloads.",                               \
		"Let one of them have it: leave the bridge out of host.yaml, or make it unmanaged there")                                  \
	/* kernel */                                                                                                                       \
	X(KERNEL_OPTION, "kernel-option", STOPS, NONE, "The kernel was built without what VMs with VFs need.",                             \
		"Use a kernel with {}=y or =m: your distribution's own has it")                                                            \
	X(KERNEL_OPTION_SPEED, "kernel-option-speed", SLOWS, NONE, "The kernel was built without what makes VMs fast.",                    \
		"Use a kernel with {}=y or =m: your distribution's own has it")                                                            \
	X(KERNEL_OPTION_NETWORK, "kernel-option-network", NOTE, NONE, "The kernel was built without what some virtual networks need.",     \
		"Use a kernel with {}=y or =m: your distribution's own has it")                                                            \
	X(KERNEL_OPTIONS_UNKNOWN, "kernel-options-unknown", NOTE, NONE, "Whether the kernel has all that VMs need was not checked.",       \
		"Install the file config-RELEASE of the running kernel in /boot")                                                          \
	X(KERNEL_MODULES_GONE, "kernel-modules-gone", NOTE, NONE,                                                                          \
		"Modules not loaded yet (vfio-pci, vhost_net, tun) cannot be loaded any more.",                                            \
		"Reboot: the kernel's package was replaced or removed since it was started")                                               \
	X(KERNEL_LOCKDOWN, "kernel-lockdown", NOTE, NONE,                                                                                  \
		"Nothing, with the distribution's drivers; unsigned modules (a card maker's own driver) are refused.",                     \
		"Sign own modules with a key enrolled by mokutil, or switch Secure Boot off in the firmware setup")                        \
	/* the doctor itself */                                                                                                            \
	X(UNREADABLE, "unreadable", NOTE, NONE, "What stands there was not checked.", "Run it as root: sudo tandem host doctor")           \
	X(NOT_ROOT, "not-root", NOTE, NONE, "ACS of bridges, and what other users may not see, were not checked.",                         \
		"Run it as root too: sudo tandem host doctor")                                                                             \
	X(NO_HOST, "no-host", STOPS, NONE, "Nothing could be checked.",                                                                    \
		"Give --root a record (tandem host doctor --record FILE) or a directory with sys and proc")

enum td_doctor_reason {
#define TD_DOCTOR_ENUM(symbol, name, severity, run, effect, remedy) TD_DOCTOR_##symbol,
	TD_DOCTOR_FINDINGS(TD_DOCTOR_ENUM)
#undef TD_DOCTOR_ENUM
		TD_DOCTOR_REASON_COUNT
};

struct td_doctor_reason_info {
	const char *name;
	enum td_doctor_severity severity;
	enum td_reason run; /* what tandem run says where it meets this; TD_REASON_NONE: nothing, or something that depends */
	const char *effect, *remedy;
};

const struct td_doctor_reason_info *td_doctor_reason_info(enum td_doctor_reason reason);
const char *td_doctor_severity_name(enum td_doctor_severity severity); /* "stops", "slows", "note", "ok" */

struct td_doctor_finding {
	enum td_doctor_reason reason;
	const char *check; /* static: the check's name */
	char object[64];   /* "pf0", "0000:3b:02.1", "host" */
	char seen[384];	   /* printable ASCII, as all texts */
	char remedy[384];
};

struct td_doctor_report {
	struct td_doctor_finding *finding; /* in the order of the checks */
	unsigned count;
	unsigned by_severity[TD_DOCTOR_FINE + 1];
};

struct td_doctor_check {
	const char *name, *what;
};
/* The checks, in order; NULL at the end. */
const struct td_doctor_check *td_doctor_check(unsigned index);

/* Runs all checks. -ENOMEM alone fails; what is on the host becomes findings. */
int td_doctor_examine(struct td_doctor_tree *tree, struct td_doctor_report *ret_report, struct td_err *err);
void td_doctor_report_fini(struct td_doctor_report *report);

#endif
