/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_schema.h - host.yaml into struct td_host_config (host/provision/host_config.h), by the table of keys in host_schema.c, which the
 * manual, the JSON Schema and the reader share.
 */
#ifndef TD_CONFIG_HOST_SCHEMA_H
#define TD_CONFIG_HOST_SCHEMA_H

#include "config/schema.h"
#include "host/provision/host_config.h"

#define TD_HOST_SCHEMA_TITLE "host.yaml of tandem"

const struct td_schema_key *td_host_schema_keys(void);

/*
 * Reads, fills in what follows from the rest, and checks what no single key can say (two bridges of one name, an uplink in two places):
 * "host.yaml:12:3: networks[1]: ...". text need not end with NUL. On failure *config is empty.
 */
int td_host_schema_read(struct td_host_config *config, const char *file_name, const char *text, size_t len_bytes, struct td_err *err);
void td_host_schema_fini(struct td_host_config *config);

#endif
