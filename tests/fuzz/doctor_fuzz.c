/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libFuzzer: a host as `tandem host doctor --root` gets it. An even first byte: a tar archive. An odd one: nodes, each of a path out of a
 * table, a kind and content. Texts are printable whatever the host says, and a record of it yields the same reasons.
 */
#include <stdlib.h>
#include <string.h>

#include "host/doctor/doctor.h"
#include "host/doctor/doctor_record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const paths[] = {
	"/proc/sys/kernel/osrelease",
	"/proc/cmdline",
	"/proc/cpuinfo",
	"/proc/self/status",
	"/proc/self/limits",
	"/etc/group",
	"/boot/config-6.1.0",
	"/lib/modules/6.1.0/modules.dep",
	"/sys/kernel/security/lockdown",
	"/sys/devices/system/clocksource/clocksource0/current_clocksource",
	"/sys/devices/system/clocksource/clocksource0/available_clocksource",
	"/sys/kernel/iommu_groups/1/type",
	"/sys/kernel/irq/0/chip_name",
	"/sys/kernel/iommu_groups/1/devices/0000:01:00.0",
	"/sys/kernel/iommu_groups/1/devices/0000:01:10.0",
	"/sys/class/iommu/dmar0",
	"/sys/module/kvm_intel/parameters/ept",
	"/sys/kernel/mm/transparent_hugepage/shmem_enabled",
	"/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages",
	"/sys/bus/pci/devices/0000:00:01.0/class",
	"/sys/bus/pci/devices/0000:00:01.0/config",
	"/sys/bus/pci/devices/0000:01:00.0/class",
	"/sys/bus/pci/devices/0000:01:00.0/vendor",
	"/sys/bus/pci/devices/0000:01:00.0/config",
	"/sys/bus/pci/devices/0000:01:00.0/resource",
	"/sys/bus/pci/devices/0000:01:00.0/driver",
	"/sys/bus/pci/devices/0000:01:00.0/iommu_group",
	"/sys/bus/pci/devices/0000:01:00.0/net/pf0",
	"/sys/bus/pci/devices/0000:01:00.0/sriov_totalvfs",
	"/sys/bus/pci/devices/0000:01:00.0/sriov_numvfs",
	"/sys/bus/pci/devices/0000:01:10.0/class",
	"/sys/bus/pci/devices/0000:01:10.0/physfn",
	"/sys/bus/pci/devices/0000:01:10.0/driver",
	"/sys/bus/pci/devices/0000:01:10.0/iommu_group",
	"/sys/bus/pci/devices/0000:01:10.0/reset_method",
	"/sys/bus/pci/devices/0000:01:10.0/config",
	"/sys/bus/pci/devices/0000:01:10.0/net/vf0",
	"/sys/class/net/vf0/ifindex",
	"/sys/class/net/vf0/flags",
	"/sys/class/net/pf0/flags",
	"/sys/class/net/pf0/carrier",
	"/sys/class/net/pf0/master",
	"/sys/class/net/br0/brif/pf0",
	"/sys/class/net/br0/brif/tandem0",
	"/sys/class/net/br0/ifindex",
	"/run/NetworkManager/devices/1",
	"/run/systemd/netif/links/1",
	"/etc/network/interfaces",
	"/etc/network/interfaces.d/x",
	"/.tandem-doctor/device/dev/kvm",
	"/.tandem-doctor/device/dev/vfio/1",
	"/.tandem-doctor/processes",
	"/.tandem-doctor/cgroup",
	"/.tandem-doctor/vfs/0000:01:00.0",
	"/.tandem-doctor/kvm-quirks",
	"/.tandem-doctor/unreadable/!x",
	"/sys/class/net/enx001122334455/flags",
};

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void require_printable(const char *text)
{
	for (; *text; text++)
		require(*text >= 0x20 && *text < 0x7f);
}

static void fill(struct td_doctor_store *store, const uint8_t *data, size_t size)
{
	while (size >= 4) {
		size_t len = TD_MIN((size_t)(data[2] | data[3] << 8), size - 4);
		td_doctor_store_put(store, paths[data[0] % TD_COUNT(paths)], (enum td_doctor_kind)(data[1] % 3), data + 4, len);
		data += 4 + len;
		size -= 4 + len;
	}
}

static void examine(struct td_doctor_store *store, struct td_doctor_report *report, struct td_doctor_store *record)
{
	struct td_doctor_tree *tree = td_doctor_tree_of_store(store);
	require(tree && !td_doctor_examine(tree, report, NULL));
	if (record)
		require(!td_doctor_record_mask(td_doctor_tree_store(tree), "lab1", record) || record->count == 0);
	td_doctor_tree_close(tree);
}

static void check(struct td_doctor_store *store)
{
	struct td_doctor_store record = {0};
	struct td_doctor_report first, second;
	examine(store, &first, &record);
	for (unsigned i = 0; i < first.count; i++) {
		require_printable(first.finding[i].object);
		require_printable(first.finding[i].seen);
		require_printable(first.finding[i].remedy);
	}
	examine(&record, &second, NULL);
	require(first.count == second.count);
	for (unsigned i = 0; i < first.count; i++)
		require(first.finding[i].reason == second.finding[i].reason);
	td_doctor_report_fini(&first);
	td_doctor_report_fini(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct td_doctor_store store = {0};
	if (size < 2)
		return 0;
	if (data[0] & 1) {
		fill(&store, data + 1, size - 1);
		check(&store);
		return 0;
	}
	if (!td_doctor_store_parse(&store, data + 1, size - 1, NULL))
		check(&store);
	td_doctor_store_fini(&store);
	return 0;
}
