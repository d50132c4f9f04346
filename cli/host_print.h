/* SPDX-License-Identifier: Apache-2.0 */
/* host_print.h - plans and states of a host as tables and as JSON. */
#ifndef TD_CLI_HOST_PRINT_H
#define TD_CLI_HOST_PRINT_H

#include <jansson.h>

#include "host/provision/host_apply.h"

/* One row a change; the same change of neighbouring VFs is one row. */
void td_host_print_plan(const struct td_host_look *look);
/* One row an object: in sync, or how not. Returns how many are not. */
unsigned td_host_print_status(const struct td_host_look *look);

json_t *td_host_print_step_json(const struct td_host_step *step);
/* [{kind, name, in_sync, differences: [{attribute, is, should}], note, model}]; *ret_off: how many are not in sync. */
json_t *td_host_print_status_json(const struct td_host_look *look, unsigned *ret_off);

/* Links that look like tandem's and that its record does not know: what becomes of each. */
void td_host_print_strays(const struct td_host_look *look, const char *run_dir);
/* [{"name": "br9", "taken": false}, ...]; taken: the file has it. */
json_t *td_host_print_strays_json(const struct td_host_look *look);

#endif
