/* SPDX-License-Identifier: Apache-2.0 */
/*
 * args.h - the loop over a command line: a table of options, read by getopt_long(3). What the table says is also what --help, the manuals
 * and the completion say. Options and words may stand in any order, "--name VALUE" is "--name=VALUE", a name may be cut as long as it is
 * one option's, and behind "--" all are words. Not for threads: getopt has one state.
 */
#ifndef TD_CONFIG_ARGS_H
#define TD_CONFIG_ARGS_H

#include <stdio.h>

#include "core/base.h"
#include "core/err.h"

#define TD_ARGS_MAX 40 /* options of one table */

struct td_args_option {
	const char *name;     /* "vm" is --vm, and "help" is -h too; NULL ends a table */
	const char *argument; /* "NAME", as it stands in texts; NULL: it takes none */
	const char *help;     /* one line without a full stop */
	size_t offset;	      /* for td_args_set() */
};

/* An option with its argument, or NULL; or a word, with option NULL. Borrowed from table and argv. 0, or -errno, which ends the loop. */
typedef int td_args_take(void *opaque, const struct td_args_option *option, const char *text, struct td_err *err);

/* argv: behind the command's name. -EINVAL with TD_REASON_USAGE: an option is unknown, ambiguous, or its argument missing or too much. */
int td_args_read(const struct td_args_option *options, int argc, char **argv, td_args_take *take, void *opaque, struct td_err *err);

/* Sets the option's member of *base: a bool, or a const char * that borrows text. -EINVAL: text is empty. */
int td_args_set(const struct td_args_option *option, void *base, const char *text, struct td_err *err);

/* "[--vm NAME] [--json]"; --help is left out. */
const char *td_args_usage(const struct td_args_option *options, char *ret_text, size_t len_bytes);
/* One line an option. */
void td_args_print_help(const struct td_args_option *options, FILE *out);

#endif
