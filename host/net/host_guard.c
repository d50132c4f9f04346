/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_guard.c - which networks are ours, what their uplinks are, and FDB entries by rtnetlink (uapi/linux/neighbour.h).
 *
 * VMs come and go while others look (td_host_guard_sync in another process), without a lock. A VM enters its FDB entry before its filters
 * and takes it away before them. So who lists filters first and the FDB then finds an entry for each filter of a living VM, unless it went
 * and came between the two; so who has changed something looks at the FDB once more, and where it is not the same all is done again.
 */
#include "host/net/host_guard.h"

#include <dirent.h>
#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/msg.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "host/net/host_guard_parts.h"
#include "host/net/host_uplink.h"
#include "host/sys/names.h"
#include "host/sys/sysfs.h"

#define SYNC_ROUNDS 5U

struct uplink {
	char name[IF_NAMESIZE];
	struct td_host_guard_set known; /* filters that stand there */
};

/* Zeroed: none. */
struct uplinks {
	unsigned count, room;
	struct uplink *uplink; /* owned */
};

static bool is_ours(const char *bridge, bool *ret_isolated)
{
	char mark[64];
	bool ours = !td_sysfs_read(TD_SYSFS, mark, sizeof(mark), "/class/net/%s/ifalias", bridge) &&
		    (!strcmp(mark, TD_HOST_MARK) || !strcmp(mark, TD_HOST_MARK " isolated"));
	*ret_isolated = ours && strcmp(mark, TD_HOST_MARK) != 0;
	return ours;
}

/* A tap that outlives its VM has no carrier. */
static bool is_dead(const char *tap)
{
	char text[8];
	return !td_sysfs_read(TD_SYSFS, text, sizeof(text), "/class/net/%s/carrier", tap) && !strcmp(text, "0");
}

static void free_uplinks(struct uplinks *uplinks)
{
	for (unsigned i = 0; i < uplinks->count; i++)
		td_host_guard_set_fini(&uplinks->uplink[i].known);
	free(uplinks->uplink);
	*uplinks = (struct uplinks){0};
}

static int add_uplink(struct uplinks *uplinks, const char *name)
{
	if (uplinks->count == uplinks->room) {
		unsigned room = uplinks->room ? uplinks->room * 2 : 8;
		struct uplink *more = reallocarray(uplinks->uplink, room, sizeof(*more));
		if (!more)
			return -ENOMEM;
		uplinks->uplink = more;
		uplinks->room = room;
	}
	struct uplink *uplink = &uplinks->uplink[uplinks->count++];
	*uplink = (struct uplink){0};
	memcpy(uplink->name, name, strlen(name) + 1);
	return 0;
}

/* Ports of the bridge that are no taps. *uplinks is the caller's to free, also after a failure. */
static int list_uplinks(const char *bridge, struct uplinks *uplinks, struct td_err *err)
{
	char path[PATH_MAX];
	int r = 0;
	DIR *dir = td_sysfs_path(path, TD_SYSFS, "/class/net/%s/brif", bridge) ? NULL : opendir(path);
	for (struct dirent *entry; !r && dir && (entry = readdir(dir));)
		if (td_names_is_interface(entry->d_name) && !td_host_uplink_is_tap(TD_SYSFS, entry->d_name))
			r = add_uplink(uplinks, entry->d_name);
	if (dir)
		closedir(dir);
	return r ? td_err_set(err, -r, TD_REASON_SYSTEM, "bridge %s: its uplinks: out of memory", bridge) : 0;
}

/* ---- the bridge's FDB */

struct nl_msg *td_host_guard_fdb(int type, int message_flags, int index, unsigned state, unsigned flags, const uint8_t mac[6])
{
	struct ndmsg entry = {.ndm_family = AF_BRIDGE, .ndm_ifindex = index, .ndm_state = (uint16_t)state, .ndm_flags = (uint8_t)flags};
	struct nl_msg *msg = nlmsg_alloc_simple(type, NLM_F_REQUEST | NLM_F_ACK | message_flags);
	if (msg && (nlmsg_append(msg, &entry, sizeof(entry), NLMSG_ALIGNTO) < 0 || nla_put(msg, NDA_LLADDR, 6, mac) < 0)) {
		nlmsg_free(msg);
		return NULL;
	}
	return msg;
}

static int forget_entry(struct td_host_netlink *netlink, int index, const uint8_t mac[6], struct td_err *err)
{
	return td_host_netlink_change(netlink, td_host_guard_fdb(RTM_DELNEIGH, 0, index, NUD_NOARP, NTF_MASTER, mac), "FDB entry", err);
}

/* state: NUD_NOARP for a static entry, NUD_REACHABLE for one that is not. */
static int enter(struct td_host_netlink *netlink, unsigned tap, const uint8_t mac[6], unsigned state, struct td_err *err)
{
	return td_host_netlink_change(netlink,
		td_host_guard_fdb(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, (int)tap, state, NTF_MASTER | NTF_STICKY, mac),
		"tap's FDB entry", err);
}

static struct nl_msg *isolate_message(unsigned tap)
{
	struct ifinfomsg port = {.ifi_family = AF_BRIDGE, .ifi_index = (int)tap};
	struct nl_msg *msg = nlmsg_alloc_simple(RTM_SETLINK, NLM_F_REQUEST | NLM_F_ACK);
	struct nlattr *info = NULL;
	if (msg && nlmsg_append(msg, &port, sizeof(port), NLMSG_ALIGNTO) == 0)
		info = nla_nest_start(msg, IFLA_PROTINFO);
	if (info && nla_put_u8(msg, IFLA_BRPORT_ISOLATED, 1) == 0) {
		info->nla_type |= NLA_F_NESTED;
		nla_nest_end(msg, info);
		return msg;
	}
	if (msg)
		nlmsg_free(msg);
	return NULL;
}

/* Not again where it is so: bridges tell everybody of it. */
static void isolate(struct td_host_netlink *netlink, unsigned tap)
{
	char name[IF_NAMESIZE], now[8];
	struct td_err err = {0};
	if (!if_indextoname(tap, name) ||
		(!td_sysfs_read(TD_SYSFS, now, sizeof(now), "/class/net/%s/brport/isolated", name) && !strcmp(now, "1")))
		return;
	if (td_host_netlink_change(netlink, isolate_message(tap), "isolated", &err))
		td_warn("tap %s: is not isolated from the network's other VMs: %s", name, err.text);
}

/* 1: the VM's entry stands, and the socket is to be closed; 0: the bridge is another's. */
static int begin(struct td_host_netlink *netlink, const char *bridge, unsigned tap, const uint8_t mac[6], struct td_err *err)
{
	bool isolated;
	if (!is_ours(bridge, &isolated))
		return 0;
	int r = td_host_netlink_open(netlink, err);
	if (r)
		return r;
	if (isolated)
		isolate(netlink, tap);
	r = enter(netlink, tap, mac, NUD_NOARP, err);
	if (r)
		td_host_netlink_close(netlink);
	return r ? r : 1;
}

int td_host_guard_on(const char *bridge, unsigned tap, const uint8_t mac[6], struct td_err *err)
{
	struct td_host_netlink netlink;
	struct uplinks uplinks = {0};
	int r = begin(&netlink, bridge, tap, mac, err);
	if (r <= 0)
		return r;
	r = list_uplinks(bridge, &uplinks, err);
	for (unsigned i = 0; !r && i < uplinks.count; i++) {
		if (td_host_guard_is_over_vfs(uplinks.uplink[i].name))
			td_host_guard_tell(&netlink, uplinks.uplink[i].name, mac);
		r = td_host_guard_filter(&netlink, uplinks.uplink[i].name, mac, err);
	}
	free_uplinks(&uplinks);
	td_host_netlink_close(&netlink);
	return r ? r : 1;
}

int td_host_guard_off(const char *bridge, unsigned tap, const uint8_t mac[6], struct td_err *err)
{
	struct td_host_netlink netlink;
	struct uplinks uplinks = {0};
	int r = td_host_netlink_open(&netlink, err);
	if (r)
		return r;
	r = list_uplinks(bridge, &uplinks, err);
	(void)forget_entry(&netlink, (int)tap, mac, NULL);
	for (unsigned i = 0; i < uplinks.count; i++)
		td_host_guard_remove(&netlink, uplinks.uplink[i].name, mac);
	free_uplinks(&uplinks);
	td_host_netlink_close(&netlink);
	return r;
}

int td_host_guard_pin(unsigned tap, const uint8_t mac[6], struct td_err *err)
{
	struct td_host_netlink netlink;
	int r = td_host_netlink_open(&netlink, err);
	if (r)
		return r;
	r = enter(&netlink, tap, mac, NUD_REACHABLE, err);
	td_host_netlink_close(&netlink);
	return r;
}

int td_host_guard_unpin(unsigned tap, const uint8_t mac[6], struct td_err *err)
{
	struct td_host_netlink netlink;
	struct td_err why = {0};
	int r = td_host_netlink_open(&netlink, err);
	if (r)
		return r;
	r = forget_entry(&netlink, (int)tap, mac, &why);
	td_host_netlink_close(&netlink);
	if (!r || r == -ENOENT || r == -ENODEV)
		return 0;
	return td_err_set(err, -r, why.reason, "%s", why.text);
}

/* ---- all at once */

/* What the bridge's FDB says, and those of its ports: sticky entries of taps, and addresses that cards were told. */
struct guarded {
	int bridge;
	struct td_host_guard_set told, vms;
};

struct sync {
	struct uplinks uplinks;
	struct guarded first, again;
	bool changed; /* something was added or taken away: the FDB is to be looked at again */
};

static void free_guarded(struct guarded *guarded)
{
	td_host_guard_set_fini(&guarded->told);
	td_host_guard_set_fini(&guarded->vms);
}

struct nl_msg *td_host_guard_dump(int type, const void *body, size_t len_bytes)
{
	struct nl_msg *msg = nlmsg_alloc_simple(type, NLM_F_REQUEST | NLM_F_DUMP);
	if (msg && nlmsg_append(msg, (void *)(uintptr_t)body, len_bytes, NLMSG_ALIGNTO) < 0) {
		nlmsg_free(msg);
		return NULL;
	}
	return msg;
}

static bool is_guarded(const struct guarded *guarded, const uint8_t mac[6])
{
	const struct td_host_guard_member *vm = td_host_guard_set_find(&guarded->vms, mac, 0);
	return vm && !vm->dead;
}

/* One entry of a VM stands for all its VLANs. */
static void read_entry(struct nlmsghdr *header, void *opaque)
{
	struct guarded *guarded = opaque;
	struct nlattr *attr[NDA_MAX + 1];
	struct td_host_guard_member member = {0};
	char tap[IF_NAMESIZE];
	if (header->nlmsg_type != RTM_NEWNEIGH || !nlmsg_valid_hdr(header, sizeof(struct ndmsg)) ||
		nlmsg_parse(header, sizeof(struct ndmsg), attr, NDA_MAX, NULL) < 0 || !attr[NDA_LLADDR] || nla_len(attr[NDA_LLADDR]) != 6)
		return;
	const struct ndmsg *entry = nlmsg_data(header);
	memcpy(member.mac, nla_data(attr[NDA_LLADDR]), 6);
	if (entry->ndm_flags & NTF_SELF) {
		member.link = entry->ndm_ifindex;
		td_host_guard_set_add(&guarded->told, &member);
	}
	if (!(entry->ndm_flags & NTF_STICKY) || !(entry->ndm_state & NUD_NOARP) || !attr[NDA_MASTER] || nla_len(attr[NDA_MASTER]) < 4 ||
		(int)nla_get_u32(attr[NDA_MASTER]) != guarded->bridge || !if_indextoname((unsigned)entry->ndm_ifindex, tap) ||
		!td_host_uplink_is_tap(TD_SYSFS, tap))
		return;
	member.link = 0;
	member.tap = entry->ndm_ifindex;
	member.dead = is_dead(tap);
	td_host_guard_set_add(&guarded->vms, &member);
}

/* The kernel is asked for this bridge and its ports alone. (With a struct ifinfomsg: so it is told of the bridge. The answers are ndmsg.)
 */
static struct nl_msg *fdb_dump(int bridge)
{
	const struct ifinfomsg all = {.ifi_family = AF_BRIDGE};
	struct nl_msg *msg = td_host_guard_dump(RTM_GETNEIGH, &all, sizeof(all));
	if (msg && nla_put_u32(msg, IFLA_MASTER, (uint32_t)bridge) < 0) {
		nlmsg_free(msg);
		return NULL;
	}
	return msg;
}

static int read_fdb(struct td_host_netlink *netlink, const char *bridge, struct guarded *guarded, struct td_err *err)
{
	free_guarded(guarded);
	guarded->bridge = (int)if_nametoindex(bridge);
	int r = td_host_netlink_read(netlink, fdb_dump(guarded->bridge), read_entry, guarded, "bridge's FDB", err);
	if (!r && (td_host_guard_set_close(&guarded->told) || td_host_guard_set_close(&guarded->vms)))
		r = td_err_set(err, ENOMEM, TD_REASON_SYSTEM, "bridge %s: its FDB: out of memory", bridge);
	return r;
}

/*
 * Asks for nothing that is there already. Every VM of a network does this when one of its ports changes: each request would hold up all who
 * change the host's network, and a card that is full refuses also what it has.
 */
static int sync_uplink(struct td_host_netlink *netlink, const struct uplink *uplink, struct sync *sync, struct td_err *err)
{
	const struct guarded *guarded = &sync->first;
	bool over_vfs = td_host_guard_is_over_vfs(uplink->name);
	int index = (int)if_nametoindex(uplink->name), r = 0;
	for (unsigned i = 0; i < uplink->known.count; i++) {
		if (is_guarded(guarded, uplink->known.member[i].mac))
			continue;
		td_host_guard_remove(netlink, uplink->name, uplink->known.member[i].mac);
		sync->changed = true;
	}
	for (unsigned i = 0; !r && i < guarded->vms.count; i++) {
		const struct td_host_guard_member *vm = &guarded->vms.member[i];
		if (vm->dead)
			continue;
		if (over_vfs && !td_host_guard_set_find(&guarded->told, vm->mac, index)) {
			td_host_guard_tell(netlink, uplink->name, vm->mac);
			sync->changed = true;
		}
		if (!td_host_guard_set_find(&uplink->known, vm->mac, 0)) {
			r = td_host_guard_filter(netlink, uplink->name, vm->mac, err);
			sync->changed = true;
		}
	}
	return r;
}

/* Are all living VMs of `a` in `b`? */
static bool holds_vms(const struct guarded *b, const struct guarded *a)
{
	bool all = true;
	for (unsigned i = 0; all && i < a->vms.count; i++)
		all = a->vms.member[i].dead || is_guarded(b, a->vms.member[i].mac);
	return all;
}

/*
 * *ret_settled: no VM has come or gone meanwhile, whose filters may have been taken for others'. Who has changed nothing has taken nothing
 * for another's, so one look at each list is enough then.
 */
static int sync_once(struct td_host_netlink *netlink, const char *bridge, struct sync *sync, bool *ret_settled, struct td_err *err)
{
	struct uplinks *uplinks = &sync->uplinks;
	free_uplinks(uplinks);
	sync->changed = false;
	int r = list_uplinks(bridge, uplinks, err);
	for (unsigned i = 0; !r && i < uplinks->count; i++) {
		r = td_host_guard_list(netlink, uplinks->uplink[i].name, &uplinks->uplink[i].known);
		if (r)
			(void)td_err_sys(err, -r, TD_REASON_NETLINK, "%s: its filters", uplinks->uplink[i].name);
	}
	if (!r)
		r = read_fdb(netlink, bridge, &sync->first, err);
	for (unsigned i = 0; !r && i < sync->first.vms.count; i++)
		if (sync->first.vms.member[i].dead)
			(void)forget_entry(netlink, sync->first.vms.member[i].tap, sync->first.vms.member[i].mac, NULL);
	for (unsigned i = 0; !r && i < uplinks->count; i++)
		r = sync_uplink(netlink, &uplinks->uplink[i], sync, err);
	*ret_settled = !r && !sync->changed;
	if (r || *ret_settled)
		return r;
	r = read_fdb(netlink, bridge, &sync->again, err);
	*ret_settled = !r && holds_vms(&sync->again, &sync->first) && holds_vms(&sync->first, &sync->again);
	return r;
}

/* A filter against a VM that has just gone to its VF would cut it off. */
static void take_back(struct td_host_netlink *netlink, const struct sync *sync)
{
	for (unsigned i = 0; i < sync->first.vms.count; i++) {
		const uint8_t *mac = sync->first.vms.member[i].mac;
		for (unsigned u = 0; !is_guarded(&sync->again, mac) && u < sync->uplinks.count; u++)
			td_host_guard_remove(netlink, sync->uplinks.uplink[u].name, mac);
	}
}

/* Of VMs that come and go all the time one may lack a filter in the end, until it comes or goes again. */
static int sync_all(struct td_host_netlink *netlink, const char *bridge, struct sync *sync, struct td_err *err)
{
	bool settled = false;
	int r = 0;
	for (unsigned i = 0; (!r || r == -EAGAIN /* changed while it was read */) && !settled && i < SYNC_ROUNDS; i++)
		r = sync_once(netlink, bridge, sync, &settled, err);
	if (!r && !settled)
		take_back(netlink, sync);
	return r;
}

int td_host_guard_sync(struct td_host_netlink *netlink, const char *bridge, struct td_err *err)
{
	bool isolated;
	if (!is_ours(bridge, &isolated))
		return 0;
	struct sync sync = {0};
	int r = sync_all(netlink, bridge, &sync, err);
	free_uplinks(&sync.uplinks);
	free_guarded(&sync.first);
	free_guarded(&sync.again);
	return r;
}

int td_host_guard_renew(const char *bridge, unsigned tap, const uint8_t mac[6], struct td_err *err)
{
	struct td_host_netlink netlink;
	int r = begin(&netlink, bridge, tap, mac, err);
	if (r <= 0)
		return r;
	r = td_host_guard_sync(&netlink, bridge, err);
	td_host_netlink_close(&netlink);
	return r;
}

static bool has_master(const char *link)
{
	return td_sysfs_exists(TD_SYSFS, "/class/net/%s/master", link);
}

void td_host_guard_left(int index)
{
	struct td_host_netlink netlink;
	char name[IF_NAMESIZE];
	if (!if_indextoname((unsigned)index, name) || td_host_uplink_is_tap(TD_SYSFS, name))
		return;
	if (has_master(name) || td_host_netlink_open(&netlink, NULL))
		return; /* it is another's port already, who looks after it */
	td_host_guard_clear(&netlink, name);
	td_host_netlink_close(&netlink);
}

int td_host_guard_tidy(const char *bridge, struct td_err *err)
{
	struct td_host_netlink netlink;
	int r = td_host_netlink_open(&netlink, err);
	if (r)
		return r;
	r = td_host_guard_sync(&netlink, bridge, err);
	td_host_netlink_close(&netlink);
	return r;
}
