/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_host.c - tandem host: making a machine ready for hybrid NICs; its verbs, in one table. Each verb has a file of its own. */
#include "cli/cmd_verbs.h"
#include "cli/commands.h"
#include "cli/host_load.h"

static const struct td_args_option plain_options[] = {TD_CMD_LAST_OPTIONS};

static const struct td_args_option apply_options[] = {
	TD_CMD_OPTION("force", NULL, force, "take VFs and networks away from running VMs (they go to their emulated paths)"),
	TD_CMD_OPTION("allow-disconnect", NULL, disconnect, "change links that this host is reached by"),
	TD_CMD_OPTION("wait", "SECONDS", wait, "wait for the NICs that the file names"),
	TD_CMD_LAST_OPTIONS,
};

static const struct td_args_option doctor_options[] = {
	TD_CMD_OPTION("root", "DIR|FILE", root, "look at a recorded host, or at a directory with sys, proc, dev and etc of one"),
	TD_CMD_OPTION(
		"record", "FILE", record, "keep what was read in a tar archive, without names and addresses; FILE/: in a new directory"),
	TD_CMD_LAST_OPTIONS,
};

#define FILE_IS "FILE: host.yaml, " TD_HOST_LOAD_FILE " when not given.\n"

static const struct td_cmd_verb verbs[] = {
	{.name = "plan",
		.words = "[FILE]",
		.help = "what apply would change to make this host what host.yaml says",
		.options = plain_options,
		.words_max = 1,
		.run = td_cmd_host_plan,
		.fail_status = TD_EXIT_FAILED, /* 2 says that there is something to do */
		.more = FILE_IS "Exit status: 0 nothing to do, 2 there is, 1 failed. man tandem-host says more.\n"},
	{.name = "apply",
		.words = "[FILE]",
		.help = "changes it: VFs, networks, teams, huge pages, modules; what fails is undone",
		.options = apply_options,
		.words_max = 1,
		.run = td_cmd_host_apply,
		.fail_status = TD_EXIT_FAILED,
		.more = FILE_IS "man tandem-host says more.\n"},
	{.name = "status",
		.words = "[FILE]",
		.help = "each object of the file: in sync, or how not",
		.options = plain_options,
		.words_max = 1,
		.run = td_cmd_host_status,
		.fail_status = TD_EXIT_FAILED,
		.more = FILE_IS "Exit status: 0 in sync, 2 not, 1 failed. man tandem-host says more.\n"},
	{.name = "doctor",
		.words = "",
		.help = "says why VMs cannot have VFs on this host, or are slower than they need be; nothing is changed",
		.options = doctor_options,
		.run = td_cmd_host_doctor,
		.fail_status = TD_EXIT_USAGE, /* 1 says that something on the host is wrong */
		.more = "Exit status: 0 nothing stops VMs or VFs, 1 something does, 2 the host could not be looked at.\n"
			"man tandem-host-doctor says more.\n"},
};

const struct td_cmd_verbs td_cmd_host_verbs = {"host", "", verbs, TD_COUNT(verbs)};

int td_cmd_host(int argc, char **argv)
{
	return td_cmd_verbs(&td_cmd_host_verbs, argc, argv);
}
