/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_host.c - tandem host: making a machine ready for hybrid NICs; its verbs, in one table. Each verb has a file of its own. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv); /* what stands behind the verb */
	const char *help;
} verbs[] = {
	{"doctor", td_cmd_host_doctor, "says why VMs cannot have VFs on this host, or are slower than they need be"},
};

static int print_help(void)
{
	puts("usage: tandem host VERB [ARGUMENT]...\n");
	for (unsigned i = 0; i < TD_COUNT(verbs); i++)
		printf("  %-8s %s\n", verbs[i].name, verbs[i].help);
	puts("\ntandem host VERB --help says more.");
	return 0;
}

int td_cmd_host(int argc, char **argv)
{
	struct td_err err = {0};
	const char *name = argc ? argv[0] : "";
	if (!strcmp(name, "--help") || !strcmp(name, "-h"))
		return print_help();
	for (unsigned i = 0; i < TD_COUNT(verbs); i++)
		if (!strcmp(name, verbs[i].name))
			return verbs[i].run(argc - 1, argv + 1);
	if (argc)
		td_err_set(&err, EINVAL, TD_REASON_USAGE, "host: unknown verb '%.32s'", name);
	else
		td_err_set(&err, EINVAL, TD_REASON_USAGE, "host: no verb");
	return td_cmd_fail(&err);
}
