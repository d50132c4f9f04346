/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transparent_back.c - the phases of a transparent NIC's flip to its software model.
 *
 * Theory of operation. What the guest sends is held back first and the VF sends what it has, so that nothing teaches the outside the old
 * place again; then the outside is told; only what is under way by then still comes to the VF, so its filter goes a moment later. The
 * guest receives all this while; vCPUs are stopped at last, for the rings to change hands. What came by the tap meanwhile is behind it,
 * in order. Of broadcasts in that time there are two, one by each: better than none.
 */
#include <errno.h>
#include <string.h>

#include "core/log.h"
#include "nic/transparent/transparent.h"

#define DRAIN_NS 20000000ULL

/*
 * A VF that is gone, or whose PF was reset, no longer knows the guest's rings: the driver is told by its PF to start anew, as it would be
 * on hardware.
 */
static void start_anew(struct td_hybrid *nic)
{
	static const uint32_t words[TD_VF_MAIL_WORDS] = {TD_VF_MAIL_PF_CONTROL | TD_VF_MAIL_ANSWER_NACK};

	td_warn("nic %s: the VF lost the guest's rings, so its driver is told to start anew: its link drops for a moment", nic->config->id);
	td_igbvf_pf_message(nic->igbvf, words);
}

void td_transparent_take_rings(struct td_hybrid *nic)
{
	struct td_vf82576_state rings = *td_igbvf_state(nic->igbvf);
	struct td_err err = {0};
	bool lost = false, anew;

	if (td_hw82576_capture(td_transparent_hw(nic), &rings, &lost, &err) < 0)
		td_warn("nic %s: %s", nic->config->id, err.text);
	nic->give_back |= lost;
	/* A driver that has reset its VF by itself has lost nothing. */
	lost |= rings.handshaken && rings.rx[0].len_bytes == 0 && td_transparent_of(nic)->prepared.rx[0].len_bytes;
	anew = lost || (!rings.handshaken && rings.rx[0].control & TD_VF_QUEUE_ENABLE);
	/* Where the VF was in its rings is not known: to go on with them would be to write to buffers that are the guest's again. */
	for (unsigned i = 0; lost && i < TD_VF82576_QUEUES; i++) {
		rings.rx[i].control &= ~TD_VF_QUEUE_ENABLE;
		rings.tx[i].control &= ~TD_VF_QUEUE_ENABLE;
	}
	td_transparent_keep_counters(nic, &rings);
	td_igbvf_to_software(nic->igbvf, &rings);
	td_transparent_note_held(nic, false);
	if (anew && !nic->resetting)
		start_anew(nic);
	td_transparent_of(nic)->on_hardware = td_transparent_of(nic)->unheard = false;
	nic->path = TD_PATH_EMULATED;
	td_transparent_of(nic)->settle_until_ns = td_now_ns() + TD_TRANSPARENT_LATE_NS;
}

/* What the guest gave the VF before is sent, or is software's to send. */
static bool is_drained(struct td_hybrid *nic)
{
	bool last = nic->host.vm->state != TD_VM_RUNNING || td_now_ns() >= td_transparent_of(nic)->drain_until_ns;

	return td_hw82576_drained(td_transparent_hw(nic), last) || last;
}

static int begin_draining(struct td_hybrid *nic)
{
	td_transparent_hold(nic);
	td_transparent_of(nic)->drain_until_ns = td_now_ns() + DRAIN_NS;
	return is_drained(nic) ? 0 : -EINPROGRESS;
}

static void take_rings(struct td_hybrid *nic)
{
	td_transparent_park(nic);
	td_transparent_take_rings(nic);
	td_catch_run(&nic->catch);
}

/* A VF that is lost has no filter to take away, and its guest may be paused: that does not wait. */
static int begin_steer_back(struct td_hybrid *nic)
{
	td_igbvf_listen(nic->igbvf, true);
	td_hybrid_announce(nic, TD_PATH_EMULATED);
	if (nic->lost) {
		take_rings(nic);
		return 0;
	}
	td_transparent_of(nic)->told_ns = td_now_ns();
	td_hybrid_wake(nic);
	return -EINPROGRESS;
}

/* What was under way when the outside was told has come by now. */
static void take_filter(struct td_hybrid *nic)
{
	struct td_transparent *t = td_transparent_of(nic);

	if (!t->told_ns || td_now_ns() - t->told_ns < TD_TRANSPARENT_UNDER_WAY_NS)
		return;
	t->told_ns = 0;
	td_catch_forget(&nic->catch);
	if (td_hybrid_vf_steer(nic, false) == 0)
		td_transparent_steered_back(nic, 0, NULL);
}

void td_transparent_steered_back(struct td_hybrid *nic, int rc, const struct td_err *err)
{
	if (rc < 0) {
		(void)td_flip_fail(&nic->flip, TD_FLIP_STEER, err);
		return;
	}
	take_rings(nic);
	(void)td_flip_done(&nic->flip, TD_FLIP_STEER);
}

/*
 * What helps to lose nothing. Neither is a reason to stay: a PF that no longer answers is why the guest should go. A VF that could not be
 * told hears the multicasts it heard before, until its reset at the end.
 */
static int run_prepare_back(struct td_hybrid *nic, struct td_err *err)
{
	const struct td_vm_net_config *config = nic->config;
	int rc = td_catch_open(
		&td_transparent_of(nic)->catcher, nic->lease.vf.pf_name, nic->tap_index, config->mac, (uint16_t)config->vlan, err);

	return rc < 0 ? rc : td_hw82576_quiet_wait(td_transparent_hw(nic), err);
}

static void prepared_back(struct td_hybrid *nic, int rc, const struct td_err *err)
{
	td_hw82576_quiet_end(td_transparent_hw(nic));
	td_transparent_of(nic)->catcher.caught = nic->catch.caught;
	nic->catch = td_transparent_of(nic)->catcher;
	if (nic->flip.state != TD_FLIP_RUNNING && !td_transparent_of(nic)->settle_until_ns)
		td_catch_close(&nic->catch);
	if (rc < 0)
		td_warn("nic %s: %s", nic->config->id, err->text);
	td_hybrid_phase_over(nic, TD_FLIP_PREPARE, 0, err);
}

static int prepare_back(struct td_hybrid *nic)
{
	struct td_err err = {0};

	if (nic->work.job.busy)
		return -EINPROGRESS;
	if (nic->lost)
		return 0;
	if (td_igbvf_mail_pending(nic->igbvf))
		return -EINPROGRESS;
	if (td_hw82576_quiet(td_transparent_hw(nic), &err) < 0) {
		td_warn("nic %s: %s", nic->config->id, err.text);
		return 0;
	}
	td_catch_close(&nic->catch); /* of a flip just before */
	td_transparent_of(nic)->catcher = (struct td_catch){.pf_fd = -1, .tap_fd = -1};
	td_hybrid_work_submit(nic, &nic->work, run_prepare_back, prepared_back);
	return -EINPROGRESS;
}

void td_transparent_tick_back(struct td_hybrid *nic)
{
	if (nic->flip.phase == TD_FLIP_PREPARE && prepare_back(nic) == 0)
		(void)td_flip_done(&nic->flip, TD_FLIP_PREPARE);
	else if (nic->flip.phase == TD_FLIP_QUIESCE && is_drained(nic))
		(void)td_flip_done(&nic->flip, TD_FLIP_QUIESCE);
	else if (nic->flip.phase == TD_FLIP_STEER)
		take_filter(nic);
}

/* A driver that does what the model does not know is better off where it is. A VF that knows no rings has lost them with its PF. */
static int begin_leaving(struct td_hybrid *nic, struct td_err *err)
{
	if (nic->lost || !td_igbvf_driver_up(nic->igbvf) || !td_hw82576_read(td_transparent_hw(nic), TD_VF_RDLEN))
		return 0;
	return td_igbvf_check(nic->igbvf, err);
}

int td_transparent_begin_emulated(struct td_hybrid *nic, enum td_flip_phase phase, struct td_err *err)
{
	switch (phase) {
	case TD_FLIP_RESERVE:
		return begin_leaving(nic, err);
	case TD_FLIP_PREPARE:
		return prepare_back(nic);
	case TD_FLIP_QUIESCE:
		return begin_draining(nic);
	case TD_FLIP_STEER:
		return begin_steer_back(nic);
	case TD_FLIP_SWAP:
		td_transparent_unpark(nic);
		td_hybrid_guard(nic, TD_PATH_EMULATED);
		return 0;
	case TD_FLIP_ANNOUNCE:
		td_hybrid_announce(nic, TD_PATH_EMULATED);
		return 0;
	case TD_FLIP_COMMIT:
		nic->give_back |= nic->cold || nic->lost || !nic->config->warm;
		return 0;
	default:
		return 0;
	}
}
