/* SPDX-License-Identifier: Apache-2.0 */
/* doctor_iommu.c - checks of the IOMMU: there and on, interrupt remapping, groups and what makes them large. */
#include <string.h>

#include "host/doctor/doctor_host.h"

#define STEPS_MAX 16U /* bridges above one another; a hostile tree could lead in a circle */

static bool iommu_is_on(struct td_doctor *doctor)
{
	td_auto_names struct td_doctor_names units, groups;
	td_doctor_tree_list(doctor->tree, &units, "/sys/class/iommu");
	td_doctor_tree_list(doctor->tree, &groups, "/sys/kernel/iommu_groups");
	return units.count && groups.count;
}

/* What on the kernel's command line keeps it off; NULL: nothing does. */
static const char *switched_off_by(struct td_doctor_tree *tree)
{
	static const char *const words[] = {"intel_iommu=off", "amd_iommu=off", "iommu=off"};
	for (unsigned i = 0; i < TD_COUNT(words); i++)
		if (td_doctor_host_booted_with(tree, words[i]))
			return words[i];
	return NULL;
}

static void iommu_off(struct td_doctor *doctor)
{
	struct td_doctor_tree *tree = doctor->tree;
	bool intel = td_doctor_tree_exists(tree, "/sys/firmware/acpi/tables/DMAR");
	bool amd = td_doctor_tree_exists(tree, "/sys/firmware/acpi/tables/IVRS");
	const char *off = switched_off_by(tree);
	if (!intel && !amd) {
		td_doctor_find(doctor, TD_DOCTOR_IOMMU_NOT_FOUND, "host",
			"the firmware describes no IOMMU (no ACPI table DMAR or IVRS)%s%s", off ? ", and the kernel was booted with " : "",
			off ? off : "");
		return;
	}
	struct td_doctor_finding *finding = td_doctor_find(doctor, TD_DOCTOR_IOMMU_NOT_ON, "host",
		"the firmware has an IOMMU (ACPI table %s), the kernel does not use it%s%s", intel ? "DMAR" : "IVRS",
		off	? ": it was booted with "
		: intel ? ": it was booted without intel_iommu=on"
			: "",
		off ? off : "");
	if (off)
		td_doctor_advise(finding, "Replace %s by %s in GRUB_CMDLINE_LINUX in /etc/default/grub; then: update-grub && reboot", off,
			intel ? "intel_iommu=on iommu=pt" : "iommu=pt");
	else if (intel)
		td_doctor_advise(
			finding, "Add intel_iommu=on iommu=pt to GRUB_CMDLINE_LINUX in /etc/default/grub; then: update-grub && reboot");
	else
		td_doctor_advise(finding, "dmesg | grep AMD-Vi says why; AMD's is on by default in kernels with CONFIG_AMD_IOMMU=y");
}

static void check_host_dma(struct td_doctor *doctor)
{
	const struct td_doctor_function *pf;
	for (unsigned i = 0; (pf = td_doctor_host_next_pf(&doctor->host, &i));) {
		const char *type = td_doctor_tree_text(doctor->tree, "/sys/kernel/iommu_groups/%d/type", pf->group);
		if (type && !strcmp(type, "DMA"))
			td_doctor_find(doctor, TD_DOCTOR_HOST_DMA_STRICT, td_doctor_host_name(pf),
				"its IOMMU group %d has type DMA: each packet's "
				"buffer is mapped and unmapped",
				pf->group);
	}
}

void td_doctor_check_iommu(struct td_doctor *doctor)
{
	if (!iommu_is_on(doctor)) {
		iommu_off(doctor);
		return;
	}
	td_auto_names struct td_doctor_names units, groups;
	struct td_doctor_words words = {0};
	td_doctor_tree_list(doctor->tree, &units, "/sys/class/iommu");
	td_doctor_tree_list(doctor->tree, &groups, "/sys/kernel/iommu_groups");
	for (unsigned i = 0; i < units.count; i++)
		td_doctor_words_add(&words, "%s", units.name[i]);
	td_doctor_fine(doctor, "host", "on: %s; %u groups", td_doctor_words_text(&words), groups.count);
	check_host_dma(doctor);
}

/* Interrupts that go through the IOMMU say so in their chip's name: "IR-PCI-MSIX-0000:3b:00.0". */
static bool interrupts_remapped(struct td_doctor *doctor, unsigned *ret_seen)
{
	td_auto_names struct td_doctor_names irqs;
	td_doctor_tree_list(doctor->tree, &irqs, "/sys/kernel/irq");
	*ret_seen = 0;
	for (unsigned i = 0; i < irqs.count; i++) {
		const char *chip = td_doctor_tree_text(doctor->tree, "/sys/kernel/irq/%s/chip_name", irqs.name[i]);
		*ret_seen += chip != NULL;
		if (chip && !strncmp(chip, "IR-", 3))
			return true;
	}
	return false;
}

void td_doctor_check_interrupts(struct td_doctor *doctor)
{
	unsigned seen;
	if (!iommu_is_on(doctor))
		return;
	if (interrupts_remapped(doctor, &seen)) {
		td_doctor_fine(doctor, "host", "interrupts are remapped by the IOMMU");
		return;
	}
	const char *unsafe = td_doctor_tree_text(doctor->tree, "/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts");
	if (!seen)
		return;
	if (unsafe && *unsafe == 'Y') {
		td_doctor_find(doctor, TD_DOCTOR_INTERRUPTS_UNSAFE, "host",
			"interrupts are not remapped, and vfio_iommu_type1 has allow_unsafe_interrupts=Y");
		return;
	}
	struct td_doctor_finding *finding = td_doctor_find(doctor, TD_DOCTOR_NO_INTERRUPT_REMAPPING, "host",
		"none of %u interrupts is remapped (no name IR-... in /sys/kernel/irq/*/chip_name)", seen);
	if (td_doctor_host_booted_with(doctor->tree, "intremap=off"))
		td_doctor_advise(finding, "Remove intremap=off from GRUB_CMDLINE_LINUX in /etc/default/grub; then: update-grub && reboot");
}

/* ---- groups ---- */

/* Drivers that leave a device's DMA alone, so that VFIO takes the group all the same. */
static bool driver_is_harmless(const char *driver)
{
	return !driver || !strcmp(driver, "vfio-pci") || !strcmp(driver, "pci-stub") || !strcmp(driver, "pcieport");
}

struct members {
	struct td_doctor_words harmful, devices;
	char one[TD_DOCTOR_BDF_LEN]; /* one of the harmful */
};

/* Everybody in the group but bridges, which VFIO does not mind. */
static void read_members(struct td_doctor *doctor, int group, struct members *ret_members)
{
	td_auto_names struct td_doctor_names names;
	*ret_members = (struct members){0};
	td_doctor_tree_list(doctor->tree, &names, "/sys/kernel/iommu_groups/%d/devices", group);
	for (unsigned i = 0; i < names.count; i++) {
		uint64_t class = 0;
		const char *driver = td_doctor_tree_link(doctor->tree, "/sys/bus/pci/devices/%s/driver", names.name[i]);
		td_doctor_tree_number(doctor->tree, &class, "/sys/bus/pci/devices/%s/class", names.name[i]);
		if (class >> 8 == 0x0604)
			continue;
		td_doctor_words_add(&ret_members->devices, "%s", names.name[i]);
		if (driver_is_harmless(driver))
			continue;
		td_doctor_words_add(&ret_members->harmful, "%s (driver %.24s)", names.name[i], driver);
		snprintf(ret_members->one, sizeof(ret_members->one), "%s", names.name[i]);
	}
}

/* A group with a VF in it: the VF's own driver in the host does not count, it is unbound when a VM takes the VF. */
static void check_group(struct td_doctor *doctor, const struct td_doctor_function *function)
{
	struct members members;
	char object[32];
	read_members(doctor, function->group, &members);
	if (members.devices.count <= 1)
		return;
	snprintf(object, sizeof(object), "group %d", function->group);
	bool only_itself = members.harmful.count == 1 && !strcmp(members.one, function->bdf);
	if (*function->pf_bdf && members.harmful.count && !only_itself) {
		struct td_doctor_finding *finding = td_doctor_find(doctor, TD_DOCTOR_GROUP_NOT_VIABLE, object,
			"VF %s shares IOMMU group %d with %s", function->bdf, function->group, td_doctor_words_text(&members.harmful));
		if (members.harmful.count == 1 && strcmp(members.one, function->pf_bdf) != 0)
			td_doctor_advise(finding,
				"Put the card into another slot or switch on ACS; or, if the host can do without it: echo vfio-pci "
				">/sys/bus/pci/devices/%s/driver_override; echo %s >/sys/bus/pci/devices/%s/driver/unbind; echo %s "
				">/sys/bus/pci/drivers_probe",
				members.one, members.one, members.one, members.one);
		return;
	}
	td_doctor_find(doctor, TD_DOCTOR_GROUP_SHARED, object, "IOMMU group %d holds %s%s", function->group,
		td_doctor_words_text(&members.devices), *function->pf_bdf ? "" : "; VFs made of a PF in it may join it");
}

void td_doctor_check_groups(struct td_doctor *doctor)
{
	const struct td_doctor_host *host = &doctor->host;
	unsigned before = doctor->report->count, vfs = 0;
	for (unsigned i = 0; i < host->function_count; i++) {
		const struct td_doctor_function *function = &host->function[i];
		bool seen = false, is_pf = function->has_sriov && function->vfs_total && !function->vfs;
		if (function->group < 0 || (!*function->pf_bdf && !is_pf))
			continue;
		vfs += *function->pf_bdf != '\0';
		for (unsigned k = 0; k < i && !seen; k++)
			seen = host->function[k].group == function->group && *host->function[k].pf_bdf;
		if (!seen)
			check_group(doctor, function);
	}
	if (doctor->report->count == before && vfs)
		td_doctor_fine(doctor, "host", "%u %s, each in an IOMMU group of its own", vfs, vfs == 1 ? "VF" : "VFs");
}

/* ---- ACS ---- */

static bool group_is_shared(struct td_doctor *doctor, const struct td_doctor_function *pf)
{
	td_auto_names struct td_doctor_names names;
	td_doctor_tree_list(doctor->tree, &names, "/sys/kernel/iommu_groups/%d/devices", pf->group);
	return pf->group >= 0 && names.count > 1;
}

/* Ports of a switch that need none have groups of their own: those to blame are in the PF's. */
static void check_bridges_above(struct td_doctor *doctor, const struct td_doctor_function *pf)
{
	const struct td_doctor_function *bridge = pf;
	for (unsigned n = 0; n < STEPS_MAX && (bridge = td_doctor_host_bridge_of(&doctor->host, bridge->bdf)); n++) {
		const struct td_doctor_caps *caps = &bridge->caps;
		bool isolates = caps->has_acs && (caps->acs_control & TD_DOCTOR_ACS_RR) &&
				(caps->acs_control & TD_DOCTOR_ACS_ISOLATES) == (caps->acs_cap & TD_DOCTOR_ACS_ISOLATES);
		if (isolates || bridge->group != pf->group || !caps->has_pcie || !caps->has_extended)
			continue;
		td_doctor_find(doctor, TD_DOCTOR_NO_ACS, bridge->bdf, "bridge %s above %s %s, and they share IOMMU group %d", bridge->bdf,
			td_doctor_host_name(pf), caps->has_acs ? "has ACS, not switched on" : "has no ACS", pf->group);
	}
}

void td_doctor_check_acs(struct td_doctor *doctor)
{
	const struct td_doctor_function *pf;
	unsigned before = doctor->report->count, pfs = 0;
	const char *cmdline = td_doctor_tree_text(doctor->tree, "/proc/cmdline");
	if (cmdline && strstr(cmdline, "pcie_acs_override="))
		td_doctor_find(doctor, TD_DOCTOR_ACS_OVERRIDE, "host", "the kernel was booted with pcie_acs_override");
	for (unsigned i = 0; (pf = td_doctor_host_next_pf(&doctor->host, &i)); pfs++)
		if (group_is_shared(doctor, pf))
			check_bridges_above(doctor, pf);
	if (doctor->report->count == before && pfs && iommu_is_on(doctor))
		td_doctor_fine(doctor, "host", "nothing above the PFs puts devices together");
}
