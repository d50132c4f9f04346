/* SPDX-License-Identifier: Apache-2.0 */
/* host_print.c - tables by libsmartcols, JSON by jansson. */
#include "cli/host_print.h"

#include <stdlib.h>
#include <string.h>

#include "cli/client.h"
#include "core/json.h"
#include "host/sys/pci_names.h"
#include "host/sys/sysfs.h"

static bool same_text(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

/* "pf0/3" and "pf0/4" */
static bool is_next_vf(const char *a, const char *b)
{
	char pf_a[16], pf_b[16];
	unsigned vf_a, vf_b;

	return td_host_state_split_vf(a, pf_a, &vf_a) && td_host_state_split_vf(b, pf_b, &vf_b) && !strcmp(pf_a, pf_b) && vf_b == vf_a + 1;
}

/* b does to the next VF what a does to its own. */
static bool host_print_continues(const struct td_host_step *a, const struct td_host_step *b)
{
	return a->kind == TD_HOST_VF && b->kind == TD_HOST_VF && a->attr == b->attr && same_text(a->from, b->from) &&
	       same_text(a->to, b->to) && same_text(a->disturbs, b->disturbs) && is_next_vf(a->name, b->name);
}

static const char *host_print_duration_text(unsigned ms, char text[32])
{
	if (ms >= 1000)
		snprintf(text, 32, "%u.%u s", ms / 1000, ms % 1000 / 100);
	else
		snprintf(text, 32, "%u ms", ms);
	return text;
}

void td_host_print_plan(const struct td_host_look *look)
{
	static const char *const columns[] = {"#", "OBJECT", "CHANGE", "ABOUT", "DISTURBS", NULL};
	struct td_table *table = td_table_create(columns);
	const struct td_host_plan *plan = &look->plan;
	unsigned number = 0;

	for (unsigned i = 0; i < plan->count; i++) {
		const struct td_host_step *first = &plan->step[i], *last = first;
		char index[16], object[TD_HOST_NAME_BYTES + 16], change[160], duration[32];
		unsigned ms = first->estimate_ms;

		if (!first->to)
			continue;
		for (; i + 1 < plan->count && host_print_continues(last, &plan->step[i + 1]); i++) {
			last = &plan->step[i + 1];
			ms += last->estimate_ms;
		}
		snprintf(index, sizeof(index), "%u", ++number);
		snprintf(object, sizeof(object), "%s%s%s", first->name, last == first ? "" : "-",
			last == first ? "" : strrchr(last->name, '/') + 1);
		td_host_diff_print(first, false, change, sizeof(change));
		const char *cells[] = {
			index, object, change, host_print_duration_text(ms, duration), first->disturbs ? first->disturbs : "-"};
		td_table_add(table, cells);
	}
	td_table_print(table);
}

/* ---- status */

static bool is_first_of_object(const struct td_host_look *look, const struct td_host_step *step)
{
	if (td_host_state_find(&look->want, step->kind, step->name))
		return false; /* it has a row already */
	for (const struct td_host_step *other = look->plan.step; other < step; other++)
		if (other->to && other->kind == step->kind && !strcmp(other->name, step->name))
			return false;
	return true;
}

/* "mtu 9000, should be 1500; down, should be up" */
static unsigned differences_text(const struct td_host_look *look, enum td_host_kind kind, const char *name, char *text, size_t len)
{
	unsigned count = 0;

	*text = '\0';
	for (unsigned i = 0; i < look->plan.count; i++) {
		const struct td_host_step *step = &look->plan.step[i];
		char one[160];
		size_t used = strlen(text);

		if (!step->to || step->kind != kind || strcmp(step->name, name) != 0)
			continue;
		td_host_diff_print(step, false, one, sizeof(one));
		snprintf(text + used, len - used, "%s%s", count++ ? "; " : "", one);
	}
	return count;
}

/* What is right and worth knowing all the same. */
static const char *note_of(const struct td_host_look *look, enum td_host_kind kind, const char *name)
{
	const struct td_host_object *is = td_host_state_find(&look->is, kind, name);

	if (is && is->value[TD_HOST_ATTR_HOLDER])
		return is->value[TD_HOST_ATTR_HOLDER];
	if (is && kind == TD_HOST_LINK && td_host_state_is(is, TD_HOST_ATTR_UP, "yes") && td_host_state_is(is, TD_HOST_ATTR_CARRIER, "no"))
		return "no link";
	return "";
}

struct row {
	enum td_host_kind kind;
	char first[TD_HOST_NAME_BYTES], last[TD_HOST_NAME_BYTES]; /* of VFs in a row; else the same */
	char how[400], note[128], model[TD_PCI_NAME_BYTES];
};

/* What a PF or a VF is, by name; "": no PCI function, or none with a name. */
static void find_model(
	const struct td_host_look *look, struct td_pci_names *names, enum td_host_kind kind, const char *name, char text[TD_PCI_NAME_BYTES])
{
	const char *bdf = td_host_state_get(&look->is, kind, name, TD_HOST_ATTR_BDF);
	if (!bdf || !td_pci_names_at(names, bdf, text))
		*text = '\0';
}

static unsigned fill_row(
	const struct td_host_look *look, struct td_pci_names *names, enum td_host_kind kind, const char *name, struct row *row)
{
	row->kind = kind;
	snprintf(row->first, sizeof(row->first), "%s", name);
	snprintf(row->last, sizeof(row->last), "%s", name);
	snprintf(row->note, sizeof(row->note), "%s", note_of(look, kind, name));
	find_model(look, names, kind, name, row->model);
	return differences_text(look, kind, name, row->how, sizeof(row->how));
}

static void host_print_add_row(struct td_table *table, const struct row *row)
{
	char object[2 * TD_HOST_NAME_BYTES];
	bool range = strcmp(row->first, row->last) != 0;

	snprintf(object, sizeof(object), "%s%s%s", row->first, range ? "-" : "", range ? strrchr(row->last, '/') + 1 : "");
	const char *cells[] = {td_host_state_kind_name(row->kind), object, *row->how ? "differs" : "in sync", *row->how ? row->how : "-",
		*row->note ? row->note : "-", *row->model ? row->model : "-"};
	td_table_add(table, cells);
}

/* The same is to be said of the next VF as of those before: one row for all. */
static bool extend_row(struct row *row, const struct row *next)
{
	if (row->kind != TD_HOST_VF || next->kind != TD_HOST_VF || !is_next_vf(row->last, next->first) ||
		strcmp(row->how, next->how) != 0 || strcmp(row->note, next->note) != 0 || strcmp(row->model, next->model) != 0)
		return false;
	memcpy(row->last, next->first, sizeof(row->last));
	return true;
}

unsigned td_host_print_status(const struct td_host_look *look)
{
	static const char *const columns[] = {"KIND", "OBJECT", "STATE", "TO DO", "NOTE", "MODEL", NULL};
	struct td_table *table = td_table_create(columns);
	struct td_pci_names *names = td_pci_names_open(TD_SYSFS);
	struct row row, next;
	unsigned off = 0;

	for (unsigned i = 0; i < look->want.count; i++) {
		off += fill_row(look, names, look->want.object[i].kind, look->want.object[i].name, &next) > 0;
		if (i && extend_row(&row, &next))
			continue;
		if (i)
			host_print_add_row(table, &row);
		row = next;
	}
	if (look->want.count)
		host_print_add_row(table, &row);
	for (unsigned i = 0; i < look->plan.count; i++) {
		const struct td_host_step *step = &look->plan.step[i];

		if (!step->to || !is_first_of_object(look, step))
			continue;
		off += fill_row(look, names, step->kind, step->name, &row) > 0;
		host_print_add_row(table, &row);
	}
	td_table_print(table);
	td_pci_names_close(names);
	return off;
}

/* ---- JSON */

json_t *td_host_print_step_json(const struct td_host_step *step)
{
	char text[160];

	td_host_diff_print(step, false, text, sizeof(text));
	return json_pack("{s:s, s:o, s:s, s:o, s:o, s:o, s:i, s:o}", "kind", td_host_state_kind_name(step->kind), "name",
		td_json_text(step->name), "attribute", td_host_state_attr_name(step->attr), "from", td_json_text(step->from), "to",
		td_json_text(step->to), "change", td_json_text(text), "estimate_ms", (int)step->estimate_ms, "disturbs",
		td_json_text(step->disturbs));
}

static json_t *object_json(
	const struct td_host_look *look, struct td_pci_names *names, enum td_host_kind kind, const char *name, unsigned *ret_off)
{
	char model[TD_PCI_NAME_BYTES];
	json_t *differences = json_array();

	for (unsigned i = 0; i < look->plan.count; i++) {
		const struct td_host_step *step = &look->plan.step[i];

		if (step->to && step->kind == kind && !strcmp(step->name, name))
			json_array_append_new(differences, json_pack("{s:s, s:o, s:o}", "attribute", td_host_state_attr_name(step->attr),
								   "is", td_json_text(step->from), "should", td_json_text(step->to)));
	}
	bool in_sync = json_array_size(differences) == 0;
	*ret_off += !in_sync;
	find_model(look, names, kind, name, model);
	return json_pack("{s:s, s:o, s:b, s:o, s:o, s:o*}", "kind", td_host_state_kind_name(kind), "name", td_json_text(name), "in_sync",
		(int)in_sync, "differences", differences, "note", td_json_text(note_of(look, kind, name)), "model",
		*model ? td_json_text(model) : NULL);
}

json_t *td_host_print_status_json(const struct td_host_look *look, unsigned *ret_off)
{
	struct td_pci_names *names = td_pci_names_open(TD_SYSFS);
	json_t *objects = json_array();

	*ret_off = 0;
	for (unsigned i = 0; i < look->want.count; i++)
		json_array_append_new(objects, object_json(look, names, look->want.object[i].kind, look->want.object[i].name, ret_off));
	for (unsigned i = 0; i < look->plan.count; i++) {
		const struct td_host_step *step = &look->plan.step[i];

		if (step->to && is_first_of_object(look, step))
			json_array_append_new(objects, object_json(look, names, step->kind, step->name, ret_off));
	}
	td_pci_names_close(names);
	return objects;
}

/* ---- strays */

/* The next link, from *index on, that carries our mark and that the record does not know; NULL: no more. */
static const struct td_host_object *next_stray(const struct td_host_look *look, unsigned *index)
{
	while (*index < look->is.count) {
		const struct td_host_object *link = &look->is.object[(*index)++];
		if (link->value[TD_HOST_ATTR_STRAY])
			return link;
	}
	return NULL;
}

void td_host_print_strays(const struct td_host_look *look, const char *run_dir)
{
	unsigned index = 0;

	for (const struct td_host_object *link; (link = next_stray(look, &index));)
		printf("%s: looks like tandem's by its alias, but %s/host-state.json does not know it: %s\n", link->name, run_dir,
			td_host_state_ours(link) ? "apply takes it over, as the file has it."
						 : "it is left alone. If it shall go: ip link del it.");
}

json_t *td_host_print_strays_json(const struct td_host_look *look)
{
	json_t *strays = json_array();
	unsigned index = 0;

	for (const struct td_host_object *link; (link = next_stray(look, &index));)
		json_array_append_new(
			strays, json_pack("{s:o, s:b}", "name", td_json_text(link->name), "taken", (int)td_host_state_ours(link)));
	return strays;
}
