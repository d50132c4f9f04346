/* SPDX-License-Identifier: Apache-2.0 */
/* host_able.c - looks at each step for a fact that stands against it. */
#include "host/provision/host_able.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Of the memory that is available, this part stays with the host, and at most so much. */
#define RESERVE_PART	16
#define RESERVE_MAX_MIB 1024ULL

static const char *value_of(const struct td_host_state *state, enum td_host_kind kind, const char *name, enum td_host_attr attr)
{
	const char *value = td_host_state_get(state, kind, name, attr);
	return value ? value : "";
}

static unsigned long long number_of(const char *text)
{
	return strtoull(text, NULL, 10);
}

/* ---- huge pages */

struct pages {
	unsigned long long needed_mib, freed_mib, available_mib;
	bool known;
};

/* Pages that somebody uses are not given back before he ends. */
static void add_pages(const struct td_host_state *is, const struct td_host_step *step, struct pages *pages)
{
	unsigned long long mib = strcmp(step->name, "1G") ? 2 : 1024, now = number_of(step->from), then = number_of(step->to);
	const char *available = td_host_state_get(is, TD_HOST_HUGEPAGES, step->name, TD_HOST_ATTR_AVAILABLE);
	if (available)
		*pages = (struct pages){pages->needed_mib, pages->freed_mib, number_of(available), true};
	if (then > now)
		pages->needed_mib += (then - now) * mib;
	else
		pages->freed_mib += TD_MIN(now - then, number_of(value_of(is, TD_HOST_HUGEPAGES, step->name, TD_HOST_ATTR_FREE))) * mib;
}

static int check_pages(const struct td_host_state *is, const struct td_host_plan *plan, struct td_err *err)
{
	struct pages pages = {.known = false};
	for (unsigned i = 0; i < plan->count; i++) {
		const struct td_host_step *step = &plan->step[i];
		if (step->attr == TD_HOST_ATTR_PAGES && step->from && step->to)
			add_pages(is, step, &pages);
	}
	unsigned long long available = pages.available_mib + pages.freed_mib, reserve = TD_MIN(available / RESERVE_PART, RESERVE_MAX_MIB);
	if (!pages.known || pages.needed_mib <= available - reserve)
		return 0;
	return td_err_set(err, ENOMEM, TD_REASON_HUGEPAGES,
		"huge pages: %llu MiB more are needed, and the host has %llu MiB available, of which %llu stay with it", pages.needed_mib,
		available, reserve);
}

/* ---- modules */

/* Which one does the step need? NULL: none. */
static const char *module_of(const struct td_host_step *step)
{
	if (step->kind == TD_HOST_MODULE)
		return step->name;
	if (step->attr == TD_HOST_ATTR_DRIVER)
		return strcmp(step->to, "vfio-pci") ? NULL : "vfio-pci";
	if (step->attr != TD_HOST_ATTR_KIND)
		return NULL;
	return !strcmp(step->to, "bond")	? "bonding"
	       : !strcmp(step->to, "bridge")	? "bridge"
	       : !strncmp(step->to, "vlan ", 5) ? "8021q"
						: NULL;
}

static int check_module(const struct td_host_state *is, const struct td_host_step *step, struct td_err *err)
{
	const char *module = module_of(step), *known = module ? value_of(is, TD_HOST_MODULE, module, TD_HOST_ATTR_KNOWN) : "";
	char whose[TD_HOST_NAME_BYTES + 8] = "";
	if (step->kind != TD_HOST_MODULE)
		snprintf(whose, sizeof(whose), "%s: ", step->name);
	if (!strcmp(known, "no"))
		return td_err_set(err, ENOENT, TD_REASON_MODULE, "%smodule %s: this kernel has none of this name", whose, module);
	if (!strcmp(known, "disabled"))
		return td_err_set(err, EPERM, TD_REASON_MODULE,
			"%smodule %s: this kernel loads no module any more until it is rebooted (kernel.modules_disabled is 1)", whose,
			module);
	return 0;
}

/* ---- VFs */

static bool lacks_iommu(const struct td_host_state *is, const char *vf, const char *driver, char ret_pf[16])
{
	unsigned index;
	return driver && !strcmp(driver, "vfio-pci") && td_host_state_split_vf(vf, ret_pf, &index) &&
	       !strcmp(value_of(is, TD_HOST_LINK, ret_pf, TD_HOST_ATTR_IOMMU), "no");
}

static int check_iommu(const struct td_host_state *is, const struct td_host_step *step, struct td_err *err)
{
	char pf[16];
	if (step->kind != TD_HOST_VF || step->attr != TD_HOST_ATTR_DRIVER || !lacks_iommu(is, step->name, step->to, pf))
		return 0;
	return td_err_set(err, ENODEV, TD_REASON_NO_IOMMU, "%s: driver vfio-pci: %s is behind no IOMMU", step->name, pf);
}

bool td_host_able_lacks_iommu(const struct td_host_state *is, const struct td_host_state *want)
{
	char pf[16];
	for (unsigned i = 0; i < want->count; i++)
		if (want->object[i].kind == TD_HOST_VF &&
			lacks_iommu(is, want->object[i].name, want->object[i].value[TD_HOST_ATTR_DRIVER], pf))
			return true;
	return false;
}

/* A VF's own interface goes when its PF's VFs are made anew, or vfio-pci takes it: the file cannot want something of it too. */
static int check_interface(const struct td_host_state *is, const struct td_host_state *want, const char *vf, struct td_err *err)
{
	const char *netdev = value_of(is, TD_HOST_VF, vf, TD_HOST_ATTR_NETDEV);
	if (!*value_of(want, TD_HOST_LINK, netdev, TD_HOST_ATTR_MASTER) &&
		strcmp(value_of(want, TD_HOST_LINK, netdev, TD_HOST_ATTR_UP), "yes") != 0)
		return 0;
	return td_err_set(err, EBUSY, TD_REASON_LINK_MISSING,
		"%s: is the interface of VF %s, and goes: the VF is made anew, or gets another driver", netdev, vf);
}

static int check_interfaces(
	const struct td_host_state *is, const struct td_host_state *want, const struct td_host_step *step, struct td_err *err)
{
	int r = 0;
	if (step->kind == TD_HOST_VF && step->attr == TD_HOST_ATTR_DRIVER && strcmp(step->to, "netdevice") != 0)
		return check_interface(is, want, step->name, err);
	for (unsigned i = 0; !r && step->attr == TD_HOST_ATTR_NUM_VFS && i < is->count; i++)
		if (td_host_state_vf_of(&is->object[i], step->name))
			r = check_interface(is, want, is->object[i].name, err);
	return r;
}

/* ---- MTUs */

static int check_mtu(const struct td_host_state *is, const char *link, const char *mtu, const char *bond, struct td_err *err)
{
	unsigned long long number = number_of(mtu), min = number_of(value_of(is, TD_HOST_LINK, link, TD_HOST_ATTR_MIN_MTU)),
			   max = number_of(value_of(is, TD_HOST_LINK, link, TD_HOST_ATTR_MAX_MTU));
	if (number >= min && (!max || number <= max))
		return 0;
	return td_err_set(err, EINVAL, TD_REASON_CONFIG_VALUE, "%s: mtu %s%s%s: its driver takes %llu to %llu", link, mtu,
		*bond ? " of " : "", bond, min, max);
}

/* Members of a bond have its MTU. A link that is made anew is another one than the one that is. */
static int check_mtus(const struct td_host_state *is, const struct td_host_state *want, const struct td_host_step *step, struct td_err *err)
{
	const char *kind = value_of(want, TD_HOST_LINK, step->name, TD_HOST_ATTR_KIND);
	if (step->attr == TD_HOST_ATTR_MASTER)
		return strcmp(value_of(want, TD_HOST_LINK, step->to, TD_HOST_ATTR_KIND), "bond")
			       ? 0
			       : check_mtu(is, step->name, value_of(want, TD_HOST_LINK, step->to, TD_HOST_ATTR_MTU), step->to, err);
	if (step->attr != TD_HOST_ATTR_MTU)
		return 0;
	int r = *kind && strcmp(kind, value_of(is, TD_HOST_LINK, step->name, TD_HOST_ATTR_KIND)) != 0
			? 0
			: check_mtu(is, step->name, step->to, "", err);
	for (unsigned i = 0; !r && !strcmp(kind, "bond") && i < want->count; i++)
		if (td_host_state_is(&want->object[i], TD_HOST_ATTR_MASTER, step->name))
			r = check_mtu(is, want->object[i].name, step->to, step->name, err);
	return r;
}

int td_host_able(const struct td_host_state *is, const struct td_host_state *want, const struct td_host_plan *plan, struct td_err *err)
{
	int r = check_pages(is, plan, err);
	for (unsigned i = 0; !r && i < plan->count; i++) {
		const struct td_host_step *step = &plan->step[i];
		if (!step->to)
			continue;
		r = check_module(is, step, err);
		if (!r)
			r = check_iommu(is, step, err);
		if (!r)
			r = check_interfaces(is, want, step, err);
		if (!r && step->kind == TD_HOST_LINK)
			r = check_mtus(is, want, step, err);
	}
	return r;
}
