/* SPDX-License-Identifier: Apache-2.0 */
/* host_allow.c - follows links upwards, from what a step touches to the VMs that live by it. */
#include "host/provision/host_allow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "host/provision/host_able.h"

#define DEPTH_MAX 8 /* of links above links */

struct names {
	char text[400];
	unsigned count;
};

static void add_name(struct names *names, const char *fmt, ...) TD_PRINTF(2, 3);

static void add_name(struct names *names, const char *fmt, ...)
{
	size_t used = strlen(names->text);
	va_list args;
	if (names->count++ && used + 2 < sizeof(names->text)) {
		memcpy(names->text + used, ", ", 3);
		used += 2;
	}
	va_start(args, fmt);
	vsnprintf(names->text + used, sizeof(names->text) - used, fmt, args);
	va_end(args);
}

static const char *link_value(const struct td_host_state *state, const char *link, enum td_host_attr attr)
{
	const char *value = td_host_state_get(state, TD_HOST_LINK, link, attr);
	return value ? value : "";
}

static bool is_vlan_over(const struct td_host_object *link, const char *lower)
{
	const char *kind = link->value[TD_HOST_ATTR_KIND];
	size_t len = strlen(lower);
	return kind && !strncmp(kind, "vlan ", 5) && !strncmp(kind + 5, lower, len) && kind[5 + len] == ' ';
}

/* VMs whose emulated paths go over the link: ports with holders, of all bridges that stand on it. */
static void emulated_over(const struct td_host_state *is, const char *link, unsigned ms, unsigned depth, struct names *names)
{
	const char *master = link_value(is, link, TD_HOST_ATTR_MASTER);
	if (depth == DEPTH_MAX)
		return;
	if (*master)
		emulated_over(is, master, ms, depth + 1, names);
	for (unsigned i = 0; i < is->count; i++) {
		const struct td_host_object *object = &is->object[i];
		if (object->kind != TD_HOST_LINK)
			continue;
		if (is_vlan_over(object, link))
			emulated_over(is, object->name, ms, depth + 1, names);
		if (object->value[TD_HOST_ATTR_HOLDER] && td_host_state_is(object, TD_HOST_ATTR_MASTER, link) &&
			td_host_state_is(td_host_state_find(is, TD_HOST_LINK, link), TD_HOST_ATTR_KIND, "bridge"))
			add_name(names, "emulated path of %s: about %u.%u s", object->value[TD_HOST_ATTR_HOLDER], ms / 1000, ms / 100 % 10);
	}
}

/* A member leaves a team that goes on with another. */
static bool team_goes_on(const struct td_host_state *is, const struct td_host_state *want, const struct td_host_step *step)
{
	const char *team = link_value(is, step->name, TD_HOST_ATTR_MASTER);
	const char *mode = td_host_state_get(want, TD_HOST_LINK, team, TD_HOST_ATTR_MODE);
	if (step->attr != TD_HOST_ATTR_MASTER || !mode || strcmp(mode, link_value(is, team, TD_HOST_ATTR_MODE)) != 0)
		return false;
	for (unsigned i = 0; i < is->count; i++)
		if (td_host_state_is(&is->object[i], TD_HOST_ATTR_MASTER, team) && strcmp(is->object[i].name, step->name) != 0 &&
			!strcmp(link_value(want, is->object[i].name, TD_HOST_ATTR_MASTER), team))
			return true;
	return false;
}

/* Does the step stop what runs over the link, were it for a moment? */
static bool stops_link(const struct td_host_step *step)
{
	if (step->kind != TD_HOST_LINK || !step->to)
		return false;
	switch (step->attr) {
	case TD_HOST_ATTR_MASTER:
	case TD_HOST_ATTR_NUM_VFS:
	case TD_HOST_ATTR_MODE:
	case TD_HOST_ATTR_VLAN_FILTERING:
		return step->from != NULL; /* NULL: it is only just made */
	case TD_HOST_ATTR_KIND:
		return !*step->to;
	case TD_HOST_ATTR_UP:
		return !strcmp(step->to, "no");
	default:
		return false;
	}
}

static void list_vf_holders(const struct td_host_state *is, const char *pf, const char *fmt, struct names *names)
{
	for (unsigned i = 0; i < is->count; i++) {
		const struct td_host_object *vf = &is->object[i];
		const char *holder = vf->value[TD_HOST_ATTR_HOLDER], *bdf = vf->value[TD_HOST_ATTR_BDF];
		if (td_host_state_vf_of(vf, pf) && holder)
			add_name(names, "%s%s VF %s (%s)", holder, fmt, vf->name + strlen(pf) + 1, bdf ? bdf : "?");
	}
}

static bool resets_link(const struct td_host_step *step)
{
	return step->kind == TD_HOST_LINK && step->attr == TD_HOST_ATTR_MTU && step->from;
}

int td_host_allow_disturbed(const struct td_host_state *is, const struct td_host_state *want, struct td_host_plan *plan, struct td_err *err)
{
	for (unsigned i = 0; i < plan->count; i++) {
		struct td_host_step *step = &plan->step[i];
		struct names names = {.count = 0};
		if (step->kind == TD_HOST_LINK && step->attr == TD_HOST_ATTR_NUM_VFS)
			list_vf_holders(is, step->name, " loses", &names);
		if ((stops_link(step) && !team_goes_on(is, want, step)) || resets_link(step))
			emulated_over(is, step->name, TD_MAX(step->estimate_ms, 100U), 0, &names);
		if (stops_link(step) && link_value(is, step->name, TD_HOST_ATTR_HOLDER)[0])
			add_name(&names, "emulated path of %s", link_value(is, step->name, TD_HOST_ATTR_HOLDER));
		if (!names.count)
			continue;
		step->disturbs = strdup(names.text);
		if (!step->disturbs)
			return td_err_set(err, ENOMEM, TD_REASON_SYSTEM, "out of memory");
	}
	return 0;
}

static int allow_holders(
	const struct td_host_state *is, const struct td_host_state *want, const struct td_host_step *step, struct td_err *err)
{
	struct names names = {.count = 0};
	if (step->attr == TD_HOST_ATTR_NUM_VFS) {
		list_vf_holders(is, step->name, " has", &names);
		if (names.count)
			return td_err_set(err, EBUSY, TD_REASON_VF_BUSY,
				"%s: numVfs %s -> %s takes all its VFs away, and some are in use: %s: free them, or say --force",
				step->name, step->from, step->to, names.text);
	}
	const char *holder = link_value(is, step->name, TD_HOST_ATTR_HOLDER), *master = link_value(is, step->name, TD_HOST_ATTR_MASTER);
	bool bridge_goes = step->attr == TD_HOST_ATTR_MASTER && step->to && !*step->to && !link_value(want, master, TD_HOST_ATTR_KIND)[0];
	if (bridge_goes && *holder)
		return td_err_set(err, EBUSY, TD_REASON_VF_BUSY, "%s: goes away, and %s is in it (%s): shut the VM down, or say --force",
			master, holder, step->name);
	return 0;
}

static int allow_route(
	const struct td_host_state *is, const struct td_host_state *want, const struct td_host_step *step, struct td_err *err)
{
	const char *route = link_value(is, step->name, TD_HOST_ATTR_ROUTE), *address = link_value(is, step->name, TD_HOST_ATTR_ADDRESS);
	char text[128];
	if (!stops_link(step) || team_goes_on(is, want, step) || step->attr == TD_HOST_ATTR_VLAN_FILTERING)
		return 0;
	td_host_diff_print(step, false, text, sizeof(text));
	if (*route)
		return td_err_set(err, EBUSY, TD_REASON_WOULD_DISCONNECT, "%s: %s: %s goes over it", step->name, text, route);
	if (step->attr == TD_HOST_ATTR_KIND && *address)
		return td_err_set(err, EBUSY, TD_REASON_WOULD_DISCONNECT, "%s: %s: its address %s goes with it: move it away first",
			step->name, text, address);
	if (step->attr == TD_HOST_ATTR_MASTER && *step->to && *address)
		return td_err_set(err, EBUSY, TD_REASON_WOULD_DISCONNECT, "%s: %s: its address %s is no longer reached then: move it to %s",
			step->name, text, address, step->to);
	return 0;
}

int td_host_allow(const struct td_host_state *is, const struct td_host_state *want, const struct td_host_plan *plan, bool force,
	bool disconnect, struct td_err *err)
{
	int r = td_host_able(is, want, plan, err);
	for (unsigned i = 0; !r && i < plan->count; i++) {
		const struct td_host_step *step = &plan->step[i];
		if (step->kind == TD_HOST_LINK && !force)
			r = allow_holders(is, want, step, err);
		if (!r && step->kind == TD_HOST_LINK && !disconnect)
			r = allow_route(is, want, step, err);
	}
	return r;
}
