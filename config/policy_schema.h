/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy_schema.h - policy.yaml into a compiled policy (policy/policy.h), and a simulation's file (policy/policy_simulate.h); by the tables
 * of keys in policy_schema.c, which the manual, the JSON Schema and the reader share. Errors name file, line, column and key; within a
 * condition the column is that of the word.
 */
#ifndef TD_CONFIG_POLICY_SCHEMA_H
#define TD_CONFIG_POLICY_SCHEMA_H

#include "config/schema.h"
#include "policy/policy_simulate.h"

#define TD_POLICY_SCHEMA_TITLE "policy.yaml of tandem"

const struct td_schema_key *td_policy_schema_keys(void);
const struct td_schema_key *td_policy_schema_simulation_keys(void);

/* The policy that holds where none is given, as its own file. */
extern const char td_policy_schema_default[];

/* *ret_policy: the caller's, to be freed. text need not end with NUL. */
int td_policy_schema_read(struct td_policy **ret_policy, const char *file_name, const char *text, size_t len_bytes, struct td_err *err);
/* file_name NULL: the default policy. */
int td_policy_schema_load(struct td_policy **ret_policy, const char *file_name, struct td_err *err);

/* *ret_config: td_policy_schema_simulation_free(). */
int td_policy_schema_read_simulation(
	struct td_policy_simulation_config **ret_config, const char *file_name, const char *text, size_t len_bytes, struct td_err *err);
void td_policy_schema_simulation_free(struct td_policy_simulation_config *config); /* NULL: nothing */

#endif
