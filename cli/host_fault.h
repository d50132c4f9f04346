/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_fault.h - faults in `tandem host apply` for the lab's scenarios, asked for by TANDEM_HOST_FAULT in the environment and by nothing
 * else: "fail:N" (the N-th change is refused), "fail-after:N" (it is made, and says no), "kill-before:N", "kill-after:N" (the process is
 * killed just before it, or after), "stop-before:N" (it stands still there until it is sent SIGCONT).
 */
#ifndef TD_CLI_HOST_FAULT_H
#define TD_CLI_HOST_FAULT_H

#include "host/provision/host_apply.h"

struct td_host_fault {
	struct td_host_ops ops;
	const struct td_host_ops *real;
	void *opaque;
	char what[16];
	unsigned at, count;
};

/* Puts itself between the engine and its ops when the environment asks for it. *fault lives as long as the engine. */
void td_host_fault_install(struct td_host_fault *fault, struct td_host_engine *engine);

#endif
