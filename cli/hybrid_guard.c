/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hybrid_guard.c - the emulated path's network on the host: it is told where the guest's MAC address is, so that frames that come back do
 * not (host/host_guard.h); and what becomes of its uplinks is told to guest and outside (host/host_watch.h).
 */
#include "cli/hybrid_parts.h"
#include "core/log.h"
#include "host/host_guard.h"

#define LOOK_AFTER_NS 500000000ULL /* what an apply does comes in many parts */

static const char *tap_of(const struct td_hybrid *nic)
{
	if (nic->igbvf)
		return td_igbvf_tap(nic->igbvf);
	return nic->net ? td_virtio_net_tap(nic->net) : NULL;
}

static void warn(const struct td_hybrid *nic, const struct td_err *err)
{
	td_warn("nic %s: its own frames may come back to it: %s", nic->config->id, err->text);
}

/* A VF's link is its PF's; so its model's is that of the bridge's uplink. */
static void on_uplink(void *opaque, bool up)
{
	struct td_hybrid *nic = opaque;

	td_info("nic %s: the uplink of its bridge is %s", nic->config->id, up ? "up" : "down");
	td_igbvf_set_link(nic->igbvf, up);
	if (up && nic->path == TD_PATH_EMULATED) /* who announced this path while it led nowhere was not heard */
		td_hybrid_announce(nic, TD_PATH_EMULATED);
}

static void on_moved(void *opaque)
{
	struct td_hybrid *nic = opaque;

	if (nic->path != TD_PATH_EMULATED)
		return;
	td_info("nic %s: the uplink of %s goes on by another way: the outside is told", nic->config->id, nic->config->bridge);
	td_hybrid_announce(nic, TD_PATH_EMULATED);
}

/* ---- ports that come and go: a VM that was killed leaves its filters, a new uplink has none */

static void on_ports(void *opaque)
{
	struct td_hybrid *nic = opaque;

	if (!nic->look_after.armed)
		td_loop_arm(&nic->host.vm->loop, &nic->look_after, LOOK_AFTER_NS);
}

static void look_after(struct td_timer *timer)
{
	struct td_hybrid *nic = TD_CONTAINER_OF(timer, struct td_hybrid, look_after);
	const struct td_vm_net_config *config = nic->config;
	struct td_err err = {0};

	if (nic->guarded && td_host_guard_on(config->bridge, tap_of(nic), config->mac, &err) < 0)
		warn(nic, &err);
	if (td_host_guard_tidy(config->bridge, &err) < 0)
		warn(nic, &err);
}

/* ---- */

static int watch_network(struct td_hybrid *nic, struct td_err *err)
{
	const struct td_host_watch_events events = {.uplink = on_uplink, .moved = on_moved, .ports = on_ports, .opaque = nic};
	const char *bridge = nic->config->bridge, *tap = nic->igbvf ? tap_of(nic) : NULL;
	int rc;

	if (!tap && !bridge)
		return 0;
	nic->look_after.expired = look_after;
	rc = td_host_watch_open(&nic->network, &nic->host.vm->loop, tap, bridge, &events, err);
	if (rc == 0 && !nic->network.up)
		on_uplink(nic, false);
	return rc;
}

int td_hybrid_guard_begin(struct td_hybrid *nic, struct td_err *err)
{
	struct td_err warning = {0};

	if (!tap_of(nic))
		return 0;
	if (nic->config->bridge && td_host_guard_tidy(nic->config->bridge, &warning) < 0)
		warn(nic, &warning);
	td_hybrid_guard(nic, TD_PATH_EMULATED);
	if (nic->igbvf)
		return watch_network(nic, err) < 0 ? td_err_prefix(err, "nic %s", nic->config->id) : 0;
	if (watch_network(nic, &warning) < 0)
		td_warn("nic %s: a team below %s that changes its member is not seen: %s", nic->config->id, nic->config->bridge,
			warning.text);
	return 0;
}

void td_hybrid_guard_end(struct td_hybrid *nic)
{
	td_hybrid_guard(nic, TD_PATH_VF);
	td_host_watch_close(&nic->network);
	td_loop_disarm(&nic->host.vm->loop, &nic->look_after);
}

void td_hybrid_guard(struct td_hybrid *nic, enum td_path path)
{
	const struct td_vm_net_config *config = nic->config;
	const char *tap = tap_of(nic);
	bool on = path == TD_PATH_EMULATED;
	struct td_err err = {0};
	int rc;

	if (!config->bridge || !tap || nic->guarded == on)
		return;
	rc = (on ? td_host_guard_on : td_host_guard_off)(config->bridge, tap, config->mac, &err);
	if (rc < 0)
		warn(nic, &err);
	nic->guarded = on && rc != 0;
}
