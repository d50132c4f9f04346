/* SPDX-License-Identifier: Apache-2.0 */
/* host_uplink.h - how a bridge reaches the outside, as sysfs says. The kernel tells when to look again: host_watch.h. */
#ifndef TD_HOST_NET_HOST_UPLINK_H
#define TD_HOST_NET_HOST_UPLINK_H

#include "core/base.h"

/*
 * False: the tap's bridge has uplinks (NICs, or what stands on them: bonds, teams, VLANs) and none has a carrier. The kernel keeps a
 * bridge's own carrier up as long as any port has one, the tap itself among them, so it is the other ports that are looked at. Other
 * machines' taps, veths and the like are no uplinks. True as well for a tap without bridge, or with one of another kind. sys: "/sys".
 */
bool td_host_uplink_is_up(const char *sys, const char *tap);

/* Is `name` below `link`: its port, its port's member, the NIC of its VLAN link? */
bool td_host_uplink_is_below(const char *sys, const char *link, const char *name);

/* The VLAN that the bridge is outside: that of the VLAN links among its ports. 0: none, or several. proc: "/proc". */
unsigned td_host_uplink_vlan(const char *proc, const char *sys, const char *bridge);

bool td_host_uplink_is_tap(const char *sys, const char *link);

#endif
