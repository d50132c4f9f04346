/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hybrid_watch.c - what a NIC sees between flips, and flips that nobody asks for: it leaves the VF when the PF below it has no link, and
 * goes to the VF that it is wanted on when what kept it from there has passed. Of both modes with two paths; in mode transparent the way
 * back is its own (transparent/).
 *
 * Theory of operation. Without link at its PF, a guest on the VF is cut off, and net_failover does not help: it moves what the guest sends
 * to the standby and goes on discarding what comes by it. So the PF's link is looked at, ten times a second by a host job, as long as the
 * NIC is on a VF or wants to be.
 */
#include "core/log.h"
#include "nic/hybrid_parts.h"

#define LOOK_NS	       100000000ULL
#define LOOKS_LOST     2U  /* in a row, before it is believed */
#define LOOKS_BACK     10U /* a link that flaps is left alone */
#define COUNT_LOOKS    10U /* a PF that is asked for its VF's counters tells those of all its VFs */
#define RETRY_FIRST_NS 1000000000ULL
#define RETRY_LAST_NS  60000000000ULL
#define RETRY_LOST_NS  5000000000ULL /* who took the VF away may go on with its neighbours, and make new ones */

void td_hybrid_set_reason(struct td_hybrid *nic, enum td_reason reason, const char *text)
{
	nic->reason = reason;
	snprintf(nic->reason_text, sizeof(nic->reason_text), "%s", text);
	td_warn("nic %s: %s", nic->config->id, text);
}

static void forget_reason(struct td_hybrid *nic)
{
	nic->reason = TD_REASON_NONE;
	nic->reason_text[0] = '\0';
}

/* ---- the PF's link ---- */

static void link_is_lost(struct td_hybrid *nic, enum td_reason reason)
{
	char text[sizeof(nic->reason_text)];

	nic->link_reason = reason;
	if (nic->path != TD_PATH_VF)
		return;
	nic->stays = false;
	if (!td_hybrid_is_well(nic)) /* leave_vf() says what becomes of it */
		return;
	snprintf(text, sizeof(text), "pf %s %s: to the emulated path", nic->lease.vf.pf_name,
		reason == TD_REASON_PF_DOWN ? "was taken down" : "has lost its link");
	td_hybrid_set_reason(nic, reason, text);
}

static void link_is_back(struct td_hybrid *nic)
{
	td_info("nic %s: pf %s has its link again", nic->config->id, nic->lease.vf.pf_name);
	if (nic->path == TD_PATH_VF && nic->reason == nic->link_reason)
		forget_reason(nic);
	nic->retry_at_ns = nic->patience_ns = 0;
	nic->reconsider = true; /* also one that the link's loss took from amid its flip */
	td_hybrid_wake(nic);
}

/* Without a lease there is no PF to look at: the next flip to a VF finds out, but not at once, as a link that flaps may be up just then. */
static void forget_link(struct td_hybrid *nic)
{
	if (nic->link_lost) {
		td_hybrid_try_later(nic);
		nic->mode->not_before(nic, nic->retry_at_ns);
	}
	nic->link_lost = false;
	nic->looks = 0;
}

void td_hybrid_watch_note(struct td_hybrid *nic, const struct td_host_call *call)
{
	nic->link_seen_ns =
		call->rc == 0 || call->err.reason == TD_REASON_PF_DOWN || call->err.reason == TD_REASON_NO_CARRIER ? td_now_ns() : 0;
	nic->link_seen = call->up && call->carrier;
}

static void leave_vf(struct td_hybrid *nic);

/* A PF that does not answer, or is gone, takes its VFs with it: that is told by other means. */
static void link_looked_at(struct td_job *job)
{
	struct td_hybrid *nic = TD_CONTAINER_OF(job, struct td_hybrid, link.job);
	const struct td_host_call *call = &nic->link;
	bool lost = !call->up || !call->carrier;

	if (call->rc < 0 || !nic->lease.held || td_flip_active(&nic->flip) || nic->lost)
		return;
	td_hybrid_watch_note(nic, call);
	nic->looks = lost == nic->link_lost ? 0 : nic->looks + 1;
	if (nic->looks >= (lost ? LOOKS_LOST : LOOKS_BACK)) {
		nic->looks = 0;
		nic->link_lost = lost;
		if (lost)
			link_is_lost(nic, call->up ? TD_REASON_NO_CARRIER : TD_REASON_PF_DOWN);
		else
			link_is_back(nic);
	}
	if (nic->link_lost)
		leave_vf(nic);
}

static void look_at_link(struct td_hybrid *nic)
{
	struct td_host_call *call = &nic->link;

	if (!nic->lease.held)
		forget_link(nic);
	if (!nic->lease.held || call->job.busy)
		return;
	*call = (struct td_host_call){.job.done = link_looked_at, .kind = TD_HOST_CALL_LINK};
	snprintf(call->pf_name, sizeof(call->pf_name), "%s", nic->lease.vf.pf_name);
	td_host_call_submit(&nic->host.vm->jobs, call);
}

/* ---- the guest's driver ---- */

/*
 * A driver that was unloaded, or whose interface was taken down: the guest is on its standby then, or nowhere, and the VF waits for it. It
 * is the guest's own doing, so it is said, and nothing is done.
 */
static void look_at_driver(struct td_hybrid *nic)
{
	bool away = nic->path == TD_PATH_VF && nic->vf && td_hybrid_vf_driver(nic) != TD_VFIO_DRIVER_UP;

	nic->looks_driver = away ? TD_MIN(nic->looks_driver + 1, LOOKS_BACK) : 0;
	if (nic->looks_driver == LOOKS_BACK && !nic->driver_away &&
		(nic->reason == TD_REASON_NONE || nic->reason == TD_REASON_VF_CHANGED)) {
		nic->driver_away = true;
		td_hybrid_set_reason(nic, TD_REASON_DRIVER_DOWN,
			"the guest's driver does not use the VF, which waits for it: it was unloaded, or its interface is down");
	}
	if (away || !nic->driver_away)
		return;
	nic->driver_away = false;
	if (nic->reason == TD_REASON_DRIVER_DOWN)
		forget_reason(nic);
}

/* ---- flips ---- */

/* Where the other path does not work either, the guest is not troubled: it stays, and goes when that one works. */
static void leave_vf(struct td_hybrid *nic)
{
	char text[sizeof(nic->reason_text)];

	if (nic->path != TD_PATH_VF || td_hybrid_leaving(nic) || td_now_ns() < nic->retry_at_ns)
		return;
	if (td_hybrid_is_well(nic)) {
		nic->stays = false;
		td_hybrid_flip_by_itself(nic, TD_PATH_EMULATED, false);
		return;
	}
	if (nic->stays)
		return;
	nic->stays = true;
	snprintf(text, sizeof(text), "pf %s has no link, and its emulated path does not work either: %s", nic->lease.vf.pf_name,
		td_hybrid_health(nic)->text);
	td_hybrid_set_reason(nic, nic->link_reason, text);
}

static void look(struct td_timer *timer)
{
	struct td_hybrid *nic = TD_CONTAINER_OF(timer, struct td_hybrid, watch);

	if (!td_flip_active(&nic->flip) && !nic->lost && nic->host.vm->state == TD_VM_RUNNING) {
		look_at_link(nic);
		look_at_driver(nic);
		nic->mode->look(nic, nic->looks_driver == LOOKS_BACK);
		if (nic->looks_all++ % COUNT_LOOKS == 0)
			td_hybrid_count_soon(nic);
	}
	td_hybrid_watch(nic);
}

void td_hybrid_watch_init(struct td_hybrid *nic)
{
	nic->watch.expired = look;
}

void td_hybrid_watch(struct td_hybrid *nic)
{
	if (nic->mode && !nic->watch.armed && (nic->wanted == TD_PATH_VF || nic->path == TD_PATH_VF))
		td_loop_arm(&nic->host.vm->loop, &nic->watch, LOOK_NS);
}

/* Is it a reason that may pass by itself, with nobody doing anything about this VM? */
static bool may_pass(enum td_reason reason)
{
	switch (reason) {
	case TD_REASON_PF_DOWN:
	case TD_REASON_PF_MISSING:
	case TD_REASON_PF_MAILBOX:
	case TD_REASON_NO_CARRIER:
	case TD_REASON_NO_FREE_VF:
	case TD_REASON_NO_SRIOV:
	case TD_REASON_VF_BUSY:
	case TD_REASON_VF_LOST:
	case TD_REASON_VFIO:
	case TD_REASON_FLIP_TIMEOUT:
		return true;
	default:
		return false;
	}
}

void td_hybrid_try_later(struct td_hybrid *nic)
{
	nic->patience_ns = TD_MIN(TD_MAX(2 * nic->patience_ns, nic->lost ? RETRY_LOST_NS : RETRY_FIRST_NS), RETRY_LAST_NS);
	nic->retry_at_ns = td_now_ns() + nic->patience_ns;
}

void td_hybrid_watch_flip(struct td_hybrid *nic, const struct td_err *err)
{
	bool away = nic->wanted == TD_PATH_VF && nic->path == TD_PATH_EMULATED;

	if (err->code == 0)
		nic->retry_at_ns = nic->patience_ns = 0;
	if (err->code == 0 && nic->path == TD_PATH_VF) { /* its first phase has seen the link, whatever was known before */
		nic->link_lost = false;
		nic->looks = 0;
	}
	if (err->code || nic->lost)
		td_hybrid_try_later(nic);
	nic->reconsider |= away && (nic->lost || nic->link_lost || may_pass(err->reason));
}

void td_hybrid_follow(struct td_hybrid *nic)
{
	if (td_flip_active(&nic->flip) || td_hybrid_leaving(nic) || nic->give_back)
		return;
	if (!nic->standby || nic->wanted != TD_PATH_VF || nic->path == TD_PATH_VF)
		nic->reconsider = false;
	if (!nic->reconsider || nic->link_lost || td_now_ns() < nic->retry_at_ns)
		return;
	nic->reconsider = false;
	/* What does not even begin has to wait for something else, which takes no notice of being waited for. */
	nic->reconsider |= !td_hybrid_flip_by_itself(nic, TD_PATH_VF, false);
}
