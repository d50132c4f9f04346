/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hybrid_guard.c - the emulated path's network on the host: it is told where the guest's MAC address is, so that frames that come back do
 * not (host/host_guard.h); and when its uplink goes on by another way, the outside is told (host/host_watch.h).
 */
#include <sys/epoll.h>
#include <unistd.h>

#include "cli/hybrid_parts.h"
#include "core/log.h"
#include "host/host_guard.h"
#include "host/host_watch.h"

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

static void uplinks_moved(struct td_watch *watch, uint32_t events)
{
	struct td_hybrid *nic = TD_CONTAINER_OF(watch, struct td_hybrid, uplinks);

	(void)events;
	if (!td_host_watch_read(watch->fd, nic->config->bridge) || !nic->guarded)
		return;
	td_info("nic %s: the uplink of %s goes on by another way: the outside is told", nic->config->id, nic->config->bridge);
	td_hybrid_announce(nic, TD_PATH_EMULATED);
}

static void watch_uplinks(struct td_hybrid *nic)
{
	struct td_err err = {0};

	nic->uplinks.ready = uplinks_moved;
	nic->uplinks.events = EPOLLIN;
	if (td_host_watch_open(&nic->uplinks.fd, &err) < 0 || td_loop_watch(&nic->host.vm->loop, &nic->uplinks) < 0)
		td_warn("nic %s: a team below %s that changes its member is not seen: %s", nic->config->id, nic->config->bridge, err.text);
}

void td_hybrid_guard_begin(struct td_hybrid *nic)
{
	struct td_err err = {0};

	if (!nic->config->bridge || !tap_of(nic))
		return;
	if (td_host_guard_tidy(nic->config->bridge, &err) < 0)
		warn(nic, &err);
	td_hybrid_guard(nic, TD_PATH_EMULATED);
	watch_uplinks(nic);
}

void td_hybrid_guard_end(struct td_hybrid *nic)
{
	td_hybrid_guard(nic, TD_PATH_VF);
	if (nic->uplinks.fd < 0)
		return;
	td_loop_unwatch(&nic->host.vm->loop, &nic->uplinks);
	close(nic->uplinks.fd);
	nic->uplinks.fd = -1;
}

void td_hybrid_guard(struct td_hybrid *nic, enum td_path path)
{
	const struct td_vm_net_config *config = nic->config;
	const char *tap = tap_of(nic);
	bool on = path == TD_PATH_EMULATED;
	struct td_err err = {0};

	if (!config->bridge || !tap || nic->guarded == on)
		return;
	nic->guarded = on;
	if ((on ? td_host_guard_on : td_host_guard_off)(config->bridge, tap, config->mac, &err) < 0)
		warn(nic, &err);
}
