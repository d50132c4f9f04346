/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hybrid_port.c - the emulated path's tap as a port of its bridge: it joins before the guest runs, in the NIC's VLANs, and its MTU follows
 * the bridge's (host/net/host_port.h). A bridge that comes back is joined by hybrid_guard.c's job. A tap that is deleted is made anew: the
 * guest's NIC goes on with that, and is not told.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "core/log.h"
#include "host/sys/names.h"
#include "nic/hybrid_parts.h"

#define RENEW_NS 1000000000ULL

const char *td_hybrid_tap(const struct td_hybrid *nic)
{
	if (nic->igbvf)
		return td_igbvf_tap(nic->igbvf);
	return nic->net ? td_virtio_net_tap(nic->net) : NULL;
}

static void fill_tagged(struct td_host_port *port, const struct td_vm_net_config *config)
{
	unsigned first, last;

	static_assert(TD_NIC_VLANS_MAX <= TD_COUNT(port->tagged), "each has its place");
	for (unsigned i = 0; i < config->vlans_count; i++) {
		if (!td_names_parse_vlans(config->vlans[i], &first, &last))
			continue; /* it was checked when it was read */
		port->tagged[port->tagged_count].first = (uint16_t)first;
		port->tagged[port->tagged_count++].last = (uint16_t)last;
	}
}

struct td_host_port td_hybrid_port(const struct td_hybrid *nic)
{
	const struct td_vm_net_config *config = nic->config;
	struct td_host_port port = {.tap_index = nic->tap_index, .vlan = (uint16_t)config->vlan, .has_vf = nic->mode};

	snprintf(port.bridge, sizeof(port.bridge), "%s", config->bridge ? config->bridge : "");
	snprintf(port.tap, sizeof(port.tap), "%s", td_hybrid_tap(nic));
	fill_tagged(&port, config);
	return port;
}

static void submit(struct td_hybrid *nic, enum td_host_call_kind kind, void (*done)(struct td_job *job))
{
	nic->port = (struct td_host_call){.kind = kind, .job.done = done, .port = td_hybrid_port(nic)};
	td_host_call_submit(&nic->host.vm->jobs, &nic->port);
}

static void joined(struct td_job *job)
{
	struct td_hybrid *nic = TD_CONTAINER_OF(job, struct td_hybrid, port.job);

	nic->bridge_index = nic->port.bridge_index;
}

static void renew_expired(struct td_timer *timer)
{
	struct td_hybrid *nic = TD_CONTAINER_OF(timer, struct td_hybrid, renew);

	if (td_hybrid_health(nic)->reason == TD_REASON_TAP_LOST)
		td_hybrid_port_lost(nic);
}

int td_hybrid_port_begin(struct td_hybrid *nic, struct td_err *err)
{
	nic->renew.expired = renew_expired;
	nic->tap_index = nic->igbvf ? td_igbvf_tap_index(nic->igbvf) : td_virtio_net_tap_index(nic->net);
	if (!nic->config->bridge)
		return 0;
	submit(nic, TD_HOST_CALL_JOIN, joined);
	td_jobs_wait(&nic->host.vm->jobs, &nic->port.job); /* before its first frame, and what is wrong is said before the boot */
	if (nic->port.rc == 0)
		return 0;
	if (err)
		*err = nic->port.err;
	return td_err_prefix(err, "nic %s", nic->config->id);
}

void td_hybrid_port_end(struct td_hybrid *nic)
{
	nic->mtu_again = false;
	td_jobs_wait(&nic->host.vm->jobs, &nic->port.job);
	td_loop_disarm(&nic->host.vm->loop, &nic->renew);
}

/* ---- its MTU ---- */

/* So too when it was asked for while another call was under way. */
static void port_next(struct td_hybrid *nic)
{
	if (nic->mtu_again)
		td_hybrid_port_mtu(nic);
}

static void mtu_followed(struct td_job *job)
{
	struct td_hybrid *nic = TD_CONTAINER_OF(job, struct td_hybrid, port.job);

	if (nic->port.rc < 0)
		td_warn("nic %s: its tap has not the MTU of %s: %s", nic->config->id, nic->port.port.bridge, nic->port.err.text);
	port_next(nic);
}

void td_hybrid_port_mtu(void *opaque)
{
	struct td_hybrid *nic = opaque;

	nic->mtu_again = nic->port.job.busy;
	if (!nic->port.job.busy)
		submit(nic, TD_HOST_CALL_MTU, mtu_followed);
}

/* ---- a tap that was lost ---- */

static bool has_lost_tap(const struct td_hybrid *nic)
{
	return nic->igbvf ? td_igbvf_lost_tap(nic->igbvf) : nic->net && td_virtio_net_lost_tap(nic->net);
}

/* The NIC has it from now on; else it is closed. */
static int take_tap(struct td_hybrid *nic, struct td_tap *anew)
{
	int rc = nic->igbvf ? td_igbvf_renew_tap(nic->igbvf, anew) : td_virtio_net_renew_tap(nic->net, anew);

	if (rc < 0) {
		td_tap_close(anew);
		return rc;
	}
	nic->tap_index = nic->port.port.tap_index;
	nic->bridge_index = nic->port.bridge_index;
	td_hybrid_open_stats(nic);
	td_hybrid_guard_renew(nic);
	td_host_watch_tap(&nic->network, td_hybrid_tap(nic), nic->tap_index);
	return 0;
}

static void renewed(struct td_job *job)
{
	struct td_hybrid *nic = TD_CONTAINER_OF(job, struct td_hybrid, port.job);
	struct td_host_call *call = &nic->port;
	int rc = call->rc;

	if (rc == 0)
		rc = take_tap(nic, &call->tap);
	if (rc == 0)
		td_info("nic %s: its tap was deleted, and is made anew: %s", nic->config->id, call->port.tap);
	if (call->err.code)
		td_log_limited(&nic->health_limit, TD_LOG_WARN, "nic %s: its tap was deleted: %s", nic->config->id, call->err.text);
	else if (rc < 0)
		td_log_limited(&nic->health_limit, TD_LOG_WARN, "nic %s: its tap was deleted, and it can't take another: %s",
			nic->config->id, strerror(-rc));
	td_loop_arm(&nic->host.vm->loop, &nic->renew, RENEW_NS); /* it may be gone again, or its name free by then */
	port_next(nic);
}

/* One that was moved to another network namespace serves the guest from there. */
void td_hybrid_port_lost(struct td_hybrid *nic)
{
	const struct td_vm_net_config *config = nic->config;

	if (!has_lost_tap(nic))
		return;
	if (nic->port.job.busy) {
		td_loop_arm(&nic->host.vm->loop, &nic->renew, RENEW_NS);
		return;
	}
	nic->port = (struct td_host_call){.kind = TD_HOST_CALL_TAP,
		.job.done = renewed,
		.port = td_hybrid_port(nic),
		.mtu = (uint16_t)config->mtu,
		.queues = nic->igbvf || !config->queues ? 1 : (unsigned)config->queues,
		.named = config->tap};
	memcpy(nic->port.mac, config->mac, sizeof(config->mac));
	td_host_call_submit(&nic->host.vm->jobs, &nic->port);
}
