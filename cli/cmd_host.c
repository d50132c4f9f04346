/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_host.c - tandem host: making a machine ready for hybrid NICs; its verbs, in one table. Each verb has a file of its own. */
#include "cli/cmd_verbs.h"
#include "cli/commands.h"

static const struct td_cmd_verb verbs[] = {
	{.name = "plan",
		.usage = "[FILE] [--json]",
		.help = "what apply would change to make this host what host.yaml says; exit status 2 when there is something",
		.main = td_cmd_host_plan},
	{.name = "apply",
		.usage = "[FILE] [--force] [--allow-disconnect] [--wait SECONDS] [--json]",
		.help = "changes it: VFs, networks, teams, huge pages, modules; what fails is undone",
		.main = td_cmd_host_apply},
	{.name = "status", .usage = "[FILE] [--json]", .help = "each object of the file: in sync, or how not", .main = td_cmd_host_status},
	{.name = "doctor",
		.usage = "[--root DIR|FILE] [--record FILE] [--json]",
		.help = "says why VMs cannot have VFs on this host, or are slower than they need be",
		.main = td_cmd_host_doctor},
};

const struct td_cmd_verbs td_cmd_host_verbs = {"host", "tandem host VERB --help says more.\n", verbs, TD_COUNT(verbs)};

int td_cmd_host(int argc, char **argv)
{
	return td_cmd_verbs(&td_cmd_host_verbs, argc, argv);
}
