/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_verbs.h - a command that is a table of verbs (tandem vm, tandem nic, tandem host): help, the verb by its name, what is wrong with its
 * arguments, its run. What a verb does is its own.
 */
#ifndef TD_CLI_CMD_VERBS_H
#define TD_CLI_CMD_VERBS_H

#include "cli/client.h"
#include "core/err.h"

struct td_cmd_verb {
	const char *name;
	const char *usage; /* behind the verb: "NIC --to vf|emulated"; "" */
	const char *help;  /* one line */
	/*
	 * One of the two. run: arguments are read as client.h says; 0, with its answer printed, or -errno, with nothing printed: the error
	 * is printed for it, on standard output too where --json was given. main: the verb reads them itself, and returns the exit status.
	 */
	int (*run)(const struct td_client_options *options, struct td_err *err);
	int (*main)(int argc, char **argv);
	/* Of run: the options it knows beside --json and --help, as "vm to"; how many words it takes. */
	const char *options;
	unsigned words_min, words_max;
};

struct td_cmd_verbs {
	const char *command; /* "nic" */
	const char *help;    /* what is to be said of all verbs; lines */
	const struct td_cmd_verb *verb;
	unsigned count;
};

/* The tables, each in its command's file; documentation is checked against them. */
extern const struct td_cmd_verbs td_cmd_vm_verbs, td_cmd_nic_verbs, td_cmd_host_verbs;

/* argv: what stands behind the command. Returns the exit status. */
int td_cmd_verbs(const struct td_cmd_verbs *verbs, int argc, char **argv);

/* Is --json among them? Also when something before it is wrong: a program that asks for JSON wants to read that. */
bool td_cmd_wants_json(int argc, char **argv);

#endif
