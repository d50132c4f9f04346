/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hybrid_guard.c - the emulated path's network on the host: it is told where the guest's MAC address is, so that frames that come back do
 * not (host/net/host_guard.h); what becomes of its uplinks is told to guest and outside, and ports that come and go are looked after
 * (host/net/host_watch.h). The NIC's own port is hybrid_port.c's.
 */
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "nic/hybrid_parts.h"

#define LOOK_AFTER_NS 500000000ULL /* what an apply does comes in many parts */

/* A VF's link is its PF's; so its model's is that of the bridge's uplink. */
static void on_uplink(void *opaque, bool up)
{
	struct td_hybrid *nic = opaque;

	if (nic->igbvf)
		td_igbvf_set_link(nic->igbvf, up);
}

static void on_moved(void *opaque)
{
	struct td_hybrid *nic = opaque;

	if (nic->path != TD_PATH_EMULATED)
		return;
	td_info("nic %s: the uplink of %s goes on by another way: the outside is told", nic->config->id, nic->config->bridge);
	td_hybrid_announce(nic, TD_PATH_EMULATED);
}

/* ---- the guest's MAC in the bridge: what is wanted, and the job that brings it about */

static struct td_host_call make_call(const struct td_hybrid *nic, enum td_host_call_kind kind)
{
	struct td_host_call call = {.kind = kind,
		.port = td_hybrid_port(nic),
		.from = nic->guard_is,
		.to = nic->guard_wanted,
		.bridge_index = nic->bridge_index};

	memcpy(call.mac, nic->config->mac, sizeof(call.mac));
	return call;
}

static void guard_done(struct td_job *job);

static void guard_next(struct td_hybrid *nic)
{
	if (nic->guard.job.busy || nic->guard_is == nic->guard_wanted)
		return;
	nic->guard = make_call(nic, TD_HOST_CALL_GUARD);
	nic->guard.job.done = guard_done;
	td_host_call_submit(&nic->host.vm->jobs, &nic->guard);
}

/* What did not come about is tried again when it is next wanted: the bridge may be another's, and become ours. */
static void guard_done(struct td_job *job)
{
	struct td_hybrid *nic = TD_CONTAINER_OF(job, struct td_hybrid, guard.job);
	const struct td_host_call *call = &nic->guard;

	nic->guard_is = call->port.tap_index == nic->tap_index ? call->from : TD_GUARD_OFF;
	if (call->rc < 0 && call->to == TD_GUARD_PINNED)
		td_debug("nic %s: frames may be lost on its way to the VF: %s", nic->config->id, call->err.text);
	else if (call->rc < 0)
		td_log_limited(&nic->guard_limit, TD_LOG_WARN,
			"nic %s: its own frames may come back to it, or %s sends to where it is not: %s", nic->config->id,
			nic->config->bridge, call->err.text);
	if (call->to != nic->guard_wanted || call->port.tap_index != nic->tap_index)
		guard_next(nic);
}

static void want_guard(struct td_hybrid *nic, enum td_guard guard)
{
	if (!nic->config->bridge || !td_hybrid_tap(nic))
		return;
	nic->guard_wanted = guard;
	guard_next(nic);
}

void td_hybrid_guard(struct td_hybrid *nic, enum td_path path)
{
	want_guard(nic, path == TD_PATH_EMULATED ? TD_GUARD_ON : TD_GUARD_OFF);
}

void td_hybrid_pin(struct td_hybrid *nic)
{
	want_guard(nic, TD_GUARD_PINNED);
}

bool td_hybrid_pinned(const struct td_hybrid *nic)
{
	return nic->guard_is == TD_GUARD_PINNED || nic->guard_wanted == TD_GUARD_PINNED;
}

void td_hybrid_guard_renew(struct td_hybrid *nic)
{
	nic->guard_is = TD_GUARD_OFF;
	guard_next(nic); /* one that is under way has the tap before, and is followed by this */
}

/* ---- ports that come and go: a VM that was killed leaves its filters, a new uplink has none */

/* All VMs of the network are told at once. */
static uint64_t look_after_ns(const struct td_hybrid *nic)
{
	return LOOK_AFTER_NS + nic->config->mac[5] * (LOOK_AFTER_NS / UINT8_MAX);
}

static void left_done(struct td_job *job)
{
	free(TD_CONTAINER_OF(job, struct td_host_call, job));
}

/* Links leave faster than the host answers: each has a call of its own. What is not told here the next look after the network finds. */
static void tell_left(struct td_hybrid *nic, int index)
{
	struct td_host_call *call = calloc(1, sizeof(*call));

	if (!call)
		return;
	*call = (struct td_host_call){.job.done = left_done, .kind = TD_HOST_CALL_LEFT, .left = index};
	td_host_call_submit(&nic->host.vm->jobs, call);
}

static void on_ports(void *opaque, int left)
{
	struct td_hybrid *nic = opaque;

	if (left && left != (int)nic->tap_index)
		tell_left(nic, left);
	if (!nic->look_after.armed)
		td_loop_arm(&nic->host.vm->loop, &nic->look_after, look_after_ns(nic));
}

static void tend_done(struct td_job *job)
{
	struct td_hybrid *nic = TD_CONTAINER_OF(job, struct td_hybrid, tend.job);
	const struct td_host_call *call = &nic->tend;

	if (call->port.tap_index == nic->tap_index)
		nic->bridge_index = call->bridge_index;
	if (call->rejoined)
		td_info("nic %s: %s was made anew: tap %s is its port again", nic->config->id, call->port.bridge, call->port.tap);
	if (call->rc < 0)
		td_log_limited(&nic->guard_limit, TD_LOG_WARN,
			"nic %s: its port of %s, or what keeps frames from coming back, is not as it should be: %s", nic->config->id,
			call->port.bridge, call->err.text);
	/* Another bridge meanwhile. One that does not take it is tried again when it changes. */
	if (call->rc == 0 && td_hybrid_health(nic)->reason == TD_REASON_NO_PORT)
		td_hybrid_guard_rejoin(nic);
	if (call->rejoined && !td_flip_active(&nic->flip) && !td_hybrid_pinned(nic))
		td_hybrid_guard(nic, nic->path);
}

static void tend(struct td_hybrid *nic)
{
	nic->tend = make_call(nic, TD_HOST_CALL_TEND);
	nic->tend.job.done = tend_done;
	td_host_call_submit(&nic->host.vm->jobs, &nic->tend);
}

void td_hybrid_guard_rejoin(struct td_hybrid *nic)
{
	if (nic->config->bridge && nic->network.bridge_index != nic->bridge_index && !nic->tend.job.busy)
		tend(nic);
}

static void look_after(struct td_timer *timer)
{
	struct td_hybrid *nic = TD_CONTAINER_OF(timer, struct td_hybrid, look_after);

	if (nic->tend.job.busy) {
		td_loop_arm(&nic->host.vm->loop, timer, look_after_ns(nic));
		return;
	}
	if (!td_flip_active(&nic->flip) && !td_hybrid_pinned(nic))
		td_hybrid_guard(nic, nic->path); /* the bridge may have become ours */
	tend(nic);
}

/* ---- */

static int watch_network(struct td_hybrid *nic, struct td_err *err)
{
	const struct td_host_watch_events events = {.health = td_hybrid_health_changed,
		.uplink = on_uplink,
		.moved = on_moved,
		.ports = on_ports,
		.mtu = td_hybrid_port_mtu,
		.pf = td_hybrid_settings_pf,
		.opaque = nic};
	const struct td_vm_net_config *config = nic->config;
	const struct td_host_path_want want = {.tap = td_hybrid_tap(nic),
		.tap_index = nic->tap_index,
		.bridge = config->bridge,
		.vlan = (uint16_t)config->vlan,
		.tagged = config->vlans_count,
		.mtu = (unsigned)config->mtu,
		.has_vf = nic->mode};
	int rc;

	nic->look_after.expired = look_after;
	rc = td_host_watch_open(&nic->network, &nic->host.vm->jobs, &want, &events, err);
	if (rc < 0)
		return rc;
	if (!nic->network.up)
		on_uplink(nic, false);
	if (!td_hybrid_is_well(nic))
		td_hybrid_health_say(nic);
	return 0;
}

int td_hybrid_guard_begin(struct td_hybrid *nic, struct td_err *err)
{
	struct td_err warning = {0};

	if (!td_hybrid_tap(nic)) {
		if (watch_network(nic, &warning) < 0)
			td_warn("nic %s: what others change of its VF is not seen: %s", nic->config->id, warning.text);
		return 0;
	}
	if (nic->config->bridge)
		tend(nic);
	td_hybrid_guard(nic, TD_PATH_EMULATED);
	td_jobs_wait(&nic->host.vm->jobs, &nic->guard.job); /* before its first frame, and what is wrong is said before the boot */
	td_jobs_wait(&nic->host.vm->jobs, &nic->tend.job);
	if (nic->igbvf)
		return watch_network(nic, err) < 0 ? td_err_prefix(err, "nic %s", nic->config->id) : 0;
	if (watch_network(nic, &warning) < 0)
		td_warn("nic %s: whether its emulated path works is not seen: %s", nic->config->id, warning.text);
	return 0;
}

void td_hybrid_guard_end(struct td_hybrid *nic)
{
	td_host_watch_close(&nic->network);
	td_loop_disarm(&nic->host.vm->loop, &nic->look_after);
	td_jobs_wait(&nic->host.vm->jobs, &nic->tend.job); /* it may want the guard on */
	td_hybrid_guard(nic, TD_PATH_VF);
	while (nic->guard.job.busy)
		td_jobs_wait(&nic->host.vm->jobs, &nic->guard.job);
}
