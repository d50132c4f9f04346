/* SPDX-License-Identifier: Apache-2.0 */
/* host_uplink.h - how a bridge reaches the outside, as sysfs says. The kernel tells when to look again: host_watch.h. */
#ifndef TD_HOST_NET_HOST_UPLINK_H
#define TD_HOST_NET_HOST_UPLINK_H

#include "core/base.h"

/*
 * Each uplink among a bridge's ports: NICs, or what stands on them (bonds, teams, VLANs). Other machines' taps, veths and the like are
 * none. -errno: they can't be listed; no such bridge: none. The kernel keeps a bridge's own carrier up as long as any port has one, a VM's
 * tap among them, so it is these that are looked at. sys: "/sys".
 */
int td_host_uplink_each(const char *sys, const char *bridge, void (*each)(const char *port, bool carrier, void *opaque), void *opaque);

/* Is `name` below `link`: its port, its port's member, the NIC of its VLAN link? */
bool td_host_uplink_is_below(const char *sys, const char *link, const char *name);

/* The VLAN that the bridge is outside: that of the VLAN links among its ports. 0: none, or several. proc: "/proc". */
unsigned td_host_uplink_vlan(const char *proc, const char *sys, const char *bridge);

bool td_host_uplink_is_tap(const char *sys, const char *link);

#endif
