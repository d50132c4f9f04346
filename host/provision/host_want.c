/* SPDX-License-Identifier: Apache-2.0 */
/* host_want.c - modules, huge pages, teams and networks as objects; then what the file no longer has. Pools are host_want_pools.c. */
#include "host/provision/host_want.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "host/provision/host_want_parts.h"

/* In the order of the enums of host_config.h. */
static const char *const page_words[] = {"2M", "1G"};
static const char *const mode_words[] = {"active-backup", "802.3ad", "balance-xor"};
static const char *const hash_words[] = {"vlan+srcmac", "layer2", "layer2+3", "layer3+4"};

int td_host_want_fail(const struct td_host_want_run *run, const char *list, unsigned index, const struct td_host_mark *mark,
	const char *name, enum td_reason reason, const char *fmt, ...)
{
	char text[320];
	va_list args;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	return td_err_set(
		run->err, EINVAL, reason, "%s:%u:%u: %s[%u] (%s): %s", run->file, mark->line, mark->column, list, index, name, text);
}

void td_host_want_link(const struct td_host_want_run *run, const char *name, enum td_host_attr attr, const char *value)
{
	td_host_state_set(run->want, TD_HOST_LINK, name, attr, value);
}

void td_host_want_mtu(const struct td_host_want_run *run, const char *name, uint64_t mtu)
{
	const char *already = td_host_state_get(run->want, TD_HOST_LINK, name, TD_HOST_ATTR_MTU);
	if (!already || strtoull(already, NULL, 10) < mtu)
		td_host_state_setf(run->want, TD_HOST_LINK, name, TD_HOST_ATTR_MTU, "%llu", (unsigned long long)mtu);
}

static const struct td_host_team_config *find_team(const struct td_host_config *config, const char *name)
{
	for (unsigned i = 0; i < config->team_count; i++)
		if (!strcmp(config->team[i].name, name))
			return &config->team[i];
	return NULL;
}

bool td_host_want_is_member(const struct td_host_config *config, const char *nic)
{
	for (unsigned i = 0; i < config->team_count; i++)
		for (unsigned m = 0; m < config->team[i].member_count; m++)
			if (!strcmp(config->team[i].members[m], nic))
				return true;
	return false;
}

/* ---- links we make, links we take */

struct user {
	const struct td_host_want_run *run;
	const char *list, *name;
	unsigned index;
	const struct td_host_mark *mark;
};

static bool has_alt_name(const struct td_host_object *link, const char *name)
{
	const char *names = link->value[TD_HOST_ATTR_ALT_NAMES];
	size_t len = strlen(name);
	for (const char *at = names; at && *at; at += strcspn(at, " "), at += *at == ' ')
		if (!strncmp(at, name, len) && (!at[len] || at[len] == ' '))
			return true;
	return false;
}

/* A name for a link of ours: free, or ours already. */
static int claim(const struct user *user, const char *name, const char *kind)
{
	const struct td_host_object *link = td_host_state_find(user->run->is, TD_HOST_LINK, name);
	if (link && !td_host_state_ours(link))
		return td_host_want_fail(user->run, user->list, user->index, user->mark, user->name, TD_REASON_NOT_OURS,
			"%s: a link of this name (%s) is there, and tandem did not make it", name,
			link->value[TD_HOST_ATTR_KIND] ? link->value[TD_HOST_ATTR_KIND] : "of unknown kind");
	for (unsigned i = 0; i < user->run->is->count; i++) {
		const struct td_host_object *other = &user->run->is->object[i];
		if (other->kind == TD_HOST_LINK && has_alt_name(other, name))
			return td_host_want_fail(user->run, user->list, user->index, user->mark, user->name, TD_REASON_NOT_OURS,
				"%s: is another name of %s", name, other->name);
		/* A link has each VLAN once. */
		if (other != link && !strncmp(kind, "vlan ", 5) && td_host_state_is(other, TD_HOST_ATTR_KIND, kind) &&
			!td_host_state_ours(other))
			return td_host_want_fail(user->run, user->list, user->index, user->mark, user->name, TD_REASON_NOT_OURS,
				"%s: %s has this VLAN, and tandem did not make that", name, other->name);
	}
	td_host_want_link(user->run, name, TD_HOST_ATTR_KIND, kind);
	return 0;
}

static bool is_anothers_port(const struct td_host_state *is, const struct td_host_object *link)
{
	const char *master = link->value[TD_HOST_ATTR_MASTER];
	const struct td_host_object *upper = master && *master ? td_host_state_find(is, TD_HOST_LINK, master) : NULL;
	return upper && !td_host_state_ours(upper);
}

/* A link that is there and that nobody else has put below a link of his own. */
static int check_taken(const struct user *user, const char *nic)
{
	const struct td_host_state *is = user->run->is;
	const struct td_host_object *link = td_host_state_find(is, TD_HOST_LINK, nic);
	if (!link)
		return td_host_want_fail(user->run, user->list, user->index, user->mark, user->name, TD_REASON_LINK_MISSING,
			"%s: no such network interface", nic);
	if (td_host_state_ours(link))
		return td_host_want_fail(user->run, user->list, user->index, user->mark, user->name, TD_REASON_LINK_MISSING,
			"%s: tandem made this link for something that the file no longer has", nic);
	if (td_host_state_is(link, TD_HOST_ATTR_KIND, "bridge") || !strcmp(nic, "lo"))
		return td_host_want_fail(user->run, user->list, user->index, user->mark, user->name, TD_REASON_NOT_OURS,
			"%s: cannot be an uplink: give a NIC or a team", nic);
	if (td_host_state_is(link, TD_HOST_ATTR_ETHERNET, "no"))
		return td_host_want_fail(user->run, user->list, user->index, user->mark, user->name, TD_REASON_NOT_OURS,
			"%s: is no Ethernet interface: give a NIC or a team", nic);
	if (is_anothers_port(is, link))
		return td_host_want_fail(user->run, user->list, user->index, user->mark, user->name, TD_REASON_NOT_OURS,
			"%s: is a port of %s, and tandem did not make that", nic, link->value[TD_HOST_ATTR_MASTER]);
	return 0;
}

/* macvlan and its like take what comes in by the link below them. */
static int check_not_below(const struct user *user, const char *nic)
{
	static const char *const kinds[] = {"macvlan ", "macvtap ", "ipvlan ", "ipvtap "};
	const struct td_host_state *is = user->run->is;
	for (unsigned i = 0; i < is->count; i++)
		for (unsigned k = 0; k < TD_COUNT(kinds); k++) {
			const char *kind = is->object[i].value[TD_HOST_ATTR_KIND];
			size_t len = strlen(kinds[k]);
			if (is->object[i].kind == TD_HOST_LINK && kind && !strncmp(kind, kinds[k], len) && !strcmp(kind + len, nic))
				return td_host_want_fail(user->run, user->list, user->index, user->mark, user->name, TD_REASON_NOT_OURS,
					"%s: %s (%s) has what comes in by it", nic, is->object[i].name, kind);
		}
	return 0;
}

static int want_team(const struct td_host_want_run *run, unsigned index)
{
	const struct td_host_team_config *team = &run->config->team[index];
	const struct user user = {run, "teams", team->name, index, &team->mark};
	int r = claim(&user, team->name, "bond");
	for (unsigned i = 0; !r && i < team->member_count; i++) {
		r = check_taken(&user, team->members[i]);
		if (!r)
			r = check_not_below(&user, team->members[i]);
		td_host_want_link(run, team->members[i], TD_HOST_ATTR_MASTER, team->name);
		td_host_want_link(run, team->members[i], TD_HOST_ATTR_UP, "yes");
	}
	td_host_want_link(run, team->name, TD_HOST_ATTR_MARK, TD_HOST_MARK);
	td_host_want_link(run, team->name, TD_HOST_ATTR_MASTER, ""); /* until a network takes it as uplink */
	td_host_want_link(run, team->name, TD_HOST_ATTR_MODE, mode_words[team->mode]);
	td_host_state_setf(run->want, TD_HOST_LINK, team->name, TD_HOST_ATTR_MIIMON, "%llu", (unsigned long long)team->miimon_ms);
	if (team->mode == TD_HOST_LACP)
		td_host_want_link(run, team->name, TD_HOST_ATTR_LACP_RATE, team->lacp_fast ? "fast" : "slow");
	if (team->mode == TD_HOST_ACTIVE_BACKUP)
		td_host_want_link(run, team->name, TD_HOST_ATTR_PRIMARY, team->primary ? team->primary : "");
	td_host_want_link(run, team->name, TD_HOST_ATTR_HASH,
		hash_words[team->mode == TD_HOST_ACTIVE_BACKUP ? TD_HOST_HASH_LAYER2 : team->hash]); /* the kernel's own, unused */
	td_host_want_mtu(run, team->name, team->mtu);
	td_host_want_link(run, team->name, TD_HOST_ATTR_UP, "yes");
	return r;
}

/* The VLANs that the network's uplinks carry, as text; NULL without memory. */
static char *vlans_text(const struct td_host_network_config *network)
{
	struct td_host_vlans vlans = {0};
	for (unsigned i = 0; i < network->vlan_count; i++) {
		unsigned first = 1, last = 0;
		(void)td_names_parse_vlans(network->vlans[i], &first, &last);
		td_host_state_vlans_add(&vlans, first, last);
	}
	vlans.bits[0] &= ~2ULL; /* VLAN 1 is there, untagged */
	return td_host_state_vlans_print(&vlans);
}

static void want_port(const struct td_host_want_run *run, const struct td_host_network_config *network, const char *port)
{
	td_host_want_link(run, port, TD_HOST_ATTR_MASTER, network->name);
	td_host_want_link(run, port, TD_HOST_ATTR_ISOLATED, "no");
	td_auto_free char *vlans = vlans_text(network);
	td_host_want_link(run, port, TD_HOST_ATTR_VLANS, vlans);
}

static void vlan_link_name(const struct td_host_network_config *network, unsigned uplink, char ret_name[TD_HOST_NAME_BYTES])
{
	snprintf(ret_name, TD_HOST_NAME_BYTES, "%.15s.%llu", network->uplinks[uplink], (unsigned long long)network->vlan);
}

static int want_uplink(const struct user *user, const struct td_host_network_config *network, unsigned index)
{
	const struct td_host_want_run *run = user->run;
	const char *uplink = network->uplinks[index];
	char name[TD_HOST_NAME_BYTES], kind[64];
	bool is_team = find_team(run->config, uplink);
	int r = is_team ? 0 : check_taken(user, uplink);
	if (!r && !network->vlan)
		r = check_not_below(user, uplink);
	if (r)
		return r;
	td_host_want_link(run, uplink, TD_HOST_ATTR_UP, "yes");
	if (network->mtu && !is_team)
		td_host_want_mtu(run, uplink, network->mtu);
	if (!network->vlan) {
		want_port(run, network, uplink);
		return 0;
	}
	vlan_link_name(network, index, name);
	snprintf(kind, sizeof(kind), "vlan %s %llu", uplink, (unsigned long long)network->vlan);
	r = claim(user, name, kind);
	td_host_want_link(run, name, TD_HOST_ATTR_MARK, TD_HOST_MARK);
	if (network->mtu)
		td_host_want_mtu(run, name, network->mtu);
	td_host_want_link(run, name, TD_HOST_ATTR_UP, "yes");
	want_port(run, network, name);
	return r;
}

/* A VLAN link cannot have more than the link below it. */
static void want_vlan_mtus(const struct td_host_want_run *run, const struct td_host_network_config *network)
{
	for (unsigned i = 0; network->vlan && !network->mtu && i < network->uplink_count; i++) {
		const char *uplink = network->uplinks[i], *below = td_host_state_get(run->want, TD_HOST_LINK, uplink, TD_HOST_ATTR_MTU);
		char name[TD_HOST_NAME_BYTES];
		if (!below)
			below = td_host_state_get(run->is, TD_HOST_LINK, uplink, TD_HOST_ATTR_MTU);
		vlan_link_name(network, i, name);
		td_host_want_mtu(run, name, below ? TD_MIN(strtoull(below, NULL, 10), 1500ULL) : 1500);
	}
}

/* Taps of VMs; new ones follow the bridge's mark when they join. Ports that somebody else has put there are his to isolate. */
static void want_isolation(const struct td_host_want_run *run, const struct td_host_network_config *network)
{
	for (unsigned i = 0; i < run->is->count; i++) {
		const struct td_host_object *port = &run->is->object[i];
		if (port->kind == TD_HOST_LINK && port->value[TD_HOST_ATTR_HOLDER] &&
			td_host_state_is(port, TD_HOST_ATTR_MASTER, network->name))
			td_host_want_link(run, port->name, TD_HOST_ATTR_ISOLATED, network->isolated ? "yes" : "no");
	}
}

static int want_network(const struct td_host_want_run *run, unsigned index)
{
	const struct td_host_network_config *network = &run->config->network[index];
	const struct user user = {run, "networks", network->name, index, &network->mark};
	int r = claim(&user, network->name, "bridge");
	for (unsigned i = 0; !r && i < network->uplink_count; i++)
		r = want_uplink(&user, network, i);
	td_host_want_link(run, network->name, TD_HOST_ATTR_MASTER, "");
	td_host_want_link(run, network->name, TD_HOST_ATTR_MARK, network->isolated ? TD_HOST_MARK " isolated" : TD_HOST_MARK);
	td_host_want_link(run, network->name, TD_HOST_ATTR_VLAN_FILTERING, network->vlan_filtering ? "yes" : "no");
	td_host_want_link(run, network->name, TD_HOST_ATTR_MCAST_SNOOPING, network->mcast_snooping ? "yes" : "no");
	td_host_want_mtu(run, network->name, network->mtu ? network->mtu : 1500);
	td_host_want_link(run, network->name, TD_HOST_ATTR_UP, "yes");
	return r;
}

/* ---- what the file no longer has */

static bool pf_changes(const struct td_host_want_run *run, const char *vf)
{
	char pf[16];
	unsigned index;
	if (!td_host_state_split_vf(vf, pf, &index))
		return false;
	const char *wanted = td_host_state_get(run->want, TD_HOST_LINK, pf, TD_HOST_ATTR_NUM_VFS);
	return wanted && !td_host_state_is(td_host_state_find(run->is, TD_HOST_LINK, pf), TD_HOST_ATTR_NUM_VFS, wanted);
}

/* The interface of a VF that is made anew, or that vfio-pci takes. */
static bool vanishes(const struct td_host_want_run *run, const struct td_host_object *link)
{
	for (unsigned i = 0; i < run->is->count; i++) {
		const struct td_host_object *vf = &run->is->object[i];
		const char *driver = td_host_state_get(run->want, TD_HOST_VF, vf->name, TD_HOST_ATTR_DRIVER);
		if (vf->kind == TD_HOST_VF && td_host_state_is(vf, TD_HOST_ATTR_NETDEV, link->name))
			return pf_changes(run, vf->name) || (driver && strcmp(driver, "netdevice") != 0);
	}
	return false;
}

static void want_as_before(const struct td_host_want_run *run, const struct td_host_object *before)
{
	const struct td_host_object *is = td_host_state_find(run->is, before->kind, before->name);
	if (!is || (before->kind == TD_HOST_VF && (is->value[TD_HOST_ATTR_HOLDER] || pf_changes(run, before->name))))
		return;
	for (unsigned i = 0; i < TD_HOST_ATTR_COUNT; i++) {
		enum td_host_attr attr = (enum td_host_attr)i;
		/* A member of a team has the team's MTU, and gets its own back from the kernel. What somebody put elsewhere is his. */
		if (attr == TD_HOST_ATTR_KIND || (attr == TD_HOST_ATTR_MTU && td_host_want_is_member(run->config, before->name)) ||
			(attr == TD_HOST_ATTR_MASTER && is_anothers_port(run->is, is)) ||
			(attr != TD_HOST_ATTR_MASTER && is->kind == TD_HOST_LINK && vanishes(run, is)))
			continue;
		if (before->value[attr] && is->value[attr] && !td_host_state_get(run->want, before->kind, before->name, attr))
			td_host_state_set(run->want, before->kind, before->name, attr, before->value[attr]);
	}
}

/* PFs first, then other links: whether a PF's VFs are made anew decides on them and on their interfaces. */
static unsigned pass_of(const struct td_host_object *before)
{
	return before->kind == TD_HOST_VF ? 2 : before->value[TD_HOST_ATTR_NUM_VFS] ? 0 : 1;
}

static void want_rest(const struct td_host_want_run *run)
{
	for (unsigned pass = 0; pass < 3; pass++)
		for (unsigned i = 0; i < run->before->count; i++)
			if (pass_of(&run->before->object[i]) == pass)
				want_as_before(run, &run->before->object[i]);
	for (unsigned i = 0; i < run->is->count; i++) {
		const struct td_host_object *link = &run->is->object[i];
		if (link->kind == TD_HOST_LINK && td_host_state_ours(link) &&
			!td_host_state_get(run->want, TD_HOST_LINK, link->name, TD_HOST_ATTR_KIND))
			td_host_want_link(run, link->name, TD_HOST_ATTR_KIND, "");
	}
}

static void want_modules(const struct td_host_want_run *run)
{
	for (unsigned i = 0; i < run->config->module_count; i++)
		td_host_state_set(run->want, TD_HOST_MODULE, run->config->modules[i], TD_HOST_ATTR_LOADED, "yes");
}

static int want_hugepages(const struct td_host_want_run *run)
{
	for (unsigned i = 0; i < run->config->hugepages_count; i++) {
		const struct td_host_hugepages_config *pages = &run->config->hugepages[i];
		const char *size = page_words[pages->size];
		if (!td_host_state_find(run->is, TD_HOST_HUGEPAGES, size))
			return td_host_want_fail(
				run, "hugepages", i, &pages->mark, size, TD_REASON_HUGEPAGES, "this machine has no pages of this size");
		td_host_state_setf(run->want, TD_HOST_HUGEPAGES, size, TD_HOST_ATTR_PAGES, "%llu", (unsigned long long)pages->count);
	}
	return 0;
}

int td_host_want(const struct td_host_config *config, const char *file_name, const struct td_host_state *is,
	const struct td_host_state *before, struct td_host_state *ret_want, struct td_err *err)
{
	const struct td_host_want_run run = {config, file_name, is, before, ret_want, err};
	*ret_want = (struct td_host_state){0};
	want_modules(&run);
	int r = want_hugepages(&run);
	for (unsigned i = 0; !r && i < config->team_count; i++)
		r = want_team(&run, i);
	for (unsigned i = 0; !r && i < config->network_count; i++)
		r = want_network(&run, i);
	if (!r)
		r = td_host_want_pools(&run);
	for (unsigned i = 0; !r && i < config->network_count; i++)
		want_isolation(&run, &config->network[i]);
	if (!r)
		want_rest(&run);
	for (unsigned i = 0; !r && i < config->network_count; i++)
		want_vlan_mtus(&run, &config->network[i]);
	if (!r && ret_want->no_memory)
		r = td_err_set(err, ENOMEM, TD_REASON_SYSTEM, "out of memory");
	if (r)
		td_host_state_fini(ret_want);
	return r;
}

bool td_host_want_makes(const struct td_host_config *config, const char *link)
{
	for (unsigned i = 0; i < config->network_count; i++) {
		const struct td_host_network_config *network = &config->network[i];
		if (!strcmp(network->name, link))
			return true;
		for (unsigned u = 0; u < network->uplink_count && network->vlan; u++) {
			char name[TD_HOST_NAME_BYTES];
			vlan_link_name(network, u, name);
			if (!strcmp(name, link))
				return true;
		}
	}
	return find_team(config, link);
}

static bool has_device(const struct td_host_state *is, const char *bdf)
{
	for (unsigned i = 0; i < is->count; i++)
		if (is->object[i].kind == TD_HOST_LINK && td_host_state_is(&is->object[i], TD_HOST_ATTR_BDF, bdf))
			return true;
	return false;
}

static unsigned missing_devices(const struct td_host_pool_config *pool, const struct td_host_state *is, char ret_name[TD_HOST_NAME_BYTES])
{
	unsigned missing = 0;
	for (unsigned i = 0; i < pool->root_device_count; i++)
		if (!has_device(is, pool->root_devices[i]) && !missing++ && !*ret_name)
			snprintf(ret_name, TD_HOST_NAME_BYTES, "PF %s", pool->root_devices[i]);
	return missing;
}

unsigned td_host_want_missing(const struct td_host_config *config, const struct td_host_state *is, char ret_name[TD_HOST_NAME_BYTES])
{
	unsigned missing = 0;
	const char *names[TD_HOST_SELECTORS_MAX + TD_HOST_MEMBERS_MAX];
	char pf[16];
	ret_name[0] = '\0';
	for (unsigned list = 0; list < config->team_count + config->network_count + config->pool_count; list++) {
		unsigned count = 0, team = list, network = list - config->team_count, pool = network - config->network_count, first, last;
		if (team < config->team_count) {
			for (; count < config->team[team].member_count; count++)
				names[count] = config->team[team].members[count];
		} else if (network < config->network_count) {
			for (; count < config->network[network].uplink_count; count++)
				names[count] = config->network[network].uplinks[count];
		} else {
			for (; count < config->pool[pool].pf_name_count; count++)
				names[count] = config->pool[pool].pf_names[count];
		}
		for (unsigned i = 0; i < count; i++) {
			if (!td_host_config_pf_range(names[i], pf, &first, &last) || find_team(config, pf) ||
				td_host_state_find(is, TD_HOST_LINK, pf))
				continue;
			if (!missing++)
				snprintf(ret_name, TD_HOST_NAME_BYTES, "%s", pf);
		}
	}
	for (unsigned i = 0; i < config->pool_count; i++)
		missing += missing_devices(&config->pool[i], is, ret_name);
	return missing;
}
