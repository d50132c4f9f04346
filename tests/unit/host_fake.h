/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_fake.h - a kernel made of a td_host_state, for tests of the engine: it has the rules that make the order of steps matter (a bond
 * changes its mode only while down and empty, VFs go when their number changes, ...), fails or dies at the n-th call, and keeps what was
 * saved.
 */
#ifndef TD_TESTS_HOST_FAKE_H
#define TD_TESTS_HOST_FAKE_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/host_schema.h"
#include "host/provision/host_apply.h"

/* Attributes that only the fake looks at. */
#define OWN_MTU	     TD_HOST_ATTR_NETDEV
#define PRIMARY_NAME TD_HOST_ATTR_CARRIER

/* Of the n-th call that changes something; DIES_WITHIN: a link that is made has no alias yet. */
enum fake_fault {
	FAKE_NONE,
	FAKE_FAILS,
	FAKE_FAILS_AFTER_ALL,
	FAKE_DIES_BEFORE,
	FAKE_DIES_WITHIN,
	FAKE_DIES_AFTER,
	FAKE_LIES,
	/* Of the n-th that saves the record, or looks. */
	FAKE_SAVE_FAILS,
	FAKE_LOOK_FAILS,
};

struct fake {
	struct td_host_state state;
	char *saved; /* the record, as text */
	unsigned calls, saves, looks, fault_at;
	enum fake_fault fault;
	bool dead;
	unsigned freed;
	const char *kept; /* what each saved record must have */
	unsigned lost;	  /* records that had it not */
};

static inline struct td_host_object *fake_link(struct fake *fake, const char *name)
{
	return td_host_state_find(&fake->state, TD_HOST_LINK, name);
}

static inline const char *fake_get(struct fake *fake, const char *link, enum td_host_attr attr)
{
	const char *value = td_host_state_get(&fake->state, TD_HOST_LINK, link, attr);
	return value ? value : "";
}

static inline void fake_put(struct fake *fake, const char *link, enum td_host_attr attr, const char *value)
{
	char *copy = strdup(value); /* may be a value of the same object */
	td_host_state_set(&fake->state, TD_HOST_LINK, link, attr, copy);
	free(copy);
}

static inline bool fake_is(struct fake *fake, const char *link, enum td_host_attr attr, const char *value)
{
	return !strcmp(fake_get(fake, link, attr), value);
}

static inline bool fake_has_ports(struct fake *fake, const char *master)
{
	for (unsigned i = 0; i < fake->state.count; i++)
		if (td_host_state_is(&fake->state.object[i], TD_HOST_ATTR_MASTER, master))
			return true;
	return false;
}

/* The link below a VLAN link, or "". */
static inline void fake_lower(struct fake *fake, const char *link, char lower[32])
{
	lower[0] = '\0';
	(void)sscanf(fake_get(fake, link, TD_HOST_ATTR_KIND), "vlan %31s", lower);
}

/* VLAN links above follow their lower link. */
static inline void fake_follow(struct fake *fake, const char *name)
{
	char lower[32];
	for (unsigned i = 0; i < fake->state.count; i++) {
		const char *upper = fake->state.object[i].name;
		fake_lower(fake, upper, lower);
		if (strcmp(lower, name) != 0)
			continue;
		fake_put(fake, upper, TD_HOST_ATTR_UP, fake_get(fake, name, TD_HOST_ATTR_UP));
		if (atoi(fake_get(fake, upper, TD_HOST_ATTR_MTU)) > atoi(fake_get(fake, name, TD_HOST_ATTR_MTU)))
			fake_put(fake, upper, TD_HOST_ATTR_MTU, fake_get(fake, name, TD_HOST_ATTR_MTU));
	}
}

static inline int fake_make(struct fake *fake, const char *name, const char *kind)
{
	char lower[32];
	if (fake_link(fake, name)) {
		if (!td_host_state_ours(fake_link(fake, name)))
			return -EEXIST;
		fake_put(fake, name, TD_HOST_ATTR_MARK, TD_HOST_MARK);
		return fake_is(fake, name, TD_HOST_ATTR_KIND, kind) ? 0 : -EEXIST;
	}
	fake_put(fake, name, TD_HOST_ATTR_KIND, kind);
	fake_put(fake, name, TD_HOST_ATTR_MARK, TD_HOST_MARK);
	fake_put(fake, name, TD_HOST_ATTR_MTU, "1500");
	fake_put(fake, name, TD_HOST_ATTR_UP, "no");
	fake_put(fake, name, TD_HOST_ATTR_MASTER, "");
	if (!strcmp(kind, "bond")) {
		fake_put(fake, name, TD_HOST_ATTR_MODE, "balance-rr");
		fake_put(fake, name, TD_HOST_ATTR_MIIMON, "0");
		fake_put(fake, name, TD_HOST_ATTR_LACP_RATE, "slow");
		fake_put(fake, name, TD_HOST_ATTR_HASH, "layer2");
		fake_put(fake, name, PRIMARY_NAME, "");
	} else if (!strcmp(kind, "bridge")) {
		fake_put(fake, name, TD_HOST_ATTR_VLAN_FILTERING, "no");
		fake_put(fake, name, TD_HOST_ATTR_MCAST_SNOOPING, "yes");
	} else {
		fake_lower(fake, name, lower);
		if (!fake_link(fake, lower)) {
			td_host_state_remove(&fake->state, TD_HOST_LINK, name);
			return -ENODEV;
		}
		fake_put(fake, name, TD_HOST_ATTR_MTU, fake_get(fake, lower, TD_HOST_ATTR_MTU));
	}
	return 0;
}

static inline int fake_delete(struct fake *fake, const char *name)
{
	char lower[32];
	if (fake_link(fake, name) && !td_host_state_ours(fake_link(fake, name)))
		return -EPERM; /* another's */
	if (fake_has_ports(fake, name))
		return -EBUSY; /* the kernel would let them go: a plan must not leave that to it */
	for (unsigned i = 0; i < fake->state.count; i++) {
		fake_lower(fake, fake->state.object[i].name, lower);
		if (!strcmp(lower, name))
			return -EBUSY;
	}
	if (fake_link(fake, name) && *fake_get(fake, name, TD_HOST_ATTR_MASTER))
		return -EBUSY;
	td_host_state_remove(&fake->state, TD_HOST_LINK, name);
	return 0;
}

static inline int fake_join(struct fake *fake, const char *name, const char *to)
{
	const char *now = fake_get(fake, name, TD_HOST_ATTR_MASTER);
	bool from_bond = fake_is(fake, now, TD_HOST_ATTR_KIND, "bond"), to_bond = fake_is(fake, to, TD_HOST_ATTR_KIND, "bond");
	if (!strcmp(now, to))
		return 0;
	if (*now && *to)
		return -EBUSY; /* never in one step */
	if (*now && !td_host_state_ours(fake_link(fake, now)))
		return -EPERM; /* another's */
	if (from_bond)
		fake_put(fake, name, TD_HOST_ATTR_MTU, fake_get(fake, name, OWN_MTU));
	td_host_state_set(&fake->state, TD_HOST_LINK, name, TD_HOST_ATTR_ISOLATED, NULL);
	td_host_state_set(&fake->state, TD_HOST_LINK, name, TD_HOST_ATTR_VLANS, NULL);
	if (*to && !fake_link(fake, to))
		return -ENODEV;
	if (to_bond) {
		fake_put(fake, name, OWN_MTU, fake_get(fake, name, TD_HOST_ATTR_MTU));
		fake_put(fake, name, TD_HOST_ATTR_MTU, fake_get(fake, to, TD_HOST_ATTR_MTU));
		fake_put(fake, name, TD_HOST_ATTR_UP, "yes");
	} else if (*to) {
		fake_put(fake, name, TD_HOST_ATTR_ISOLATED, "no");
		fake_put(fake, name, TD_HOST_ATTR_VLANS, "");
	}
	fake_put(fake, name, TD_HOST_ATTR_MASTER, to);
	return 0;
}

static inline int fake_mtu(struct fake *fake, const char *name, const char *to)
{
	char lower[32];
	fake_lower(fake, name, lower);
	if (*lower && atoi(to) > atoi(fake_get(fake, lower, TD_HOST_ATTR_MTU)))
		return -ERANGE;
	fake_put(fake, name, TD_HOST_ATTR_MTU, to);
	for (unsigned i = 0; fake_is(fake, name, TD_HOST_ATTR_KIND, "bond") && i < fake->state.count; i++)
		if (td_host_state_is(&fake->state.object[i], TD_HOST_ATTR_MASTER, name))
			fake_put(fake, fake->state.object[i].name, TD_HOST_ATTR_MTU, to);
	fake_follow(fake, name);
	return 0;
}

static inline int fake_up(struct fake *fake, const char *name, const char *to)
{
	char lower[32];
	fake_lower(fake, name, lower);
	if (*lower && !strcmp(to, "yes") && !fake_is(fake, lower, TD_HOST_ATTR_UP, "yes"))
		return -ENETDOWN;
	fake_put(fake, name, TD_HOST_ATTR_UP, to);
	fake_follow(fake, name);
	return 0;
}

static inline int fake_bond(struct fake *fake, const char *name, enum td_host_attr attr, const char *to)
{
	if (!fake_is(fake, name, TD_HOST_ATTR_KIND, "bond"))
		return -ENODEV;
	bool up = fake_is(fake, name, TD_HOST_ATTR_UP, "yes");
	if (fake_is(fake, name, attr == TD_HOST_ATTR_PRIMARY ? PRIMARY_NAME : attr, to))
		return 0;
	if (attr == TD_HOST_ATTR_MODE && (up || fake_has_ports(fake, name)))
		return -EBUSY;
	if (attr == TD_HOST_ATTR_LACP_RATE && (up || !fake_is(fake, name, TD_HOST_ATTR_MODE, "802.3ad")))
		return -EPERM;
	if (attr == TD_HOST_ATTR_PRIMARY && !fake_is(fake, name, TD_HOST_ATTR_MODE, "active-backup"))
		return -EPERM;
	fake_put(fake, name, attr == TD_HOST_ATTR_PRIMARY ? PRIMARY_NAME : attr, to);
	return 0;
}

static inline int fake_num_vfs(struct fake *fake, const char *pf, const char *to)
{
	int now = atoi(fake_get(fake, pf, TD_HOST_ATTR_NUM_VFS)), count = atoi(to);
	char name[64];
	if (now == count)
		return 0;
	if (count > atoi(fake_get(fake, pf, TD_HOST_ATTR_TOTAL_VFS)))
		return -ERANGE;
	for (int i = 0; i < now; i++) {
		snprintf(name, sizeof(name), "%s/%d", pf, i);
		const struct td_host_object *vf = td_host_state_find(&fake->state, TD_HOST_VF, name);
		if (td_host_state_is(vf, TD_HOST_ATTR_DRIVER, "vfio-pci"))
			return -EBUSY;
	}
	for (int i = 0; i < now; i++) {
		snprintf(name, sizeof(name), "%s/%d", pf, i);
		const char *netdev = td_host_state_get(&fake->state, TD_HOST_VF, name, TD_HOST_ATTR_NETDEV);
		if (netdev)
			td_host_state_remove(&fake->state, TD_HOST_LINK, netdev);
	}
	td_host_state_remove_vfs(&fake->state, pf);
	for (int i = 0; i < count; i++) {
		static const struct {
			enum td_host_attr attr;
			const char *value;
		} fresh[] = {{TD_HOST_ATTR_TRUST, "no"}, {TD_HOST_ATTR_SPOOFCHK, "yes"}, {TD_HOST_ATTR_VLAN, "0"},
			{TD_HOST_ATTR_LINK_STATE, "auto"}, {TD_HOST_ATTR_MAX_TX_RATE, "0"}, {TD_HOST_ATTR_MIN_TX_RATE, "0"},
			{TD_HOST_ATTR_DRIVER, "none"}};
		snprintf(name, sizeof(name), "%s/%d", pf, i);
		for (unsigned a = 0; a < TD_COUNT(fresh); a++)
			td_host_state_set(&fake->state, TD_HOST_VF, name, fresh[a].attr, fresh[a].value);
	}
	fake_put(fake, pf, TD_HOST_ATTR_NUM_VFS, to);
	return 0;
}

static inline int fake_vf(struct fake *fake, const char *name, enum td_host_attr attr, const char *to)
{
	char pf[16];
	unsigned index;
	if (!td_host_state_split_vf(name, pf, &index) || !td_host_state_find(&fake->state, TD_HOST_VF, name))
		return -ENODEV;
	if (attr != TD_HOST_ATTR_DRIVER && !fake_is(fake, pf, TD_HOST_ATTR_UP, "yes"))
		return -ENETDOWN;
	td_host_state_set(&fake->state, TD_HOST_VF, name, attr, to);
	return 0;
}

static inline int fake_change(struct fake *fake, enum td_host_kind kind, const char *name, enum td_host_attr attr, const char *to)
{
	if (kind == TD_HOST_VF)
		return fake_vf(fake, name, attr, to);
	if (kind != TD_HOST_LINK) {
		td_host_state_set(&fake->state, kind, name, attr, to);
		return 0;
	}
	if (attr == TD_HOST_ATTR_KIND)
		return *to ? fake_make(fake, name, to) : fake_delete(fake, name);
	if (!fake_link(fake, name))
		return -ENODEV;
	switch (attr) {
	case TD_HOST_ATTR_MASTER:
		return fake_join(fake, name, to);
	case TD_HOST_ATTR_MTU:
		return fake_mtu(fake, name, to);
	case TD_HOST_ATTR_UP:
		return fake_up(fake, name, to);
	case TD_HOST_ATTR_NUM_VFS:
		return fake_num_vfs(fake, name, to);
	case TD_HOST_ATTR_MODE:
	case TD_HOST_ATTR_MIIMON:
	case TD_HOST_ATTR_LACP_RATE:
	case TD_HOST_ATTR_HASH:
	case TD_HOST_ATTR_PRIMARY:
		return fake_bond(fake, name, attr, to);
	case TD_HOST_ATTR_ISOLATED:
	case TD_HOST_ATTR_VLANS:
		if (!fake_is(fake, fake_get(fake, name, TD_HOST_ATTR_MASTER), TD_HOST_ATTR_KIND, "bridge"))
			return -EOPNOTSUPP;
		break;
	default:
		break;
	}
	fake_put(fake, name, attr, to);
	return 0;
}

static inline int fake_set(void *opaque, enum td_host_kind kind, const char *name, enum td_host_attr attr, const char *from, const char *to,
	struct td_err *err)
{
	struct fake *fake = opaque;
	bool now = ++fake->calls == fake->fault_at;
	(void)from;
	if (fake->dead)
		return -EIO;
	if (now && fake->fault == FAKE_DIES_BEFORE)
		fake->dead = true;
	if (fake->dead || (now && fake->fault == FAKE_FAILS))
		return td_err_set(err, EIO, TD_REASON_SYSTEM, "%s: %s: fault", name, td_host_state_attr_name(attr));
	if (now && fake->fault == FAKE_LIES)
		return 0;
	int r = fake_change(fake, kind, name, attr, to);
	if (now && (fake->fault == FAKE_DIES_AFTER || fake->fault == FAKE_DIES_WITHIN))
		fake->dead = true;
	if (now && fake->fault == FAKE_DIES_WITHIN && attr == TD_HOST_ATTR_KIND && *to)
		fake_put(fake, name, TD_HOST_ATTR_MARK, TD_HOST_MARK " making");
	if (now && (fake->dead || fake->fault == FAKE_FAILS_AFTER_ALL))
		return td_err_set(err, EIO, TD_REASON_SYSTEM, "%s: %s: late fault", name, td_host_state_attr_name(attr));
	return r ? td_err_sys(err, -r, TD_REASON_NETLINK, "%s: %s %s", name, td_host_state_attr_name(attr), to) : 0;
}

static inline int fake_observe(void *opaque, struct td_host_state *ret_is, struct td_err *err)
{
	struct fake *fake = opaque;
	*ret_is = (struct td_host_state){0};
	if (++fake->looks == fake->fault_at && fake->fault == FAKE_LOOK_FAILS)
		return td_err_set(err, EIO, TD_REASON_SYSTEM, "look: fault");
	td_host_state_copy(&fake->state, ret_is);
	for (unsigned i = 0; i < ret_is->count; i++) {
		struct td_host_object *link = &ret_is->object[i];
		const char *primary = link->value[PRIMARY_NAME];
		if (primary)
			td_host_state_set(ret_is, TD_HOST_LINK, link->name, TD_HOST_ATTR_PRIMARY,
				*primary && fake_is(fake, primary, TD_HOST_ATTR_MASTER, link->name) ? primary : "");
		td_host_state_set(ret_is, link->kind, link->name, PRIMARY_NAME, NULL);
		if (link->kind == TD_HOST_LINK)
			td_host_state_set(ret_is, link->kind, link->name, OWN_MTU, NULL);
	}
	return 0;
}

static inline int fake_save(void *opaque, const struct td_host_record *record, struct td_err *err)
{
	struct fake *fake = opaque;
	if (fake->dead || (++fake->saves == fake->fault_at && fake->fault == FAKE_SAVE_FAILS))
		return td_err_set(err, EIO, TD_REASON_SYSTEM, fake->dead ? "dead" : "save: fault");
	free(fake->saved);
	fake->saved = td_host_record_print(record);
	fake->lost += fake->kept && !strstr(fake->saved, fake->kept);
	return 0;
}

static inline int fake_free_vf(void *opaque, const char *bdf, const char *holder, struct td_err *err)
{
	struct fake *fake = opaque;
	(void)err;
	(void)holder;
	for (unsigned i = 0; i < fake->state.count; i++)
		if (td_host_state_is(&fake->state.object[i], TD_HOST_ATTR_BDF, bdf))
			td_host_state_set(&fake->state, TD_HOST_VF, fake->state.object[i].name, TD_HOST_ATTR_HOLDER, NULL);
	fake->freed++;
	return 0;
}

static const struct td_host_ops fake_ops = {fake_observe, fake_set, fake_save, fake_free_vf};

/* A host with three NICs and two PFs. */
static inline void fake_init(struct fake *fake)
{
	static const char *const nics[] = {"lo", "up0", "up1", "up2", "pf0", "pf1"};
	*fake = (struct fake){0};
	for (unsigned i = 0; i < TD_COUNT(nics); i++) {
		fake_put(fake, nics[i], TD_HOST_ATTR_KIND, "nic");
		fake_put(fake, nics[i], TD_HOST_ATTR_MTU, "1500");
		fake_put(fake, nics[i], TD_HOST_ATTR_UP, i % 2 ? "no" : "yes");
		fake_put(fake, nics[i], TD_HOST_ATTR_MASTER, "");
		fake_put(fake, nics[i], TD_HOST_ATTR_MARK, "");
		if (nics[i][0] != 'p')
			continue;
		fake_put(fake, nics[i], TD_HOST_ATTR_TOTAL_VFS, "7");
		fake_put(fake, nics[i], TD_HOST_ATTR_NUM_VFS, "0");
		fake_put(fake, nics[i], TD_HOST_ATTR_VENDOR, "8086");
		fake_put(fake, nics[i], TD_HOST_ATTR_DEVICE, "10c9");
		fake_put(fake, nics[i], TD_HOST_ATTR_BDF, i == 4 ? "0000:01:00.0" : "0000:02:00.0");
	}
	td_host_state_set(&fake->state, TD_HOST_HUGEPAGES, "2M", TD_HOST_ATTR_PAGES, "0");
	td_host_state_set(&fake->state, TD_HOST_HUGEPAGES, "1G", TD_HOST_ATTR_PAGES, "0");
}

static inline void fake_fini(struct fake *fake)
{
	td_host_state_fini(&fake->state);
	free(fake->saved);
}

static inline int fake_compare_lines(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* All that the kernel shows, sorted; the caller frees. Modules are left out: they are never unloaded. */
static inline char *fake_dump(struct fake *fake)
{
	struct td_host_state shown;
	char *text = NULL, *lines[2048];
	size_t len;
	unsigned count = 0;
	fake_observe(fake, &shown, NULL);
	for (unsigned i = 0; i < shown.count; i++)
		for (unsigned attr = 0; attr < TD_HOST_ATTR_COUNT && count < TD_COUNT(lines); attr++)
			if (shown.object[i].kind != TD_HOST_MODULE && shown.object[i].value[attr] &&
				asprintf(&lines[count], "%s %s=%s\n", shown.object[i].name,
					td_host_state_attr_name((enum td_host_attr)attr), shown.object[i].value[attr]) > 0)
				count++;
	td_host_state_fini(&shown);
	qsort(lines, count, sizeof(lines[0]), fake_compare_lines);
	FILE *out = open_memstream(&text, &len);
	for (unsigned i = 0; i < count; i++) {
		fputs(lines[i], out);
		free(lines[i]);
	}
	fclose(out);
	return text;
}

/* As `tandem host apply` would, with the record as it was last saved. *ret_steps (may be NULL): how many the plan had. */
static inline int fake_apply_as(struct fake *fake, const char *yaml, bool force, bool disconnect, unsigned *ret_steps, struct td_err *err)
{
	struct td_host_config config;
	struct td_host_record record = {0};
	struct td_host_look look;
	*err = (struct td_err){0};
	int r = td_host_schema_read(&config, "host.yaml", yaml, strlen(yaml), err);
	if (r)
		return r;
	if (fake->saved)
		r = td_host_record_parse(fake->saved, strlen(fake->saved), &record, err);
	const struct td_host_engine engine = {.config = &config,
		.file_name = "host.yaml",
		.ops = &fake_ops,
		.opaque = fake,
		.record = &record,
		.force = force,
		.disconnect = disconnect};
	if (!r)
		r = td_host_look(&engine, &look, err);
	if (!r && ret_steps)
		*ret_steps = td_host_diff_count(&look.plan);
	if (!r) {
		r = td_host_apply(&engine, &look, err);
		td_host_look_fini(&look);
	}
	td_host_record_fini(&record);
	td_host_schema_fini(&config);
	return r;
}

static inline int fake_apply(struct fake *fake, const char *yaml, struct td_err *err)
{
	return fake_apply_as(fake, yaml, false, false, NULL, err);
}

#endif
