/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flip.c - the flip's state machine (flip.h). Not what the phases do: that is the owner's ops table.
 *
 * Theory of operation: run() is the only place that goes from phase to phase, in a loop, so that a begin() which ends its own phase by a
 * call back into the flip does not recurse: such a call only leaves its verdict in `resolved` and `resolution`, and run() looks at it when
 * begin() has returned. Calls from outside begin() go on with run() themselves.
 */
#include "policy/flip.h"

#include <errno.h>
#include <string.h>

#include "core/log.h"

static const uint32_t default_limit_ms[TD_FLIP_PHASES] = {
	[TD_FLIP_RESERVE] = 2000,
	[TD_FLIP_PREPARE] = 5000,
	[TD_FLIP_QUIESCE] = 2000,
	[TD_FLIP_STEER] = 1000,
	[TD_FLIP_SWAP] = 10000,
	[TD_FLIP_ANNOUNCE] = 1000,
	[TD_FLIP_VERIFY] = 5000,
	[TD_FLIP_COMMIT] = 5000,
};

static const char *const phase_names[TD_FLIP_PHASES] = {
	[TD_FLIP_RESERVE] = "reserve",
	[TD_FLIP_PREPARE] = "prepare",
	[TD_FLIP_QUIESCE] = "quiesce",
	[TD_FLIP_STEER] = "steer",
	[TD_FLIP_SWAP] = "swap",
	[TD_FLIP_ANNOUNCE] = "announce",
	[TD_FLIP_VERIFY] = "verify",
	[TD_FLIP_COMMIT] = "commit",
};

void td_flip_init(struct td_flip *flip, const struct td_flip_ops *ops, void *opaque)
{
	*flip = (struct td_flip){.ops = ops, .opaque = opaque};
	memcpy(flip->limit_ms, default_limit_ms, sizeof(flip->limit_ms));
}

static void end_phase(struct td_flip *flip)
{
	flip->phase_ns[flip->phase] = flip->ops->now_ns(flip->opaque) - flip->phase_started_ns;
}

static void tell_finished(struct td_flip *flip, enum td_flip_state state)
{
	struct td_err err = flip->err;

	flip->total_ns = flip->ops->now_ns(flip->opaque) - flip->started_ns;
	flip->state = state;
	flip->ops->finished(flip->opaque, flip, &err);
}

/* Backwards from the phase that failed, it included: its begin may have done a part. */
static void undo_phases(struct td_flip *flip)
{
	flip->state = TD_FLIP_UNDOING;
	for (int phase = (int)flip->phase; phase >= 0; phase--)
		flip->ops->undo(flip->opaque, flip->to, (enum td_flip_phase)phase);
}

/* flip->err says why. */
static void give_up(struct td_flip *flip)
{
	if (flip->ops->at_work(flip->opaque, flip->to, flip->phase)) {
		tell_finished(flip, TD_FLIP_LATE);
		return;
	}
	undo_phases(flip);
	tell_finished(flip, TD_FLIP_IDLE);
}

/* Begins the current phase. -EINPROGRESS: nothing was decided yet. Else flip->err goes with a negative value. */
static int begin_phase(struct td_flip *flip)
{
	struct td_err err = {0};
	int rc;

	flip->phase_started_ns = flip->ops->now_ns(flip->opaque);
	flip->resolved = false;
	flip->in_begin = true;
	rc = flip->ops->begin(flip->opaque, flip->to, flip->phase, &err);
	flip->in_begin = false;
	if (flip->resolved && (rc == -EINPROGRESS || rc == 0))
		return flip->resolution;
	if (rc < 0 && rc != -EINPROGRESS) {
		if (!err.code)
			td_err_set(&err, -rc, TD_REASON_SYSTEM, "phase %s failed", td_flip_phase_name(flip->phase));
		flip->err = err;
	}
	return rc;
}

/* The current phase has ended with rc. True when there is a next one, which is current now. */
static bool next_phase(struct td_flip *flip, int rc)
{
	end_phase(flip);
	if (flip->phase == TD_FLIP_COMMIT) {
		if (rc < 0)
			td_warn("flip to %s: commit: %s", td_path_name(flip->to), flip->err.text);
		flip->err = (struct td_err){0};
		tell_finished(flip, TD_FLIP_IDLE);
		return false;
	}
	if (rc < 0) {
		give_up(flip);
		return false;
	}
	flip->phase++;
	return true;
}

static void run(struct td_flip *flip)
{
	int rc;

	do {
		rc = begin_phase(flip);
		if (rc == -EINPROGRESS) {
			flip->ops->arm(flip->opaque, flip->limit_ms[flip->phase]);
			return;
		}
	} while (next_phase(flip, rc));
}

int td_flip_start(struct td_flip *flip, enum td_path to, struct td_err *err)
{
	if (flip->state == TD_FLIP_LATE)
		return td_err_set(err, EBUSY, TD_REASON_FLIP_BUSY,
			"the host is still at work for the flip to %s that has failed (phase %s): try again when it is done",
			td_path_name(flip->to), td_flip_phase_name(flip->phase));
	if (td_flip_active(flip))
		return td_err_set(err, EBUSY, TD_REASON_FLIP_BUSY, "a flip to %s is in progress (phase %s)", td_path_name(flip->to),
			td_flip_phase_name(flip->phase));
	flip->state = TD_FLIP_RUNNING;
	flip->to = to;
	flip->phase = TD_FLIP_RESERVE;
	flip->err = (struct td_err){0};
	flip->total_ns = 0;
	memset(flip->phase_ns, 0, sizeof(flip->phase_ns));
	flip->started_ns = flip->ops->now_ns(flip->opaque);
	run(flip);
	return 0;
}

/* The verdict on the current phase: at once, or left for run() when begin() is still on the stack. The first failure stays. */
static void resolve(struct td_flip *flip, int rc, const struct td_err *err)
{
	if (flip->in_begin && flip->resolved && flip->resolution < 0)
		return;
	if (err) {
		flip->err = *err;
		if (flip->err.code >= 0)
			flip->err.code = rc;
	}
	if (flip->in_begin) {
		flip->resolved = true;
		flip->resolution = rc;
		return;
	}
	flip->ops->arm(flip->opaque, 0);
	if (next_phase(flip, rc))
		run(flip);
}

static int failure_code(const struct td_err *err)
{
	return err->code < 0 && err->code != -EINPROGRESS ? err->code : -ECANCELED;
}

bool td_flip_done(struct td_flip *flip, enum td_flip_phase phase)
{
	if (flip->state != TD_FLIP_RUNNING || flip->phase != phase)
		return false;
	resolve(flip, 0, NULL);
	return true;
}

bool td_flip_fail(struct td_flip *flip, enum td_flip_phase phase, const struct td_err *err)
{
	if (flip->state != TD_FLIP_RUNNING || flip->phase != phase)
		return false;
	resolve(flip, failure_code(err), err);
	return true;
}

void td_flip_abort(struct td_flip *flip, const struct td_err *err)
{
	td_flip_fail(flip, flip->phase, err);
}

void td_flip_timeout(struct td_flip *flip)
{
	struct td_err err = {0};

	if (flip->state != TD_FLIP_RUNNING || flip->in_begin)
		return;
	td_err_set(&err, ETIMEDOUT, TD_REASON_FLIP_TIMEOUT, "phase %s took longer than %u ms", td_flip_phase_name(flip->phase),
		flip->limit_ms[flip->phase]);
	td_flip_fail(flip, flip->phase, &err);
}

bool td_flip_returned(struct td_flip *flip)
{
	if (flip->state != TD_FLIP_LATE)
		return false;
	undo_phases(flip);
	flip->state = TD_FLIP_IDLE;
	return true;
}

void td_flip_drop(struct td_flip *flip)
{
	if (td_flip_active(flip))
		flip->ops->arm(flip->opaque, 0);
	flip->state = TD_FLIP_IDLE;
}

const char *td_flip_phase_name(enum td_flip_phase phase)
{
	return (unsigned)phase < TD_FLIP_PHASES ? phase_names[phase] : "?";
}

const char *td_path_name(enum td_path path)
{
	return path == TD_PATH_VF ? "vf" : "emulated";
}
