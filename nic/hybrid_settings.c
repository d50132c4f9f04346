/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hybrid_settings.c - the VF's settings in its PF, while the NIC has a VF: other programs change them (a .link file that is applied anew,
 * networkd, NetworkManager, an administrator), and the guest is cut off at once. The kernel tells of each change of the PF; then the
 * settings are looked at by a host job, and what is otherwise is put back. What they are to be stands in nic/host_call.c alone.
 *
 * A flip that takes the VF from its guest looks at them first: a VF that is merely set up wrong is mended and not left. What a flip changes
 * itself is no foreign change: jobs run in their order, so a look meets the filter as it was asked for last before it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/log.h"
#include "nic/hybrid_parts.h"

#define RETRY_FIRST_NS	1000000000ULL
#define RETRY_LAST_NS	60000000000ULL
#define FIGHT_WITHIN_NS 1000000000ULL /* changes that follow each other so closely ... */
#define FIGHT_PUT_BACK	10U	      /* ... are put back at once so many times, and then once in this time */

static void settle_done(struct td_job *job);

static bool has_settings(const struct td_hybrid *nic)
{
	return nic->lease.held && nic->lease.vf.pf_name[0] && !nic->lost;
}

static void submit_settle(struct td_hybrid *nic)
{
	struct td_host_call *call = &nic->settle;

	nic->settle_again = false;
	*call = (struct td_host_call){.job.done = settle_done,
		.kind = TD_HOST_CALL_SETTLE,
		.vlan = (uint16_t)nic->config->vlan,
		.steered = nic->steer_asked,
		.lease = nic->lease};
	memcpy(call->mac, nic->config->mac, sizeof(call->mac));
	td_host_call_submit(&nic->host.vm->jobs, call);
}

/* ---- what was found ---- */

void td_hybrid_settings_note(struct td_hybrid *nic, const struct td_host_call *call)
{
	uint64_t now_ns = td_now_ns();
	char text[sizeof(nic->reason_text)];

	if (!call->found.count)
		return;
	nic->fights = now_ns - nic->changed_ns < FIGHT_WITHIN_NS ? nic->fights + 1 : 0;
	nic->changed_ns = now_ns;
	nic->changes += nic->settle_wait_ns ? 0 : call->found.count; /* what can't be put back is found again and again */
	snprintf(text, sizeof(text), "vf %u of %s was changed by another program: %s: %s%.60s", nic->lease.vf.index, nic->lease.vf.pf_name,
		call->found.text, call->rc < 0 ? "it can't be put back: " : "put back", call->rc < 0 ? call->err.text : "");
	td_log_limited(&nic->settings_limit, TD_LOG_WARN, "nic %s: %s", nic->config->id, text);
	/* What is over hides nothing that goes on. */
	if (call->rc == 0 && nic->reason != TD_REASON_NONE && nic->reason != TD_REASON_VF_CHANGED)
		return;
	nic->reason = TD_REASON_VF_CHANGED;
	memcpy(nic->reason_text, text, sizeof(nic->reason_text));
}

static void settle_later(struct td_hybrid *nic, uint64_t ns)
{
	td_loop_arm(&nic->host.vm->loop, &nic->settle_timer, ns);
}

/* The flip's phase RESERVE goes on, or fails; or it is over already, and waits for this alone (LATE). */
static void go_on_with_flip(struct td_hybrid *nic, const struct td_host_call *call)
{
	bool wrong = call->rc < 0 && call->found.count; /* where nothing can be read, nothing is known to be */
	struct td_err err = {0};

	nic->settles_for_flip = false;
	if (nic->flip.state == TD_FLIP_RUNNING && !wrong) {
		td_hybrid_reserve_on(nic);
		return;
	}
	if (wrong)
		(void)td_err_set(&err, -call->rc, TD_REASON_VF_CHANGED,
			"nic %s: the settings of vf %u of %s are not as they should be, and can't be put back: %s (--force goes all the "
			"same)",
			nic->config->id, nic->lease.vf.index, nic->lease.vf.pf_name, call->err.text);
	td_hybrid_phase_over(nic, TD_FLIP_RESERVE, err.code, &err);
}

static void settle_done(struct td_job *job)
{
	struct td_hybrid *nic = TD_CONTAINER_OF(job, struct td_hybrid, settle.job);
	const struct td_host_call *call = &nic->settle;

	if (nic->ending)
		return;
	if (has_settings(nic) && call->rc < 0 && call->err.reason == TD_REASON_VF_LOST) {
		td_hybrid_vf_lost(nic, true);
	} else if (has_settings(nic)) {
		td_hybrid_settings_note(nic, call);
		nic->settle_wait_ns = call->rc == 0 ? 0 : TD_MIN(TD_MAX(2 * nic->settle_wait_ns, RETRY_FIRST_NS), RETRY_LAST_NS);
		if (nic->settle_wait_ns)
			settle_later(nic, nic->settle_wait_ns);
	}
	if (nic->settles_for_flip)
		go_on_with_flip(nic, call);
	if (nic->settle_again)
		td_hybrid_settings_look(nic);
}

/* ---- when they are looked at ---- */

void td_hybrid_settings_look(struct td_hybrid *nic)
{
	if (!has_settings(nic))
		return;
	nic->settle_again = nic->settle.job.busy;
	if (nic->settle_again)
		return;
	if (nic->fights >= FIGHT_PUT_BACK && td_now_ns() - nic->changed_ns < FIGHT_WITHIN_NS)
		settle_later(nic, FIGHT_WITHIN_NS);
	else
		submit_settle(nic);
}

static void settle_timer_expired(struct td_timer *timer)
{
	td_hybrid_settings_look(TD_CONTAINER_OF(timer, struct td_hybrid, settle_timer));
}

void td_hybrid_settings_init(struct td_hybrid *nic)
{
	nic->settle_timer.expired = settle_timer_expired;
}

bool td_hybrid_settings_begin(struct td_hybrid *nic)
{
	if (nic->automatic || nic->forced || !has_settings(nic) || td_hybrid_vf_state(nic) != TD_VFIO_PLUGGED)
		return false;
	nic->settles_for_flip = true;
	if (!nic->settle.job.busy)
		submit_settle(nic);
	return true;
}

/* An event of td_host_watch. A PF that was renamed is the same PF. */
void td_hybrid_settings_pf(void *opaque, const char *name)
{
	struct td_hybrid *nic = opaque;

	if (!nic->lease.held)
		return;
	if (name[0] && strcmp(name, nic->lease.vf.pf_name) != 0) {
		td_info("nic %s: pf %s is called %s now", nic->config->id, nic->lease.vf.pf_name, name);
		snprintf(nic->lease.vf.pf_name, sizeof(nic->lease.vf.pf_name), "%s", name);
	}
	td_hybrid_settings_look(nic);
}
