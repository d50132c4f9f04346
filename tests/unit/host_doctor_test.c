/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the doctor's checks: a good host yields nothing, each change of it exactly the findings named, and each reason has a case. */
#include "doctor_trees.h"

#include "host/doctor/doctor_files.h"

#define PF	  "/sys/bus/pci/devices/0000:3b:00.0"
#define PF1	  "/sys/bus/pci/devices/0000:3b:00.1"
#define VF	  "/sys/bus/pci/devices/0000:3b:10.0"
#define VF1	  "/sys/bus/pci/devices/0000:3b:10.2"
#define RELEASE	  "6.19.3-amd64"
#define UPLINK	  "/sys/class/net/ens2f0/device/\n"
#define USER	  "/proc/self/status = Uid:\\t1000\\t1000\\nCapEff:\\t0000000000000000\n"
#define IOMMU_OFF "- /sys/class/iommu\n- /sys/kernel/iommu_groups\n"
/* The host's own driver has the VFs; the first one's interface is there. */
#define VF_NETDEV "- " VF "/driver\n" VF "/driver -> ixgbevf\n" VF "/net/ens1f0v0/\n/sys/class/net/ens1f0v0/ifindex = 9\n"
#define AMD	  "/proc/cpuinfo = vendor_id\\t: AuthenticAMD\\nflags\\t\\t: fpu svm npt\n"

static const struct {
	const char *changes;
	const char *findings; /* "reason object seen*remedy", one a line: object, and parts of the texts, where given */
} cases[] = {
	/* the doctor itself */
	{"- /proc\n- /sys\n", "no-host host"},
	{USER "/proc/self/limits = Max locked memory unlimited unlimited bytes\n",
		"no-net-admin host|CAP_NET_ADMIN\nnot-root host|user 1000"},
	{"/.tandem-doctor/unreadable/!etc!network!interfaces = 13\n", "unreadable host|/etc/network/interfaces"},
	/* kernel */
	{"/boot/config-" RELEASE
	 " = CONFIG_KVM=y\\nCONFIG_VFIO=m\\nCONFIG_VFIO_IOMMU_TYPE1=m\\n# CONFIG_VFIO_PCI is not set\\nCONFIG_PCI_IOV=y\\n"
	 "CONFIG_IRQ_REMAP=y\\nCONFIG_INTEL_IOMMU=y\\nCONFIG_TUN=y\\nCONFIG_BRIDGE=y\\nCONFIG_TRANSPARENT_HUGEPAGE=y\n",
		"kernel-option CONFIG_VFIO_PCI|the driver that gives a VF\n"
		"kernel-option-speed CONFIG_VHOST_NET\n"
		"kernel-option-network CONFIG_BRIDGE_VLAN_FILTERING\n"
		"kernel-option-network CONFIG_BONDING|teams|Use a kernel with CONFIG_BONDING=y\n"
		"kernel-option-network CONFIG_NET_CLS_FLOWER|come back"},
	{"- /boot\n/lib/modules/" RELEASE "/modules.dep = bridge\\nkvm\\ntun\\nvfio\\nvfio_iommu_type1\\nvfio-pci\\nvhost_net\n",
		"kernel-option-network CONFIG_BONDING\nkernel-option-network CONFIG_NET_CLS_FLOWER"},
	{"- /boot\n- /lib/modules/" RELEASE "/modules.dep\n", "kernel-options-unknown host"},
	{"- /boot\n- /lib/modules/" RELEASE "\n/lib/modules/6.19.4-amd64/\n",
		"kernel-options-unknown host\nkernel-modules-gone host|/lib/modules/" RELEASE " is not there|Reboot"},
	{"/sys/kernel/security/lockdown = none [integrity] confidentiality\n", "kernel-lockdown host|integrity"},
	/* KVM */
	{"- /.tandem-doctor/device/dev/kvm\n/proc/cpuinfo = vendor_id\\t: GenuineIntel\\nflags\\t\\t: fpu\n",
		"no-virtualisation host|neither vmx nor svm|firmware setup"},
	{"- /.tandem-doctor/device/dev/kvm\n/proc/cpuinfo = vendor_id\\t: GenuineIntel\\nflags\\t\\t: fpu hypervisor\n",
		"no-virtualisation host|VM itself|nested"},
	{"- /.tandem-doctor/device/dev/kvm\n- /sys/module/kvm_intel\n", "no-kvm /dev/kvm|kvm_intel is not loaded|modprobe kvm_intel"},
	{"- /.tandem-doctor/device/dev/kvm\n", "no-kvm /dev/kvm|kvm_intel is loaded|container"},
	{USER "/proc/self/limits = Max locked memory unlimited\n/.tandem-doctor/device/dev/kvm = 0660 0 104 refused\n",
		"kvm-access /dev/kvm|mode 0660, owner 0, group 104 (kvm); user 1000|usermod -aG kvm\nno-net-admin host\nnot-root host"},
	{USER "/proc/self/limits = Max locked memory unlimited\n/.tandem-doctor/device/dev/kvm = 0600 0 0 refused\n",
		"kvm-access /dev/kvm|mode 0600, owner 0, group 0;|chgrp kvm /dev/kvm\nno-net-admin host\nnot-root host"},
	{"/sys/module/kvm_intel/parameters/ept = N\n", "no-nested-paging kvm_intel|ept=N|modprobe kvm_intel ept=1"},
	{AMD "/sys/module/kvm_amd/parameters/npt = 0\n", "no-nested-paging kvm_amd|npt=0"},
	{"/sys/module/kvm_intel/parameters/enable_apicv = N\n", "no-posted-interrupts kvm_intel|enable_apicv=N"},
	{AMD "- /boot\n- /lib/modules\n/proc/sys/kernel/osrelease = 6.18.0\n", "kernel-options-unknown host\nslow-kicks host|6.18.0"},
	{"/.tandem-doctor/kvm-quirks = 7f\n", "flip-refaults host|" RELEASE},
	{"/sys/devices/system/clocksource/clocksource0/current_clocksource = hpet\n",
		"clock-not-tsc host|hpet, not tsc (to be had: tsc hpet acpi_pm)|echo tsc >"},
	{"/sys/devices/system/clocksource/clocksource0/current_clocksource = acpi_pm\n"
	 "/sys/devices/system/clocksource/clocksource0/available_clocksource = acpi_pm\n",
		"clock-not-tsc host|acpi_pm|dmesg"},
	/* IOMMU */
	{IOMMU_OFF "- /sys/firmware\n", "iommu-not-found host|no ACPI table DMAR or IVRS|VT-d"},
	{IOMMU_OFF "/proc/cmdline = quiet\n", "iommu-not-on host|DMAR|Add intel_iommu=on iommu=pt"},
	{IOMMU_OFF "/proc/cmdline = intel_iommu=off\n", "iommu-not-on host|was booted with intel_iommu=off|Replace intel_iommu=off"},
	{IOMMU_OFF "- /sys/firmware/acpi/tables/DMAR\n/sys/firmware/acpi/tables/IVRS/\n", "iommu-not-on host|IVRS|AMD-Vi"},
	{"/sys/kernel/iommu_groups/71/type = DMA\n", "host-dma-strict ens1f0|group 71"},
	{"- /sys/kernel/irq/0\n- /sys/kernel/irq/30\n/sys/kernel/irq/0/chip_name = IO-APIC\n/sys/kernel/irq/30/chip_name = "
	 "PCI-MSIX-0000:3b:00.0\n",
		"no-interrupt-remapping host|none of 2 interrupts|x2APIC"},
	{"- /sys/kernel/irq/0\n- /sys/kernel/irq/30\n/sys/kernel/irq/0/chip_name = IO-APIC\n/proc/cmdline = intel_iommu=on intremap=off\n",
		"no-interrupt-remapping host||Remove intremap=off"},
	{"- /sys/kernel/irq/0\n- /sys/kernel/irq/30\n/sys/kernel/irq/0/chip_name = IO-APIC\n"
	 "/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts = Y\n",
		"interrupts-unsafe host"},
	/* groups */
	{"- " VF1 "/iommu_group\n" VF1 "/iommu_group -> 81\n/sys/kernel/iommu_groups/81/devices/0000:3b:10.2/\n",
		"group-shared group 81|0000:3b:10.0, 0000:3b:10.2"},
	{"/sys/kernel/iommu_groups/81/devices/0000:00:1f.2/\n/sys/bus/pci/devices/0000:00:1f.2/class = 0x010601\n"
	 "/sys/bus/pci/devices/0000:00:1f.2/driver -> ahci\n",
		"group-not-viable group 81|VF 0000:3b:10.0 shares IOMMU group 81 with 0000:00:1f.2 (driver "
		"ahci)|/sys/bus/pci/devices/0000:00:1f.2/driver/unbind"},
	/* a port without ACS: card, VFs and port are one group */
	{"- " VF "/iommu_group\n- " VF1 "/iommu_group\n- " PF "/iommu_group\n- " PF1 "/iommu_group\n" VF "/iommu_group -> 60\n" VF1
	 "/iommu_group -> 60\n" PF "/iommu_group -> 60\n" PF1 "/iommu_group -> 60\n/sys/kernel/iommu_groups/60/devices/0000:3b:00.0/\n"
	 "/sys/kernel/iommu_groups/60/devices/0000:3b:00.1/\n/sys/kernel/iommu_groups/60/devices/0000:3b:10.0/\n"
	 "/sys/kernel/iommu_groups/60/devices/0000:3b:10.2/\n/sys/bus/pci/devices/0000:3a:00.0/config = config bridge=3b,3c pcie\n",
		"group-shared group 60|0000:3b:00.0, 0000:3b:00.1, 0000:3b:10.0, 0000:3b:10.2; VFs made\n"
		"group-not-viable group 60|with 0000:3b:00.0 (driver ixgbe), 0000:3b:00.1 (driver ixgbe)|another slot\n"
		"no-acs 0000:3a:00.0|above ens1f0 has no ACS, and they share IOMMU group 60\nno-acs 0000:3a:00.0|above ens1f1"},
	/* the same, with ACS that nobody has switched on; and a bridge that shares nothing */
	{"- /sys/bus/pci/devices/0000:3a:00.0/iommu_group\n/sys/bus/pci/devices/0000:3a:00.0/iommu_group -> 71\n"
	 "/sys/kernel/iommu_groups/71/devices/0000:3a:00.0/\n/sys/bus/pci/devices/0000:3a:00.0/config = config bridge=3b,3c pcie "
	 "acs=1d/0\n",
		"no-acs 0000:3a:00.0|has ACS, not switched on"},
	{"/sys/bus/pci/devices/0000:3a:00.0/config = config bridge=3b,3c pcie\n", ""},
	{"/proc/cmdline = intel_iommu=on iommu=pt pcie_acs_override=downstream,multifunction\n", "acs-override host"},
	/* SR-IOV */
	{"- " PF "\n- " PF1 "\n- " VF "\n- " VF1 "\n", "no-sriov host|ens2f0 8086:10d3"},
	{"- " PF "\n- " VF "\n- " VF1 "\n- " PF1 "/sriov_totalvfs\n" PF1 "/sriov_totalvfs = 0\n",
		"sriov-off-in-card 0000:3b:00.1|ens1f1 (8086:1528)|mlxconfig -d 0000:3b:00.1"},
	{"- " PF "\n- " VF "\n- " VF1 "\n- " PF1 "/sriov_totalvfs\n- " PF1 "/sriov_numvfs\n" PF1 "/config = config pcie flr sriov=0\n",
		"sriov-off-in-card 0000:3b:00.1|for 0 VFs"},
	{"- " PF "/driver\n- " PF "/net\n- /.tandem-doctor/vfs\n", "pf-no-interface 0000:3b:00.0|its driver is none|echo 0000:3b:00.0"},
	{"- " PF1 "/driver\n- " PF1 "/net\n" PF1 "/driver -> vfio-pci\n", ""}, /* given away as a whole */
	{"- " PF "\n- " VF "\n- " VF1 "\n- " PF1 "/driver\n- " PF1 "/net\n" PF1 "/driver -> vfio-pci\n",
		"pf-no-interface 0000:3b:00.1|its driver is vfio-pci\nno-vfs 0000:3b:00.1"},
	{"- " VF "\n- " VF1 "\n" PF "/sriov_numvfs = 0\n",
		"no-vfs ens1f0|ens1f0 0 of 63, ens1f1 0 of 63|echo 4 >/sys/class/net/ens1f0/device/sriov_numvfs"},
	{PF1 "/resource = 0x1 0x2 0x3\\n0x0 0x0 0x0\\n0x0 0x0 0x0\\n0x0 0x0 0x0\\n0x0 0x0 0x0\\n0x0 0x0 0x0\\n0x0 0x0 0x0\\n0x0 0x0 0x0\\n"
	     "0x0 0x0 0x0\\n0x0 0x0 0x0\\n0x0 0x0 0x0\\n0x0 0x0 0x0\\n0x0 0x0 0x0\n",
		"vf-bar-space ens1f1|0000:3b:00.1/resource|Above 4G"},
	{PF1 "/resource = 0x1 0x2 0x3\\n0x0 0x0 0x0\\n0x0 0x0 0x0\\n0x0 0x0 0x0\\n0x0 0x0 0x0\\n0x0 0x0 0x0\\n0x0 0x0 0x0\\n"
	     "0x0 0x3fff 0x2014220c\\n0x0 0x0 0x0\\n0x0 0x0 0x0\\n0x9000 0x9fff 0x14220c\\n0x0 0x0 0x0\\n0x0 0x0 0x0\n",
		"vf-bar-space ens1f1"},
	/* VFs */
	{VF_NETDEV "/sys/class/net/ens1f0v0/flags = 0x1003\n",
		"vf-in-host-use ens1f0|uses 1 of 2 VFs of ens1f0 itself: 0000:3b:10.0 (ens1f0v0 is up)"},
	{VF_NETDEV "/sys/class/net/ens1f0v0/flags = 0x1002\n", ""}, /* down: free for a VM */
	{VF_NETDEV "/sys/class/net/ens1f0v0/flags = 0x1003\n- " VF1 "\n", "no-free-vf ens1f0|1 of 1 VFs"},
	{"- " VF "/driver\n" VF "/driver -> uio_pci_generic\n", "vf-in-host-use ens1f0|0000:3b:10.0 (driver uio_pci_generic)"},
	{PF "/sriov_drivers_autoprobe = 1\n/sys/bus/pci/drivers/ixgbevf/\n",
		"vf-autoprobe ens1f0|ixgbevf|echo 0 >/sys/class/net/ens1f0/device/sriov_drivers_autoprobe"},
	{PF "/sriov_drivers_autoprobe = 1\n", ""}, /* nobody is there to grab them */
	{"- " PF "/driver\n" PF "/driver -> igb\n" PF "/sriov_drivers_autoprobe = 1\n/sys/bus/pci/drivers/igbvf/\n",
		"vf-autoprobe ens1f0|igbvf"},
	{"- " VF "/reset_method\n" VF "/config = config pcie\n" VF "/reset_method = bus\n", "vf-no-reset ens1f0|0000:3b:10.0|firmware"},
	{"/.tandem-doctor/vfs/0000:3b:00.0 = 0 nomac\\n1 mac\n", "vf-mac-unset ens1f0|without a MAC: 0"},
	{"/sys/class/net/ens1f0/flags = 0x1002\n", "pf-down ens1f0|2 VFs and is down|ip link set ens1f0 up"},
	{"/sys/class/net/ens1f0/carrier = 0\n", "pf-no-carrier ens1f0||ethtool ens1f0"},
	/* VFIO */
	{"- /sys/bus/pci/drivers\n", "vfio-driver host|not loaded|modprobe vfio-pci"},
	{"- /.tandem-doctor/device/dev/vfio/vfio\n", "vfio-device /dev/vfio/vfio"},
	{USER "/proc/self/limits = Max locked memory unlimited\n/.tandem-doctor/device/dev/vfio/81 = 0600 0 0 refused\n",
		"vfio-access /dev/vfio/81|VF 0000:3b:10.0|chown USER /dev/vfio/81\nno-net-admin host\nnot-root host"},
	{USER "/proc/self/limits = Max locked memory unlimited\n/.tandem-doctor/device/dev/vfio/vfio = 0600 0 0 refused\n",
		"vfio-access /dev/vfio/vfio||chmod 0666 /dev/vfio/vfio\nno-net-admin host\nnot-root host"},
	{"/sys/module/vfio/parameters/enable_unsafe_noiommu_mode = Y\n", "vfio-noiommu host"},
	/* memory, limits */
	{"/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages = 0\n"
	 "/sys/kernel/mm/transparent_hugepage/shmem_enabled = always within_size advise never [deny] force\n",
		"no-huge-pages host|denied"},
	{USER "/proc/self/limits = Max locked memory unlimited\n/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages = 0\n",
		"no-huge-pages host|are off\nno-net-admin host\nnot-root host"},
	{USER, "memlock-too-low host|user 1000 may lock 8 MiB of memory (ulimit -l 8192)|limits.d\nno-net-admin host\nnot-root host"},
	{"/.tandem-doctor/cgroup = memory.max 536870912\\npids.max 32\n", "cgroup-memory host|512 MiB\ncgroup-tasks host|32 threads"},
	/* network */
	{"- /.tandem-doctor/device/dev/net\n", "no-tun /dev/net/tun"},
	{USER "/proc/self/limits = Max locked memory unlimited\n/.tandem-doctor/device/dev/net/tun = 0600 0 0 refused\n"
	      "/.tandem-doctor/device/dev/vhost-net = 0600 0 0 refused\n",
		"no-net-admin host\ntun-access /dev/net/tun|mode 0600; user 1000\nvhost-access /dev/vhost-net|mode 0600\nnot-root host"},
	{"- /.tandem-doctor/device/dev/vhost-net\n", "no-vhost-net /dev/vhost-net||modprobe vhost_net"},
	{"/sys/class/net/ens1f0/master -> br0\n/sys/class/net/br0/brif/ens1f0/\n",
		"uplink-returns-frames ens1f0|ens1f0, with 2 VFs, is the uplink of bridge br0|host.yaml\n"
		"uplink-is-vf-pool ens1f0||bridge fdb add MAC dev ens1f0 self permanent"},
	{"/sys/class/net/ens1f0/master -> bond0\n/sys/class/net/bond0/master -> br0\n",
		"uplink-returns-frames ens1f0|bridge br0\nuplink-is-vf-pool ens1f0"},
	{"/sys/class/net/ens1f0/master -> br0\n/sys/class/net/ens1f0/brport/learning = 0\n", "uplink-is-vf-pool ens1f0"},
	{"/sys/class/net/ens1f0/master -> br0\n/sys/class/net/br0/brif/ens1f0/\n/sys/class/net/br0/ifalias = tandem isolated\n",
		"uplink-is-vf-pool ens1f0"},	       /* host apply made it: what comes back is dropped */
	{"/sys/class/net/ens1f1/master -> br0\n", ""}, /* a PF without VFs returns nothing */
	{"/sys/class/net/br0/bridge/stp_state = 1\n/sys/class/net/br0/bridge/forward_delay = 1500\n" UPLINK,
		"bridge-stp br0|forward delay of 15 s|stp_state 0"},
	{"/sys/class/net/br0/bridge/stp_state = 1\n/sys/class/net/br0/bridge/forward_delay = 200\n" UPLINK, ""},
	{"/sys/class/net/br0/bridge/stp_state = 1\n/sys/class/net/br0/bridge/forward_delay = 1500\n", ""}, /* leads nowhere */
	{"/sys/class/net/br0/bridge/vlan_filtering = 1\n/sys/class/net/br0/bridge/default_pvid = 0\n" UPLINK,
		"bridge-vlans br0|no default one|vlan_default_pvid 1"},
	{"/sys/class/net/br0/bridge/vlan_filtering = 1\n/sys/class/net/br0/bridge/default_pvid = 1\n" UPLINK, ""},
	{"/sys/class/net/br0/mtu = 1500\n/sys/class/net/ens1f0/mtu = 9000\n" UPLINK,
		"bridge-mtu br0|br0 has MTU 1500, PF ens1f0 has 9000|mtu="},
	{"/sys/class/net/br0/mtu = 1500\n/sys/class/net/ens1f0/mtu = 1500\n" UPLINK, ""},
	{"/proc/sys/net/bridge/bridge-nf-call-iptables = 1\n", "bridge-netfilter host|iptables"},
	{VF_NETDEV "/.tandem-doctor/processes = NetworkManager\n/run/NetworkManager/devices/9 = managed=true\n",
		"networkmanager-vf ens1f0v0|VF 0000:3b:10.0|unmanaged-devices=interface-name:ens1f0v0"},
	{VF_NETDEV "/run/NetworkManager/devices/9 = managed=true\n", ""}, /* left over: it does not run */
	{VF_NETDEV "/.tandem-doctor/processes = systemd-networkd\n/run/systemd/netif/links/9 = ADMIN_STATE=configured\n",
		"networkd-vf ens1f0v0||Name=ens1f0v0"},
	{VF_NETDEV "/.tandem-doctor/processes = systemd-networkd\n/run/systemd/netif/links/9 = ADMIN_STATE=unmanaged\n", ""},
	{VF_NETDEV "/etc/network/interfaces.d/vfs = auto ens1f0v0\n", "ifupdown-vf ens1f0v0||ifdown ens1f0v0"},
	{"/.tandem-doctor/processes = systemd-networkd\n/run/systemd/netif/links/5 = ADMIN_STATE=configured\n",
		"bridge-managed br0|systemd-networkd manages bridge br0"},
	{"- /sys/class/net/br0/brif/tandem0\n/.tandem-doctor/processes = systemd-networkd\n/run/systemd/netif/links/5 = "
	 "ADMIN_STATE=configured\n",
		""}, /* not a bridge of tandem's */
	{"- /sys/class/net/br0/brif/tandem0\n/.tandem-doctor/processes = NetworkManager\n/run/NetworkManager/devices/5 = managed=true\n"
	 "/sys/class/net/br0/ifalias = tandem isolated\n",
		"bridge-managed br0|NetworkManager"},
};

/* "reason object|part of what was seen|part of what to do" */
static void check_line(const char *line, const struct td_doctor_finding *finding)
{
	char want[256], *seen, *remedy = NULL;
	snprintf(want, sizeof(want), "%.*s", (int)strcspn(line, "\n"), line);
	seen = strchr(want, '|');
	if (seen) {
		*seen++ = '\0';
		remedy = strchr(seen, '|');
	}
	if (remedy)
		*remedy++ = '\0';
	char got[256];
	snprintf(got, sizeof(got), "%s %s", td_doctor_reason_info(finding->reason)->name, finding->object);
	assert_string_equal(got, want);
	if (seen && !strstr(finding->seen, seen))
		fail_msg("%s: seen \"%s\", which lacks \"%s\"", want, finding->seen, seen);
	if (remedy && !strstr(finding->remedy, remedy))
		fail_msg("%s: try \"%s\", which lacks \"%s\"", want, finding->remedy, remedy);
}

static void check_findings(const char *changes, const char *findings, bool covered[TD_DOCTOR_REASON_COUNT])
{
	struct td_doctor_store store = {0};
	struct td_doctor_report report;
	trees_host(&store, changes);
	trees_examine(&store, &report);
	const char *line = findings;
	for (unsigned i = 0; i < report.count; i++) {
		const struct td_doctor_finding *finding = &report.finding[i];
		if (finding->reason == TD_DOCTOR_OK)
			continue;
		if (!line || !*line)
			fail_msg("one too many: %s: %s\nof the host with:\n%s", td_doctor_reason_info(finding->reason)->name, finding->seen,
				changes);
		check_line(line, finding);
		if (covered)
			covered[finding->reason] = true;
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	if (line && *line)
		fail_msg("not found: %s\nof the host with:\n%s", line, changes);
	td_doctor_report_fini(&report);
}

static void a_good_host_has_nothing_wrong(void **state)
{
	(void)state;
	struct td_doctor_store store = {0};
	struct td_doctor_report report;
	trees_host(&store, "");
	trees_examine(&store, &report);
	for (unsigned i = 0; i < report.count; i++)
		if (report.finding[i].reason != TD_DOCTOR_OK)
			fail_msg("%s: %s", td_doctor_reason_info(report.finding[i].reason)->name, report.finding[i].seen);
	/* One line of each check, but of those whose subject another one has told already. */
	for (unsigned c = 0; td_doctor_check(c); c++) {
		unsigned lines = 0;
		for (unsigned i = 0; i < report.count; i++)
			lines += !strcmp(report.finding[i].check, td_doctor_check(c)->name);
		if (!lines)
			fail_msg("check %s says nothing", td_doctor_check(c)->name);
	}
	td_doctor_report_fini(&report);
}

static void each_change_yields_its_findings_and_each_reason_has_a_case(void **state)
{
	bool covered[TD_DOCTOR_REASON_COUNT] = {[TD_DOCTOR_OK] = true};
	(void)state;
	for (unsigned i = 0; i < TD_COUNT(cases); i++)
		check_findings(cases[i].changes, cases[i].findings, covered);
	for (unsigned i = 0; i < TD_DOCTOR_REASON_COUNT; i++)
		if (!covered[i])
			fail_msg("no case yields %s", td_doctor_reason_info((enum td_doctor_reason)i)->name);
}

static void texts_are_whole_and_printable(void **state)
{
	(void)state;
	for (unsigned i = 0; i < TD_COUNT(cases); i++) {
		struct td_doctor_store store = {0};
		struct td_doctor_report report;
		trees_host(&store, cases[i].changes);
		trees_examine(&store, &report);
		for (unsigned f = 0; f < report.count; f++) {
			const struct td_doctor_finding *finding = &report.finding[f];
			const char *texts[] = {finding->object, finding->seen, finding->remedy};
			for (unsigned t = 0; t < TD_COUNT(texts); t++)
				for (const char *c = texts[t]; *c; c++)
					assert_true(*c >= 0x20 && *c < 0x7f);
			assert_true(strlen(finding->seen) < sizeof(finding->seen) - 1 && *finding->seen);
			assert_true(strlen(finding->remedy) < sizeof(finding->remedy) - 1);
			assert_null(strstr(finding->remedy, "{}"));
			assert_true(finding->reason == TD_DOCTOR_OK || *finding->remedy);
		}
		td_doctor_report_fini(&report);
	}
}

/* What a reason of the doctor has in common with one of tandem run is called the same, and names are unique. */
static void names_are_unique_and_agree_with_those_of_run(void **state)
{
	(void)state;
	for (unsigned i = 0; i < TD_DOCTOR_REASON_COUNT; i++) {
		const struct td_doctor_reason_info *info = td_doctor_reason_info((enum td_doctor_reason)i);
		for (unsigned k = 0; k < i; k++)
			assert_string_not_equal(info->name, td_doctor_reason_info((enum td_doctor_reason)k)->name);
		for (unsigned r = TD_REASON_NONE + 1; r < TD_REASON_COUNT; r++)
			if (!strcmp(info->name, td_reason_name((enum td_reason)r)))
				assert_int_equal(info->run, r);
	}
}

/* A kernel from before 6.12, which KVM was not asked about, and one whose distribution has backported. */
static void old_kernels(void **state)
{
	(void)state;
	check_findings("/proc/sys/kernel/osrelease = 6.1.0-18-amd64\n- /.tandem-doctor/kvm-quirks\n- /lib/modules\n- /boot\n",
		"kernel-options-unknown host\nflip-refaults host|6.1.0-18-amd64", NULL);
	check_findings("/proc/sys/kernel/osrelease = 5.14.0-503.el9\n- /lib/modules\n- /boot\n", "kernel-options-unknown host", NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_host_has_nothing_wrong),
		cmocka_unit_test(each_change_yields_its_findings_and_each_reason_has_a_case),
		cmocka_unit_test(texts_are_whole_and_printable),
		cmocka_unit_test(names_are_unique_and_agree_with_those_of_run),
		cmocka_unit_test(old_kernels),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
