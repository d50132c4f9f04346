/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client.h - what the commands that talk to running VMs share: finding a VM and a NIC by name, one call, and printing.
 * `name` may be NULL where one VM runs: then it is that one.
 */
#ifndef TD_CLI_CLIENT_H
#define TD_CLI_CLIENT_H

#include <jansson.h>

#include "core/base.h"
#include "core/err.h"

#define TD_CLIENT_WAIT_MS 5000 /* a VM's main loop answers at once */

/* The name of the one VM that runs, or `name` when it runs. TD_REASON_VM_NOT_FOUND says what there is. */
int td_client_find_vm(const char *name, char ret_name[64], struct td_err *err);
/* "VM/NIC", or "NIC" where one VM has it. vm may be NULL. */
int td_client_find_nic(const char *nic, const char *vm, char ret_vm[64], const char **ret_nic, struct td_err *err);

/* One request to the VM called `vm`. *ret_result is a new reference; after a failure too, where the VM tells more than its error. */
int td_client_call(const char *vm, const char *command, json_t *args, int timeout_ms, json_t **ret_result, struct td_err *err);

/*
 * Appends the NICs of all living VMs, or of one, each as of td_hybrid_info() and with its VM's name as "vm". A VM that does not answer has
 * one item all the same, with "state": "silent": nobody knows its NICs.
 */
int td_client_nics(const char *vm, json_t *list, struct td_err *err);

/*
 * A flip, to "vf" or "emulated", until its end; a flip ends within its limits, so a VM that takes longer hangs. *ret_flip as
 * td_client_call()'s result.
 */
int td_client_switch(const char *vm, const char *nic, const char *to, bool cold, bool force, json_t **ret_flip, struct td_err *err);

/* Indented, with a newline. */
void td_client_print_json(const json_t *value);
/* {"ok": false, "error": {"reason", "code", "text", "hint"}} and the members of detail, which may be NULL: what --json says of a failure.
 */
void td_client_print_failure(const struct td_err *err, const json_t *detail);
/* An object as lines "key: value"; inner objects as "key.inner: value"; lists of objects are left out. */
void td_client_print_lines(const json_t *object);
/* A member's text for a table's cell: strings as they are, numbers in decimal, on/off, "-" for what is not there. "a.b" goes inside. */
const char *td_client_cell(const json_t *object, const char *path, char ret_text[64]);

/* A table over libsmartcols: column names, ended by NULL; rows of as many texts. NULL without memory; all calls take NULL. */
struct td_table;
struct td_table *td_table_create(const char *const *columns);
void td_table_add(struct td_table *table, const char *const *cells);
void td_table_print(struct td_table *table); /* and destroys it */

#endif
