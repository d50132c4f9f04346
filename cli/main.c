/* SPDX-License-Identifier: Apache-2.0 */
/* main.c - tandem's subcommands, in one table. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv); /* without the names of program and command */
	const char *help;		   /* NULL: not for users */
} commands[] = {
	{"run", td_cmd_run, "run one VM in the foreground, from vm.yaml or flags"},
	{"vm", td_cmd_vm, "list running VMs, look at one, pause, resume, shut down, kill, connect to its console"},
	{"nic", td_cmd_nic, "list hybrid NICs, look at one, switch it to its VF or its emulated path"},
	{"host", td_cmd_host, "make this machine ready for VMs with VFs; say why it is not"},
	{"policy", td_cmd_policy, "check and rehearse policies: which path a NIC is on, and when it changes"},
	{"print", td_cmd_print, NULL},
};

static int main_print_help(FILE *out)
{
	fputs("usage: tandem COMMAND [ARGUMENT]...\n\nVirtual machines with hybrid NICs: a passed-through VF or an emulated NIC at any "
	      "moment.\n\n",
		out);
	for (unsigned i = 0; i < TD_COUNT(commands); i++)
		if (commands[i].help)
			fprintf(out, "  %-6s %s\n", commands[i].name, commands[i].help);
	fputs("\ntandem COMMAND --help says more, as do the man pages tandem(1) and tandem.yaml(5).\n", out);
	return out == stdout ? 0 : TD_EXIT_USAGE;
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN); /* a reader that has gone is an error of write(2) */
	const char *name = argc > 1 ? argv[1] : NULL;
	if (!name)
		return main_print_help(stderr);
	if (!strcmp(name, "--help") || !strcmp(name, "-h") || !strcmp(name, "help"))
		return main_print_help(stdout);
	if (!strcmp(name, "--version") || !strcmp(name, "-V")) {
		puts("tandem " TANDEM_VERSION);
		return 0;
	}
	for (unsigned i = 0; i < TD_COUNT(commands); i++)
		if (!strcmp(name, commands[i].name))
			return commands[i].run(argc - 2, argv + 2);
	fprintf(stderr, "tandem: unknown command '%.32s' [usage]\n  try: tandem --help\n", name);
	return TD_EXIT_USAGE;
}
