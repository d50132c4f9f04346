/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_port.h - a NIC's tap becomes a port of its bridge, and is in the NIC's VLANs before it carries a frame. The tap is known by its
 * index: a name may be another's by now. Whether the way works from there on is host_path.h's.
 *
 * A NIC's `vlan` is the one that its untagged frames are in. On a bridge that is aware of VLANs the port is put into it; one that is not is
 * in that VLAN as a whole, by its uplinks, or is refused. A bridge without uplinks leads to nobody who could be in another.
 *
 * A bridge whose MTU nobody has set takes the least of its ports'. So a tap has its bridge's before it joins, and follows it: up always,
 * down unless the bridge may have come down by itself, with an uplink: it would stay there for the tap's sake.
 *
 * Source: rtnetlink(7), uapi/linux/if_bridge.h (IFLA_BRIDGE_VLAN_INFO), bridge(8).
 */
#ifndef TD_HOST_NET_HOST_PORT_H
#define TD_HOST_NET_HOST_PORT_H

#include <net/if.h>

#include "core/base.h"
#include "core/err.h"
#include "host/net/host_path.h"

#define TD_HOST_PORT_TAGGED_MAX 32U

/* Plain data. */
struct td_host_port {
	char bridge[IF_NAMESIZE], tap[IF_NAMESIZE]; /* tap: its name when it was made, for texts */
	unsigned tap_index;
	uint16_t vlan; /* of untagged frames; 0: the bridge's default */
	bool has_vf;   /* the NIC's other path is a VF, which is in `vlan` outside, or in none */
	unsigned tagged_count;
	struct {
		uint16_t first, last;
	} tagged[TD_HOST_PORT_TAGGED_MAX]; /* VLANs of the NIC's that keep their tags */
};

/*
 * Can the bridge give the NIC its VLANs? BRIDGE (there is none), VLAN_MISSING, CONFIG_VALUE (the VF would be in another than the bridge).
 * Pure.
 */
int td_host_port_check(const struct td_host_port *port, const struct td_host_path_facts *facts, struct td_err *err);

/* These wait; any thread. */

/* The tap is a port of no bridge yet; it is up afterwards. -errno: it is a port of none, and up if it is there. */
int td_host_port_join(const struct td_host_port *port, struct td_err *err);
/* So too, if the bridge is there and the tap is a port of none. 1: done; 0: nothing to do. */
int td_host_port_rejoin(const struct td_host_port *port, struct td_err *err);

/* The MTU that a tap of `tap` bytes is to have; uplinks: the least of the bridge's, 0: it has none. Pure. */
unsigned td_host_port_mtu(unsigned tap, unsigned bridge, unsigned uplinks);
/* The tap, if it is a port of its bridge, is given that. */
int td_host_port_follow_mtu(const struct td_host_port *port, struct td_err *err);

#endif
