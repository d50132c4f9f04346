/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_diff.h - what leads from what is to what is wanted, as an ordered list of steps. Pure. plan prints the list, apply runs it, status
 * is empty or not: the list is the only truth about what is to be done.
 *
 * Theory of operation. Each attribute that differs is a step, `from` one text `to` another; its undo is the same step the other way round,
 * and a list is undone from its end. The order is by rank (host_diff.c), which is made so that each step is possible when its turn comes,
 * both ways. What a step destroys beside its own attribute (VFs when their number changes, ports when a bridge goes) is written down
 * before it as steps of its own, or as *keepsakes*: steps that do nothing on the way there and bring the value back on the way back.
 */
#ifndef TD_HOST_PROVISION_HOST_DIFF_H
#define TD_HOST_PROVISION_HOST_DIFF_H

#include "core/err.h"
#include "host/provision/host_state.h"

struct td_host_step {
	enum td_host_kind kind;
	enum td_host_attr attr;
	char name[TD_HOST_NAME_BYTES];
	char *from, *to; /* owned; from NULL: not known. to NULL: a keepsake */
	unsigned rank, serial;
	unsigned estimate_ms;
	char *disturbs; /* owned: "web1/net0 loses its VF, ..."; NULL: nobody */
};

struct td_host_plan {
	struct td_host_step *step;
	unsigned count, room;
	bool no_memory;
};

/* -ENOMEM only. */
int td_host_diff(const struct td_host_state *is, const struct td_host_state *want, struct td_host_plan *ret_plan, struct td_err *err);
void td_host_diff_fini(struct td_host_plan *plan);
void td_host_diff_free_step(struct td_host_step *step);
/* The steps that do something. */
unsigned td_host_diff_count(const struct td_host_plan *plan);

/* "bond", "mtu 1500 -> 9000": what the step does, without the object's name. undo: the other way round. */
void td_host_diff_print(const struct td_host_step *step, bool undo, char *ret_text, size_t len_bytes);

#endif
