/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_apply.h - the one engine behind plan, apply and status: looks, compares, and runs the steps by way of an ops table, with a journal,
 * so that an end at any moment leaves what the next apply can finish or undo. Knows no kernel and no file: host_kernel.h is the real ops
 * table.
 */
#ifndef TD_HOST_PROVISION_HOST_APPLY_H
#define TD_HOST_PROVISION_HOST_APPLY_H

#include "core/err.h"
#include "host/provision/host_config.h"
#include "host/provision/host_diff.h"
#include "host/provision/host_record.h"

struct td_host_ops {
	/* Guarantees: *ret_is is the whole of what host_state.h names, or an error and nothing. */
	int (*observe)(void *opaque, struct td_host_state *ret_is, struct td_err *err);
	/*
	 * Brings the attribute to `to`, from whatever it is: a step is repeated when nobody knows whether it was done, so what is there
	 * already is done, also where the kernel would refuse to change it. Making a link marks it (TD_HOST_MARK), a link that joins or
	 * leaves another stays up. Guarantees: after 0 the kernel has taken the value.
	 */
	int (*set)(void *opaque, enum td_host_kind kind, const char *name, enum td_host_attr attr, const char *from, const char *to,
		struct td_err *err);
	/* Guarantees: after 0 the record outlives this process. */
	int (*save)(void *opaque, const struct td_host_record *record, struct td_err *err);
	/* With --force: makes whoever holds the VF give it up. */
	int (*free_vf)(void *opaque, const char *bdf, const char *holder, struct td_err *err);
};

#define TD_HOST_SETTLE_MS 1000

enum td_host_progress { TD_HOST_STEP_BEGINS, TD_HOST_STEP_DONE, TD_HOST_STEP_FAILED, TD_HOST_STEP_UNDONE };

struct td_host_engine {
	const struct td_host_config *config;
	const char *file_name;
	const struct td_host_ops *ops;
	void *opaque;
	struct td_host_record *record; /* loaded by the caller */
	bool force, disconnect;
	unsigned settle_ms; /* how long the kernel may take until what it said yes to shows */
	/* May be NULL. index from 1; keepsakes are not shown. */
	void (*progress)(void *opaque, enum td_host_progress what, const struct td_host_step *step, unsigned index, unsigned count,
		uint64_t duration_ns);
	void *progress_opaque;
};

/* What is, what is wanted, what leads from one to the other. */
struct td_host_look {
	struct td_host_state is, want;
	struct td_host_plan plan;
};

int td_host_look(const struct td_host_engine *engine, struct td_host_look *ret_look, struct td_err *err);
void td_host_look_fini(struct td_host_look *look);

/*
 * Runs the look's plan. What an earlier apply left in the journal counts as begun: it is undone too when a step fails. After a failure
 * all is as it was, and the text ends in "undone"; or says what is not (TD_REASON_CLEANUP), and then the journal keeps that.
 */
int td_host_apply(const struct td_host_engine *engine, struct td_host_look *look, struct td_err *err);

#endif
