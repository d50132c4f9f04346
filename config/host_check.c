/* SPDX-License-Identifier: Apache-2.0 */
/* host_check.c - keys of host.yaml that need or exclude each other, names that may stand once. */
#include "config/host_check.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>

#include "config/schema.h"

struct check {
	const struct td_host_config *config;
	const char *file;
	const struct td_schema_marks *marks;
	struct td_err *err;
};

/* One item of a list: where it stands, and "networks[1] (br1)". */
struct item {
	const struct check *check;
	struct td_host_mark mark;
	const char *list, *name;
	unsigned index;
};

/* member: whose value is wrong; NULL, or one without a value in the file: the item as a whole is. */
static int host_check_fail(const struct item *item, const void *member, const char *key, const char *fmt, ...) TD_PRINTF(4, 5);

static int host_check_fail(const struct item *item, const void *member, const char *key, const char *fmt, ...)
{
	char path[96], text[300];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	snprintf(path, sizeof(path), "%s[%u]%s%s%s%s%s", item->list, item->index, *key ? "." : "", key, item->name ? " (" : "",
		item->name ? item->name : "", item->name ? ")" : "");
	struct td_schema_place place;
	if (!td_schema_marked(item->check->marks, member, &place))
		place = (struct td_schema_place){.file = item->check->file, .line = item->mark.line, .column = item->mark.column};
	place.path = path;
	return td_schema_fail(&place, TD_REASON_CONFIG_VALUE, item->check->err, "%s", text);
}

static bool host_check_same(const char *a, const char *b)
{
	return a && b && !strcmp(a, b);
}

static bool host_check_holds(char *const *texts, unsigned count, const char *text)
{
	for (unsigned i = 0; i < count; i++)
		if (host_check_same(texts[i], text))
			return true;
	return false;
}

static int host_check_check_twice(const struct item *item, const char *key, char *const *texts, unsigned count)
{
	for (unsigned i = 1; i < count; i++)
		if (host_check_holds(texts, i, texts[i]))
			return host_check_fail(item, &texts[i], key, "%s stands here twice: give it once", texts[i]);
	return 0;
}

static int host_check_check_pool(const struct check *check, unsigned index)
{
	const struct td_host_pool_config *pool = &check->config->pool[index];
	struct item item = {check, pool->mark, "pools", pool->name, index};

	if (!pool->name)
		return host_check_fail(&item, NULL, "resourceName", "missing: give the pool a name");
	if (!pool->num_vfs_given)
		return host_check_fail(&item, NULL, "numVfs", "missing: give the number of VFs of each PF");
	if (!pool->pf_name_count && !pool->root_device_count && !pool->vendor && !pool->device_id)
		return host_check_fail(&item, NULL, "nicSelector", "selects nothing: give pfNames, rootDevices, vendor or deviceID");
	for (unsigned i = 0; i < pool->pf_name_count; i++) {
		char name[IF_NAMESIZE];
		unsigned first = 0, last = 0;

		(void)td_host_config_pf_range(pool->pf_names[i], name, &first, &last);
		if (strchr(pool->pf_names[i], '#') && !pool->num_vfs)
			return host_check_fail(&item, &pool->pf_names[i], "nicSelector.pfNames", "%s: numVfs is 0, so there are no VFs",
				pool->pf_names[i]);
		if (strchr(pool->pf_names[i], '#') && last >= pool->num_vfs)
			return host_check_fail(&item, &pool->pf_names[i], "nicSelector.pfNames", "%s: numVfs is %llu, so VFs are 0 to %lld",
				pool->pf_names[i], (unsigned long long)pool->num_vfs, (long long)pool->num_vfs - 1);
	}
	if (pool->vf.max_tx_rate && pool->vf.min_tx_rate > pool->vf.max_tx_rate)
		return host_check_fail(&item, &pool->vf.min_tx_rate, "vf.minTxRate", "is above maxTxRate: give at most %llu",
			(unsigned long long)pool->vf.max_tx_rate);
	return host_check_check_twice(&item, "nicSelector.pfNames", pool->pf_names, pool->pf_name_count);
}

static const struct td_host_team_config *host_check_find_team(const struct td_host_config *config, const char *name)
{
	for (unsigned i = 0; i < config->team_count; i++)
		if (host_check_same(config->team[i].name, name))
			return &config->team[i];
	return NULL;
}

static bool is_network(const struct td_host_config *config, const char *name)
{
	for (unsigned i = 0; i < config->network_count; i++)
		if (host_check_same(config->network[i].name, name))
			return true;
	return false;
}

/* The team that has this NIC, or NULL. */
static const char *team_of(const struct td_host_config *config, const char *nic)
{
	for (unsigned i = 0; i < config->team_count; i++)
		if (host_check_holds(config->team[i].members, config->team[i].member_count, nic))
			return config->team[i].name;
	return NULL;
}

/* A link that is to be made. What has other characters is left out where links are looked at (host/provision/host_observe.c). */
static int host_check_check_made(const struct item *item, const void *member, const char *name)
{
	static const char *const kept[] = {"all", "default", "bonding_masters"};

	for (unsigned i = 0; i < TD_COUNT(kept); i++)
		if (host_check_same(kept[i], name))
			return host_check_fail(item, member, "name", "the kernel keeps this name for itself: give another");
	for (const char *c = name; *c; c++)
		if (*c <= 0x20 || *c >= 0x7f)
			return host_check_fail(item, member, "name", "has characters beyond ASCII: give a name without");
	return 0;
}

/* An uplink is a NIC or a team, and carries each VLAN (or none) for one network. */
static int host_check_check_uplink(const struct item *item, const struct td_host_network_config *network, char *const *uplink_at)
{
	const char *uplink = *uplink_at;
	const struct td_host_config *config = item->check->config;
	const struct td_host_team_config *team = host_check_find_team(config, uplink);
	const char *team_name = team_of(config, uplink);
	char vlan_link[40];

	if (is_network(config, uplink))
		return host_check_fail(item, uplink_at, "uplinks", "%s is a network: give NICs or teams", uplink);
	if (team_name)
		return host_check_fail(item, uplink_at, "uplinks", "%s is a member of team %s: give the team", uplink, team_name);
	if (team && network->mtu > team->mtu)
		return host_check_fail(item, &network->mtu, "mtu",
			"%llu is above the mtu of team %s: give at most %llu, or give the team more", (unsigned long long)network->mtu,
			uplink, (unsigned long long)team->mtu);
	for (unsigned i = 0; i < item->index; i++) {
		const struct td_host_network_config *other = &config->network[i];

		if (other->vlan == network->vlan && host_check_holds(other->uplinks, other->uplink_count, uplink))
			return host_check_fail(item, uplink_at, "uplinks",
				"%s is an uplink of network %s: give each network its own uplinks, or its own vlan", uplink, other->name);
	}
	snprintf(vlan_link, sizeof(vlan_link), "%s.%llu", uplink, (unsigned long long)network->vlan);
	if (network->vlan && strlen(vlan_link) >= IF_NAMESIZE)
		return host_check_fail(item, uplink_at, "uplinks",
			"%s: too long for a name of an interface (at most 15): shorten the uplink's name", vlan_link);
	if (network->vlan && (host_check_find_team(config, vlan_link) || is_network(config, vlan_link)))
		return host_check_fail(
			item, &network->vlan, "vlan", "the link %s has the name of a team or network: give that another", vlan_link);
	return 0;
}

static int host_check_check_network(const struct check *check, unsigned index)
{
	const struct td_host_network_config *network = &check->config->network[index];
	struct item item = {check, network->mark, "networks", network->name, index};

	if (!network->name)
		return host_check_fail(&item, NULL, "name", "missing: give the bridge's name");
	for (unsigned i = 0; i < index; i++)
		if (host_check_same(check->config->network[i].name, network->name))
			return host_check_fail(&item, &network->name, "name", "two networks have this name: give each its own");
	if (host_check_find_team(check->config, network->name) || team_of(check->config, network->name))
		return host_check_fail(&item, &network->name, "name", "a team or a team's member has this name: give each its own");
	if (network->vlan_count && !network->vlan_filtering)
		return host_check_fail(&item, &network->vlans[0], "vlans",
			"the bridge does not tell VLANs apart: give vlanFiltering: on, or leave vlans out");
	int rc = host_check_check_made(&item, &network->name, network->name);
	if (!rc)
		rc = host_check_check_twice(&item, "uplinks", network->uplinks, network->uplink_count);
	for (unsigned i = 0; !rc && i < network->uplink_count; i++)
		rc = host_check_check_uplink(&item, network, &network->uplinks[i]);
	return rc;
}

static int host_check_check_team(const struct check *check, unsigned index)
{
	const struct td_host_team_config *team = &check->config->team[index];
	struct item item = {check, team->mark, "teams", team->name, index};

	if (!team->name)
		return host_check_fail(&item, NULL, "name", "missing: give the bond's name");
	if (!team->member_count)
		return host_check_fail(&item, NULL, "members", "missing: give one NIC or more");
	for (unsigned i = 0; i < index; i++) {
		const struct td_host_team_config *other = &check->config->team[i];

		if (host_check_same(other->name, team->name))
			return host_check_fail(&item, &team->name, "name", "two teams have this name: give each its own");
		for (unsigned m = 0; m < team->member_count; m++)
			if (host_check_holds(other->members, other->member_count, team->members[m]))
				return host_check_fail(&item, &team->members[m], "members", "%s is a member of team %s: give each its own",
					team->members[m], other->name);
	}
	for (unsigned m = 0; m < team->member_count; m++)
		if (host_check_find_team(check->config, team->members[m]))
			return host_check_fail(&item, &team->members[m], "members", "%s is a team: give NICs", team->members[m]);
	if (team->primary && team->mode != TD_HOST_ACTIVE_BACKUP)
		return host_check_fail(&item, &team->primary, "primary", "belongs to mode active-backup: leave it out");
	if (team->primary && !host_check_holds(team->members, team->member_count, team->primary))
		return host_check_fail(&item, &team->primary, "primary", "%s is no member: give one of the members", team->primary);
	if (team->lacp_fast && team->mode != TD_HOST_LACP)
		return host_check_fail(&item, &team->lacp_fast, "lacpRate", "belongs to mode 802.3ad: leave it out");
	int rc = host_check_check_made(&item, &team->name, team->name);
	return rc ? rc : host_check_check_twice(&item, "members", team->members, team->member_count);
}

static int host_check_check_hugepages(const struct check *check, unsigned index)
{
	const struct td_host_hugepages_config *pages = &check->config->hugepages[index];
	struct item item = {check, pages->mark, "hugepages", NULL, index};

	if (!pages->count_given)
		return host_check_fail(&item, NULL, "count", "missing: give the number of pages");
	for (unsigned i = 0; i < index; i++)
		if (check->config->hugepages[i].size == pages->size)
			return host_check_fail(&item, &pages->size, "size", "this size stands here twice: give it once");
	return 0;
}

int td_host_check(const struct td_host_config *config, const char *file_name, const struct td_schema_marks *marks, struct td_err *err)
{
	struct check check = {config, file_name, marks, err};
	int rc = 0;

	for (unsigned i = 0; !rc && i < config->pool_count; i++)
		rc = host_check_check_pool(&check, i);
	for (unsigned i = 0; !rc && i < config->team_count; i++)
		rc = host_check_check_team(&check, i);
	for (unsigned i = 0; !rc && i < config->network_count; i++)
		rc = host_check_check_network(&check, i);
	for (unsigned i = 0; !rc && i < config->hugepages_count; i++)
		rc = host_check_check_hugepages(&check, i);
	return rc;
}
