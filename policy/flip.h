/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flip.h - the flip of a hybrid NIC from one path to the other as a transaction: named phases in a fixed order, each with an undo and a
 * time limit. Pure: knows neither clock, timers nor devices; the ops table does the work, so that tests can stop and fail it anywhere.
 *
 * Theory of operation: phases run in the order of the enum. A phase's `begin` ends it at once (0), fails it (-errno), or leaves it
 * pending (-EINPROGRESS) until td_flip_done() or td_flip_fail(). When the phase's limit runs out (td_flip_timeout()) or it fails, `undo` is
 * called for that phase and then for each one before it, backwards; after that the NIC is on the path it came from. COMMIT cannot fail.
 *
 * Work that a phase has given to somebody else (a host job) may outlive the flip's failure, and can't be undone before it is back. Then the
 * flip is LATE: it is finished, with its error, when the limit says so; the undoing waits for td_flip_returned(), and so does the next
 * flip.
 *
 *   IDLE --start--> RUNNING --committed--> IDLE
 *                   RUNNING --failed, nothing at work--> UNDOING --> finished() --> IDLE
 *                   RUNNING --failed, still at work--> finished() --> LATE --returned--> UNDOING --> IDLE
 *
 * A flip that was undone is finished with the error of the phase that failed. Calls back into the flip from within ops are allowed.
 */
#ifndef TD_POLICY_FLIP_H
#define TD_POLICY_FLIP_H

#include "core/base.h"
#include "core/err.h"

enum td_path { TD_PATH_EMULATED, TD_PATH_VF };

enum td_flip_phase {
	TD_FLIP_RESERVE,  /* lease, memory limits, group viable */
	TD_FLIP_PREPARE,  /* guest RAM mapped, VF reset */
	TD_FLIP_QUIESCE,  /* the old path comes to rest (failover: to the emulated path, the guest gives the VF up) */
	TD_FLIP_STEER,	  /* MAC filter, VLAN, FDB */
	TD_FLIP_SWAP,	  /* the new path is the guest's (failover: to the VF, hot-plug and the driver is up) */
	TD_FLIP_ANNOUNCE, /* RARP from the VMM, guest announce (failover, to the VF: when the guest has settled, after the flip) */
	TD_FLIP_VERIFY,	  /* traffic or carrier seen on the new path */
	TD_FLIP_COMMIT,	  /* the old path's resources go warm or cold */
	TD_FLIP_PHASES
};

enum td_flip_state {
	TD_FLIP_IDLE,
	TD_FLIP_RUNNING, /* a phase has begun, and was not decided yet */
	TD_FLIP_UNDOING, /* within the calls of undo() */
	TD_FLIP_LATE,	 /* failed, and finished() was called; what the failed phase gave away is not back yet */
};

struct td_flip;

struct td_flip_ops {
	/* 0, -EINPROGRESS or -errno with *err filled. */
	int (*begin)(void *opaque, enum td_path to, enum td_flip_phase phase, struct td_err *err);
	/* Undoes what begin of this phase did, wholly or in part; must not fail and must not wait. */
	void (*undo)(void *opaque, enum td_path to, enum td_flip_phase phase);
	/* The phase has failed: is something of it still at work that must come back before it can be undone? */
	bool (*at_work)(void *opaque, enum td_path to, enum td_flip_phase phase);
	/* Arms the one timer of the flip; 0 disarms. When it expires the owner calls td_flip_timeout(). */
	void (*arm)(void *opaque, uint64_t delay_ms);
	uint64_t (*now_ns)(void *opaque);
	/* The flip is over. err->code 0: committed. The flip may be started anew from here, unless it is LATE. */
	void (*finished)(void *opaque, const struct td_flip *flip, const struct td_err *err);
};

struct td_flip {
	const struct td_flip_ops *ops;
	void *opaque;
	uint32_t limit_ms[TD_FLIP_PHASES]; /* td_flip_init() sets the defaults; the owner may change them while idle */
	enum td_flip_state state;
	/* The flip in progress, or the last one. */
	enum td_path to;
	enum td_flip_phase phase; /* where it is, or where it failed */
	uint64_t started_ns, phase_started_ns;
	uint64_t phase_ns[TD_FLIP_PHASES]; /* time spent in each */
	uint64_t total_ns;		   /* request to done */
	bool in_begin, resolved;
	int resolution;
	struct td_err err;
};

void td_flip_init(struct td_flip *flip, const struct td_flip_ops *ops, void *opaque);

/* Not idle: no other flip can begin, and resources belong to this one. */
static inline bool td_flip_active(const struct td_flip *flip)
{
	return flip->state != TD_FLIP_IDLE;
}

/* -EBUSY with TD_REASON_FLIP_BUSY when one is in progress, or LATE. Else 0, and finished() is called exactly once, possibly before this
 * returns. */
int td_flip_start(struct td_flip *flip, enum td_path to, struct td_err *err);

/* The pending phase is over. Ignored (false) when `phase` is not the pending one: an event that came too late. */
bool td_flip_done(struct td_flip *flip, enum td_flip_phase phase);
bool td_flip_fail(struct td_flip *flip, enum td_flip_phase phase, const struct td_err *err);
/* Fails the flip in whatever phase it is (guest reset, VF lost). Ignored when idle. */
void td_flip_abort(struct td_flip *flip, const struct td_err *err);
void td_flip_timeout(struct td_flip *flip);
/* What was at work when the flip failed is back: it is undone, and the flip is idle. Ignored (false) when the flip is not LATE. */
bool td_flip_returned(struct td_flip *flip);
/* Its owner ends, and undoes by other means: no more calls come of the flip in progress. */
void td_flip_drop(struct td_flip *flip);

const char *td_flip_phase_name(enum td_flip_phase phase); /* "reserve" ... */
const char *td_path_name(enum td_path path);		  /* "vf", "emulated" */

#endif
