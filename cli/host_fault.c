/* SPDX-License-Identifier: Apache-2.0 */
/* host_fault.c - an ops table that counts changes and fails or dies at the one asked for. */
#include "cli/host_fault.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static int observe(void *opaque, struct td_host_state *ret_is, struct td_err *err)
{
	struct td_host_fault *fault = opaque;
	return fault->real->observe(fault->opaque, ret_is, err);
}

static int set(void *opaque, enum td_host_kind kind, const char *name, enum td_host_attr attr, const char *from, const char *to,
	struct td_err *err)
{
	struct td_host_fault *fault = opaque;
	bool now = ++fault->count == fault->at;
	if (now && !strcmp(fault->what, "kill-before"))
		(void)raise(SIGKILL);
	if (now && !strcmp(fault->what, "stop-before"))
		(void)raise(SIGSTOP);
	if (now && !strcmp(fault->what, "fail"))
		return td_err_set(err, EIO, TD_REASON_INTERNAL, "%s: %s: a fault was asked for", name, td_host_state_attr_name(attr));
	int r = fault->real->set(fault->opaque, kind, name, attr, from, to, err);
	if (now && !strcmp(fault->what, "kill-after"))
		(void)raise(SIGKILL);
	if (now && !r && !strcmp(fault->what, "fail-after"))
		return td_err_set(err, EIO, TD_REASON_INTERNAL, "%s: %s: a late fault was asked for", name, td_host_state_attr_name(attr));
	return r;
}

static int save(void *opaque, const struct td_host_record *record, struct td_err *err)
{
	struct td_host_fault *fault = opaque;
	return fault->real->save(fault->opaque, record, err);
}

static int free_vf(void *opaque, const char *bdf, const char *holder, struct td_err *err)
{
	struct td_host_fault *fault = opaque;
	return fault->real->free_vf(fault->opaque, bdf, holder, err);
}

void td_host_fault_install(struct td_host_fault *fault, struct td_host_engine *engine)
{
	const char *text = getenv("TANDEM_HOST_FAULT");
	*fault = (struct td_host_fault){.ops = {observe, set, save, free_vf}, .real = engine->ops, .opaque = engine->opaque};
	if (!text || sscanf(text, "%15[a-z-]:%u", fault->what, &fault->at) != 2)
		return;
	engine->ops = &fault->ops;
	engine->opaque = fault;
}
