/* SPDX-License-Identifier: Apache-2.0 */
/* host_path.c - see host_path.h: the judgement. The first thing on the way that does not work is the one to be mended first. */
#include "host/net/host_path.h"

#include <linux/if_bridge.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MTU_DEFAULT  1500U
#define WAIT_MORE_MS 1000U /* the kernel's timers, and ours */

__attribute__((format(printf, 3, 4))) static void path_says(
	struct td_host_path_health *health, enum td_reason reason, const char *format, ...)
{
	va_list args;

	health->reason = reason;
	va_start(args, format);
	vsnprintf(health->text, sizeof(health->text), format, args);
	va_end(args);
}

static void judge_place(const struct td_host_path_want *want, const struct td_host_path_facts *facts, struct td_host_path_health *health)
{
	const char *tap = facts->tap.name, *bridge = want->bridge;

	if (!facts->tap.there)
		path_says(health, TD_REASON_TAP_LOST, "tap %s is gone", want->tap);
	else if (bridge && !facts->bridge.index)
		path_says(health, TD_REASON_BRIDGE_DOWN, "bridge %s is not there", bridge);
	else if (bridge && !facts->tap.master)
		path_says(health, TD_REASON_NO_PORT, "tap %s is no port of %s", tap, bridge);
	else if (bridge && facts->tap.master != facts->bridge.index)
		path_says(health, TD_REASON_NO_PORT, "tap %s is a port of %s, not of %s", tap, facts->master_name, bridge);
	else if (facts->bridge.bridge && !facts->bridge.up)
		path_says(health, TD_REASON_BRIDGE_DOWN, "bridge %s is down", facts->bridge.name);
}

/* It listens and learns for the forward delay each. A port that is blocked may stay so. */
unsigned td_host_path_wait_ms(unsigned state, unsigned forward_delay_ms)
{
	if (state != BR_STATE_LISTENING && state != BR_STATE_LEARNING)
		return 0;
	return (state == BR_STATE_LISTENING ? 2 : 1) * forward_delay_ms + WAIT_MORE_MS;
}

static void judge_port(const struct td_host_path_facts *facts, struct td_host_path_health *health)
{
	static const char *const states[] = {[BR_STATE_DISABLED] = "disabled",
		[BR_STATE_LISTENING] = "listening",
		[BR_STATE_LEARNING] = "learning",
		[BR_STATE_FORWARDING] = "forwarding",
		[BR_STATE_BLOCKING] = "blocking"};
	unsigned state = facts->tap.state;

	if (!facts->tap.up) {
		path_says(health, TD_REASON_PORT_NOT_FORWARDING, "tap %s is down", facts->tap.name);
		return;
	}
	if (!facts->tap.port || state == BR_STATE_FORWARDING)
		return;
	if (facts->bridge.kernel_stp)
		health->wait_ms = td_host_path_wait_ms(state, facts->bridge.forward_delay_ms);
	path_says(health, TD_REASON_PORT_NOT_FORWARDING, "port %s of %s is %s%s", facts->tap.name, facts->bridge.name,
		state < TD_COUNT(states) ? states[state] : "in a state of its own", facts->bridge.stp ? " (spanning tree)" : "");
}

static void judge_vlan(const struct td_host_path_want *want, const struct td_host_path_facts *facts, struct td_host_path_health *health)
{
	const char *tap = facts->tap.name, *bridge = facts->bridge.name;

	if (!facts->tap.port)
		return;
	if (!facts->bridge.vlan_aware && want->vlan && facts->uplinks && facts->outside_vlan != want->vlan)
		path_says(health, TD_REASON_VLAN_MISSING, "%s does not know VLANs, and is not in VLAN %u outside", bridge, want->vlan);
	else if (!facts->bridge.vlan_aware && !want->vlan && want->has_vf && facts->outside_vlan)
		path_says(health, TD_REASON_VLAN_MISSING, "%s is in VLAN %u outside, the VF in none", bridge, facts->outside_vlan);
	if (!facts->bridge.vlan_aware || (want->tagged && !want->vlan && !facts->pvid))
		return;
	if (!facts->pvid && facts->pvid_tagged)
		path_says(health, TD_REASON_VLAN_MISSING, "port %s of %s gives the guest VLAN %u with its tag", tap, bridge,
			facts->pvid_tagged);
	else if (!facts->pvid)
		path_says(health, TD_REASON_VLAN_MISSING, "port %s of %s takes no untagged frames", tap, bridge);
	else if (want->vlan && facts->pvid != want->vlan)
		path_says(health, TD_REASON_VLAN_MISSING, "port %s of %s is in VLAN %u, not in %u", tap, bridge, facts->pvid, want->vlan);
	else if (facts->uplinks && !facts->uplinks_working)
		path_says(health, TD_REASON_VLAN_MISSING, "uplink %s of %s does not take VLAN %u%s", facts->other_vlan, bridge, facts->pvid,
			!want->has_vf ? ""
			: want->vlan  ? " tagged, as the VF sends it"
				      : " untagged, as the VF sends it");
}

static void judge_mtu(const struct td_host_path_want *want, const struct td_host_path_facts *facts, struct td_host_path_health *health)
{
	unsigned mtu = want->mtu ? want->mtu : MTU_DEFAULT;
	const char *name = facts->bridge.name;
	unsigned least = facts->bridge.mtu;

	if (facts->tap.mtu < least) {
		name = facts->tap.name;
		least = facts->tap.mtu;
	}
	if (facts->uplinks_working && facts->uplinks_mtu < least) {
		name = "the uplink";
		least = facts->uplinks_mtu;
	}
	if (facts->bridge.bridge && least < mtu)
		path_says(health, TD_REASON_MTU_TOO_SMALL, "%s takes packets of %u bytes, the guest sends up to %u", name, least, mtu);
}

static void judge_uplinks(const struct td_host_path_want *want, const struct td_host_path_facts *facts, struct td_host_path_health *health)
{
	const char *bridge = facts->bridge.name;

	if (!facts->bridge.bridge)
		return;
	if (!facts->uplinks && want->had_uplinks)
		path_says(health, TD_REASON_NO_CARRIER, "%s has no uplink any more", bridge);
	else if (facts->uplinks == 1 && !facts->uplinks_up)
		path_says(health, TD_REASON_NO_CARRIER, "uplink %s of %s has no link", facts->down, bridge);
	else if (facts->uplinks && !facts->uplinks_up)
		path_says(health, TD_REASON_NO_CARRIER, "none of the %u uplinks of %s has a link", facts->uplinks, bridge);
	else if (facts->uplinks && !facts->uplinks_forwarding) {
		health->wait_ms = facts->uplinks_wait_ms;
		path_says(health, TD_REASON_PORT_NOT_FORWARDING, "uplink %s of %s does not forward%s", facts->not_forwarding, bridge,
			facts->bridge.stp ? " (spanning tree)" : "");
	}
}

void td_host_path_judge(
	const struct td_host_path_want *want, const struct td_host_path_facts *facts, struct td_host_path_health *ret_health)
{
	*ret_health = (struct td_host_path_health){.known = true};
	judge_place(want, facts, ret_health);
	if (ret_health->reason == TD_REASON_NONE)
		judge_port(facts, ret_health);
	if (ret_health->reason == TD_REASON_NONE)
		judge_uplinks(want, facts, ret_health);
	if (ret_health->reason == TD_REASON_NONE)
		judge_vlan(want, facts, ret_health);
	if (ret_health->reason == TD_REASON_NONE)
		judge_mtu(want, facts, ret_health);
}

const char *td_host_path_word(const struct td_host_path_health *health)
{
	if (!health->known)
		return "unknown";
	return health->reason == TD_REASON_NONE ? "ok" : td_reason_name(health->reason);
}
