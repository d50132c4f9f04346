/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_want_pools.c - pools to PFs and VFs. A PF may be in several pools, each for some of its VFs, and stand in one pool with several
 * ranges; where two pools mean the same VF, the lower priority number has it, and the pool that has the PF's lowest number says how many
 * VFs there are (as sriov-network-operator has it).
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "host/provision/host_want_parts.h"

static int fail_pool(const struct td_host_want_run *run, unsigned index, enum td_reason reason, const char *fmt, ...) TD_PRINTF(4, 5);

static int fail_pool(const struct td_host_want_run *run, unsigned index, enum td_reason reason, const char *fmt, ...)
{
	const struct td_host_pool_config *pool = &run->config->pool[index];
	char text[300];
	va_list args;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	return td_host_want_fail(run, "pools", index, &pool->mark, pool->name, reason, "%s", text);
}

static bool same_id(const char *wanted, const char *is)
{
	return !wanted || (is && !strcasecmp(wanted, is));
}

/* The i-th of pfNames: does it name this PF, and with which VFs? */
static bool names_pf(const struct td_host_pool_config *pool, unsigned i, const char *pf, unsigned *ret_first, unsigned *ret_last)
{
	char name[16];
	return td_host_config_pf_range(pool->pf_names[i], name, ret_first, ret_last) && !strcmp(name, pf);
}

/* Does the pool mean VFs of this PF? */
static bool pool_selects(const struct td_host_pool_config *pool, const struct td_host_object *pf)
{
	const char *bdf = pf->value[TD_HOST_ATTR_BDF];
	unsigned first, last;
	bool named = !pool->pf_name_count, rooted = !pool->root_device_count;
	if (!pf->value[TD_HOST_ATTR_TOTAL_VFS])
		return false;
	for (unsigned i = 0; i < pool->pf_name_count && !named; i++)
		named = names_pf(pool, i, pf->name, &first, &last);
	for (unsigned i = 0; i < pool->root_device_count && !rooted; i++)
		rooted = bdf && !strcmp(bdf, pool->root_devices[i]);
	return named && rooted && same_id(pool->vendor, pf->value[TD_HOST_ATTR_VENDOR]) &&
	       same_id(pool->device_id, pf->value[TD_HOST_ATTR_DEVICE]);
}

/* And this one? */
static bool pool_has(const struct td_host_pool_config *pool, const struct td_host_object *pf, unsigned number)
{
	unsigned first, last;
	bool in_range = !pool->pf_name_count;
	if (!pool_selects(pool, pf))
		return false;
	for (unsigned i = 0; i < pool->pf_name_count && !in_range; i++)
		in_range = names_pf(pool, i, pf->name, &first, &last) && number >= first && number <= last;
	return in_range;
}

static void list_pfs(const struct td_host_state *is, char *text, size_t len)
{
	size_t used = 0;
	snprintf(text, len, "none");
	for (unsigned i = 0; i < is->count && used < len; i++)
		if (is->object[i].kind == TD_HOST_LINK && is->object[i].value[TD_HOST_ATTR_TOTAL_VFS])
			used += (size_t)snprintf(text + used, len - used, "%s%s", used ? ", " : "", is->object[i].name);
}

/* Each name must be a PF's, and something must be selected. */
static int check_selection(const struct td_host_want_run *run, unsigned index)
{
	const struct td_host_pool_config *pool = &run->config->pool[index];
	char name[16], known[160];
	unsigned first, last, selected = 0;
	list_pfs(run->is, known, sizeof(known));
	for (unsigned i = 0; i < pool->pf_name_count; i++) {
		(void)td_host_config_pf_range(pool->pf_names[i], name, &first, &last);
		const struct td_host_object *link = td_host_state_find(run->is, TD_HOST_LINK, name);
		if (!link)
			return fail_pool(run, index, TD_REASON_PF_MISSING, "pf %s: no such network interface; PFs here: %s", name, known);
		if (!link->value[TD_HOST_ATTR_TOTAL_VFS])
			return fail_pool(run, index, TD_REASON_NO_SRIOV, "pf %s: its device has no SR-IOV; PFs here: %s", name, known);
	}
	for (unsigned i = 0; i < run->is->count; i++)
		selected += run->is->object[i].kind == TD_HOST_LINK && pool_selects(pool, &run->is->object[i]);
	if (!selected)
		return fail_pool(run, index, TD_REASON_PF_MISSING, "nicSelector selects no PF; PFs here: %s", known);
	return 0;
}

static void want_vf_number(const struct td_host_want_run *run, const char *vf, enum td_host_attr attr, bool given, uint64_t number)
{
	if (given)
		td_host_state_setf(run->want, TD_HOST_VF, vf, attr, "%llu", (unsigned long long)number);
}

static void want_vf(const struct td_host_want_run *run, const char *pf, unsigned number, const struct td_host_pool_config *pool)
{
	static const char *const link_words[] = {"auto", "enable", "disable"};
	const struct td_host_vf_config *vf = &pool->vf;
	char name[TD_HOST_NAME_BYTES];
	td_host_state_join_vf(pf, number, name);
	if (vf->trust_given)
		td_host_state_set(run->want, TD_HOST_VF, name, TD_HOST_ATTR_TRUST, vf->trust ? "yes" : "no");
	if (vf->spoofchk_given)
		td_host_state_set(run->want, TD_HOST_VF, name, TD_HOST_ATTR_SPOOFCHK, vf->spoofchk ? "yes" : "no");
	if (vf->link_state_given && (unsigned)vf->link_state < TD_COUNT(link_words))
		td_host_state_set(run->want, TD_HOST_VF, name, TD_HOST_ATTR_LINK_STATE, link_words[vf->link_state]);
	want_vf_number(run, name, TD_HOST_ATTR_VLAN, vf->vlan_given, vf->vlan);
	want_vf_number(run, name, TD_HOST_ATTR_MAX_TX_RATE, vf->max_tx_rate_given, vf->max_tx_rate);
	want_vf_number(run, name, TD_HOST_ATTR_MIN_TX_RATE, vf->min_tx_rate_given, vf->min_tx_rate);
	td_host_state_set(
		run->want, TD_HOST_VF, name, TD_HOST_ATTR_DRIVER, pool->device_type == TD_HOST_VFIO_PCI ? "vfio-pci" : "netdevice");
}

/* The pool of one VF: the lowest priority number. *ret_pool: -1 when there is none. */
static int find_owner(const struct td_host_want_run *run, const struct td_host_object *pf, unsigned number, int *ret_pool)
{
	const struct td_host_pool_config *pools = run->config->pool;
	int owner = -1;
	for (unsigned i = 0; i < run->config->pool_count; i++)
		if (pool_has(&pools[i], pf, number) && (owner < 0 || pools[i].priority < pools[owner].priority))
			owner = (int)i;
	*ret_pool = owner;
	for (unsigned i = (unsigned)owner + 1; owner >= 0 && i < run->config->pool_count; i++)
		if (pools[i].priority == pools[owner].priority && pool_has(&pools[i], pf, number))
			return fail_pool(run, i, TD_REASON_CONFIG_VALUE,
				"VF %u of %s is in pool %s too: give each its own range as in %s#0-3, or another priority", number,
				pf->name, pools[owner].name, pf->name);
	return 0;
}

/* Each VF that a pool names must be made. */
static int check_ranges(const struct td_host_want_run *run, const struct td_host_object *pf, const struct td_host_pool_config *counts)
{
	unsigned first, last;
	for (unsigned i = 0; i < run->config->pool_count; i++) {
		const struct td_host_pool_config *pool = &run->config->pool[i];
		for (unsigned n = 0; n < pool->pf_name_count && pool_selects(pool, pf); n++)
			if (names_pf(pool, n, pf->name, &first, &last) && last != UINT_MAX && last >= counts->num_vfs)
				return fail_pool(run, i, TD_REASON_CONFIG_VALUE,
					"%s: pool %s, of a lower priority number, gives %s %llu VFs: give more there, or a lower range "
					"here",
					pool->pf_names[n], counts->name, pf->name, (unsigned long long)counts->num_vfs);
	}
	return 0;
}

/* The pool that says how many VFs the PF gets; -1: it is in no pool. */
static int find_first(const struct td_host_want_run *run, const struct td_host_object *pf, int *ret_pool)
{
	const struct td_host_pool_config *pools = run->config->pool;
	int first = -1;
	for (unsigned i = 0; i < run->config->pool_count; i++)
		if (pool_selects(&pools[i], pf) && (first < 0 || pools[i].priority < pools[first].priority))
			first = (int)i;
	*ret_pool = first;
	for (unsigned i = (unsigned)first + 1; first >= 0 && i < run->config->pool_count; i++)
		if (pools[i].priority == pools[first].priority && pools[i].num_vfs != pools[first].num_vfs && pool_selects(&pools[i], pf))
			return fail_pool(run, i, TD_REASON_CONFIG_VALUE, "numVfs is not pool %s's, and %s is in both: give one number",
				pools[first].name, pf->name);
	return first < 0 ? 0 : check_ranges(run, pf, &pools[first]);
}

static int want_pf(const struct td_host_want_run *run, const struct td_host_object *pf)
{
	unsigned long total = strtoul(pf->value[TD_HOST_ATTR_TOTAL_VFS], NULL, 10);
	int index, owner;
	int r = find_first(run, pf, &index);
	if (r || index < 0)
		return r;
	const struct td_host_pool_config *pool = &run->config->pool[index];
	if (pool->num_vfs > total)
		return fail_pool(run, (unsigned)index, TD_REASON_CONFIG_VALUE, "numVfs %llu: %s has at most %lu VFs",
			(unsigned long long)pool->num_vfs, pf->name, total);
	td_host_state_setf(run->want, TD_HOST_LINK, pf->name, TD_HOST_ATTR_NUM_VFS, "%llu", (unsigned long long)pool->num_vfs);
	td_host_want_link(run, pf->name, TD_HOST_ATTR_UP, "yes");
	bool changes =
		!td_host_state_is(pf, TD_HOST_ATTR_NUM_VFS, td_host_state_get(run->want, TD_HOST_LINK, pf->name, TD_HOST_ATTR_NUM_VFS));
	for (unsigned i = 0; i < pool->num_vfs; i++) {
		char name[TD_HOST_NAME_BYTES];
		td_host_state_join_vf(pf->name, i, name);
		r = find_owner(run, pf, i, &owner);
		if (r)
			return r;
		if (owner < 0)
			continue;
		/* A VF that somebody has is his to set; when it is made anew nobody has it. */
		if (changes || !td_host_state_get(run->is, TD_HOST_VF, name, TD_HOST_ATTR_HOLDER))
			want_vf(run, pf->name, i, &run->config->pool[owner]);
		else
			td_host_state_add(run->want, TD_HOST_VF, name);
	}
	return 0;
}

static int want_mtu(const struct td_host_want_run *run, const struct td_host_object *pf)
{
	for (unsigned i = 0; i < run->config->pool_count; i++) {
		const struct td_host_pool_config *pool = &run->config->pool[i];
		if (!pool->mtu || !pool_selects(pool, pf))
			continue;
		if (td_host_want_is_member(run->config, pf->name))
			return fail_pool(run, i, TD_REASON_CONFIG_VALUE, "mtu: %s is in a team: give the mtu there", pf->name);
		td_host_want_mtu(run, pf->name, pool->mtu);
	}
	return 0;
}

int td_host_want_pools(const struct td_host_want_run *run)
{
	int r = 0;
	for (unsigned i = 0; !r && i < run->config->pool_count; i++)
		r = check_selection(run, i);
	for (unsigned i = 0; !r && i < run->is->count; i++) {
		const struct td_host_object *link = &run->is->object[i];
		if (link->kind != TD_HOST_LINK || !link->value[TD_HOST_ATTR_TOTAL_VFS])
			continue;
		r = want_pf(run, link);
		if (!r)
			r = want_mtu(run, link);
	}
	return r;
}
