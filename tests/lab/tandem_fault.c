/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tandem_fault.c - `tandem` with faults in `host apply`, for lab scenarios: the program's own objects, linked with --wrap=td_host_apply.
 * TANDEM_HOST_FAULT in the environment asks for one: "fail:N" (the N-th change is refused), "fail-after:N" (it is made, and says no),
 * "kill-before:N", "kill-after:N" (the process is killed just before it, or after), "stop-before:N" (it stands still there until it is
 * sent SIGCONT).
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/provision/host_apply.h"

struct fault {
	struct td_host_ops ops;
	const struct td_host_ops *real;
	void *opaque;
	char what[16];
	unsigned at, count;
};

static int fault_observe(void *opaque, struct td_host_state *ret_is, struct td_err *err)
{
	struct fault *fault = opaque;

	return fault->real->observe(fault->opaque, ret_is, err);
}

static int fault_set(void *opaque, enum td_host_kind kind, const char *name, enum td_host_attr attr, const char *from, const char *to,
	struct td_err *err)
{
	struct fault *fault = opaque;
	bool now = ++fault->count == fault->at;
	int rc;

	if (now && !strcmp(fault->what, "kill-before"))
		(void)raise(SIGKILL);
	if (now && !strcmp(fault->what, "stop-before"))
		(void)raise(SIGSTOP);
	if (now && !strcmp(fault->what, "fail"))
		return td_err_set(err, EIO, TD_REASON_INTERNAL, "%s: %s: a fault was asked for", name, td_host_state_attr_name(attr));
	rc = fault->real->set(fault->opaque, kind, name, attr, from, to, err);
	if (now && !strcmp(fault->what, "kill-after"))
		(void)raise(SIGKILL);
	if (now && !rc && !strcmp(fault->what, "fail-after"))
		return td_err_set(err, EIO, TD_REASON_INTERNAL, "%s: %s: a late fault was asked for", name, td_host_state_attr_name(attr));
	return rc;
}

static int fault_save(void *opaque, const struct td_host_record *record, struct td_err *err)
{
	struct fault *fault = opaque;

	return fault->real->save(fault->opaque, record, err);
}

static int fault_free_vf(void *opaque, const char *bdf, const char *holder, struct td_err *err)
{
	struct fault *fault = opaque;

	return fault->real->free_vf(fault->opaque, bdf, holder, err);
}

/* The linker's names. */
int __real_td_host_apply(struct td_host_engine *engine, struct td_host_look *look, struct td_err *err);
int __wrap_td_host_apply(struct td_host_engine *engine, struct td_host_look *look, struct td_err *err);

int __wrap_td_host_apply(struct td_host_engine *engine, struct td_host_look *look, struct td_err *err)
{
	const char *text = getenv("TANDEM_HOST_FAULT");
	struct fault fault = {.ops = {fault_observe, fault_set, fault_save, fault_free_vf}, .real = engine->ops, .opaque = engine->opaque};

	if (text && sscanf(text, "%15[a-z-]:%u", fault.what, &fault.at) == 2) {
		engine->ops = &fault.ops;
		engine->opaque = &fault;
	}
	int rc = __real_td_host_apply(engine, look, err);
	engine->ops = fault.real;
	engine->opaque = fault.opaque;
	return rc;
}
