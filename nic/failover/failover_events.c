/* SPDX-License-Identifier: Apache-2.0 */
/*
 * failover_events.c - does what failover_table.h says of an event, and makes events of what the guest does to its two NICs.
 *
 * Theory of operation. A state is entered first, with what it keeps true: the path, and whether frames to the guest are held. The action
 * follows. It may bring the next event: a flip that goes on, or begins, does so within.
 */
#include <errno.h>
#include <string.h>

#include "core/log.h"
#include "nic/failover/failover.h"

/* ---- actions ---- */

void td_failover_hold(struct td_hybrid *nic)
{
	bool hold = td_failover_stand(td_failover_of(nic)->state)->held;
	int rc = td_virtio_net_hold_rx(nic->net, hold);

	if (rc < 0)
		td_debug("nic %s: %s frames to the guest: %s", nic->config->id, hold ? "hold" : "release", strerror(-rc));
}

void td_failover_ask_unplug(struct td_hybrid *nic)
{
	int rc = td_vfio_pci_unplug_request(nic->vf);

	td_failover_of(nic)->asked_ns = td_now_ns();
	nic->marks.unplug_requests++;
	if (rc < 0)
		td_debug("nic %s: unplug request: %s", nic->config->id, strerror(-rc));
}

static void failover_ask(struct td_hybrid *nic)
{
	td_failover_queue_end(nic);
	td_failover_ask_unplug(nic);
}

static void arrive(struct td_hybrid *nic)
{
	nic->marks.driver_up_ns = td_failover_of(nic)->stood_by_ns = td_now_ns();
	td_hybrid_wake(nic);
	(void)td_flip_done(&nic->flip, TD_FLIP_SWAP);
}

static void failover_forget_driver(struct td_hybrid *nic)
{
	struct td_failover *f = td_failover_of(nic);

	f->told_ns = 0;
	f->ring = (struct td_failover_ring){0};
	td_failover_queue_forget(nic);
}

/*
 * A leaving igbvf does not switch its interrupt on again after it has fired once: it is raised for it, so that what the VF still
 * receives is still heard.
 */
static void relay_to_leaving(struct td_hybrid *nic)
{
	td_failover_relay(nic);
	if (td_vfio_pci_is_82576(nic->vf))
		td_vfio_pci_kick(nic->vf, TD_VFIO_VECTOR_RECEIVED);
}

static void go_deaf(struct td_hybrid *nic)
{
	nic->marks.driver_down_ns = td_now_ns();
	td_hybrid_announce(nic, TD_PATH_EMULATED);
}

/*
 * From now on a filter for the VF in its PF would swallow what neighbours on the card send. Not before: igbvf resets the VF on its way down
 * and asks the PF for its MAC then; its interrupts are what it gives back last.
 */
static void let_go(struct td_hybrid *nic)
{
	nic->marks.driver_gone_ns = td_now_ns();
	td_hybrid_guard(nic, TD_PATH_EMULATED);
	td_hybrid_vf_unsteer(nic);
}

/* Without a driver it does not use the VF, which it keeps until it perhaps does answer. */
static void keep_unused(struct td_hybrid *nic)
{
	if (td_hybrid_vf_driver(nic) == TD_VFIO_DRIVER_NONE)
		td_hybrid_vf_unsteer(nic);
}

/* The guest's interface was down when it got the VF. Now net_failover counts on it: so does the NIC, or it takes the VF away again. */
static void come_late(struct td_hybrid *nic)
{
	if (td_flip_active(&nic->flip))
		return;
	td_hybrid_flip_by_itself(nic, TD_PATH_VF, false);
	if (!td_flip_active(&nic->flip) && nic->path == TD_PATH_EMULATED)
		td_hybrid_flip_by_itself(nic, TD_PATH_EMULATED, false);
}

/* The guest has nothing to do with the VF any more, however that came. */
static void to_emulated(struct td_hybrid *nic, enum td_failover_state from)
{
	failover_forget_driver(nic);
	if (td_failover_stand(from)->path == TD_PATH_EMULATED)
		return;
	td_hybrid_announce(nic, TD_PATH_EMULATED);
	td_hybrid_guard(nic, TD_PATH_EMULATED);
}

static void act(struct td_hybrid *nic, enum td_failover_action action, enum td_failover_state from)
{
	switch (action) {
	case TD_FA_AGAIN:
		td_failover_of(nic)->since_ns = td_now_ns();
		break;
	case TD_FA_WAKE:
		td_hybrid_wake(nic);
		break;
	case TD_FA_ARRIVE:
		arrive(nic);
		break;
	case TD_FA_SETTLE:
		td_failover_begin_settling(nic);
		break;
	case TD_FA_LOSE_DRIVER:
		failover_forget_driver(nic);
		break;
	case TD_FA_ASK_AWAY:
		td_hybrid_announce(nic, TD_PATH_EMULATED);
		let_go(nic);
		failover_ask(nic);
		break;
	case TD_FA_ASK:
		failover_ask(nic);
		break;
	case TD_FA_RELAY:
		relay_to_leaving(nic);
		break;
	case TD_FA_GO_DEAF:
		go_deaf(nic);
		break;
	case TD_FA_LET_GO_AT_ONCE:
		go_deaf(nic);
		let_go(nic);
		break;
	case TD_FA_LET_GO:
		let_go(nic);
		break;
	case TD_FA_KEEP_UNUSED:
		keep_unused(nic);
		break;
	case TD_FA_UNSTEER:
		td_hybrid_vf_unsteer(nic);
		break;
	case TD_FA_COME_LATE:
		come_late(nic);
		break;
	case TD_FA_TO_EMULATED:
		to_emulated(nic, from);
		break;
	default: /* what the state keeps true is all */
		break;
	}
}

void td_failover_event(struct td_hybrid *nic, enum td_failover_event event)
{
	struct td_failover *f = td_failover_of(nic);
	enum td_failover_state from = f->state;
	struct td_failover_step step = td_failover_step(from, event);

	if (step.action == TD_FA_STAY)
		return;
	if (step.action == TD_FA_NEVER) {
		f->never_count++;
		td_debug("nic %s: event %u in state %s", nic->config->id, event, td_failover_stand(from)->name);
		return;
	}
	if (step.next != from) {
		f->state = step.next;
		f->since_ns = td_now_ns();
	}
	nic->path = td_failover_stand(step.next)->path;
	td_failover_hold(nic);
	act(nic, step.action, from);
}

/* ---- the guest's virtio-net driver ---- */

static void refuse_standby(struct td_hybrid *nic)
{
	nic->reason = TD_REASON_STANDBY_REFUSED;
	snprintf(nic->reason_text, sizeof(nic->reason_text), "the guest's driver did not accept STANDBY: the VF stays hidden");
	td_warn("nic %s: %s", nic->config->id, nic->reason_text);
}

/* The master of the pair goes with its driver, so the VF would stand alone in the guest, with the NIC's MAC. */
static void driver_left(struct td_hybrid *nic)
{
	struct td_err err = {0};

	td_err_set(&err, ECANCELED, TD_REASON_FLIP_ABORTED, "the guest's virtio-net driver was reset");
	if (td_flip_active(&nic->flip) && nic->flip.to == TD_PATH_VF)
		td_flip_abort(&nic->flip, &err);
	td_hybrid_health_no_choice(nic);
	if (!td_flip_active(&nic->flip) && !td_hybrid_leaving(nic) && td_hybrid_vf_state(nic) == TD_VFIO_PLUGGED)
		(void)td_hybrid_flip(nic, TD_PATH_EMULATED, true, 0, &err);
}

void td_failover_driver(struct td_hybrid *nic, bool accepted, bool standby)
{
	td_failover_of(nic)->driver_ok = accepted;
	if (!accepted) {
		driver_left(nic);
		return;
	}
	if (!standby) {
		refuse_standby(nic);
		return;
	}
	nic->retry_at_ns = nic->patience_ns = 0;
	nic->reconsider = true;
	td_hybrid_wake(nic);
}

/* ---- its VF ---- */

/* net_failover counts on the VF soon after, sooner perhaps than the main loop looks, and drops what comes by the standby then. */
static void on_opening(void *opaque)
{
	td_failover_event(opaque, TD_FE_OPENING);
}

/* A request that was rolled back may still be answered: the last flip, or NULL. */
static const struct td_hybrid_record *late_flip(struct td_hybrid *nic)
{
	const struct td_hybrid_record *last = td_hybrid_last_record(nic);

	return last && last->reason == TD_REASON_UNPLUG_TIMEOUT ? last : NULL;
}

static bool asked_to_go_cold(struct td_hybrid *nic)
{
	const struct td_hybrid_record *late = late_flip(nic);

	return late && late->cold;
}

/* If it was not asked, the guest's administrator did it. The NIC stays where it is then. */
static void gave_up_unasked(struct td_hybrid *nic)
{
	const struct td_hybrid_record *late = late_flip(nic);

	if (late && late->automatic) { /* nobody's wish */
		td_hybrid_set_reason(nic, nic->link_lost ? nic->link_reason : TD_REASON_UNPLUG_TIMEOUT,
			"the guest gave the VF up at last, after the time for it was over");
		nic->reconsider = true;
		return;
	}
	nic->wanted = TD_PATH_EMULATED;
	if (late)
		td_hybrid_set_reason(nic, TD_REASON_UNPLUG_TIMEOUT, "the guest gave the VF up after the time for it was over");
	else
		td_hybrid_set_reason(nic, TD_REASON_FLIP_ABORTED, "the guest gave the VF up unasked");
}

static void on_ejected(void *opaque)
{
	struct td_hybrid *nic = opaque;
	bool asked = td_hybrid_leaving(nic);
	struct td_err err = {0};

	td_hybrid_health_no_choice(nic);
	nic->marks.ejected_ns = td_now_ns();
	td_failover_event(nic, TD_FE_EJECTED);
	if (td_flip_active(&nic->flip) && nic->flip.to == TD_PATH_EMULATED && td_flip_done(&nic->flip, TD_FLIP_QUIESCE))
		return;
	if (td_flip_active(&nic->flip) && nic->flip.to == TD_PATH_VF) {
		td_err_set(&err, ECANCELED, TD_REASON_FLIP_ABORTED, "the guest gave the VF up");
		td_flip_abort(&nic->flip, &err);
		return;
	}
	td_hybrid_vf_unsteer(nic);
	nic->give_back |= nic->lost || !nic->config->warm || asked_to_go_cold(nic);
	if (!asked && !nic->lost)
		gave_up_unasked(nic);
	td_hybrid_wake(nic);
}

static void on_driver_up(void *opaque)
{
	td_failover_event(opaque, TD_FE_DRIVER_UP);
}

const struct td_vfio_events td_failover_vf_events = {
	.opening = on_opening, .ejected = on_ejected, .driver_up = on_driver_up, .lost = td_hybrid_vf_lost};
