/* SPDX-License-Identifier: Apache-2.0 */
/* doctor_kvm.c - checks of the processor's virtualisation, and of KVM. */
#include <stdlib.h>
#include <string.h>

#include "host/doctor/doctor_host.h"

#define QUIRK_SLOT_ZAP_ALL (1UL << 7) /* KVM_X86_QUIRK_SLOT_ZAP_ALL, Linux 6.12 */

static const char *module_name(const struct td_doctor_host *host)
{
	return host->vendor == TD_DOCTOR_AMD ? "kvm_amd" : "kvm_intel";
}

/* "kvm" for a group's number, or "" when /etc/group names none of those known. */
static void group_name(struct td_doctor_tree *tree, unsigned gid, char ret_name[32])
{
	char line[32];
	*ret_name = '\0';
	const char *text = td_doctor_tree_text(tree, "/etc/group");
	int len = snprintf(line, sizeof(line), ":%u", gid);
	for (const char *at = text; at && (at = strstr(at, line)); at += len) {
		const char *start = at;
		if (at[len] && at[len] != '\n' && at[len] != ':')
			continue;
		while (start > text && start[-1] != '\n')
			start--;
		size_t name = strcspn(start, ":");
		if (name && name < 32)
			snprintf(ret_name, 32, "%.*s", (int)name, start);
		return;
	}
}

static void check_access(struct td_doctor *doctor, const struct td_doctor_device *device)
{
	char group[32];
	group_name(doctor->tree, device->gid, group);
	struct td_doctor_finding *finding = td_doctor_find(doctor, TD_DOCTOR_KVM_ACCESS, "/dev/kvm",
		"/dev/kvm has mode %04o, owner %u, group %u%s%s%s; user %u may not open it", device->mode, device->uid, device->gid,
		*group ? " (" : "", group, *group ? ")" : "", doctor->host.uid);
	bool group_may = (device->mode & 0060) == 0060;
	if (group_may && *group)
		td_doctor_advise(finding, "As root: usermod -aG %s USER; then log in anew", group);
	else if (!group_may)
		td_doctor_advise(finding, "As root: chgrp kvm /dev/kvm && chmod 0660 /dev/kvm && usermod -aG kvm USER; then log in anew");
}

static void check_missing(struct td_doctor *doctor)
{
	const struct td_doctor_host *host = &doctor->host;
	if (!host->has_virtualisation) {
		struct td_doctor_finding *finding = td_doctor_find(doctor, TD_DOCTOR_NO_VIRTUALISATION, "host",
			"the processor shows neither vmx nor svm%s", host->in_vm ? "; this host is a VM itself" : "");
		if (host->in_vm)
			td_doctor_advise(finding,
				"On the machine that runs this one: switch on nested virtualisation, give this VM the CPU of its host");
		return;
	}
	bool loaded = td_doctor_tree_exists(doctor->tree, "/sys/module/%s", module_name(host));
	struct td_doctor_finding *finding = td_doctor_find(
		doctor, TD_DOCTOR_NO_KVM, "/dev/kvm", "there is no /dev/kvm; %s is %sloaded", module_name(host), loaded ? "" : "not ");
	if (loaded)
		td_doctor_advise(finding,
			"In a container: let it have /dev/kvm. Else: modprobe -r %s; modprobe %s; dmesg says what it misses",
			module_name(host), module_name(host));
	else
		td_doctor_advise(finding, "modprobe %s; if that says \"Operation not supported\", switch on %s in the firmware setup",
			module_name(host), host->vendor == TD_DOCTOR_AMD ? "SVM" : "VMX / Intel VT-x");
}

/* What KVM itself says, where it was asked; it may have what its release suggests it has not, or the other way round. */
static bool has_slot_zap_quirk(struct td_doctor *doctor)
{
	const char *text = td_doctor_tree_extra(doctor->tree, "kvm-quirks");
	return text ? strtoul(text, NULL, 16) & QUIRK_SLOT_ZAP_ALL : doctor->host.kernel >= 612;
}

static void check_speed(struct td_doctor *doctor)
{
	const struct td_doctor_host *host = &doctor->host;
	if (host->kernel && !has_slot_zap_quirk(doctor))
		td_doctor_find(doctor, TD_DOCTOR_FLIP_REFAULTS, "host",
			"KVM of Linux %s cannot delete a memory slot and keep the guest's other mappings", host->release);
	if (host->kernel && host->kernel < 619 && host->vendor == TD_DOCTOR_AMD)
		td_doctor_find(doctor, TD_DOCTOR_SLOW_KICKS, "host",
			"KVM of Linux %s has no short way for a guest's doorbell writes on AMD", host->release);
}

void td_doctor_check_kvm(struct td_doctor *doctor)
{
	struct td_doctor_device device;
	if (!td_doctor_tree_device(doctor->tree, "/dev/kvm", &device)) {
		check_missing(doctor);
		return;
	}
	if (!device.usable)
		check_access(doctor, &device);
	else
		td_doctor_fine(doctor, "/dev/kvm", "%s, and this user may open it",
			doctor->host.vendor == TD_DOCTOR_AMD ? "AMD SVM" : "Intel VMX");
	check_speed(doctor);
}

/* A module's switch: 'Y', 'N', '1', '0'. 0: there is no such parameter. */
static char parameter(struct td_doctor *doctor, const char *name)
{
	const char *text = td_doctor_tree_text(doctor->tree, "/sys/module/%s/parameters/%s", module_name(&doctor->host), name);
	return text ? *text : '\0';
}

static bool is_off(char value)
{
	return value == 'N' || value == '0';
}

void td_doctor_check_paging(struct td_doctor *doctor)
{
	bool amd = doctor->host.vendor == TD_DOCTOR_AMD;
	const char *paging = amd ? "npt" : "ept", *posted = amd ? "avic" : "enable_apicv";
	char value = parameter(doctor, paging), nested = parameter(doctor, "nested");
	if (!value)
		return; /* not loaded: the check of KVM says so */
	if (is_off(value)) {
		struct td_doctor_finding *finding = td_doctor_find(doctor, TD_DOCTOR_NO_NESTED_PAGING, module_name(&doctor->host),
			"%s has %s=%c", module_name(&doctor->host), paging, value);
		td_doctor_advise(finding,
			"modprobe -r %s && modprobe %s %s=1; remove %s=0 from /etc/modprobe.d and the kernel's command line",
			module_name(&doctor->host), module_name(&doctor->host), paging, paging);
	} else {
		td_doctor_fine(doctor, module_name(&doctor->host), "nested paging (%s) is on; VMs inside VMs: %s", paging,
			is_off(nested) || !nested ? "off" : "on");
	}
	if (is_off(parameter(doctor, posted)))
		td_doctor_find(doctor, TD_DOCTOR_NO_POSTED_INTERRUPTS, module_name(&doctor->host), "%s has %s=%c",
			module_name(&doctor->host), posted, parameter(doctor, posted));
}
