/* SPDX-License-Identifier: Apache-2.0 */
/* client.c - names and calls of the commands that talk to running VMs. Printing is client_print.c. */
#include "cli/client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/control.h"
#include "core/json.h"
#include "machine/rundir.h"

#define OLD_FLIP_LIMIT_MS 60000

struct running {
	char root[TD_RUNDIR_PATH_MAX];
	struct td_rundir_entry *entry;
	unsigned count, alive_count, alive_index; /* index: of the last that lives */
	char names[200];			  /* for messages */
};

/* entry is the caller's to free(). */
static int list_running(struct running *running, struct td_err *err)
{
	*running = (struct running){0};
	int rc = td_rundir_root(running->root, err);
	if (!rc)
		rc = td_rundir_list(running->root, &running->entry, &running->count, err);
	for (unsigned i = 0; !rc && i < running->count; i++) {
		if (!running->entry[i].alive)
			continue;
		running->alive_count++;
		running->alive_index = i;
		size_t used = strlen(running->names);
		snprintf(running->names + used, sizeof(running->names) - used, "%s%s", used ? ", " : "", running->entry[i].name);
	}
	return rc;
}

int td_client_find_vm(const char *name, char ret_name[64], struct td_err *err)
{
	struct running running;
	int rc = list_running(&running, err);
	td_auto_free struct td_rundir_entry *entries = running.entry;

	if (rc)
		return rc;
	if (!name && running.alive_count == 1)
		name = entries[running.alive_index].name;
	for (unsigned i = 0; name && i < running.count; i++) {
		if (strcmp(name, entries[i].name) != 0)
			continue;
		memcpy(ret_name, entries[i].name, sizeof(entries[i].name));
		if (entries[i].alive)
			return 0;
		return td_err_set(err, ESRCH, TD_REASON_VM_NOT_FOUND, "vm %s: its process died; tandem vm kill %s cleans up", name, name);
	}
	const char *some = running.alive_count ? running.names : "none";
	if (name)
		return td_err_set(err, ENOENT, TD_REASON_VM_NOT_FOUND, "vm %.63s: does not run; running: %s", name, some);
	return td_err_set(err, ENOENT, running.alive_count ? TD_REASON_USAGE : TD_REASON_VM_NOT_FOUND, "which VM? Running: %s", some);
}

int td_client_call(const char *vm, const char *command, json_t *args, int timeout_ms, json_t **ret_result, struct td_err *err)
{
	char root[TD_RUNDIR_PATH_MAX], path[TD_RUNDIR_PATH_MAX + 80];
	int rc = td_rundir_root(root, err);

	if (rc)
		return rc;
	snprintf(path, sizeof(path), "%s/%s/control.sock", root, vm);
	rc = td_control_call(path, command, args, timeout_ms, ret_result, err);
	if (rc == -ENOENT || rc == -ECONNREFUSED)
		return td_err_set(err, -rc, TD_REASON_VM_NOT_FOUND, "vm %s: does not listen: it is starting, or ending", vm);
	return rc;
}

int td_client_nics(const char *vm, json_t *list, struct td_err *err)
{
	char root[TD_RUNDIR_PATH_MAX];
	td_auto_free struct td_rundir_entry *entries = NULL;
	unsigned count = 0;
	int rc = td_rundir_root(root, err);

	if (!rc)
		rc = td_rundir_list(root, &entries, &count, err);
	for (unsigned i = 0; !rc && i < count; i++) {
		json_t *nics = NULL, *nic;
		size_t index;

		if (!entries[i].alive || (vm && strcmp(vm, entries[i].name) != 0))
			continue;
		if (td_client_call(entries[i].name, "nic-list", NULL, TD_CLIENT_WAIT_MS, &nics, vm ? err : NULL)) {
			rc = vm ? err->code : 0;
			json_array_append_new(list, json_pack("{s:s, s:o}", "state", "silent", "vm", td_json_text(entries[i].name)));
		}
		json_array_foreach(nics, index, nic)
		{
			json_object_set_new(nic, "vm", td_json_text(entries[i].name));
			json_array_append(list, nic);
		}
		json_decref(nics);
	}
	return rc;
}

int td_client_switch(const char *vm, const char *nic, const char *to, bool cold, bool force, json_t **ret_flip, struct td_err *err)
{
	json_t *info = NULL;
	json_t *args =
		json_pack("{s:o, s:o, s:b, s:b}", "nic", td_json_text(nic), "to", td_json_text(to), "cold", (int)cold, "force", (int)force);
	int rc = td_client_call(vm, "nic-info", args, TD_CLIENT_WAIT_MS, &info, err);
	const json_t *limit = json_object_get(info, "flip_limit_ms"); /* a VM started by an older tandem does not say */
	json_int_t limit_ms = limit ? json_integer_value(limit) : OLD_FLIP_LIMIT_MS;

	if (!rc)
		rc = td_client_call(vm, "nic-switch", args, (int)TD_MIN(limit_ms, INT32_MAX / 2) + TD_CLIENT_WAIT_MS, ret_flip, err);
	json_decref(args);
	json_decref(info);
	return rc;
}

static bool vm_has_nic(const char *vm, const char *nic)
{
	json_t *list = NULL, *item;
	size_t i;
	bool found = false;

	if (td_client_call(vm, "nic-list", NULL, TD_CLIENT_WAIT_MS, &list, NULL))
		return false;
	json_array_foreach(list, i, item)
	{
		const char *id = json_string_value(json_object_get(item, "id"));

		found = found || (id && !strcmp(id, nic));
	}
	json_decref(list);
	return found;
}

int td_client_find_nic(const char *nic, const char *vm, char ret_vm[64], const char **ret_nic, struct td_err *err)
{
	const char *slash = strchr(nic, '/');
	char before[64];

	*ret_nic = slash ? slash + 1 : nic;
	if (slash && vm)
		return td_err_set(err, EINVAL, TD_REASON_USAGE, "%.64s: names the VM already: leave --vm out", nic);
	if (slash) {
		snprintf(before, sizeof(before), "%.*s", (int)TD_MIN(slash - nic, 63), nic);
		vm = before;
	}
	if (vm)
		return td_client_find_vm(vm, ret_vm, err);
	struct running running;
	int rc = list_running(&running, err);
	td_auto_free struct td_rundir_entry *entries = running.entry;
	unsigned owners = 0;
	for (unsigned i = 0; !rc && i < running.count; i++) {
		if (!entries[i].alive || !vm_has_nic(entries[i].name, nic))
			continue;
		owners++;
		memcpy(ret_vm, entries[i].name, sizeof(entries[i].name));
	}
	if (rc || owners == 1)
		return rc;
	if (owners)
		return td_err_set(err, EINVAL, TD_REASON_USAGE, "nic %.32s: %u VMs have one of this name: say VM/%.32s", nic, owners, nic);
	return td_err_set(err, ENOENT, TD_REASON_NIC_NOT_FOUND, "nic %.32s: no running VM has it; running: %s", nic,
		running.alive_count ? running.names : "none");
}
