/* SPDX-License-Identifier: Apache-2.0 */
/*
 * failover.c - the phases of a failover NIC's flip (policy/flip.h), to the emulated path and to the VF.
 *
 * Theory of operation. Linux's net_failover discards what comes by the standby as long as the VF is registered with it, and sends by the
 * VF only while that has carrier. Three moments of each flip follow from it.
 *
 * To the emulated path: the guest's first act is to send by the standby, which teaches the switch outside where to send to; but only its
 * last one lets it hear there. In between, frames are held in the tap; those that come while the VF still receives are handed to it
 * (relay.h), the rest waits until the driver has given its interrupts back, which it does after net_failover let go.
 *
 * To the VF: net_failover counts on the VF soon after its receive queue is on; but the guest goes on sending by the standby until its
 * driver has noticed the link, and the outside goes on sending there. What comes by it is relayed to the VF. The outside is told when the
 * guest has done with the standby, and the bridge holds on to its tap for a while longer: to a bridge that sees an announcement, or any
 * frame of the VF's, come in by its uplink the guest is there, and it drops what comes to the guest by that uplink still.
 * igbvf looks for its link only every 2 s; it looks at once when it hears from the PF (vector 2), so it is made to believe that.
 *
 * On the VF: igbvf may lose its carrier at any time, for 2 s. Its probe takes it away once more after net_failover has begun to send by the
 * VF, and so do its resets. The guest sends by the standby then, which makes the outside send there, too. So the emulated path stays held,
 * and as soon as the guest sends by it, what comes by it is relayed (failover_tick.c). Its probe may even leave its transmit queue
 * stopped (failover_queue.c).
 *
 * Where the guest stands in all this is one state (failover_table.h). The phases here, the guest and what is looked at make the events.
 */
#include <errno.h>
#include <stdlib.h>

#include "nic/failover/failover.h"

/* ---- to the emulated path ---- */

static int failover_begin_leaving(struct td_hybrid *nic, struct td_err *err)
{
	if (td_hybrid_vf_state(nic) != TD_VFIO_PLUGGED)
		return 0;
	if (nic->host.vm->state == TD_VM_PAUSED)
		return td_err_set(err, EBUSY, TD_REASON_VM_STATE,
			"nic %s: the VM is paused, so its guest can't give the VF up: it is taken away", nic->config->id);
	td_failover_event(nic, TD_FE_ASKED);
	td_failover_look_leaving(nic);
	return -EINPROGRESS;
}

/* From the guest's eject on there is no way back, so nothing after it fails. */
static int begin_to_emulated(struct td_hybrid *nic, enum td_flip_phase phase, struct td_err *err)
{
	switch (phase) {
	case TD_FLIP_QUIESCE:
		return failover_begin_leaving(nic, err);
	case TD_FLIP_STEER: /* no later than this; mostly it was so when the guest's driver let go */
		td_hybrid_vf_unsteer(nic);
		return 0;
	case TD_FLIP_ANNOUNCE:
		td_hybrid_announce(nic, TD_PATH_EMULATED);
		(void)td_virtio_net_guest_announce(nic->net);
		return 0;
	case TD_FLIP_COMMIT:
		nic->give_back |= nic->cold || nic->lost || !nic->config->warm;
		return 0;
	default:
		return 0;
	}
}

/* The guest did not answer: it has its VF and keeps it, until it perhaps does answer (on_ejected). */
static void undo_leaving(struct td_hybrid *nic)
{
	td_failover_of(nic)->told_ns = 0; /* of the emulated path, perhaps */
	td_failover_event(nic, TD_FE_KEPT);
}

/* ---- to the VF ---- */

static int failover_begin_reserve(struct td_hybrid *nic, struct td_err *err)
{
	if (!td_failover_of(nic)->driver_ok || !nic->standby)
		return td_err_set(err, EOPNOTSUPP, TD_REASON_STANDBY_REFUSED, "nic %s: %s", nic->config->id,
			td_failover_of(nic)->driver_ok ? "the guest's driver did not accept STANDBY, so it must not see the VF"
						       : "no driver runs the emulated NIC in the guest, so it must not see the VF");
	td_hybrid_vf_reserve(nic);
	return -EINPROGRESS;
}

static int begin_swap(struct td_hybrid *nic, struct td_err *err)
{
	int rc = td_hybrid_vf_state(nic) == TD_VFIO_PLUGGED ? 0 : td_vfio_pci_plug(nic->vf, err);

	if (rc < 0)
		return rc;
	td_failover_event(nic, TD_FE_PLUGGED);
	return -EINPROGRESS;
}

static int begin_to_vf(struct td_hybrid *nic, enum td_flip_phase phase, struct td_err *err)
{
	switch (phase) {
	case TD_FLIP_RESERVE:
		return failover_begin_reserve(nic, err);
	case TD_FLIP_PREPARE:
		return td_hybrid_vf_prepare(nic, err);
	case TD_FLIP_STEER: /* the guest's driver asks the PF for its MAC as soon as it probes */
		return td_hybrid_vf_steer(nic, true);
	case TD_FLIP_SWAP:
		return begin_swap(nic, err);
	case TD_FLIP_ANNOUNCE: /* the outside is told when the guest has settled (failover_tick.c) */
		td_hybrid_pin(nic);
		return 0;
	case TD_FLIP_VERIFY:
		td_failover_begin_verify(nic);
		return -EINPROGRESS;
	case TD_FLIP_COMMIT:
		td_failover_event(nic, TD_FE_SETTLE);
		return 0;
	default:
		return 0;
	}
}

/* The driver is bound to the VF: only its interface is down, in a guest where either path is, then. */
static bool guest_is_down(struct td_hybrid *nic)
{
	return td_hybrid_vf_state(nic) == TD_VFIO_PLUGGED && td_hybrid_vf_driver(nic) == TD_VFIO_DRIVER_BOUND;
}

/* The guest may be amid its probe: it is asked, and asked again, and gives the VF up in its own time (failover_tick.c). */
static void undo_swap(struct td_hybrid *nic)
{
	if (!nic->resetting && td_hybrid_vf_state(nic) == TD_VFIO_PLUGGED)
		td_failover_event(nic, nic->flip.err.reason == TD_REASON_DRIVER_DOWN ? TD_FE_DOWN : TD_FE_WITHDRAWN);
}

static void undo_steer(struct td_hybrid *nic)
{
	if (!td_hybrid_leaving(nic))
		td_hybrid_vf_unsteer(nic);
}

/* ---- the mode's table ---- */

static int failover_begin(struct td_hybrid *nic, enum td_path to, enum td_flip_phase phase, struct td_err *err)
{
	return to == TD_PATH_VF ? begin_to_vf(nic, phase, err) : begin_to_emulated(nic, phase, err);
}

static void failover_undo(struct td_hybrid *nic, enum td_path to, enum td_flip_phase phase)
{
	if (to == TD_PATH_EMULATED && phase == TD_FLIP_QUIESCE)
		undo_leaving(nic);
	if (to == TD_PATH_EMULATED)
		return;
	if (phase == TD_FLIP_SWAP)
		undo_swap(nic);
	if (nic->flip.err.reason == TD_REASON_DRIVER_DOWN) /* the VF stays plugged: its coming up makes the flip */
		return;
	if (phase == TD_FLIP_STEER)
		undo_steer(nic);
	if (phase == TD_FLIP_RESERVE && !nic->config->warm && !td_hybrid_leaving(nic))
		nic->give_back = true;
}

static bool failover_explain_timeout(struct td_hybrid *nic, struct td_err *err)
{
	const char *id = nic->config->id;
	unsigned limit_ms = nic->flip.limit_ms[nic->flip.phase];

	if (nic->flip.to == TD_PATH_EMULATED && nic->flip.phase == TD_FLIP_QUIESCE)
		td_err_set(err, ETIMEDOUT, TD_REASON_UNPLUG_TIMEOUT, "nic %s: the guest did not give the VF up within %u ms", id, limit_ms);
	else if (nic->flip.to == TD_PATH_VF && nic->flip.phase == TD_FLIP_SWAP && guest_is_down(nic))
		td_err_set(err, ENETDOWN, TD_REASON_DRIVER_DOWN,
			"nic %s: the guest's interface is down; it goes to the VF when it comes up", id);
	else if (nic->flip.to == TD_PATH_VF && nic->flip.phase == TD_FLIP_SWAP && td_hybrid_vf_driver(nic) == TD_VFIO_DRIVER_NONE)
		td_err_set(err, ETIMEDOUT, TD_REASON_PLUG_TIMEOUT,
			"nic %s: no driver took the VF within %u ms: has the guest one? Debian's cloud kernels lack igbvf and iavf", id,
			limit_ms);
	else if (nic->flip.to == TD_PATH_VF && nic->flip.phase == TD_FLIP_SWAP)
		td_err_set(err, ETIMEDOUT, TD_REASON_PLUG_TIMEOUT, "nic %s: the guest's VF driver was not up within %u ms", id, limit_ms);
	else if (nic->flip.to == TD_PATH_VF && nic->flip.phase == TD_FLIP_VERIFY)
		td_err_set(err, ETIMEDOUT, TD_REASON_NO_CARRIER, "nic %s: the guest does not send by the VF after %u ms", id, limit_ms);
	else
		return false;
	return true;
}

/* The VF is being taken away and the guest did not let go in time: without it, then. */
static void failover_force_off(struct td_hybrid *nic)
{
	if (td_hybrid_vf_state(nic) != TD_VFIO_PLUGGED)
		return;
	td_hybrid_vf_cut(nic);
	td_failover_event(nic, TD_FE_TAKEN);
	nic->give_back = true;
}

static void failover_guest_reset(struct td_hybrid *nic)
{
	td_failover_of(nic)->driver_ok = nic->standby = false;
	if (nic->vf)
		td_vfio_pci_detach(nic->vf);
	td_failover_event(nic, TD_FE_RESET);
}

static void failover_steered(struct td_hybrid *nic, int rc, const struct td_err *err)
{
	if (td_flip_active(&nic->flip) && nic->flip.to == TD_PATH_VF)
		td_hybrid_phase_over(nic, TD_FLIP_STEER, rc, err);
}

static bool failover_leaving(const struct td_hybrid *nic)
{
	return td_failover_stand(td_failover_of(nic)->state)->leaving;
}

static void failover_not_before(struct td_hybrid *nic, uint64_t ns)
{
	(void)nic, (void)ns; /* nic->retry_at_ns is its own */
}

static int failover_create(struct td_hybrid *nic, struct td_err *err)
{
	nic->mode_state = calloc(1, sizeof(struct td_failover));
	return nic->mode_state ? 0 : td_err_sys(err, ENOMEM, TD_REASON_NO_MEMORY, "nic %s", nic->config->id);
}

static void failover_destroy(struct td_hybrid *nic)
{
	free(nic->mode_state);
}

const struct td_hybrid_mode td_failover_mode = {.create = failover_create,
	.destroy = failover_destroy,
	.begin = failover_begin,
	.undo = failover_undo,
	.explain_timeout = failover_explain_timeout,
	.force_off = failover_force_off,
	.guest_reset = failover_guest_reset,
	.tick = td_failover_tick,
	.look = td_failover_look,
	.leaving = failover_leaving,
	.not_before = failover_not_before,
	.steered = failover_steered,
	.driver = td_failover_driver,
	.vf_events = &td_failover_vf_events};
