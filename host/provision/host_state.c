/* SPDX-License-Identifier: Apache-2.0 */
/* host_state.c - objects and their attributes: a plain array, as a host has some hundred. */
#include "host/provision/host_state.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/provision/host_config.h"
#include "host/sys/names.h"

static const char *const kind_names[] = {"module", "hugepages", "link", "vf"};
static_assert(TD_COUNT(kind_names) == TD_HOST_KIND_COUNT, "one name a kind");

static const char *const attr_names[] = {
#define ATTR_NAME(symbol, name) [TD_HOST_ATTR_##symbol] = (name),
	TD_HOST_ATTRS(ATTR_NAME)
#undef ATTR_NAME
};
static_assert(TD_COUNT(attr_names) == TD_HOST_ATTR_COUNT, "one name an attribute");

const char *td_host_state_kind_name(enum td_host_kind kind)
{
	return kind_names[kind];
}

const char *td_host_state_attr_name(enum td_host_attr attr)
{
	return attr_names[attr];
}

static bool find_name(const char *const *names, unsigned count, const char *name, unsigned *ret_index)
{
	for (unsigned i = 0; i < count; i++)
		if (!strcmp(names[i], name)) {
			*ret_index = i;
			return true;
		}
	return false;
}

bool td_host_state_find_kind(const char *name, enum td_host_kind *ret_kind)
{
	unsigned index = 0;
	bool found = find_name(kind_names, TD_COUNT(kind_names), name, &index);
	*ret_kind = (enum td_host_kind)index;
	return found;
}

bool td_host_state_find_attr(const char *name, enum td_host_attr *ret_attr)
{
	unsigned index = 0;
	bool found = find_name(attr_names, TD_COUNT(attr_names), name, &index);
	*ret_attr = (enum td_host_attr)index;
	return found;
}

struct td_host_object *td_host_state_find(const struct td_host_state *state, enum td_host_kind kind, const char *name)
{
	for (unsigned i = 0; i < state->count; i++)
		if (state->object[i].kind == kind && !strcmp(state->object[i].name, name))
			return &state->object[i];
	return NULL;
}

struct td_host_object *td_host_state_add(struct td_host_state *state, enum td_host_kind kind, const char *name)
{
	struct td_host_object *object = td_host_state_find(state, kind, name);
	if (object)
		return object;
	if (state->count == state->room) {
		unsigned room = state->room ? state->room * 2 : 32;
		struct td_host_object *more = realloc(state->object, room * sizeof(*more));
		if (!more) {
			state->no_memory = true;
			return NULL;
		}
		state->object = more;
		state->room = room;
	}
	object = &state->object[state->count++];
	*object = (struct td_host_object){.kind = kind};
	snprintf(object->name, sizeof(object->name), "%s", name);
	return object;
}

static void put_value(struct td_host_state *state, struct td_host_object *object, enum td_host_attr attr, const char *value)
{
	char *copy = value ? strdup(value) : NULL;
	if (value && !copy)
		state->no_memory = true;
	free(object->value[attr]);
	object->value[attr] = copy;
}

void td_host_state_set(struct td_host_state *state, enum td_host_kind kind, const char *name, enum td_host_attr attr, const char *value)
{
	struct td_host_object *object = td_host_state_add(state, kind, name);
	if (object)
		put_value(state, object, attr, value);
}

void td_host_state_setf(struct td_host_state *state, enum td_host_kind kind, const char *name, enum td_host_attr attr, const char *fmt, ...)
{
	char text[256];
	va_list args;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	td_host_state_set(state, kind, name, attr, text);
}

const char *td_host_state_get(const struct td_host_state *state, enum td_host_kind kind, const char *name, enum td_host_attr attr)
{
	const struct td_host_object *object = td_host_state_find(state, kind, name);
	return object ? object->value[attr] : NULL;
}

bool td_host_state_is(const struct td_host_object *object, enum td_host_attr attr, const char *value)
{
	return object && object->value[attr] && !strcmp(object->value[attr], value);
}

static void free_values(struct td_host_object *object)
{
	for (unsigned i = 0; i < TD_HOST_ATTR_COUNT; i++)
		free(object->value[i]);
}

static void remove_at(struct td_host_state *state, unsigned index)
{
	free_values(&state->object[index]);
	memmove(&state->object[index], &state->object[index + 1], (state->count - index - 1) * sizeof(*state->object));
	state->count--;
}

void td_host_state_remove(struct td_host_state *state, enum td_host_kind kind, const char *name)
{
	const struct td_host_object *object = td_host_state_find(state, kind, name);
	if (object)
		remove_at(state, (unsigned)(object - state->object));
}

static bool has_value(const struct td_host_object *object)
{
	for (unsigned i = 0; i < TD_HOST_ATTR_COUNT; i++)
		if (object->value[i])
			return true;
	return false;
}

void td_host_state_tidy(struct td_host_state *state)
{
	for (unsigned i = state->count; i-- > 0;)
		if (!has_value(&state->object[i]))
			remove_at(state, i);
}

void td_host_state_remove_vfs(struct td_host_state *state, const char *pf)
{
	for (unsigned i = state->count; i-- > 0;)
		if (td_host_state_vf_of(&state->object[i], pf))
			remove_at(state, i);
}

bool td_host_state_copy(const struct td_host_state *from, struct td_host_state *ret_to)
{
	*ret_to = (struct td_host_state){0};
	for (unsigned i = 0; i < from->count; i++) {
		struct td_host_object *copy = td_host_state_add(ret_to, from->object[i].kind, from->object[i].name);
		for (unsigned attr = 0; copy && attr < TD_HOST_ATTR_COUNT; attr++)
			put_value(ret_to, copy, (enum td_host_attr)attr, from->object[i].value[attr]);
	}
	return !ret_to->no_memory;
}

void td_host_state_fini(struct td_host_state *state)
{
	for (unsigned i = 0; i < state->count; i++)
		free_values(&state->object[i]);
	free(state->object);
	*state = (struct td_host_state){0};
}

bool td_host_state_split_vf(const char *name, char ret_pf[16], unsigned *ret_index)
{
	const char *slash = strrchr(name, '/');
	char *end;
	if (!slash || slash == name || slash - name > 15 || slash[1] < '0' || slash[1] > '9')
		return false;
	unsigned long index = strtoul(slash + 1, &end, 10);
	if (*end || index >= TD_HOST_VFS_MAX)
		return false;
	memcpy(ret_pf, name, (size_t)(slash - name));
	ret_pf[slash - name] = '\0';
	*ret_index = (unsigned)index;
	return true;
}

void td_host_state_join_vf(const char *pf, unsigned index, char ret_name[TD_HOST_NAME_BYTES])
{
	snprintf(ret_name, TD_HOST_NAME_BYTES, "%.15s/%u", pf, index);
}

bool td_host_state_vf_of(const struct td_host_object *object, const char *pf)
{
	size_t len = strlen(pf);
	return object->kind == TD_HOST_VF && !strncmp(object->name, pf, len) && object->name[len] == '/';
}

bool td_host_state_ours(const struct td_host_object *link)
{
	return link->value[TD_HOST_ATTR_MARK] && td_names_is_mark(link->value[TD_HOST_ATTR_MARK]);
}

void td_host_state_vlans_add(struct td_host_vlans *vlans, unsigned first, unsigned last)
{
	for (unsigned vlan = first; vlan <= last && vlan < 4096; vlan++)
		vlans->bits[vlan / 64] |= 1ULL << (vlan % 64);
}

bool td_host_state_vlans_has(const struct td_host_vlans *vlans, unsigned vlan)
{
	return vlan < 4096 && (vlans->bits[vlan / 64] >> (vlan % 64) & 1);
}

char *td_host_state_vlans_print(const struct td_host_vlans *vlans)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	if (!out)
		return NULL;
	for (unsigned first = 0; first < 4096; first++) {
		unsigned last = first;
		if (!td_host_state_vlans_has(vlans, first))
			continue;
		while (td_host_state_vlans_has(vlans, last + 1))
			last++;
		fprintf(out, "%s%u", ftell(out) ? "," : "", first);
		if (last > first)
			fprintf(out, "-%u", last);
		first = last;
	}
	if (fclose(out)) {
		free(text);
		return NULL;
	}
	return text;
}

bool td_host_state_vlans_scan(const char *text, struct td_host_vlans *ret_vlans)
{
	*ret_vlans = (struct td_host_vlans){0};
	while (*text) {
		char part[16];
		size_t len = strcspn(text, ",");
		unsigned first, last;
		if (len >= sizeof(part))
			return false;
		memcpy(part, text, len);
		part[len] = '\0';
		if (!td_names_parse_vlans(part, &first, &last))
			return false;
		td_host_state_vlans_add(ret_vlans, first, last);
		text += len + (text[len] == ',');
	}
	return true;
}
