/* SPDX-License-Identifier: Apache-2.0 */
/* host_want_parts.h - what the files of host_want.c share. Private to them. */
#ifndef TD_HOST_PROVISION_HOST_WANT_PARTS_H
#define TD_HOST_PROVISION_HOST_WANT_PARTS_H

#include "host/provision/host_want.h"

struct td_host_want_run {
	const struct td_host_config *config;
	const char *file;
	const struct td_host_state *is, *before;
	struct td_host_state *want;
	struct td_err *err;
};

/* "host.yaml:3:3: pools[0] (fast): TEXT" */
int td_host_want_fail(const struct td_host_want_run *run, const char *list, unsigned index, const struct td_host_mark *mark,
	const char *name, enum td_reason reason, const char *fmt, ...) TD_PRINTF(7, 8);
void td_host_want_link(const struct td_host_want_run *run, const char *name, enum td_host_attr attr, const char *value);
/* The largest that anybody asks for. */
void td_host_want_mtu(const struct td_host_want_run *run, const char *name, uint64_t mtu);
bool td_host_want_is_member(const struct td_host_config *config, const char *nic);

/* PFs and their VFs. */
int td_host_want_pools(const struct td_host_want_run *run);

#endif
