/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_print.c - tandem print: tables of the program as text, for what is generated from them (docs/): `keys` and `host-keys` (the key lists
 * of tandem.yaml.5 and host.yaml.5 as mdoc), `host-schema` (docs/host.schema.json), `policy-keys`, `policy-facts`, `simulation-keys` and
 * `policy-schema` (those of policy.yaml.5 and docs/policy.schema.json), `reasons` (docs/reason-codes.md), `doctor` (docs/doctor.md). Not
 * for users, so --help does not show it.
 */
#include <errno.h>
#include <string.h>

#include "cli/commands.h"
#include "config/host_schema.h"
#include "config/policy_schema.h"
#include "config/schema.h"
#include "config/vm_schema.h"

static void cmd_print_print_reasons(void)
{
	puts("# Reason codes\n\n"
	     "Every error ends in a reason code in brackets. With `--json`, standard output carries it too:\n"
	     "`{\"ok\": false, \"error\": {\"reason\": \"...\", \"code\": -2, \"text\": \"...\", \"hint\": \"...\"}}`, with `flip`, its\n"
	     "record, beside `error` when a flip was begun and undone. Names are stable: scripts may match them.\n"
	     "This file is printed by `tandem print reasons`, and a test keeps it so.\n\n"
	     "| code | what to do |\n|---|---|");
	for (unsigned i = TD_REASON_NONE + 1; i < TD_REASON_COUNT; i++)
		printf("| `%s` | %s |\n", td_reason_name((enum td_reason)i), td_reason_hint((enum td_reason)i));
}

int td_cmd_print(int argc, char **argv)
{
	const char *what = argc == 1 ? argv[0] : "";
	struct td_err err;

	if (!strcmp(what, "keys")) {
		td_schema_print_man(td_vm_config_keys(), stdout);
		return 0;
	}
	if (!strcmp(what, "host-keys")) {
		td_schema_print_man(td_host_schema_keys(), stdout);
		return 0;
	}
	if (!strcmp(what, "host-schema")) {
		td_schema_print_json(td_host_schema_keys(), TD_HOST_SCHEMA_TITLE, stdout);
		return 0;
	}
	if (!strcmp(what, "policy-keys")) {
		td_schema_print_man(td_policy_schema_keys(), stdout);
		return 0;
	}
	if (!strcmp(what, "policy-facts")) {
		td_policy_facts_print_man(stdout);
		return 0;
	}
	if (!strcmp(what, "simulation-keys")) {
		td_schema_print_man(td_policy_schema_simulation_keys(), stdout);
		return 0;
	}
	if (!strcmp(what, "policy-schema")) {
		td_schema_print_json(td_policy_schema_keys(), TD_POLICY_SCHEMA_TITLE, stdout);
		return 0;
	}
	if (!strcmp(what, "reasons")) {
		cmd_print_print_reasons();
		return 0;
	}
	if (!strcmp(what, "doctor")) {
		td_host_doctor_print_reference(stdout);
		return 0;
	}
	td_err_set(&err, EINVAL, TD_REASON_USAGE,
		"print: keys, host-keys, host-schema, policy-keys, policy-facts, policy-schema, simulation-keys, reasons or doctor");
	return td_cmd_fail(&err);
}

int td_cmd_fail(const struct td_err *err)
{
	td_err_print(stderr, err);
	switch (err->reason) {
	case TD_REASON_USAGE:
	case TD_REASON_CONFIG_FILE:
	case TD_REASON_CONFIG_SYNTAX:
	case TD_REASON_CONFIG_KEY:
	case TD_REASON_CONFIG_VALUE:
		return TD_EXIT_USAGE;
	default:
		return TD_EXIT_FAILED;
	}
}
