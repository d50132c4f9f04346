/* SPDX-License-Identifier: Apache-2.0 */
/* host_check.h - what no single key of host.yaml can say. What only the machine can say (is there such a NIC?) is
 * host/provision/host_want.h. */
#ifndef TD_CONFIG_HOST_CHECK_H
#define TD_CONFIG_HOST_CHECK_H

#include "core/err.h"
#include "host/provision/host_config.h"

struct td_schema_marks;

/* -EINVAL, TD_REASON_CONFIG_VALUE: "host.yaml:12:3: networks[1].vlan (br1): what is wrong: what to give". */
int td_host_check(const struct td_host_config *config, const char *file_name, const struct td_schema_marks *marks, struct td_err *err);

#endif
