/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy_trace.h - traces: facts of NICs over time, one JSON object a line (tandem-policy(1) describes them). Read line by line, so a trace
 * may be of any length. Files are untrusted: each line is checked, and the first that is wrong is named with line and column.
 */
#ifndef TD_CONFIG_POLICY_TRACE_H
#define TD_CONFIG_POLICY_TRACE_H

#include <jansson.h>
#include <stdio.h>

#include "policy/policy_facts.h"

#define TD_POLICY_TRACE_VERSION	   1
#define TD_POLICY_TRACE_LINE_BYTES 65536U
#define TD_POLICY_TRACE_NICS_MAX   4096U
#define TD_POLICY_TRACE_NAME_BYTES 64

/* Called for each line: begin, then a call for each fact, then end. All of one trace at times that do not go back. */
struct td_policy_trace_ops {
	/* A NIC is named first. Its number is the count of those before. */
	int (*nic)(void *opaque, unsigned nic, const char *name, struct td_err *err);
	/* nic: whose facts follow; those of pool and host are told once for each NIC that they are of. */
	void (*begin)(void *opaque, unsigned nic, uint64_t t_ns);
	void (*fact)(void *opaque, unsigned nic, enum td_policy_fact fact, int64_t value);
	void (*unknown)(void *opaque, unsigned nic, enum td_policy_fact fact);
	void (*label)(void *opaque, unsigned nic, const char *name, const char *text);
	void (*end)(void *opaque, unsigned nic);
};

struct td_policy_trace_totals {
	uint64_t last_ns, facts; /* facts: as told to NICs */
	unsigned nics;
};

/* 0, or -errno with err: "FILE:LINE:COLUMN: ...". file is for messages. */
int td_policy_trace_read(FILE *in, const char *file, const struct td_policy_trace_ops *ops, void *opaque,
	struct td_policy_trace_totals *ret_totals, struct td_err *err);

#endif
