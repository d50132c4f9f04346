/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_verbs.h - a command that is a table of verbs (tandem vm, tandem nic, tandem host): each verb's words, options and help stand in it,
 * are read by it (config/args.h), and documentation is checked against it. What a verb does is its own.
 */
#ifndef TD_CLI_CMD_VERBS_H
#define TD_CLI_CMD_VERBS_H

#include <jansson.h>

#include "config/args.h"
#include "core/err.h"

#define TD_CMD_WORDS_MAX    4
#define TD_CMD_POLICIES_MAX 4

/* What the options of all verbs set. A verb's options are those of its table; the other members stay 0. */
struct td_cmd_options {
	const char *word[TD_CMD_WORDS_MAX]; /* what is no option */
	unsigned word_count;
	bool json, help, cold, force, disconnect;
	const char *to, *vm, *wait, *root, *record, *trace; /* or NULL */
	const char *policy[TD_CMD_POLICIES_MAX];	    /* an option that may be given more than once */
	unsigned policy_count;
	/* What a command that fails tells beside its error, {"flip": ...}: it puts a new reference here, for --json. */
	json_t **ret_detail;
};

#define TD_CMD_OPTION(name, argument, member, help)                           \
	{                                                                     \
		name, argument, help, offsetof(struct td_cmd_options, member) \
	}
/* Each table ends with these. */
#define TD_CMD_LAST_OPTIONS                                                                                      \
	TD_CMD_OPTION("json", NULL, json, "the answer as JSON"), TD_CMD_OPTION("help", NULL, help, "this text"), \
	{                                                                                                        \
		.name = NULL                                                                                     \
	}

struct td_cmd_verb {
	const char *name;
	const char *words; /* "NIC", "[FILE]" or "" */
	const char *help;  /* one line */
	const struct td_args_option *options;
	unsigned words_min, words_max;
	/*
	 * The exit status, with its answer printed; or -errno, with nothing printed: the error is printed for it, on standard output too
	 * where
	 * --json was given.
	 */
	int (*run)(const struct td_cmd_options *options, struct td_err *err);
	int fail_status;  /* of each failure; 0: as td_cmd_fail() says */
	const char *more; /* lines below its --help, or NULL */
};

struct td_cmd_verbs {
	const char *command; /* "nic" */
	const char *help;    /* what is to be said of all verbs; lines */
	const struct td_cmd_verb *verb;
	unsigned count;
};

/* The tables, each in its command's file. */
extern const struct td_cmd_verbs td_cmd_vm_verbs, td_cmd_nic_verbs, td_cmd_host_verbs, td_cmd_policy_verbs;

/* argv: what stands behind the command. Returns the exit status. */
int td_cmd_verbs(const struct td_cmd_verbs *verbs, int argc, char **argv);

/* The verbs of `host`, each in a file of its own. */
int td_cmd_host_plan(const struct td_cmd_options *options, struct td_err *err);	  /* 0 nothing to do, 2 there is */
int td_cmd_host_status(const struct td_cmd_options *options, struct td_err *err); /* so too */
int td_cmd_host_apply(const struct td_cmd_options *options, struct td_err *err);
int td_cmd_host_doctor(const struct td_cmd_options *options, struct td_err *err); /* 0 ready, 1 something stops VMs or VFs */

/* Of `policy`. */
int td_cmd_policy_replay(const struct td_cmd_options *options, struct td_err *err);

#endif
