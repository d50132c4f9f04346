/* SPDX-License-Identifier: Apache-2.0 */
/* doctor_sriov.c - checks of PFs and VFs: which cards can have VFs, addresses for them, who has those there are, links. */
#include <string.h>

#include "host/doctor/doctor_host.h"

#define IOV_LINE       7U /* of a PF's `resource` file: behind six BARs and the ROM, the six BARs of its VFs */
#define IOV_LINES      6U
#define RESOURCE_UNSET 0x20000000ULL /* IORESOURCE_UNSET: it has a size and no address */
#define VFS_SHOWN_MAX  4096U

static bool has_vfs(const struct td_doctor_function *pf)
{
	return pf->vfs > 0;
}

/* ---- sriov: what cards can do ---- */

static void check_off_in_card(struct td_doctor *doctor, unsigned *ret_off)
{
	*ret_off = 0;
	for (unsigned i = 0; i < doctor->host.function_count; i++) {
		const struct td_doctor_function *card = &doctor->host.function[i];
		if (!card->caps.has_sriov || *card->pf_bdf || (card->has_sriov ? card->vfs_total : card->caps.sriov_total) != 0)
			continue;
		++*ret_off;
		td_doctor_find(doctor, TD_DOCTOR_SRIOV_OFF_IN_CARD, card->bdf, "%s (%04x:%04x) has SR-IOV, for 0 VFs%s%s",
			td_doctor_host_name(card), card->vendor, card->device, *card->model ? ": " : "", card->model);
	}
}

static void no_sriov(struct td_doctor *doctor)
{
	struct td_doctor_words words = {0};
	for (unsigned i = 0; i < doctor->host.function_count; i++) {
		const struct td_doctor_function *card = &doctor->host.function[i];
		if (!card->bridge)
			td_doctor_words_add(&words, "%s %04x:%04x%s%s", td_doctor_host_name(card), card->vendor, card->device,
				*card->model ? " " : "", card->model);
	}
	td_doctor_find(doctor, TD_DOCTOR_NO_SRIOV, "host", "no network card of this host has SR-IOV%s%s", words.count ? ": " : "",
		td_doctor_words_text(&words));
}

/* Lines of zeros: the kernel gave up on the addresses; UNSET: the firmware had none. */
static bool has_bar_space(struct td_doctor *doctor, const struct td_doctor_function *pf)
{
	unsigned line = 0, placed = 0;
	const char *text = td_doctor_tree_text(doctor->tree, "/sys/bus/pci/devices/%s/resource", pf->bdf);
	for (const char *at = text; at && *at; line++) {
		unsigned long long start, end, flags;
		bool iov = line >= IOV_LINE && line < IOV_LINE + IOV_LINES;
		if (sscanf(at, "%llx %llx %llx", &start, &end, &flags) != 3)
			return true;
		if (iov && flags && (!start || (flags & RESOURCE_UNSET)))
			return false;
		placed += iov && start;
		at = strchr(at, '\n');
		at = at ? at + 1 : NULL;
	}
	return line < IOV_LINE + IOV_LINES || placed;
}

static bool any_interface(const struct td_doctor_host *host)
{
	const struct td_doctor_function *pf;
	for (unsigned i = 0; (pf = td_doctor_host_next_pf(host, &i));)
		if (*pf->netdev)
			return true;
	return false;
}

/* A PF without VFs may be given away as a whole, where another one has VFs for VMs. */
static void check_pf(struct td_doctor *doctor, const struct td_doctor_function *pf)
{
	if (!*pf->netdev && (has_vfs(pf) || !any_interface(&doctor->host)))
		td_doctor_find(doctor, TD_DOCTOR_PF_NO_INTERFACE, pf->bdf, "PF %s has no network interface: its driver is %s", pf->bdf,
			*pf->driver ? pf->driver : "none");
	if (!has_bar_space(doctor, pf))
		td_doctor_find(doctor, TD_DOCTOR_VF_BAR_SPACE, td_doctor_host_name(pf),
			"the BARs of %s's VFs have no address (zeros in /sys/bus/pci/devices/%s/resource)", td_doctor_host_name(pf),
			pf->bdf);
}

void td_doctor_check_sriov(struct td_doctor *doctor)
{
	const struct td_doctor_function *pf, *first = NULL;
	struct td_doctor_words words = {0};
	unsigned off;
	uint64_t made = 0;
	check_off_in_card(doctor, &off);
	for (unsigned i = 0; (pf = td_doctor_host_next_pf(&doctor->host, &i));) {
		check_pf(doctor, pf);
		td_doctor_words_add(
			&words, "%s %llu of %llu", td_doctor_host_name(pf), (unsigned long long)pf->vfs, (unsigned long long)pf->vfs_total);
		made += pf->vfs;
		if (!first || (!*first->netdev && *pf->netdev))
			first = pf;
	}
	if (!first && !off)
		no_sriov(doctor);
	if (!first)
		return;
	if (made) {
		td_doctor_fine(doctor, "host", "VFs made: %s", td_doctor_words_text(&words));
		return;
	}
	struct td_doctor_finding *finding =
		td_doctor_find(doctor, TD_DOCTOR_NO_VFS, td_doctor_host_name(first), "no VF is made yet: %s", td_doctor_words_text(&words));
	if (!*first->netdev)
		td_doctor_advise(finding, "Give a PF to its driver first: see pf-no-interface");
	else
		td_doctor_advise(finding,
			"echo 0 >/sys/class/net/%s/device/sriov_drivers_autoprobe; echo %llu >/sys/class/net/%s/device/sriov_numvfs; for "
			"good: "
			"a pool in host.yaml and tandem host apply",
			first->netdev, (unsigned long long)TD_MIN(first->vfs_total, 4ULL), first->netdev);
}

/* ---- vfs: who has them ---- */

static bool interface_flag(struct td_doctor *doctor, const char *name, unsigned flag)
{
	uint64_t flags;
	return td_doctor_tree_number(doctor->tree, &flags, "/sys/class/net/%s/flags", name) && (flags & flag);
}

/* tandem takes a VF that has no driver, vfio-pci, or an interface that is down. */
static bool host_uses(struct td_doctor *doctor, const struct td_doctor_function *vf)
{
	if (!*vf->driver || !strcmp(vf->driver, "vfio-pci"))
		return false;
	return !*vf->netdev || interface_flag(doctor, vf->netdev, IFF_UP);
}

static void check_used(struct td_doctor *doctor, const struct td_doctor_function *pf)
{
	const struct td_doctor_function *vf;
	struct td_doctor_words used = {0};
	unsigned all = 0;
	for (unsigned i = 0; (vf = td_doctor_host_next_vf(&doctor->host, pf, &i)); all++)
		if (host_uses(doctor, vf))
			td_doctor_words_add(
				&used, *vf->netdev ? "%s (%s is up)" : "%s (driver %s)", vf->bdf, *vf->netdev ? vf->netdev : vf->driver);
	if (!used.count)
		return;
	td_doctor_find(doctor, used.count == all ? TD_DOCTOR_NO_FREE_VF : TD_DOCTOR_VF_IN_HOST_USE, td_doctor_host_name(pf),
		"the host uses %u of %u VFs of %s itself: %s", used.count, all, td_doctor_host_name(pf), td_doctor_words_text(&used));
}

/* The driver that takes a PF's VFs in the host; NULL: not known. */
static const char *vf_driver_of(const char *pf_driver)
{
	static const char *const drivers[][2] = {{"igb", "igbvf"}, {"ixgbe", "ixgbevf"}, {"i40e", "iavf"}, {"ice", "iavf"},
		{"mlx5_core", "mlx5_core"}, {"mlx4_core", "mlx4_core"}, {"bnxt_en", "bnxt_en"}, {"cxgb4", "cxgb4vf"}, {"qede", "qede"},
		{"hns3", "hns3"}, {"sfc", "sfc"}, {"fm10k", "fm10k"}};
	for (unsigned i = 0; i < TD_COUNT(drivers); i++)
		if (!strcmp(drivers[i][0], pf_driver))
			return drivers[i][1];
	return NULL;
}

static bool any_vfs(const struct td_doctor_host *host)
{
	const struct td_doctor_function *pf;
	for (unsigned i = 0; (pf = td_doctor_host_next_pf(host, &i));)
		if (has_vfs(pf))
			return true;
	return false;
}

/* Where other PFs have the VFs, this one is not meant to have any. */
static void check_autoprobe(struct td_doctor *doctor, const struct td_doctor_function *pf)
{
	uint64_t on;
	const char *driver = vf_driver_of(pf->driver);
	if (!driver || !td_doctor_tree_number(doctor->tree, &on, "/sys/bus/pci/devices/%s/sriov_drivers_autoprobe", pf->bdf) || !on)
		return;
	if ((has_vfs(pf) || !any_vfs(&doctor->host)) && td_doctor_tree_exists(doctor->tree, "/sys/bus/pci/drivers/%s", driver))
		td_doctor_find(doctor, TD_DOCTOR_VF_AUTOPROBE, td_doctor_host_name(pf),
			"%s has sriov_drivers_autoprobe=1, and %s, its VFs' driver, is loaded", td_doctor_host_name(pf), driver);
}

/* All VFs of a PF are made alike: the first one speaks for all. */
static void check_reset(struct td_doctor *doctor, const struct td_doctor_function *pf)
{
	unsigned i = 0;
	const struct td_doctor_function *vf = td_doctor_host_next_vf(&doctor->host, pf, &i);
	const char *methods = vf ? td_doctor_tree_text(doctor->tree, "/sys/bus/pci/devices/%s/reset_method", vf->bdf) : NULL;
	size_t len;
	struct td_doctor_caps caps;
	if (!vf || (methods && strstr(methods, "flr")))
		return;
	const uint8_t *config = td_doctor_tree_bytes(doctor->tree, &len, "/sys/bus/pci/devices/%s/config", vf->bdf);
	if (config)
		td_doctor_caps_parse(config, len, &caps);
	if (!config || caps.flr || !caps.has_pcie)
		return; /* or not to be seen by this user */
	td_doctor_find(doctor, TD_DOCTOR_VF_NO_RESET, td_doctor_host_name(pf), "VF %s offers no function-level reset (reset_method: %s)",
		vf->bdf, methods ? methods : "none");
}

/* Lines "INDEX mac|nomac", as doctor_probe.c kept them. */
static void check_macs(struct td_doctor *doctor, const struct td_doctor_function *pf)
{
	const char *text = td_doctor_tree_extra(doctor->tree, "vfs/%s", pf->bdf);
	struct td_doctor_words unset = {0};
	for (const char *at = text; at && *at;) {
		unsigned index;
		char word[8];
		if (sscanf(at, "%u %7s", &index, word) == 2 && !strcmp(word, "nomac"))
			td_doctor_words_add(&unset, "%u", index);
		at = strchr(at, '\n');
		at = at ? at + 1 : NULL;
	}
	if (unset.count)
		td_doctor_find(doctor, TD_DOCTOR_VF_MAC_UNSET, td_doctor_host_name(pf), "%s has VFs without a MAC: %s",
			td_doctor_host_name(pf), td_doctor_words_text(&unset));
}

void td_doctor_check_vfs(struct td_doctor *doctor)
{
	const struct td_doctor_function *pf;
	for (unsigned i = 0; (pf = td_doctor_host_next_pf(&doctor->host, &i));) {
		unsigned before = doctor->report->count;
		check_autoprobe(doctor, pf);
		if (!has_vfs(pf))
			continue;
		check_used(doctor, pf);
		check_reset(doctor, pf);
		check_macs(doctor, pf);
		if (doctor->report->count == before)
			td_doctor_fine(
				doctor, td_doctor_host_name(pf), "VFs can be reset, have MACs, and no driver of the host grabs them");
	}
}

void td_doctor_check_links(struct td_doctor *doctor)
{
	const struct td_doctor_function *pf;
	for (unsigned i = 0; (pf = td_doctor_host_next_pf(&doctor->host, &i));) {
		uint64_t carrier;
		if (!has_vfs(pf) || !*pf->netdev)
			continue;
		if (!interface_flag(doctor, pf->netdev, IFF_UP))
			td_doctor_find(doctor, TD_DOCTOR_PF_DOWN, pf->netdev, "%s has %llu VFs and is down", pf->netdev,
				(unsigned long long)pf->vfs);
		else if (td_doctor_tree_number(doctor->tree, &carrier, "/sys/class/net/%s/carrier", pf->netdev) && !carrier)
			td_doctor_find(doctor, TD_DOCTOR_PF_NO_CARRIER, pf->netdev, "%s is up and has no carrier", pf->netdev);
		else
			td_doctor_fine(doctor, pf->netdev, "up, with carrier");
	}
}
