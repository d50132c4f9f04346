/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_vm.c - tandem vm: the running VMs, each asked by its control socket. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/client.h"
#include "cli/cmd_verbs.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "core/json.h"
#include "core/log.h"
#include "machine/rundir.h"

#define LIST_WAIT_MS 1000
#define KILL_WAIT_MS 3000 /* for an orderly end; what lasts longer is ended by a signal */

/* What one line of `vm list` needs. A VM that does not answer has a state all the same. New reference. */
static json_t *list_entry(const struct td_rundir_entry *entry)
{
	json_t *info = NULL;

	if (entry->alive && !td_client_call(entry->name, "vm-info", NULL, LIST_WAIT_MS, &info, NULL))
		return info;
	const char *state = entry->alive ? "silent" : "dead";
	json_t *pid = entry->pid ? json_integer(entry->pid) : json_null();
	return json_pack("{s:o, s:s, s:o}", "name", td_json_text(entry->name), "state", state, "pid", pid);
}

static const char *memory_text(const json_t *info, char text[64])
{
	json_t *bytes = json_object_get(info, "memory_bytes");

	if (!bytes)
		return "-";
	snprintf(text, 64, "%lldM", (long long)json_integer_value(bytes) >> 20);
	return text;
}

static const char *uptime_text(const json_t *info, char text[64])
{
	json_t *uptime = json_object_get(info, "uptime_ms");

	if (!uptime)
		return "-";
	uint64_t s = (uint64_t)json_integer_value(uptime) / 1000;
	snprintf(text, 64, "%" PRIu64 ":%02" PRIu64 ":%02" PRIu64, s / 3600, s / 60 % 60, s % 60);
	return text;
}

static void cmd_vm_print_list(const json_t *list)
{
	static const char *const columns[] = {"NAME", "STATE", "REASON", "RESETS", "PID", "CPUS", "MEMORY", "NICS", "UPTIME", NULL};
	struct td_table *table = td_table_create(columns);
	size_t i;
	json_t *info;

	json_array_foreach((json_t *)(uintptr_t)list, i, info)
	{
		char text[9][64];
		const char *cells[] = {td_client_cell(info, "name", text[0]), td_client_cell(info, "state", text[1]),
			td_client_cell(info, "reason", text[2]), td_client_cell(info, "reboots", text[3]),
			td_client_cell(info, "pid", text[4]), td_client_cell(info, "cpus", text[5]), memory_text(info, text[6]),
			td_client_cell(info, "nics", text[7]), uptime_text(info, text[8])};

		td_table_add(table, cells);
	}
	td_table_print(table);
}

static int cmd_vm_run_list(const struct td_cmd_options *options, struct td_err *err)
{
	char root[TD_RUNDIR_PATH_MAX];
	td_auto_free struct td_rundir_entry *entries = NULL;
	unsigned count = 0;
	int rc = td_rundir_root(root, err);

	if (!rc)
		rc = td_rundir_list(root, &entries, &count, err);
	if (rc)
		return rc;
	json_t *list = json_array();
	for (unsigned i = 0; i < count; i++)
		json_array_append_new(list, list_entry(&entries[i]));
	if (options->json)
		td_client_print_json(list);
	else
		cmd_vm_print_list(list);
	json_decref(list);
	return 0;
}

static int cmd_vm_ask(const struct td_cmd_options *options, const char *command, json_t **ret_result, struct td_err *err)
{
	char name[64];
	int rc = td_client_find_vm(options->word[0], name, err);

	return rc ? rc : td_client_call(name, command, NULL, TD_CLIENT_WAIT_MS, ret_result, err);
}

static int cmd_vm_run_info(const struct td_cmd_options *options, struct td_err *err)
{
	json_t *info = NULL;
	int rc = cmd_vm_ask(options, "vm-info", &info, err);

	if (rc)
		return rc;
	if (options->json)
		td_client_print_json(info);
	else
		td_client_print_lines(info);
	json_decref(info);
	return 0;
}

static int cmd_vm_run_simple(const struct td_cmd_options *options, const char *command, struct td_err *err)
{
	json_t *result = NULL;
	int rc = cmd_vm_ask(options, command, &result, err);

	if (!rc && options->json)
		td_client_print_json(result);
	json_decref(result);
	return rc;
}

/* What the VM left is undone; its directory is still there when that failed. What other VMs left is no failure of this one's end. */
static int clean_up(const char *root, const char *name, struct td_err *err)
{
	int rc = td_rundir_recover(root, err);

	if (rc && td_rundir_exists(root, name))
		return td_err_prefix(err, "vm %s: ended, but not all that it held was given back", name);
	if (rc)
		td_warn("%s [%s]", err->text, td_reason_name(err->reason));
	return 0;
}

/* Orderly, so that VFs go back; by a signal when the process does not answer; and then what it left is undone here. */
static int cmd_vm_run_kill(const struct td_cmd_options *options, struct td_err *err)
{
	char root[TD_RUNDIR_PATH_MAX], name[64];
	json_t *result = NULL;
	bool died = false;
	int rc = td_rundir_root(root, err);

	if (!rc)
		rc = td_client_find_vm(options->word[0], name, err);
	if (rc == -ESRCH && err->reason == TD_REASON_VM_NOT_FOUND)
		died = true;
	else if (rc)
		return rc;
	*err = (struct td_err){0};
	if (!died && (td_client_call(name, "vm-kill", NULL, KILL_WAIT_MS, &result, NULL) || td_rundir_wait(root, name, KILL_WAIT_MS))) {
		rc = td_rundir_kill(root, name, err);
		if (rc && rc != -ESRCH)
			return rc;
		*err = (struct td_err){0};
	}
	json_decref(result);
	rc = clean_up(root, name, err);
	if (!rc && options->json) {
		json_t *done = json_pack("{s:o, s:s}", "name", td_json_text(name), "state", "dead");

		td_client_print_json(done);
		json_decref(done);
	}
	return rc;
}

static int cmd_vm_run_console(const struct td_cmd_options *options, struct td_err *err)
{
	json_t *result = NULL;
	int rc = cmd_vm_ask(options, "vm-console", &result, err);
	const char *path = json_string_value(json_object_get(result, "path"));

	if (!rc && options->json)
		td_client_print_json(result);
	else if (!rc)
		rc = td_console_connect(path ? path : "", err);
	json_decref(result);
	return rc;
}

/* One warning for all of them. */
static void warn_of_dma(const json_t *names)
{
	const char *before = "tandem: paused, but what VFs receive is still written to the guest's memory: ";

	for (size_t i = 0; i < json_array_size(names); i++, before = ", ")
		fprintf(stderr, "%s%s", before, json_string_value(json_array_get(names, i)));
	if (json_array_size(names))
		fputc('\n', stderr);
}

static int cmd_vm_run_pause(const struct td_cmd_options *options, struct td_err *err)
{
	json_t *result = NULL;
	int rc = cmd_vm_ask(options, "vm-pause", &result, err);

	warn_of_dma(json_object_get(result, "dma"));
	if (!rc && options->json)
		td_client_print_json(result);
	json_decref(result);
	return rc;
}

static int cmd_vm_run_resume(const struct td_cmd_options *options, struct td_err *err)
{
	return cmd_vm_run_simple(options, "vm-resume", err);
}

static int cmd_vm_run_shutdown(const struct td_cmd_options *options, struct td_err *err)
{
	return cmd_vm_run_simple(options, "vm-shutdown", err);
}

static const struct td_args_option vm_options[] = {TD_CMD_LAST_OPTIONS};

#define VERB(verb, text)                                                                                                           \
	{                                                                                                                          \
		.name = #verb, .words = "[NAME]", .help = (text), .options = vm_options, .words_max = 1, .run = cmd_vm_run_##verb, \
	}
static const struct td_cmd_verb verbs[] = {
	{.name = "list",
		.words = "",
		.help = "all VMs of this host, also those whose process died (dead)",
		.options = vm_options,
		.run = cmd_vm_run_list},
	VERB(info, "state, sizes and counts of a VM"),
	VERB(pause, "stop its CPUs and devices where they are"),
	VERB(resume, "let it go on"),
	VERB(shutdown, "press its power button"),
	VERB(kill, "end it at once, whether it answers or not, and give its VFs back"),
	VERB(console, "connect the terminal to its serial port (serial mode pty); Ctrl-A x leaves"),
};
#undef VERB

const struct td_cmd_verbs td_cmd_vm_verbs = {"vm", "NAME may be left out where one VM runs.\n", verbs, TD_COUNT(verbs)};

int td_cmd_vm(int argc, char **argv)
{
	return td_cmd_verbs(&td_cmd_vm_verbs, argc, argv);
}
