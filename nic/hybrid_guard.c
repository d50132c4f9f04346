/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hybrid_guard.c - the emulated path's network on the host: it is told where the guest's MAC address is, so that frames that come back do
 * not (host/net/host_guard.h); what becomes of its uplinks is told to guest and outside, and ports that come and go are looked after
 * (host/net/host_watch.h).
 */
#include <net/if.h>

#include "core/log.h"
#include "host/net/host_guard.h"
#include "host/net/host_uplink.h"
#include "host/sys/sysfs.h"
#include "nic/hybrid_parts.h"

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

/* All VMs of the network are told at once. */
static uint64_t look_after_ns(const struct td_hybrid *nic)
{
	return LOOK_AFTER_NS + nic->config->mac[5] * (LOOK_AFTER_NS / UINT8_MAX);
}

static void on_ports(void *opaque, int left)
{
	struct td_hybrid *nic = opaque;

	if (left && left == (int)if_nametoindex(tap_of(nic)))
		td_warn("nic %s: tap %s is no port of %s any more: its emulated path leads nowhere", nic->config->id, tap_of(nic),
			nic->config->bridge);
	else if (left)
		td_host_guard_left(left);
	if (!nic->look_after.armed)
		td_loop_arm(&nic->host.vm->loop, &nic->look_after, look_after_ns(nic));
}

/* Not a tap that somebody took out of a bridge that is still there. */
static void rejoin(struct td_hybrid *nic)
{
	unsigned index = if_nametoindex(nic->config->bridge);
	struct td_err err = {0};
	int rc;

	if (!index || index == nic->bridge_index)
		return;
	rc = td_host_guard_rejoin(nic->config->bridge, tap_of(nic), &err);
	if (rc < 0)
		td_log_limited(&nic->guard_limit, TD_LOG_WARN, "nic %s: %s", nic->config->id, err.text);
	if (rc > 0)
		td_info("nic %s: %s was made anew: tap %s is its port again", nic->config->id, nic->config->bridge, tap_of(nic));
	if (rc >= 0)
		nic->bridge_index = index;
}

static void look_after(struct td_timer *timer)
{
	struct td_hybrid *nic = TD_CONTAINER_OF(timer, struct td_hybrid, look_after);
	const struct td_vm_net_config *config = nic->config;
	struct td_err err = {0};
	int rc;

	rejoin(nic);
	if (!td_flip_active(&nic->flip) && !nic->pinned)
		td_hybrid_guard(nic, nic->path); /* the bridge may have become ours */
	rc = nic->guarded ? td_host_guard_renew(config->bridge, tap_of(nic), config->mac, &err) : td_host_guard_tidy(config->bridge, &err);
	if (rc < 0)
		td_log_limited(&nic->guard_limit, TD_LOG_WARN, "nic %s: frames may come back to VMs of %s: %s", config->id, config->bridge,
			err.text);
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
	nic->bridge_index = bridge ? if_nametoindex(bridge) : 0;
	rc = td_host_watch_open(&nic->network, &nic->host.vm->loop, tap, bridge, &events, err);
	if (rc == 0 && !nic->network.up)
		on_uplink(nic, false);
	return rc;
}

/* On its two paths the guest has to be in one network. */
static void compare_vlans(const struct td_hybrid *nic)
{
	const struct td_vm_net_config *config = nic->config;
	unsigned vlan = config->bridge ? td_host_uplink_vlan("/proc", TD_SYSFS, config->bridge) : 0;

	if (nic->mode && vlan && vlan != config->vlan)
		td_warn("nic %s: %s is VLAN %u outside, and the VF gets %s: on its VF the guest is in another network; give the NIC vlan: "
			"%u",
			config->id, config->bridge, vlan, config->vlan ? "another" : "none", vlan);
}

int td_hybrid_guard_begin(struct td_hybrid *nic, struct td_err *err)
{
	struct td_err warning = {0};

	if (!tap_of(nic))
		return 0;
	compare_vlans(nic);
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

/* One that can't be is still: the next look tries again. */
static void unpin(struct td_hybrid *nic, const char *tap)
{
	struct td_err err = {0};

	if (nic->pinned && td_host_guard_unpin(tap, nic->config->mac, &err) < 0)
		td_log_limited(&nic->guard_limit, TD_LOG_WARN, "nic %s: %s keeps sending to its emulated path: %s", nic->config->id,
			nic->config->bridge, err.text);
	else
		nic->pinned = false;
}

void td_hybrid_guard(struct td_hybrid *nic, enum td_path path)
{
	const struct td_vm_net_config *config = nic->config;
	const char *tap = tap_of(nic);
	bool on = path == TD_PATH_EMULATED;
	struct td_err err = {0};
	int rc;

	if (!config->bridge || !tap)
		return;
	unpin(nic, tap);
	if (nic->guarded == on)
		return;
	rc = (on ? td_host_guard_on : td_host_guard_off)(config->bridge, tap, config->mac, &err);
	if (rc < 0)
		warn(nic, &err);
	nic->guarded = on && rc != 0;
}

void td_hybrid_pin(struct td_hybrid *nic)
{
	const char *tap = tap_of(nic);
	struct td_err err = {0};

	td_hybrid_guard(nic, TD_PATH_VF);
	if (!nic->config->bridge || !tap)
		return;
	if (td_host_guard_pin(tap, nic->config->mac, &err) < 0)
		td_debug("nic %s: frames may be lost on its way to the VF: %s", nic->config->id, err.text);
	else
		nic->pinned = true;
}
