/* SPDX-License-Identifier: Apache-2.0 */
/* doctor_host.c - reading the host's facts that several checks need. */
#include "host/doctor/doctor_host.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "host/sys/names.h"

#define PCI	      "/sys/bus/pci/devices/%s"
#define CLASS_NETWORK 0x02U
#define CLASS_BRIDGE  0x0604U

static void copy_name(char *to, size_t room, const char *from)
{
	if (from && strlen(from) < room)
		memcpy(to, from, strlen(from) + 1);
}

static void read_network(struct td_doctor_tree *tree, struct td_doctor_function *function)
{
	uint64_t number = 0;
	const char *bdf = function->bdf;
	if (td_doctor_tree_number(tree, &number, PCI "/vendor", bdf))
		function->vendor = (uint16_t)number;
	if (td_doctor_tree_number(tree, &number, PCI "/device", bdf))
		function->device = (uint16_t)number;
	copy_name(function->driver, sizeof(function->driver), td_doctor_tree_link(tree, PCI "/driver", bdf));
	const char *pf = td_doctor_tree_link(tree, PCI "/physfn", bdf);
	if (pf && td_names_is_bdf(pf))
		copy_name(function->pf_bdf, sizeof(function->pf_bdf), pf);
	td_auto_names struct td_doctor_names netdevs;
	td_doctor_tree_list(tree, &netdevs, PCI "/net", bdf);
	if (netdevs.count)
		copy_name(function->netdev, sizeof(function->netdev), netdevs.name[0]);
	function->has_sriov = td_doctor_tree_number(tree, &function->vfs_total, PCI "/sriov_totalvfs", bdf);
	if (function->has_sriov)
		td_doctor_tree_number(tree, &function->vfs, PCI "/sriov_numvfs", bdf);
}

/* A VF has its PF's configuration in all that matters here but the reset, and there may be hundreds: one of them is enough (vf checks). */
static void read_function(struct td_doctor_tree *tree, struct td_doctor_function *function)
{
	size_t len;
	const char *group = td_doctor_tree_link(tree, PCI "/iommu_group", function->bdf);
	function->group = group && isdigit((unsigned char)*group) ? (int)strtol(group, NULL, 10) : -1;
	if (!function->bridge)
		read_network(tree, function);
	if (*function->pf_bdf)
		return;
	const uint8_t *config = td_doctor_tree_bytes(tree, &len, PCI "/config", function->bdf);
	if (config)
		td_doctor_caps_parse(config, len, &function->caps);
}

static void read_functions(struct td_doctor_tree *tree, struct td_doctor_host *host)
{
	td_auto_names struct td_doctor_names names;
	td_doctor_tree_list(tree, &names, "/sys/bus/pci/devices");
	host->function = calloc(names.count + 1, sizeof(*host->function));
	/* By the ids that the tree tells: a record gets names, too. */
	struct td_pci_names *models = td_pci_names_open("/sys");
	for (unsigned i = 0; host->function && i < names.count; i++) {
		uint64_t class;
		if (!td_names_is_bdf(names.name[i]) || !td_doctor_tree_number(tree, &class, PCI "/class", names.name[i]))
			continue;
		if (class >> 16 != CLASS_NETWORK && class >> 8 != CLASS_BRIDGE)
			continue;
		struct td_doctor_function *function = &host->function[host->function_count++];
		copy_name(function->bdf, sizeof(function->bdf), names.name[i]);
		function->bridge = class >> 8 == CLASS_BRIDGE;
		read_function(tree, function);
		if (!function->bridge && !*function->pf_bdf &&
			!td_pci_names_find(models, function->vendor, function->device, function->model))
			*function->model = '\0';
	}
	td_pci_names_close(models);
}

static bool has_flag(const char *flags, const char *flag)
{
	size_t len = strlen(flag);
	for (const char *at = flags; (at = strstr(at, flag)); at += len)
		if (at > flags && isspace((unsigned char)at[-1]) && (!at[len] || isspace((unsigned char)at[len])))
			return true;
	return false;
}

static void read_processor(struct td_doctor_tree *tree, struct td_doctor_host *host)
{
	const char *text = td_doctor_tree_text(tree, "/proc/cpuinfo");
	if (!text)
		return;
	if (strstr(text, "GenuineIntel"))
		host->vendor = TD_DOCTOR_INTEL;
	else if (strstr(text, "AuthenticAMD") || strstr(text, "HygonGenuine"))
		host->vendor = TD_DOCTOR_AMD;
	const char *flags = strstr(text, "flags");
	host->has_virtualisation = flags && (has_flag(flags, "vmx") || has_flag(flags, "svm"));
	host->in_vm = flags && has_flag(flags, "hypervisor");
}

static void read_kernel(struct td_doctor_tree *tree, struct td_doctor_host *host)
{
	unsigned major, minor;
	const char *text = td_doctor_tree_text(tree, "/proc/sys/kernel/osrelease");
	copy_name(host->release, sizeof(host->release), text);
	if (text && !strchr(text, '/') && sscanf(text, "%3u.%3u", &major, &minor) == 2)
		host->kernel = major * 100 + TD_MIN(minor, 99U);
	else
		*host->release = '\0';
}

static void read_user(struct td_doctor_tree *tree, struct td_doctor_host *host)
{
	const char *text = td_doctor_tree_text(tree, "/proc/self/status");
	const char *uid = text ? strstr(text, "Uid:") : NULL, *capabilities = text ? strstr(text, "CapEff:") : NULL;
	if (!uid || !capabilities)
		return;
	unsigned real;
	host->user_known = sscanf(uid, "Uid: %u %u", &real, &host->uid) == 2;
	host->capabilities = strtoull(capabilities + strlen("CapEff:"), NULL, 16);
}

void td_doctor_host_read(struct td_doctor_tree *tree, struct td_doctor_host *ret_host)
{
	*ret_host = (struct td_doctor_host){0};
	read_processor(tree, ret_host);
	read_kernel(tree, ret_host);
	read_user(tree, ret_host);
	read_functions(tree, ret_host);
}

void td_doctor_host_fini(struct td_doctor_host *host)
{
	free(host->function);
	*host = (struct td_doctor_host){0};
}

const struct td_doctor_function *td_doctor_host_next_pf(const struct td_doctor_host *host, unsigned *index)
{
	while (*index < host->function_count) {
		const struct td_doctor_function *function = &host->function[(*index)++];
		if (function->has_sriov && function->vfs_total && !*function->pf_bdf)
			return function;
	}
	return NULL;
}

const struct td_doctor_function *td_doctor_host_next_vf(
	const struct td_doctor_host *host, const struct td_doctor_function *pf, unsigned *index)
{
	while (*index < host->function_count) {
		const struct td_doctor_function *function = &host->function[(*index)++];
		if (!strcmp(function->pf_bdf, pf->bdf))
			return function;
	}
	return NULL;
}

const struct td_doctor_function *td_doctor_host_bridge_of(const struct td_doctor_host *host, const char *bdf)
{
	unsigned long bus = strtoul(bdf + 5, NULL, 16);
	const struct td_doctor_function *above = NULL;
	for (unsigned i = 0; i < host->function_count; i++) {
		const struct td_doctor_function *bridge = &host->function[i];
		if (!bridge->bridge || strncmp(bridge->bdf, bdf, 5) != 0 || !bridge->caps.bridge || !bridge->caps.secondary)
			continue;
		/* A VF's bus may lie behind its PF's: the innermost bridge that has the bus is the one. */
		if (bus >= bridge->caps.secondary && bus <= bridge->caps.subordinate && strcmp(bridge->bdf, bdf) != 0 &&
			(!above || bridge->caps.secondary > above->caps.secondary))
			above = bridge;
	}
	return above;
}

const char *td_doctor_host_name(const struct td_doctor_function *function)
{
	return *function->netdev ? function->netdev : function->bdf;
}

bool td_doctor_host_booted_with(struct td_doctor_tree *tree, const char *word)
{
	const char *line = td_doctor_tree_text(tree, "/proc/cmdline");
	size_t len = strlen(word);
	for (const char *at = line; at && (at = strstr(at, word)); at += len)
		if ((at == line || at[-1] == ' ') && (!at[len] || at[len] == ' ' || at[len] == ','))
			return true;
	return false;
}
