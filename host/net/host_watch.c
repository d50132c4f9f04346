/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_watch.c - see host_watch.h. The path is looked at whatever the kernel has said: which link it was does not matter then, nor that
 * some messages were too many for the socket. A move is an event in a message (IFLA_EVENT), and leaves no trace. Source: rtnetlink(7).
 */
#include "host/net/host_watch.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/log.h"
#include "host/net/host_uplink.h"
#include "host/sys/sysfs.h"

#define MESSAGE_BYTES	 16384
#define MESSAGES_AT_ONCE 64U

/* One message about a link. */
struct host_watch_heard {
	int type;
	bool of_bridge; /* bridges speak of their ports in messages of their own family */
	unsigned index, master;
	const char *name; /* "": it was not said */
	bool tun;	  /* a tap, as far as it was said */
	bool down;	  /* not running just then, as far as it was said */
	uint32_t event;	  /* IFLA_EVENT_*; 0: none was said */
};

static bool read_heard(struct nlmsghdr *header, struct host_watch_heard *ret_heard)
{
	struct nlattr *attr[IFLA_MAX + 1], *linkinfo[IFLA_INFO_MAX + 1] = {0};

	/* A change of a port's VLANs has the type of the request that made it. */
	if ((header->nlmsg_type != RTM_NEWLINK && header->nlmsg_type != RTM_DELLINK && header->nlmsg_type != RTM_SETLINK) ||
		!nlmsg_valid_hdr(header, sizeof(struct ifinfomsg)) ||
		nlmsg_parse(header, sizeof(struct ifinfomsg), attr, IFLA_MAX, NULL) < 0)
		return false;
	const struct ifinfomsg *info = nlmsg_data(header);
	if (attr[IFLA_LINKINFO] && nla_parse_nested(linkinfo, IFLA_INFO_MAX, attr[IFLA_LINKINFO], NULL) < 0)
		linkinfo[IFLA_INFO_KIND] = NULL;
	*ret_heard = (struct host_watch_heard){.type = header->nlmsg_type == RTM_DELLINK ? RTM_DELLINK : RTM_NEWLINK,
		.of_bridge = info->ifi_family == AF_BRIDGE,
		.index = (unsigned)info->ifi_index,
		.down = info->ifi_family != AF_BRIDGE && !(info->ifi_flags & IFF_RUNNING),
		.master = attr[IFLA_MASTER] && nla_len(attr[IFLA_MASTER]) >= 4 ? nla_get_u32(attr[IFLA_MASTER]) : 0,
		.name = attr[IFLA_IFNAME] ? nla_get_string(attr[IFLA_IFNAME]) : "",
		.tun = linkinfo[IFLA_INFO_KIND] && nla_strcmp(linkinfo[IFLA_INFO_KIND], "tun") == 0,
		.event = attr[IFLA_EVENT] && nla_len(attr[IFLA_EVENT]) >= 4 ? nla_get_u32(attr[IFLA_EVENT]) : 0};
	return true;
}

static bool is_known_uplink(const struct td_host_watch *watch, unsigned index)
{
	bool is = watch->facts.uplinks > TD_HOST_PATH_UPLINKS;

	for (unsigned i = 0; i < TD_MIN(watch->facts.uplinks, TD_HOST_PATH_UPLINKS); i++)
		is = is || watch->facts.uplink[i].index == index;
	return is;
}

/*
 * Many VMs share a network, and each hears of each: what other VMs' taps do is no reason to look. A new port is told twice, once as a link
 * with its kind.
 */
static bool concerns_path(const struct td_host_watch *watch, const struct host_watch_heard *heard, unsigned bridge_index)
{
	const struct td_host_path_want *want = &watch->said.want;
	unsigned index = heard->index;

	if (!want->tap)
		return false;
	return index == want->tap_index || index == watch->facts.bridge.index || index == bridge_index ||
	       (want->bridge && strcmp(heard->name, want->bridge) == 0) || is_known_uplink(watch, index) ||
	       (!heard->of_bridge && !heard->tun && heard->master && heard->master == bridge_index);
}

static bool is_move(const struct host_watch_heard *heard, const char *bridge)
{
	return heard->type == RTM_NEWLINK && (heard->event == IFLA_EVENT_BONDING_FAILOVER || heard->event == IFLA_EVENT_NOTIFY_PEERS) &&
	       td_host_uplink_is_below(TD_SYSFS, bridge, heard->name);
}

/* VMs that come do not matter to others. */
static bool is_port(const struct host_watch_heard *heard, unsigned bridge_index)
{
	return heard->of_bridge && heard->master && heard->master == bridge_index &&
	       (heard->type == RTM_DELLINK || !td_host_uplink_is_tap(TD_SYSFS, heard->name));
}

/* Each port that leaves is told by itself; of all else it matters that it was. */
static void host_watch_hear(
	const struct td_host_watch *watch, struct nlmsghdr *header, unsigned bridge_index, struct td_host_watch_said *said)
{
	struct host_watch_heard heard;

	if (!read_heard(header, &heard))
		return;
	bool concerns = concerns_path(watch, &heard, bridge_index);

	said->told = said->told || concerns;
	said->faltered = said->faltered || (concerns && heard.down);
	if (said->pf_index && heard.index == said->pf_index && heard.type == RTM_NEWLINK && !heard.of_bridge) {
		said->pf = true;
		snprintf(said->pf_name, sizeof(said->pf_name), "%.15s", heard.name);
	}
	if (!said->want.bridge)
		return;
	said->moved = said->moved || is_move(&heard, said->want.bridge);
	if (!is_port(&heard, bridge_index))
		return;
	if (heard.type == RTM_DELLINK && said->left_count < TD_HOST_WATCH_LEFT)
		said->left[said->left_count++] = (int)heard.index;
	else
		said->ports = true;
}

/* Bounded; what is left wakes the loop again. What was too much for the socket, or for the buffer, may have been anything. */
static void host_watch_read(const struct td_host_watch *watch, struct td_host_watch_said *said)
{
	_Alignas(struct nlmsghdr) char buffer[MESSAGE_BYTES];
	unsigned bridge_index = said->want.bridge ? if_nametoindex(said->want.bridge) : watch->facts.bridge.index;

	for (unsigned i = 0; i < MESSAGES_AT_ONCE && said->left_count < TD_HOST_WATCH_LEFT; i++) {
		int left = (int)recv(watch->watch.fd, buffer, sizeof(buffer), MSG_TRUNC);
		bool lost = left < 0 ? errno == ENOBUFS : left > (int)sizeof(buffer);

		if (left < 0 && !lost)
			break;
		if (lost) {
			said->told = said->want.tap;
			said->pf = said->pf_index;
			said->moved = said->ports = said->want.bridge;
			continue;
		}
		for (struct nlmsghdr *header = (struct nlmsghdr *)(void *)buffer; nlmsg_ok(header, left);
			header = nlmsg_next(header, &left))
			host_watch_hear(watch, header, bridge_index, said);
	}
}

/* 0: it is a port of none. */
static unsigned bridge_mtu(const struct td_host_path_facts *facts)
{
	return facts->bridge.bridge && facts->tap.master == facts->bridge.index ? facts->bridge.mtu : 0;
}

static bool has_way_out(const struct td_host_path_want *want, const struct td_host_path_facts *facts)
{
	return facts->uplinks ? facts->uplinks_up : !want->had_uplinks;
}

/* Does what leaves leave by other links? */
static bool is_other_way(const struct td_host_path_facts *was, const struct td_host_path_facts *is)
{
	bool other = was->uplinks != is->uplinks;

	for (unsigned i = 0; i < TD_HOST_PATH_UPLINKS; i++)
		other = other || was->uplink[i].index != is->uplink[i].index || was->uplink[i].working != is->uplink[i].working;
	return other;
}

static void host_watch_look_at_path(struct td_host_watch *watch, struct td_host_watch_said *said)
{
	struct td_err err = {0};
	int rc = watch->netlink.sock ? 0 : td_host_netlink_open(&watch->netlink, &err);

	if (rc == 0)
		rc = td_host_path_look(&watch->netlink, &said->want, &said->facts, &err);
	said->known = rc == 0;
	if (rc < 0)
		td_debug("tap %s: its path is not known: %s", said->want.tap, err.text);
}

static void host_watch_look(struct td_job *job)
{
	struct td_host_watch *watch = TD_CONTAINER_OF(job, struct td_host_watch, look);

	host_watch_read(watch, &watch->said);
	if (watch->said.told)
		host_watch_look_at_path(watch, &watch->said);
}

static bool is_news(const struct td_host_path_health *was, const struct td_host_path_health *is)
{
	return was->known != is->known || was->reason != is->reason || strcmp(was->text, is->text) != 0;
}

/* The bridge that the tap has joined is known by its index from then on. One that nobody named may be any: what it had is not missed. */
static void host_watch_know_bridge(struct td_host_watch *watch, const struct td_host_path_facts *facts)
{
	bool joined = facts->tap.master && facts->tap.master == facts->bridge.index;

	if (facts->bridge.index && facts->bridge.index != watch->bridge_index) {
		watch->want.had_uplinks = false;
		watch->bridge_index = facts->bridge.index;
	}
	if (joined)
		watch->want.bridge_index = facts->bridge.index;
	watch->want.had_uplinks |= facts->uplinks > 0;
}

/* What the look has found is what is so from now on. */
static void host_watch_take(struct td_host_watch *watch, const struct td_host_watch_said *said)
{
	const struct td_host_path_health was = watch->health;

	watch->health = (struct td_host_path_health){0};
	if (said->known) {
		host_watch_know_bridge(watch, &said->facts);
		td_host_path_judge(&watch->want, &said->facts, &watch->health);
		watch->facts = said->facts;
		watch->up = has_way_out(&watch->want, &said->facts);
		watch->mtu = bridge_mtu(&said->facts);
	}
	watch->health.since_ns = was.since_ns && !is_news(&was, &watch->health) ? was.since_ns : td_now_ns();
}

/* The path works as before; but it is another, or it did not for a moment that no look has met. */
static bool goes_on_otherwise(const struct td_host_watch *watch, const struct td_host_path_health *was,
	const struct td_host_path_facts *facts_were, const struct td_host_watch_said *said)
{
	return said->known && was->known && was->reason == TD_REASON_NONE && watch->health.reason == TD_REASON_NONE &&
	       (said->faltered || is_other_way(facts_were, &watch->facts));
}

/* Events may ask for another look. */
static void host_watch_tell_path(struct td_host_watch *watch, const struct td_host_watch_said *said)
{
	const struct td_host_path_health was = watch->health;
	const struct td_host_path_facts facts_were = watch->facts;
	const unsigned bridge_was = watch->bridge_index, mtu_was = watch->mtu;
	const bool up_was = watch->up;
	void *opaque = watch->events.opaque;

	if (said->want.tap_index != watch->want.tap_index)
		return; /* it was about a tap that is the NIC's no more */
	host_watch_take(watch, said);
	if (watch->want.bridge && watch->bridge_index != bridge_was)
		watch->events.ports(opaque, 0);
	if (watch->mtu && watch->mtu != mtu_was && watch->mtu != watch->facts.tap.mtu)
		watch->events.mtu(opaque);
	if (watch->up != up_was)
		watch->events.uplink(opaque, watch->up);
	if (is_news(&was, &watch->health))
		watch->events.health(opaque);
	else if (goes_on_otherwise(watch, &was, &facts_were, said))
		watch->events.moved(opaque);
}

static void host_watch_tell_links(struct td_host_watch *watch, const struct td_host_watch_said *said)
{
	void *opaque = watch->events.opaque;

	if (said->pf && said->pf_index == watch->pf_index)
		watch->events.pf(opaque, said->pf_name);
	if (said->moved)
		watch->events.moved(opaque);
	for (unsigned i = 0; i < said->left_count; i++)
		watch->events.ports(opaque, said->left[i]);
	if (said->ports)
		watch->events.ports(opaque, 0);
}

/* One at a time: what is asked for meanwhile is done after it. told: to be looked at whatever the kernel has said. */
static void host_watch_begin(struct td_host_watch *watch, bool told)
{
	watch->again = watch->look.busy;
	if (watch->again)
		return;
	td_loop_unwatch(watch->loop, &watch->watch);
	watch->said = (struct td_host_watch_said){.want = watch->want, .told = told && watch->want.tap, .pf_index = watch->pf_index};
	td_jobs_submit(watch->jobs, &watch->look);
}

static void host_watch_tell(struct td_job *job)
{
	struct td_host_watch *watch = TD_CONTAINER_OF(job, struct td_host_watch, look);
	const struct td_host_watch_said said = watch->said;
	int rc;

	if (watch->closing)
		return;
	rc = td_loop_watch(watch->loop, &watch->watch);
	if (rc < 0)
		td_error("rtnetlink: links are watched no more: %s", strerror(-rc));
	host_watch_tell_links(watch, &said);
	if (said.told)
		host_watch_tell_path(watch, &said);
	if (watch->again && !watch->look.busy)
		host_watch_begin(watch, true);
}

/* The loop hears nothing more of the socket until it was read. */
static void host_watch_ready(struct td_watch *base, uint32_t events)
{
	(void)events;
	host_watch_begin(TD_CONTAINER_OF(base, struct td_host_watch, watch), false);
}

void td_host_watch_pf(struct td_host_watch *watch, unsigned pf_index)
{
	watch->pf_index = pf_index;
}

void td_host_watch_tap(struct td_host_watch *watch, const char *tap, unsigned tap_index)
{
	watch->want.tap = tap;
	watch->want.tap_index = tap_index;
	if (watch->watch.fd >= 0)
		host_watch_begin(watch, true);
}

int td_host_watch_open(struct td_host_watch *watch, struct td_jobs *jobs, const struct td_host_path_want *want,
	const struct td_host_watch_events *events, struct td_err *err)
{
	const struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK};
	td_auto_close int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	int rc;

	if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return td_err_sys(err, errno, TD_REASON_NETLINK, "rtnetlink: watch links");
	*watch = (struct td_host_watch){.loop = jobs->loop,
		.jobs = jobs,
		.look = {.run = host_watch_look, .done = host_watch_tell},
		.watch = {.fd = fd, .ready = host_watch_ready, .events = EPOLLIN},
		.want = *want,
		.said = {.want = *want, .told = want->tap},
		.pf_index = watch->pf_index,
		.up = true,
		.events = *events};
	rc = td_loop_watch(watch->loop, &watch->watch);
	if (rc < 0) {
		watch->watch.fd = -1;
		return td_err_sys(err, -rc, TD_REASON_SYSTEM, "rtnetlink: watch links");
	}
	(void)td_take_fd(&fd);
	if (want->tap) {
		host_watch_look_at_path(watch, &watch->said);
		host_watch_take(watch, &watch->said);
	}
	return 0;
}

void td_host_watch_close(struct td_host_watch *watch)
{
	if (watch->watch.fd < 0)
		return;
	watch->closing = true;
	td_loop_unwatch(watch->loop, &watch->watch);
	td_jobs_wait(watch->jobs, &watch->look);
	td_host_netlink_close(&watch->netlink);
	td_cleanup_close(&watch->watch.fd);
	watch->watch.fd = -1;
}
