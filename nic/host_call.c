/* SPDX-License-Identifier: Apache-2.0 */
/* host_call.c - see host_call.h. */
#include "nic/host_call.h"

#include <errno.h>
#include <string.h>

#include "host/net/host_guard.h"

/* ---- the VF ---- */

/*
 * The settings of a NIC's VF: as they were before, but for its VLAN, a link that somebody has switched off, and its MAC. Those of before
 * are in the lease's journal. A MAC that was not given is the guest's matter.
 */
static int settle_vf(struct td_host_call *call)
{
	const struct td_sriov_vf *vf = &call->lease.vf;
	struct td_sriov_vf_settings wanted = call->lease.before;

	if (!vf->pf_name[0])
		return 0;
	wanted.vlan = call->vlan;
	if (wanted.link_state == TD_SRIOV_LINK_DISABLE)
		wanted.link_state = TD_SRIOV_LINK_AUTO;
	memcpy(wanted.mac, call->mac, sizeof(wanted.mac));
	return td_sriov_settings_bring(vf->pf_name, vf->index, &wanted, !call->steered, &call->found, &call->err);
}

/*
 * A lease does not keep a VF from being destroyed; its open device does. What is made at its address next is another: neither its settings
 * nor its driver are this NIC's to change.
 */
static int check_same(struct td_host_call *call)
{
	const struct td_sriov_vf *vf = &call->lease.vf;

	if (td_sriov_is_same(vf))
		return 0;
	return td_err_set(&call->err, ENODEV, TD_REASON_VF_LOST, "vf %s was destroyed", vf->bdf);
}

static int answer_settle(struct td_host_call *call)
{
	int rc = check_same(call);

	return rc < 0 ? rc : settle_vf(call);
}

static int answer_reserve(struct td_host_call *call)
{
	const char *kept[TD_HOST_CALL_KEPT];
	const struct td_lease_request request = {.bdf = call->bdf[0] ? call->bdf : NULL,
		.pf_name = call->pf_name[0] ? call->pf_name : NULL,
		.kept = kept,
		.kept_count = call->kept_count};
	bool held = call->lease.held;
	int rc = 0;

	for (unsigned i = 0; i < call->kept_count; i++)
		kept[i] = call->kept[i];
	if (held)
		rc = check_same(call);
	else
		rc = td_lease_acquire(&call->lease, call->run_dir, &request, &call->err);
	if (rc == 0) {
		call->pf_index = if_nametoindex(call->lease.vf.pf_name);
		rc = settle_vf(call);
	}
	if (!held)
		call->found.count = 0; /* whoever had it before */
	return rc < 0 ? rc : td_sriov_pf_link(call->lease.vf.pf_name, &call->up, &call->carrier, &call->err);
}

/* ---- the network ---- */

static int answer_join(struct td_host_call *call)
{
	call->bridge_index = if_nametoindex(call->port.bridge);
	return td_host_port_join(&call->port, &call->err);
}

/* By the name that it had, unless that is another's by now. */
static int make_tap(struct td_host_call *call)
{
	struct td_tap_config config = {.name = call->port.tap, .mtu = call->mtu, .queue_count = call->queues};
	int rc;

	memcpy(config.mac, call->mac, sizeof(config.mac));
	rc = td_tap_open(&call->tap, &config, &call->err);
	if (rc != -EBUSY || call->named)
		return rc;
	call->err = (struct td_err){0};
	config.name = NULL;
	return td_tap_open(&call->tap, &config, &call->err);
}

/* A bridge that can't be joined is no reason to be without a tap: the NIC's health says what is wrong. */
static int answer_tap(struct td_host_call *call)
{
	int rc = make_tap(call);

	call->bridge_index = 0;
	if (rc < 0)
		return rc;
	memcpy(call->port.tap, call->tap.name, sizeof(call->port.tap));
	call->port.tap_index = call->tap.index;
	if (call->port.bridge[0] && td_host_port_rejoin(&call->port, &call->err) > 0)
		call->bridge_index = if_nametoindex(call->port.bridge);
	return 0;
}

static int leave_guard(struct td_host_call *call)
{
	int rc = 0;

	if (call->from == TD_GUARD_PINNED)
		rc = td_host_guard_unpin(call->port.tap_index, call->mac, &call->err);
	else if (call->from == TD_GUARD_ON)
		(void)td_host_guard_off(call->port.bridge, call->port.tap_index, call->mac, &call->err); /* what could be taken away was */
	if (rc == 0)
		call->from = TD_GUARD_OFF;
	return call->err.code;
}

/* One that has failed may stand in part, and is to be taken away. */
static int enter_guard(struct td_host_call *call)
{
	int rc;

	if (call->to == TD_GUARD_PINNED)
		rc = td_host_guard_pin(call->port.tap_index, call->mac, &call->err) < 0 ? call->err.code : 1;
	else
		rc = td_host_guard_on(call->port.bridge, call->port.tap_index, call->mac, &call->err);
	if (rc > 0 || (rc < 0 && call->to == TD_GUARD_ON))
		call->from = call->to;
	return TD_MIN(rc, 0);
}

/* The first failure counts, and does not keep from the rest. */
static int answer_guard(struct td_host_call *call)
{
	int left = call->from != TD_GUARD_OFF ? leave_guard(call) : 0;
	int entered = call->from == TD_GUARD_OFF && call->to != TD_GUARD_OFF ? enter_guard(call) : 0;

	return left < 0 ? left : entered;
}

/* Not a tap that somebody took out of a bridge that is still there. */
static int rejoin(struct td_host_call *call)
{
	unsigned index = if_nametoindex(call->port.bridge);
	int rc = index && index != call->bridge_index ? td_host_port_rejoin(&call->port, &call->err) : 0;

	if (rc < 0)
		return rc;
	call->rejoined = rc > 0;
	call->bridge_index = index ? index : call->bridge_index;
	return 0;
}

static int answer_tend(struct td_host_call *call)
{
	int rc = rejoin(call), tended;

	if (call->from == TD_GUARD_ON)
		tended = td_host_guard_renew(call->port.bridge, call->port.tap_index, call->mac, &call->err);
	else
		tended = td_host_guard_tidy(call->port.bridge, &call->err);
	return rc < 0 ? rc : tended;
}

/* ---- */

static int answer(struct td_host_call *call)
{
	switch (call->kind) {
	case TD_HOST_CALL_RESERVE:
		return answer_reserve(call);
	case TD_HOST_CALL_GIVE:
		return td_lease_release(&call->lease, &call->err);
	case TD_HOST_CALL_STEER:
		return td_sriov_set_mac(call->pf_name, call->vf_index, call->mac, &call->err);
	case TD_HOST_CALL_JOIN:
		return answer_join(call);
	case TD_HOST_CALL_MTU:
		return td_host_port_follow_mtu(&call->port, &call->err);
	case TD_HOST_CALL_TAP:
		return answer_tap(call);
	case TD_HOST_CALL_GUARD:
		return answer_guard(call);
	case TD_HOST_CALL_TEND:
		return answer_tend(call);
	case TD_HOST_CALL_LEFT:
		td_host_guard_left(call->left);
		return 0;
	case TD_HOST_CALL_LINK:
		return td_sriov_pf_link(call->pf_name, &call->up, &call->carrier, &call->err);
	case TD_HOST_CALL_COUNT:
		return td_sriov_netlink_stats(call->pf_name, call->vf_index, &call->stats, &call->err);
	case TD_HOST_CALL_SETTLE:
		return answer_settle(call);
	case TD_HOST_CALL_WITNESS:
		td_witness_open(&call->witness, call->port.bridge, call->mac);
		return 0;
	}
	return td_err_set(&call->err, EINVAL, TD_REASON_INTERNAL, "host call %d is not known", (int)call->kind);
}

void td_host_call_answer(struct td_host_call *call)
{
	call->err = (struct td_err){0};
	call->rc = answer(call);
}

static void host_call_run(struct td_job *job)
{
	td_host_call_answer(TD_CONTAINER_OF(job, struct td_host_call, job));
}

void td_host_call_submit(struct td_jobs *jobs, struct td_host_call *call)
{
	call->job.run = host_call_run;
	td_jobs_submit(jobs, &call->job);
}
