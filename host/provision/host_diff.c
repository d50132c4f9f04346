/* SPDX-License-Identifier: Apache-2.0 */
/* host_diff.c - compares, and puts the steps in order. */
#include "host/provision/host_diff.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/*
 * The order of steps. First what is needed by others, then what goes away, from the top of the stack of links down to the PFs, then what
 * comes, from the PFs up; VFs last, as their settings need the PF up.
 */
enum rank {
	RANK_MODULE,
	RANK_SHRINK_PAGES,
	RANK_HUGEPAGES,
	RANK_KEEP_LATE,			   /* keepsakes that come back when the ports are back: a bond's primary; */
	RANK_KEEP_UP,			   /* links up: bridges, VLAN links, bonds: 4 ranks; */
	RANK_KEEP_PORT = RANK_KEEP_UP + 4, /* what a port loses with its bridge */
	RANK_RELEASE_PORT,		   /* ports leave bridges, */
	RANK_RELEASE_NIC,		   /* then members leave bonds */
	RANK_PAUSE,			   /* bonds go down for what they change only then */
	RANK_KEEP_LINK,			   /* bridges, VLAN links, bonds: 4 ranks */
	RANK_DELETE = RANK_KEEP_LINK + 4,  /* bridges, VLAN links, bonds: 3 ranks */
	RANK_SHRINK_MTU = RANK_DELETE + 3, /* bridges, VLAN links, bonds, NICs: 4 ranks */
	RANK_KEEP_VF = RANK_SHRINK_MTU + 4,
	RANK_UNBIND_VF,
	RANK_NUM_VFS,
	RANK_MAKE_BOND,
	RANK_BOND_MODE,
	RANK_BOND,
	RANK_GROW_MTU, /* NICs, bonds: 2 ranks */
	RANK_JOIN_BOND = RANK_GROW_MTU + 2,
	RANK_MAKE_VLAN,
	RANK_VLAN_MTU,
	RANK_MAKE_BRIDGE,
	RANK_BRIDGE,
	RANK_BRIDGE_MTU,
	RANK_JOIN_BRIDGE,
	RANK_PRIMARY,
	RANK_PORT,
	RANK_MARK,
	RANK_UP, /* NICs, bonds, VLAN links, bridges: 4 ranks */
	RANK_VF = RANK_UP + 4,
	RANK_BIND_VF = RANK_VF + TD_HOST_ATTR_COUNT, /* attribute by attribute, each for all VFs */
	RANK_DOWN,				     /* PFs that are no longer used: not before their VFs are as they were */
};

/* 0: NIC, 1: bond, 2: VLAN link, 3: bridge */
static unsigned level_of(const char *kind)
{
	if (!kind)
		return 0;
	return !strcmp(kind, "bond") ? 1 : !strncmp(kind, "vlan ", 5) ? 2 : !strcmp(kind, "bridge") ? 3 : 0;
}

struct diff {
	const struct td_host_state *is, *want;
	struct td_host_plan *plan;
};

static unsigned estimate(enum td_host_attr attr)
{
	switch (attr) {
	case TD_HOST_ATTR_NUM_VFS:
		return 2500; /* the PF's link comes back after 2 s */
	case TD_HOST_ATTR_MASTER:
		return 50;
	case TD_HOST_ATTR_DRIVER:
		return 50;
	case TD_HOST_ATTR_LOADED:
		return 100;
	case TD_HOST_ATTR_PAGES:
		return 500;
	case TD_HOST_ATTR_KIND:
	case TD_HOST_ATTR_UP:
		return 20;
	default:
		return 1;
	}
}

static char *copy_text(struct td_host_plan *plan, const char *text)
{
	char *copy = text ? strdup(text) : NULL;
	if (text && !copy)
		plan->no_memory = true;
	return copy;
}

static void emit(const struct diff *diff, enum td_host_kind kind, const char *name, enum td_host_attr attr, const char *from,
	const char *to, unsigned rank)
{
	struct td_host_plan *plan = diff->plan;
	if (plan->count == plan->room) {
		unsigned room = plan->room ? plan->room * 2 : 64;
		struct td_host_step *more = realloc(plan->step, room * sizeof(*more));
		if (!more) {
			plan->no_memory = true;
			return;
		}
		plan->step = more;
		plan->room = room;
	}
	struct td_host_step *step = &plan->step[plan->count];
	*step = (struct td_host_step){.kind = kind, .attr = attr, .rank = rank, .serial = plan->count};
	snprintf(step->name, sizeof(step->name), "%s", name);
	step->from = copy_text(plan, from);
	step->to = copy_text(plan, to);
	step->estimate_ms = to ? estimate(attr) : 0;
	plan->count++;
}

static void emit_link(const struct diff *diff, const char *name, enum td_host_attr attr, const char *from, const char *to, unsigned rank)
{
	emit(diff, TD_HOST_LINK, name, attr, from, to, rank);
}

/* Its value comes back when all that follows is undone. Nothing to keep: nothing done. */
static void keep(const struct diff *diff, const struct td_host_object *object, enum td_host_attr attr, unsigned rank)
{
	if (object->value[attr])
		emit(diff, object->kind, object->name, attr, object->value[attr], NULL, rank);
}

static const char *value_of(const struct td_host_object *object, enum td_host_attr attr)
{
	return object && object->value[attr] ? object->value[attr] : "";
}

static const struct td_host_object *find_link(const struct td_host_state *state, const char *name)
{
	return td_host_state_find(state, TD_HOST_LINK, name);
}

/* The link is there, and must go: not wanted, or wanted as something else. */
static bool goes(const struct diff *diff, const char *name)
{
	const char *is = td_host_state_get(diff->is, TD_HOST_LINK, name, TD_HOST_ATTR_KIND);
	const char *wanted = td_host_state_get(diff->want, TD_HOST_LINK, name, TD_HOST_ATTR_KIND);
	return is && wanted && strcmp(is, wanted) != 0;
}

/* The link comes, or comes anew. */
static bool comes(const struct diff *diff, const char *name)
{
	const char *is = td_host_state_get(diff->is, TD_HOST_LINK, name, TD_HOST_ATTR_KIND);
	const char *wanted = td_host_state_get(diff->want, TD_HOST_LINK, name, TD_HOST_ATTR_KIND);
	return wanted && *wanted && (!is || strcmp(is, wanted) != 0);
}

static bool differs(const struct diff *diff, const char *link, enum td_host_attr attr)
{
	const char *wanted = td_host_state_get(diff->want, TD_HOST_LINK, link, attr);
	return wanted && strcmp(wanted, value_of(find_link(diff->is, link), attr)) != 0;
}

/* A bond changes its mode only while down and without members, its LACP rate while down. */
static bool empties(const struct diff *diff, const char *link)
{
	return find_link(diff->is, link) && !goes(diff, link) && differs(diff, link, TD_HOST_ATTR_MODE);
}

static bool pauses(const struct diff *diff, const char *link)
{
	return find_link(diff->is, link) && !goes(diff, link) &&
	       (differs(diff, link, TD_HOST_ATTR_MODE) || differs(diff, link, TD_HOST_ATTR_LACP_RATE));
}

/* ---- what goes away */

static void diff_release(const struct diff *diff, const struct td_host_object *is, const char *wanted_master)
{
	const char *master = value_of(is, TD_HOST_ATTR_MASTER);
	bool must = goes(diff, is->name) || goes(diff, master) || empties(diff, master);
	if (!*master || (!must && !strcmp(master, wanted_master)))
		return;
	bool is_port = td_host_state_is(find_link(diff->is, master), TD_HOST_ATTR_KIND, "bridge");
	keep(diff, is, TD_HOST_ATTR_ISOLATED, RANK_KEEP_PORT);
	keep(diff, is, TD_HOST_ATTR_VLANS, RANK_KEEP_PORT);
	emit_link(diff, is->name, TD_HOST_ATTR_MASTER, master, "", is_port ? RANK_RELEASE_PORT : RANK_RELEASE_NIC);
}

static void diff_delete(const struct diff *diff, const struct td_host_object *is)
{
	static const enum td_host_attr kept[] = {TD_HOST_ATTR_VLAN_FILTERING, TD_HOST_ATTR_MCAST_SNOOPING, TD_HOST_ATTR_MTU,
		TD_HOST_ATTR_MARK, TD_HOST_ATTR_HASH, TD_HOST_ATTR_LACP_RATE, TD_HOST_ATTR_MIIMON,
		TD_HOST_ATTR_MODE}; /* the mode comes back first */
	if (!goes(diff, is->name))
		return;
	unsigned level = level_of(is->value[TD_HOST_ATTR_KIND]);
	keep(diff, is, TD_HOST_ATTR_UP, RANK_KEEP_UP + 3 - level);
	keep(diff, is, TD_HOST_ATTR_PRIMARY, RANK_KEEP_LATE);
	for (unsigned i = 0; i < TD_COUNT(kept); i++)
		keep(diff, is, kept[i], RANK_KEEP_LINK + 3 - level);
	emit_link(diff, is->name, TD_HOST_ATTR_KIND, is->value[TD_HOST_ATTR_KIND], "", RANK_DELETE + 3 - TD_MAX(level, 1U));
}

/* What a bond would carry along unseen through a change of its mode. */
static void diff_mode(const struct diff *diff, const struct td_host_object *is, const struct td_host_object *want)
{
	if (!empties(diff, is->name))
		return;
	if (*value_of(is, TD_HOST_ATTR_PRIMARY))
		emit_link(diff, is->name, TD_HOST_ATTR_PRIMARY, is->value[TD_HOST_ATTR_PRIMARY], "", RANK_KEEP_LATE);
	if (td_host_state_is(is, TD_HOST_ATTR_LACP_RATE, "fast") && !want->value[TD_HOST_ATTR_LACP_RATE])
		emit_link(diff, is->name, TD_HOST_ATTR_LACP_RATE, "fast", "slow", RANK_KEEP_LINK);
}

/* All VFs of a PF go when their number changes. */
static void diff_vfs_gone(const struct diff *diff, const char *pf)
{
	static const enum td_host_attr kept[] = {TD_HOST_ATTR_TRUST, TD_HOST_ATTR_SPOOFCHK, TD_HOST_ATTR_VLAN, TD_HOST_ATTR_LINK_STATE,
		TD_HOST_ATTR_MAX_TX_RATE, TD_HOST_ATTR_MIN_TX_RATE};
	for (unsigned i = 0; i < diff->is->count; i++) {
		const struct td_host_object *vf = &diff->is->object[i];
		if (!td_host_state_vf_of(vf, pf))
			continue;
		for (unsigned k = 0; k < TD_COUNT(kept); k++)
			keep(diff, vf, kept[k], RANK_KEEP_VF);
		if (*value_of(vf, TD_HOST_ATTR_DRIVER) && !td_host_state_is(vf, TD_HOST_ATTR_DRIVER, "none"))
			emit(diff, TD_HOST_VF, vf->name, TD_HOST_ATTR_DRIVER, vf->value[TD_HOST_ATTR_DRIVER], "none", RANK_UNBIND_VF);
	}
}

/* ---- what comes or changes */

static void diff_master(const struct diff *diff, const struct td_host_object *is, const struct td_host_object *want, const char *name)
{
	const char *now = value_of(is, TD_HOST_ATTR_MASTER);
	/* A port that nobody speaks of (a VM's tap) comes back to a bridge that is made anew. */
	const char *then = want && want->value[TD_HOST_ATTR_MASTER] ? want->value[TD_HOST_ATTR_MASTER] : now;
	if (is)
		diff_release(diff, is, then);
	if (!*then || (want && td_host_state_is(want, TD_HOST_ATTR_KIND, "")))
		return;
	bool lost = goes(diff, name) || goes(diff, now) || empties(diff, now);
	if (!strcmp(now, then) && !lost)
		return;
	const char *kind = td_host_state_get(diff->want, TD_HOST_LINK, then, TD_HOST_ATTR_KIND);
	if (!kind || !*kind)
		return;
	bool is_bond = level_of(kind) == 1;
	if (is && is_bond)
		keep(diff, is, TD_HOST_ATTR_UP, RANK_JOIN_BOND); /* a bond brings its members up */
	emit_link(diff, name, TD_HOST_ATTR_MASTER, "", then, is_bond ? RANK_JOIN_BOND : RANK_JOIN_BRIDGE);
}

static bool in_bond(const struct td_host_state *state, const struct td_host_object *link)
{
	return td_host_state_is(find_link(state, value_of(link, TD_HOST_ATTR_MASTER)), TD_HOST_ATTR_KIND, "bond");
}

static void diff_mtu(const struct diff *diff, const struct td_host_object *is, const struct td_host_object *want, bool fresh)
{
	const char *kind = want->value[TD_HOST_ATTR_KIND] ? want->value[TD_HOST_ATTR_KIND] : value_of(is, TD_HOST_ATTR_KIND);
	static const unsigned grow[] = {RANK_GROW_MTU, RANK_GROW_MTU + 1, RANK_VLAN_MTU, RANK_BRIDGE_MTU};
	unsigned level = level_of(kind);
	const char *from = fresh || !is ? NULL : is->value[TD_HOST_ATTR_MTU], *to = want->value[TD_HOST_ATTR_MTU];
	/* A member of a bond has the bond's; it gets its own back when it leaves, and that is not known yet. */
	if (level == 0 && in_bond(diff->is, is))
		from = NULL;
	if (from && !strcmp(from, to))
		return;
	bool shrinks = from && strtoul(to, NULL, 10) < strtoul(from, NULL, 10);
	emit_link(diff, want->name, TD_HOST_ATTR_MTU, from, to, shrinks ? RANK_SHRINK_MTU + 3 - level : grow[level]);
}

static void diff_up(const struct diff *diff, const struct td_host_object *is, const struct td_host_object *want, bool fresh)
{
	const char *kind = want->value[TD_HOST_ATTR_KIND] ? want->value[TD_HOST_ATTR_KIND] : value_of(is, TD_HOST_ATTR_KIND);
	const char *now = fresh || !is ? "no" : value_of(is, TD_HOST_ATTR_UP), *then = want->value[TD_HOST_ATTR_UP];
	bool pause = pauses(diff, want->name) && !strcmp(now, "yes");
	const char *master = value_of(want, TD_HOST_ATTR_MASTER);
	if (!strcmp(then, "yes") && level_of(td_host_state_get(diff->want, TD_HOST_LINK, master, TD_HOST_ATTR_KIND)) == 1 &&
		(strcmp(master, value_of(is, TD_HOST_ATTR_MASTER)) != 0 || comes(diff, master) || empties(diff, master)))
		return; /* a bond brings its members up */
	if (pause)
		emit_link(diff, want->name, TD_HOST_ATTR_UP, "yes", "no", RANK_PAUSE);
	if (pause)
		now = "no";
	if (strcmp(now, then) != 0)
		emit_link(diff, want->name, TD_HOST_ATTR_UP, now, then, strcmp(then, "yes") ? RANK_DOWN : RANK_UP + level_of(kind));
}

/* Attributes that are plainly set, and when. */
static const struct {
	enum td_host_attr attr;
	unsigned rank;
} plain[] = {
	{TD_HOST_ATTR_MODE, RANK_BOND_MODE},
	{TD_HOST_ATTR_MIIMON, RANK_BOND},
	{TD_HOST_ATTR_LACP_RATE, RANK_BOND},
	{TD_HOST_ATTR_HASH, RANK_BOND},
	{TD_HOST_ATTR_VLAN_FILTERING, RANK_BRIDGE},
	{TD_HOST_ATTR_MCAST_SNOOPING, RANK_BRIDGE},
	{TD_HOST_ATTR_PRIMARY, RANK_PRIMARY},
	{TD_HOST_ATTR_ISOLATED, RANK_PORT},
	{TD_HOST_ATTR_VLANS, RANK_PORT},
	{TD_HOST_ATTR_MARK, RANK_MARK},
};

/* What a port has is new when it joins anew; new links have what the kernel gives them, and their mark. */
static const char *plain_from(
	const struct diff *diff, enum td_host_attr attr, const struct td_host_object *is, const struct td_host_object *want, bool fresh)
{
	const char *master = value_of(want, TD_HOST_ATTR_MASTER), *now = value_of(is, TD_HOST_ATTR_MASTER);
	bool joins = fresh || (*master && strcmp(master, now) != 0) || goes(diff, master) || comes(diff, master);
	bool refilled = fresh || empties(diff, want->name);
	if (!is && !fresh)
		return NULL;
	switch (attr) {
	case TD_HOST_ATTR_ISOLATED:
		return joins ? "no" : is->value[attr];
	case TD_HOST_ATTR_VLANS:
		return joins ? "" : is->value[attr];
	case TD_HOST_ATTR_PRIMARY:
		return refilled ? "" : is->value[attr];
	case TD_HOST_ATTR_MARK:
		return fresh ? TD_HOST_MARK : value_of(is, attr);
	case TD_HOST_ATTR_HASH:
		return fresh ? "layer2" : is->value[attr];
	case TD_HOST_ATTR_LACP_RATE:
		return fresh ? "slow" : is->value[attr];
	case TD_HOST_ATTR_VLAN_FILTERING:
		return fresh ? "no" : is->value[attr];
	default:
		return fresh || !is ? NULL : is->value[attr];
	}
}

static void diff_plain(const struct diff *diff, const struct td_host_object *is, const struct td_host_object *want, bool fresh)
{
	for (unsigned i = 0; i < TD_COUNT(plain); i++) {
		const char *to = want->value[plain[i].attr];
		if (!to)
			continue;
		const char *from = plain_from(diff, plain[i].attr, is, want, fresh);
		if (!from || strcmp(from, to) != 0)
			emit_link(diff, want->name, plain[i].attr, from, to, plain[i].rank);
	}
}

static void diff_link(const struct diff *diff, const struct td_host_object *want)
{
	const struct td_host_object *is = find_link(diff->is, want->name);
	bool fresh = comes(diff, want->name);
	static const unsigned make[] = {0, RANK_MAKE_BOND, RANK_MAKE_VLAN, RANK_MAKE_BRIDGE};
	const char *kind = want->value[TD_HOST_ATTR_KIND], *vfs = want->value[TD_HOST_ATTR_NUM_VFS];
	if (is)
		diff_delete(diff, is);
	if (is && kind)
		diff_mode(diff, is, want);
	diff_master(diff, is, want, want->name);
	if (kind && !*kind)
		return;
	if (fresh)
		emit_link(diff, want->name, TD_HOST_ATTR_KIND, "", kind, make[level_of(kind)]);
	if (vfs && strcmp(value_of(is, TD_HOST_ATTR_NUM_VFS), vfs) != 0) {
		diff_vfs_gone(diff, want->name);
		emit_link(diff, want->name, TD_HOST_ATTR_NUM_VFS, value_of(is, TD_HOST_ATTR_NUM_VFS), vfs, RANK_NUM_VFS);
	}
	if (want->value[TD_HOST_ATTR_MTU])
		diff_mtu(diff, is, want, fresh);
	if (want->value[TD_HOST_ATTR_UP])
		diff_up(diff, is, want, fresh);
	diff_plain(diff, is, want, fresh);
}

/* A VF that is made anew has what its driver gives it; one that tells nothing of an attribute is left with it. */
static void diff_vf(const struct diff *diff, const struct td_host_object *want)
{
	char pf[16];
	unsigned number;
	if (!td_host_state_split_vf(want->name, pf, &number))
		return;
	const struct td_host_object *is = td_host_state_find(diff->is, TD_HOST_VF, want->name);
	bool fresh = differs(diff, pf, TD_HOST_ATTR_NUM_VFS) || !is;
	for (unsigned i = 0; i < TD_HOST_ATTR_COUNT; i++) {
		enum td_host_attr attr = (enum td_host_attr)i;
		const char *to = want->value[i], *from = fresh ? NULL : is->value[i];
		bool is_driver = attr == TD_HOST_ATTR_DRIVER;
		if (fresh && is_driver)
			from = "none";
		if (!to || (!fresh && !from) || (from && !strcmp(from, to)))
			continue;
		emit(diff, TD_HOST_VF, want->name, attr, from, to, is_driver ? RANK_BIND_VF : RANK_VF + (unsigned)attr);
	}
}

static void diff_plainly(const struct diff *diff, const struct td_host_object *want, enum td_host_attr attr, unsigned rank)
{
	const struct td_host_object *is = td_host_state_find(diff->is, want->kind, want->name);
	const char *from = is ? is->value[attr] : NULL, *to = want->value[attr];
	if (to && (!from || strcmp(from, to) != 0))
		emit(diff, want->kind, want->name, attr, from, to, rank);
}

/* What goes makes room for what comes. */
static bool fewer_pages(const struct diff *diff, const struct td_host_object *want)
{
	const char *is = td_host_state_get(diff->is, TD_HOST_HUGEPAGES, want->name, TD_HOST_ATTR_PAGES);
	const char *then = want->value[TD_HOST_ATTR_PAGES];
	return is && then && strtoull(then, NULL, 10) < strtoull(is, NULL, 10);
}

static int compare_steps(const void *a, const void *b)
{
	const struct td_host_step *left = a, *right = b;
	if (left->rank != right->rank)
		return left->rank < right->rank ? -1 : 1;
	return left->serial < right->serial ? -1 : 1;
}

int td_host_diff(const struct td_host_state *is, const struct td_host_state *want, struct td_host_plan *ret_plan, struct td_err *err)
{
	const struct diff diff = {is, want, ret_plan};
	*ret_plan = (struct td_host_plan){0};
	for (unsigned i = 0; i < want->count; i++) {
		const struct td_host_object *object = &want->object[i];
		switch (object->kind) {
		case TD_HOST_MODULE:
			diff_plainly(&diff, object, TD_HOST_ATTR_LOADED, RANK_MODULE);
			break;
		case TD_HOST_HUGEPAGES:
			diff_plainly(&diff, object, TD_HOST_ATTR_PAGES, fewer_pages(&diff, object) ? RANK_SHRINK_PAGES : RANK_HUGEPAGES);
			break;
		case TD_HOST_LINK:
			diff_link(&diff, object);
			break;
		case TD_HOST_VF:
			diff_vf(&diff, object);
			break;
		case TD_HOST_KIND_COUNT:
			break;
		}
	}
	/* Ports that nobody wants anything of, below links that go or come anew. */
	for (unsigned i = 0; i < is->count; i++)
		if (is->object[i].kind == TD_HOST_LINK && !find_link(want, is->object[i].name))
			diff_master(&diff, &is->object[i], NULL, is->object[i].name);
	if (ret_plan->no_memory) {
		td_host_diff_fini(ret_plan);
		return td_err_set(err, ENOMEM, TD_REASON_SYSTEM, "out of memory");
	}
	if (ret_plan->count)
		qsort(ret_plan->step, ret_plan->count, sizeof(*ret_plan->step), compare_steps);
	return 0;
}

void td_host_diff_free_step(struct td_host_step *step)
{
	free(step->from);
	free(step->to);
	free(step->disturbs);
	*step = (struct td_host_step){0};
}

void td_host_diff_fini(struct td_host_plan *plan)
{
	for (unsigned i = 0; i < plan->count; i++)
		td_host_diff_free_step(&plan->step[i]);
	free(plan->step);
	*plan = (struct td_host_plan){0};
}

unsigned td_host_diff_count(const struct td_host_plan *plan)
{
	unsigned count = 0;
	for (unsigned i = 0; i < plan->count; i++)
		count += plan->step[i].to != NULL;
	return count;
}

void td_host_diff_print(const struct td_host_step *step, bool undo, char *ret_text, size_t len)
{
	const char *from = undo ? step->to : step->from, *to = undo ? step->from : step->to;
	const char *attr = td_host_state_attr_name(step->attr);
	if (step->attr == TD_HOST_ATTR_KIND && to && *to)
		snprintf(ret_text, len, "make %s", to);
	else if (step->attr == TD_HOST_ATTR_KIND)
		snprintf(ret_text, len, "take away %s", from ? from : "");
	else if (step->attr == TD_HOST_ATTR_MASTER && to && *to)
		snprintf(ret_text, len, "put into %s", to);
	else if (step->attr == TD_HOST_ATTR_MASTER)
		snprintf(ret_text, len, "take out of %s", from ? from : "");
	else if (step->attr == TD_HOST_ATTR_UP)
		snprintf(ret_text, len, "set %s", to && !strcmp(to, "yes") ? "up" : "down");
	else if (step->attr == TD_HOST_ATTR_LOADED)
		snprintf(ret_text, len, "%s", undo ? "stays" : "load");
	else if (from)
		snprintf(ret_text, len, "%s %s -> %s", attr, *from ? from : "none", !to ? "as it is" : *to ? to : "none");
	else
		snprintf(ret_text, len, "%s %s", attr, !to ? "as it is" : *to ? to : "none");
}
