/* SPDX-License-Identifier: Apache-2.0 */
/*
 * commands.h - tandem's subcommands, as main.c's table names them. Each takes what stands behind its name and returns the exit status:
 * 0 done, 1 failed, 2 the command line or the configuration is wrong; `run`: the guest's.
 */
#ifndef TD_CLI_COMMANDS_H
#define TD_CLI_COMMANDS_H

#include "core/err.h"

#define TD_EXIT_FAILED 1
#define TD_EXIT_USAGE  2

int td_cmd_run(int argc, char **argv);
int td_cmd_vm(int argc, char **argv);
int td_cmd_nic(int argc, char **argv);
int td_cmd_host(int argc, char **argv);
int td_cmd_policy(int argc, char **argv);
int td_cmd_print(int argc, char **argv);

/* docs/doctor.md: all checks, findings and files of `host doctor`, from their tables. */
void td_host_doctor_print_reference(FILE *out);

/* Prints the error, once, and returns the exit status that it means. */
int td_cmd_fail(const struct td_err *err);

#endif
