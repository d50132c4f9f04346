/* SPDX-License-Identifier: Apache-2.0 */
/* failover_events.c - what the guest does to its two NICs, in mode failover, and what the NIC makes of it. */
#include <errno.h>

#include "core/log.h"
#include "nic/failover/failover.h"

/* ---- its virtio-net driver ---- */

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
	if (!td_flip_active(&nic->flip) && !nic->leaving && td_hybrid_vf_state(nic) == TD_VFIO_PLUGGED)
		(void)td_hybrid_flip(nic, TD_PATH_EMULATED, true, false, &err);
}

void td_failover_driver(struct td_hybrid *nic, bool accepted, bool standby)
{
	nic->driver_ok = accepted;
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

/*
 * net_failover counts on the VF soon after, sooner perhaps than the main loop looks, and drops what comes by the standby then. In a guest
 * that loads its driver anew while it is on the VF, the next look finds out what came of it.
 */
static void on_opening(void *opaque)
{
	struct td_hybrid *nic = opaque;
	bool arriving = td_flip_active(&nic->flip) && nic->flip.to == TD_PATH_VF && nic->flip.phase == TD_FLIP_SWAP;

	if (arriving)
		nic->opening_ns = td_now_ns();
	if (arriving || (nic->path == TD_PATH_VF && !nic->leaving))
		td_failover_hold(nic, true);
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
	bool asked = nic->leaving;
	struct td_err err = {0};

	nic->marks.ejected_ns = td_now_ns();
	td_failover_on_emulated(nic);
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

/* The guest's interface was down when it got the VF. Now net_failover counts on it: so does the NIC, or it takes the VF away again. */
static void came_up_late(struct td_hybrid *nic)
{
	td_hybrid_flip_by_itself(nic, TD_PATH_VF, false);
	if (!td_flip_active(&nic->flip) && nic->path == TD_PATH_EMULATED)
		td_hybrid_flip_by_itself(nic, TD_PATH_EMULATED, false);
}

static void on_driver_up(void *opaque)
{
	struct td_hybrid *nic = opaque;

	if (td_flip_active(&nic->flip) && nic->flip.phase == TD_FLIP_SWAP)
		td_hybrid_wake(nic); /* looked at there */
	else if (!td_flip_active(&nic->flip) && !nic->leaving && nic->path == TD_PATH_EMULATED)
		came_up_late(nic);
	else
		td_failover_driver_is_up(nic);
}

const struct td_vfio_events td_failover_vf_events = {
	.opening = on_opening, .ejected = on_ejected, .driver_up = on_driver_up, .lost = td_hybrid_vf_lost};
