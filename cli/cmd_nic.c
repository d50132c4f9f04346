/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_nic.c - tandem nic: the hybrid NICs of the running VMs. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cli/client.h"
#include "cli/cmd_verbs.h"
#include "cli/commands.h"
#include "core/json.h"
#include "host/sys/pci_names.h"
#include "host/sys/sysfs.h"

static void cmd_nic_print_nics(const json_t *list)
{
	static const char *const columns[] = {"VM", "NIC", "MODE", "PATH", "STATE", "MAC", "VF", "PF", "TAP", "BRIDGE", "EMULATED", NULL};
	static const char *const members[] = {
		"vm", "id", "mode", "path", "state", "mac", "vf.bdf", "vf.pf", "tap", "bridge", "emulated.health"};
	struct td_table *table = td_table_create(columns);
	size_t i;
	json_t *nic;

	json_array_foreach((json_t *)(uintptr_t)list, i, nic)
	{
		char text[TD_COUNT(members)][64];
		const char *cells[TD_COUNT(members)];

		for (unsigned c = 0; c < TD_COUNT(members); c++)
			cells[c] = td_client_cell(nic, members[c], text[c]);
		td_table_add(table, cells);
	}
	td_table_print(table);
}

static int cmd_nic_run_list(const struct td_cmd_options *options, struct td_err *err)
{
	const char *vm = options->vm ? options->vm : options->word[0];
	char name[64];
	int rc = vm ? td_client_find_vm(vm, name, err) : 0;

	if (rc)
		return rc;
	json_t *list = json_array();
	rc = td_client_nics(vm, list, err);
	if (!rc && options->json)
		td_client_print_json(list);
	else if (!rc)
		cmd_nic_print_nics(list);
	json_decref(list);
	return rc;
}

/* "quiesce 210.4, swap 1.2": phases that took time. */
static void phases_text(const json_t *phases, char *text, size_t len)
{
	const char *name;
	json_t *ms;
	size_t used = 0;

	*text = '\0';
	json_object_foreach((json_t *)(uintptr_t)phases, name, ms)
	{
		if (used < len && json_number_value(ms) >= 0.05)
			used += (size_t)snprintf(text + used, len - used, "%s%s %.1f", used ? ", " : "", name, json_number_value(ms));
	}
}

/* null (nothing ran through it, so nothing was measured) as "-". */
static const char *blackout_text(const json_t *flip, const char *member, char text[64])
{
	json_t *ms = json_object_get(flip, member);

	if (!json_is_number(ms))
		return "-";
	snprintf(text, 64, "%.1f ms", json_number_value(ms));
	return text;
}

static void cmd_nic_print_flips(const json_t *flips)
{
	static const char *const columns[] = {"TO", "DONE", "REASON", "TOTAL", "BLACKOUT-RX", "BLACKOUT-TX", "PROOF", "PHASES (ms)", NULL};
	struct td_table *table = json_array_size(flips) ? td_table_create(columns) : NULL;
	size_t i;
	json_t *flip;

	json_array_foreach((json_t *)(uintptr_t)flips, i, flip)
	{
		char text[7][64], phases[256];

		phases_text(json_object_get(flip, "phases"), phases, sizeof(phases));
		const char *cells[] = {td_client_cell(flip, "to", text[0]), json_is_true(json_object_get(flip, "ok")) ? "yes" : "no",
			td_client_cell(flip, "reason", text[2]), blackout_text(flip, "total_ms", text[3]),
			blackout_text(flip, "blackout_rx_ms", text[4]), blackout_text(flip, "blackout_tx_ms", text[5]),
			td_client_cell(flip, "proof", text[6]), phases};
		td_table_add(table, cells);
	}
	td_table_print(table);
}

/* The VF's model by name. It is found here, and not by the VM: its process is spared what that takes. */
static void name_vf(json_t *info)
{
	json_t *vf = json_object_get(info, "vf");
	const char *bdf = json_string_value(json_object_get(vf, "bdf"));
	char text[TD_PCI_NAME_BYTES];
	struct td_pci_names *names = bdf ? td_pci_names_open(TD_SYSFS) : NULL;
	if (td_pci_names_at(names, bdf ? bdf : "", text))
		json_object_set_new(vf, "model", td_json_text(text));
	td_pci_names_close(names);
}

static int cmd_nic_run_info(const struct td_cmd_options *options, struct td_err *err)
{
	char vm[64];
	const char *nic;
	json_t *info = NULL;
	int rc = td_client_find_nic(options->word[0], options->vm, vm, &nic, err);

	if (rc)
		return rc;
	json_t *args = json_pack("{s:o}", "nic", td_json_text(nic));
	rc = td_client_call(vm, "nic-info", args, TD_CLIENT_WAIT_MS, &info, err);
	json_decref(args);
	if (!rc)
		name_vf(info);
	if (!rc && options->json) {
		td_client_print_json(info);
	} else if (!rc) {
		printf("vm: %s\n", vm);
		td_client_print_lines(info);
		cmd_nic_print_flips(json_object_get(info, "flips"));
	}
	json_decref(info);
	return rc;
}

/* "web1/net0: to emulated, request to done 311.2 ms, blackout rx 12.0 ms tx 3.1 ms; ms: quiesce 210.4, swap 1.2" */
static void cmd_nic_print_switch(const char *vm, const char *nic, const json_t *flip)
{
	char text[4][64], total[64], phases[256];

	if (!json_is_true(json_object_get(flip, "changed"))) {
		printf("%s/%s: is on path %s already\n", vm, nic, td_client_cell(flip, "to", text[0]));
		return;
	}
	phases_text(json_object_get(flip, "phases"), phases, sizeof(phases));
	printf("%s/%s: to %s, request to done %s, blackout rx %s tx %s, %s%s%s\n", vm, nic, td_client_cell(flip, "to", text[0]),
		blackout_text(flip, "total_ms", total), blackout_text(flip, "blackout_rx_ms", text[1]),
		blackout_text(flip, "blackout_tx_ms", text[2]), td_client_cell(flip, "proof", text[3]), *phases ? "; ms: " : "", phases);
}

static int cmd_nic_run_switch(const struct td_cmd_options *options, struct td_err *err)
{
	char vm[64];
	const char *nic;
	json_t *flip = NULL;

	if (!options->to || (strcmp(options->to, "vf") != 0 && strcmp(options->to, "emulated") != 0))
		return td_err_set(err, EINVAL, TD_REASON_USAGE, "nic switch: --to vf or --to emulated");
	if (options->cold && *options->to == 'v')
		return td_err_set(err, EINVAL, TD_REASON_USAGE, "nic switch: --cold gives the VF back, so it goes with --to emulated");
	if (options->force && *options->to == 'v')
		return td_err_set(
			err, EINVAL, TD_REASON_USAGE, "nic switch: --force is about the emulated path, so it goes with --to emulated");
	int rc = td_client_find_nic(options->word[0], options->vm, vm, &nic, err);
	if (rc)
		return rc;
	rc = td_client_switch(vm, nic, options->to, options->cold, options->force, &flip, err);
	if (!rc && options->json)
		td_client_print_json(flip);
	else if (!rc)
		cmd_nic_print_switch(vm, nic, flip);
	else if (flip)
		*options->ret_detail = json_pack("{s:O}", "flip", flip);
	json_decref(flip);
	return rc;
}

#define OPTION_VM TD_CMD_OPTION("vm", "NAME", vm, "of this VM")

static const struct td_args_option nic_options[] = {OPTION_VM, TD_CMD_LAST_OPTIONS};

static const struct td_args_option switch_options[] = {
	TD_CMD_OPTION("to", "vf|emulated", to, "the path; must be given"),
	TD_CMD_OPTION("cold", NULL, cold, "with --to emulated: give the VF back"),
	TD_CMD_OPTION("force", NULL, force, "with --to emulated: also if that path is known not to work"),
	OPTION_VM,
	TD_CMD_LAST_OPTIONS,
};

static const struct td_cmd_verb verbs[] = {
	{.name = "list",
		.words = "[VM]",
		.help = "all hybrid NICs, or one VM's",
		.options = nic_options,
		.words_max = 1,
		.run = cmd_nic_run_list},
	{.name = "info",
		.words = "NIC",
		.help = "paths, counters and past flips of a NIC",
		.options = nic_options,
		.words_min = 1,
		.words_max = 1,
		.run = cmd_nic_run_info},
	{.name = "switch",
		.words = "NIC",
		.help = "flip it to the other path; --cold gives the VF back",
		.options = switch_options,
		.words_min = 1,
		.words_max = 1,
		.run = cmd_nic_run_switch},
};

const struct td_cmd_verbs td_cmd_nic_verbs = {"nic", "NIC is VM/NIC, or NIC alone where one running VM has it.\n", verbs, TD_COUNT(verbs)};

int td_cmd_nic(int argc, char **argv)
{
	return td_cmd_verbs(&td_cmd_nic_verbs, argc, argv);
}
