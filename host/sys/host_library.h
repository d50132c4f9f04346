/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_library.h - a library that is opened where it is used, because one command needs it and each VM's process would map it: its calls
 * in a table that dlsym(3) fills. Their types are those of its header:
 *
 *   #define CALLS(X) X(kmod_new) X(kmod_unref)
 *   struct calls { CALLS(TD_HOST_LIBRARY_MEMBER) };
 *   static const struct td_host_library_call names[] = {CALLS(TD_HOST_LIBRARY_CALL)};      with CALLS's struct named `calls`
 */
#ifndef TD_HOST_SYS_HOST_LIBRARY_H
#define TD_HOST_SYS_HOST_LIBRARY_H

#include "core/base.h"
#include "core/err.h"

struct td_host_library_call {
	const char *name;
	size_t offset; /* in the table */
};

#define TD_HOST_LIBRARY_MEMBER(call) __typeof__(call) *call;
#define TD_HOST_LIBRARY_CALL(call)   {#call, offsetof(struct calls, call)},

/*
 * Fills *table. *ret_library is for dlclose(3). -ENOENT with `reason`: it is not there, or lacks a call; package: which of Debian's has
 * it.
 */
int td_host_library_open(const char *soname, const char *package, enum td_reason reason, const struct td_host_library_call *calls,
	unsigned count, void *table, void **ret_library, struct td_err *err);

#endif
