/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_guard.c - which networks are ours, what their uplinks are, and FDB entries by rtnetlink (uapi/linux/neighbour.h).
 *
 * VMs come and go while others look (td_host_guard_sync in another process), without a lock. A VM enters its FDB entry before its filters
 * and takes it away before them. So who lists filters first and the FDB then finds an entry for each filter of a living VM, unless it went
 * and came between the two; so the FDB is looked at once more, and where it is not the same all is done again.
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

#define UPLINKS_MAX 64U
#define SYNC_ROUNDS 5U

struct uplinks {
	unsigned count;
	char name[UPLINKS_MAX][IF_NAMESIZE];
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

/* Ports of the bridge that are no taps. */
static void list_uplinks(const char *bridge, struct uplinks *uplinks)
{
	char path[64];
	uplinks->count = 0;
	snprintf(path, sizeof(path), "/sys/class/net/%.15s/brif", bridge);
	DIR *dir = opendir(path);
	for (struct dirent *entry; dir && (entry = readdir(dir));) {
		if (entry->d_name[0] == '.' || strlen(entry->d_name) >= IF_NAMESIZE || uplinks->count == UPLINKS_MAX ||
			td_host_uplink_is_tap(TD_SYSFS, entry->d_name))
			continue;
		memcpy(uplinks->name[uplinks->count++], entry->d_name, strlen(entry->d_name) + 1);
	}
	if (dir)
		closedir(dir);
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
static int enter(struct td_host_netlink *netlink, const char *tap, const uint8_t mac[6], unsigned state, struct td_err *err)
{
	char what[64];
	struct nl_msg *msg = td_host_guard_fdb(
		RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, (int)if_nametoindex(tap), state, NTF_MASTER | NTF_STICKY, mac);
	snprintf(what, sizeof(what), "%s: FDB entry", tap);
	return td_host_netlink_change(netlink, msg, what, err);
}

/* Not again where it is so: bridges tell everybody of it. */
static void isolate(const char *tap)
{
	char now[8];
	if (!td_sysfs_read(TD_SYSFS, now, sizeof(now), "/class/net/%s/brport/isolated", tap) && !strcmp(now, "1"))
		return;
	int r = td_sysfs_write(TD_SYSFS, "1", "/class/net/%s/brport/isolated", tap);
	if (r)
		td_warn("tap %s: is not isolated from the network's other VMs: %s", tap, strerror(-r));
}

/* 1: the VM's entry stands, and the socket is to be closed; 0: the bridge is another's. */
static int begin(struct td_host_netlink *netlink, const char *bridge, const char *tap, const uint8_t mac[6], struct td_err *err)
{
	bool isolated;
	if (!is_ours(bridge, &isolated))
		return 0;
	if (isolated)
		isolate(tap);
	int r = td_host_netlink_open(netlink, err);
	if (r)
		return r;
	r = enter(netlink, tap, mac, NUD_NOARP, err);
	if (r)
		td_host_netlink_close(netlink);
	return r ? r : 1;
}

int td_host_guard_on(const char *bridge, const char *tap, const uint8_t mac[6], struct td_err *err)
{
	struct td_host_netlink netlink;
	struct uplinks uplinks;
	int r = begin(&netlink, bridge, tap, mac, err);
	if (r <= 0)
		return r;
	list_uplinks(bridge, &uplinks);
	r = 0;
	for (unsigned i = 0; !r && i < uplinks.count; i++) {
		td_host_guard_tell(&netlink, uplinks.name[i], mac);
		r = td_host_guard_filter(&netlink, uplinks.name[i], mac, err);
	}
	td_host_netlink_close(&netlink);
	return r ? r : 1;
}

int td_host_guard_off(const char *bridge, const char *tap, const uint8_t mac[6], struct td_err *err)
{
	struct td_host_netlink netlink;
	struct uplinks uplinks;
	int index = (int)if_nametoindex(tap);
	int r = td_host_netlink_open(&netlink, err);
	if (r)
		return r;
	list_uplinks(bridge, &uplinks);
	if (index)
		(void)forget_entry(&netlink, index, mac, NULL);
	for (unsigned i = 0; i < uplinks.count; i++)
		td_host_guard_remove(&netlink, uplinks.name[i], mac);
	td_host_netlink_close(&netlink);
	return 0;
}

int td_host_guard_pin(const char *tap, const uint8_t mac[6], struct td_err *err)
{
	struct td_host_netlink netlink;
	int r = td_host_netlink_open(&netlink, err);
	if (r)
		return r;
	r = enter(&netlink, tap, mac, NUD_REACHABLE, err);
	td_host_netlink_close(&netlink);
	return r;
}

int td_host_guard_unpin(const char *tap, const uint8_t mac[6], struct td_err *err)
{
	struct td_host_netlink netlink;
	int index = (int)if_nametoindex(tap);
	int r = index ? td_host_netlink_open(&netlink, err) : -ENOENT;
	if (!r) {
		r = forget_entry(&netlink, index, mac, err);
		td_host_netlink_close(&netlink);
	}
	return r == -ENOENT ? 0 : r;
}

/* ---- all at once */

/* What the FDBs say: sticky entries of one bridge's taps, and addresses that cards were told. */
struct guarded {
	int bridge;
	unsigned told_count;
	struct {
		uint8_t mac[6];
		int link;
	} told[TD_HOST_GUARD_MACS_MAX];
	unsigned count;
	struct {
		uint8_t mac[6];
		bool dead; /* nobody is behind the tap */
		int tap;
	} vm[TD_HOST_GUARD_MACS_MAX];
};

struct sync {
	struct uplinks uplinks;
	struct td_host_guard_macs known[UPLINKS_MAX]; /* to the uplinks */
	struct guarded first, again;
};

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
	for (unsigned i = 0; i < guarded->count; i++)
		if (!guarded->vm[i].dead && !memcmp(guarded->vm[i].mac, mac, 6))
			return true;
	return false;
}

static bool is_told(const struct guarded *guarded, const char *uplink, const uint8_t mac[6])
{
	int link = (int)if_nametoindex(uplink);
	for (unsigned i = 0; i < guarded->told_count; i++)
		if (guarded->told[i].link == link && !memcmp(guarded->told[i].mac, mac, 6))
			return true;
	return false;
}

static void note_told(struct guarded *guarded, int link, const uint8_t mac[6])
{
	if (guarded->told_count == TD_HOST_GUARD_MACS_MAX)
		return;
	guarded->told[guarded->told_count].link = link;
	memcpy(guarded->told[guarded->told_count++].mac, mac, 6);
}

static void read_entry(struct nlmsghdr *header, void *opaque)
{
	struct guarded *guarded = opaque;
	struct nlattr *attr[NDA_MAX + 1];
	char tap[IF_NAMESIZE];
	if (header->nlmsg_type != RTM_NEWNEIGH || !nlmsg_valid_hdr(header, sizeof(struct ndmsg)) ||
		nlmsg_parse(header, sizeof(struct ndmsg), attr, NDA_MAX, NULL) < 0 || !attr[NDA_LLADDR] || nla_len(attr[NDA_LLADDR]) != 6)
		return;
	const struct ndmsg *entry = nlmsg_data(header);
	if (entry->ndm_flags & NTF_SELF)
		note_told(guarded, entry->ndm_ifindex, nla_data(attr[NDA_LLADDR]));
	if (!(entry->ndm_flags & NTF_STICKY) || !(entry->ndm_state & NUD_NOARP) || !attr[NDA_MASTER] || nla_len(attr[NDA_MASTER]) < 4 ||
		(int)nla_get_u32(attr[NDA_MASTER]) != guarded->bridge || guarded->count == TD_HOST_GUARD_MACS_MAX ||
		!if_indextoname((unsigned)entry->ndm_ifindex, tap) || !td_host_uplink_is_tap(TD_SYSFS, tap))
		return;
	const uint8_t *mac = nla_data(attr[NDA_LLADDR]);
	for (unsigned i = 0; i < guarded->count; i++)
		if (!memcmp(guarded->vm[i].mac, mac, 6))
			return; /* there is one for each VLAN */
	memcpy(guarded->vm[guarded->count].mac, mac, 6);
	guarded->vm[guarded->count].tap = entry->ndm_ifindex;
	guarded->vm[guarded->count++].dead = is_dead(tap);
}

static int read_fdb(struct td_host_netlink *netlink, const char *bridge, struct guarded *guarded, struct td_err *err)
{
	const struct ndmsg all = {.ndm_family = AF_BRIDGE};
	guarded->count = guarded->told_count = 0;
	guarded->bridge = (int)if_nametoindex(bridge);
	return td_host_netlink_read(netlink, td_host_guard_dump(RTM_GETNEIGH, &all, sizeof(all)), read_entry, guarded, "bridges' FDB", err);
}

static bool is_known(const struct td_host_guard_macs *known, const uint8_t mac[6])
{
	for (unsigned i = 0; i < known->count; i++)
		if (!memcmp(known->mac[i], mac, 6))
			return true;
	return false;
}

/*
 * Asks for nothing that is there already. Every VM of a network does this when one of its ports changes: each request would hold up all who
 * change the host's network, and a card that is full refuses also what it has.
 */
static int sync_uplink(struct td_host_netlink *netlink, const char *uplink, const struct td_host_guard_macs *known,
	const struct guarded *guarded, struct td_err *err)
{
	int r = 0;
	for (unsigned i = 0; i < known->count; i++)
		if (!is_guarded(guarded, known->mac[i]))
			td_host_guard_remove(netlink, uplink, known->mac[i]);
	for (unsigned i = 0; !r && i < guarded->count; i++) {
		const uint8_t *mac = guarded->vm[i].mac;
		if (guarded->vm[i].dead)
			continue;
		if (!is_told(guarded, uplink, mac))
			td_host_guard_tell(netlink, uplink, mac);
		if (!is_known(known, mac))
			r = td_host_guard_filter(netlink, uplink, mac, err);
	}
	return r;
}

static bool same_vms(const struct guarded *a, const struct guarded *b)
{
	bool same = a->count == b->count;
	for (unsigned i = 0; same && i < a->count; i++)
		same = a->vm[i].dead || is_guarded(b, a->vm[i].mac);
	return same;
}

/* *ret_settled: no VM has come or gone meanwhile, whose filters may have been taken for others'. */
static int sync_once(struct td_host_netlink *netlink, const char *bridge, struct sync *sync, bool *ret_settled, struct td_err *err)
{
	const struct uplinks *uplinks = &sync->uplinks;
	list_uplinks(bridge, &sync->uplinks);
	for (unsigned i = 0; i < uplinks->count; i++)
		td_host_guard_list(netlink, uplinks->name[i], &sync->known[i]);
	int r = read_fdb(netlink, bridge, &sync->first, err);
	for (unsigned i = 0; !r && i < sync->first.count; i++)
		if (sync->first.vm[i].dead)
			(void)forget_entry(netlink, sync->first.vm[i].tap, sync->first.vm[i].mac, NULL);
	for (unsigned i = 0; !r && i < uplinks->count; i++)
		r = sync_uplink(netlink, uplinks->name[i], &sync->known[i], &sync->first, err);
	if (!r)
		r = read_fdb(netlink, bridge, &sync->again, err);
	*ret_settled = !r && same_vms(&sync->first, &sync->again) && same_vms(&sync->again, &sync->first);
	return r;
}

/* A filter against a VM that has just gone to its VF would cut it off. */
static void take_back(struct td_host_netlink *netlink, const struct sync *sync)
{
	for (unsigned i = 0; i < sync->first.count; i++)
		for (unsigned u = 0; !is_guarded(&sync->again, sync->first.vm[i].mac) && u < sync->uplinks.count; u++)
			td_host_guard_remove(netlink, sync->uplinks.name[u], sync->first.vm[i].mac);
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
	td_auto_free struct sync *all = malloc(sizeof(*all));
	return all ? sync_all(netlink, bridge, all, err) : td_err_set(err, ENOMEM, TD_REASON_SYSTEM, "out of memory");
}

int td_host_guard_renew(const char *bridge, const char *tap, const uint8_t mac[6], struct td_err *err)
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

int td_host_guard_rejoin(const char *bridge, const char *tap, struct td_err *err)
{
	struct td_host_netlink netlink;
	struct ifinfomsg info = {.ifi_index = (int)if_nametoindex(tap)};
	char what[64];
	unsigned master = if_nametoindex(bridge);
	if (!info.ifi_index || !master || has_master(tap))
		return 0;
	int r = td_host_netlink_open(&netlink, err);
	if (r)
		return r;
	struct nl_msg *msg = nlmsg_alloc_simple(RTM_SETLINK, NLM_F_REQUEST | NLM_F_ACK);
	if (msg && (nlmsg_append(msg, &info, sizeof(info), NLMSG_ALIGNTO) < 0 || nla_put_u32(msg, IFLA_MASTER, master) < 0)) {
		nlmsg_free(msg);
		msg = NULL;
	}
	snprintf(what, sizeof(what), "%s: join %s again", tap, bridge);
	r = td_host_netlink_change(&netlink, msg, what, err);
	td_host_netlink_close(&netlink);
	return r ? r : 1;
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
