/* SPDX-License-Identifier: Apache-2.0 */
/* host_schema.c - the table of host.yaml's keys. What no single key can say is host_check.c. */
#include "config/host_schema.h"

#include <ctype.h>
#include <string.h>

#include "config/host_check.h"
#include "host/sys/names.h"

/* In the order of the enums of host/provision/host_config.h. */
static const char *const device_words[] = {"netdevice", "vfio-pci", NULL};
static const char *const link_words[] = {"auto", "enable", "disable", NULL};
static const char *const mode_words[] = {"active-backup", "802.3ad", "balance-xor", NULL};
static const char *const rate_words[] = {"slow", "fast", NULL};
static const char *const hash_words[] = {"vlan+srcmac", "layer2", "layer2+3", "layer3+4", NULL};
static const char *const page_words[] = {"2M", "1G", NULL};

static bool is_pf_range(const char *text)
{
	char name[16];
	unsigned first, last;

	return td_host_config_pf_range(text, name, &first, &last);
}

/* As lspci -n and the operator write it. */
static bool is_pci_id(const char *text)
{
	if (strlen(text) != 4)
		return false;
	for (; *text; text++)
		if (!isxdigit((unsigned char)*text))
			return false;
	return true;
}

/* Module names have '-' and '_' alike. */
static bool is_module(const char *text)
{
	size_t len = strlen(text);

	if (!len || len > 55)
		return false;
	for (; *text; text++)
		if (!isalnum((unsigned char)*text) && *text != '_' && *text != '-')
			return false;
	return true;
}

#define VF(member) TD_SCHEMA_AT(struct td_host_vf_config, member), .given = offsetof(struct td_host_vf_config, member##_given)
static const struct td_schema_key vf_keys[] = {
	{.name = "trust", .kind = TD_SCHEMA_BOOL, VF(trust), .help = "The guest may change its MAC address and turn on promiscuous mode"},
	{.name = "spoofchk", .kind = TD_SCHEMA_BOOL, VF(spoofchk), .help = "The card drops frames with another source MAC address"},
	{.name = "vlan",
		.kind = TD_SCHEMA_UINT,
		VF(vlan),
		.max = 4094,
		.help = "The VF's frames carry this VLAN outside, unseen by the guest. 0: none"},
	{.name = "linkState",
		.kind = TD_SCHEMA_WORD,
		VF(link_state),
		.words = link_words,
		.help = "The link that the guest sees: the PF's (auto), always up, or always down"},
	{.name = "maxTxRate", .kind = TD_SCHEMA_UINT, VF(max_tx_rate), .max = 400000, .help = "At most so many Mbit/s. 0: no limit"},
	{.name = "minTxRate", .kind = TD_SCHEMA_UINT, VF(min_tx_rate), .max = 400000, .help = "At least so many Mbit/s. 0: no promise"},
	{.name = NULL},
};
#undef VF

#define POOL(member) TD_SCHEMA_AT(struct td_host_pool_config, member)
static const struct td_schema_key selector_keys[] = {
	{.name = "pfNames",
		.kind = TD_SCHEMA_TEXTS,
		POOL(pf_names),
		.item_kind = TD_SCHEMA_STRING,
		.check = is_pf_range,
		.allowed = "a PF's network interface as in pf0, or some of its VFs as in pf0#0-3",
		.items_max = TD_HOST_SELECTORS_MAX,
		.count_offset = offsetof(struct td_host_pool_config, pf_name_count),
		.help = "PFs by the name of their network interface; pf0#0-3 means VFs 0 to 3 of pf0"},
	{.name = "rootDevices",
		.kind = TD_SCHEMA_TEXTS,
		POOL(root_devices),
		.item_kind = TD_SCHEMA_BDF,
		.items_max = TD_HOST_SELECTORS_MAX,
		.count_offset = offsetof(struct td_host_pool_config, root_device_count),
		.help = "PFs by their PCI address"},
	{.name = "vendor",
		.kind = TD_SCHEMA_STRING,
		POOL(vendor),
		.check = is_pci_id,
		.allowed = "four hexadecimal digits as in \"8086\"",
		.help = "PFs of this PCI vendor. Quote it: YAML takes 8086 for a number"},
	{.name = "deviceID",
		.kind = TD_SCHEMA_STRING,
		POOL(device_id),
		.check = is_pci_id,
		.allowed = "four hexadecimal digits as in \"10c9\"",
		.help = "PFs with this PCI device number"},
	{.name = NULL},
};

static const struct td_schema_key pool_keys[] = {
	{.name = "resourceName", .kind = TD_SCHEMA_NAME, POOL(name), .max = 63, .help = "The pool's name", .required = true},
	{.name = "nicSelector",
		.kind = TD_SCHEMA_TABLE,
		.keys = selector_keys,
		.help = "Which PFs. All that is given must hold; at least one is required"},
	{.name = "numVfs",
		.kind = TD_SCHEMA_UINT,
		POOL(num_vfs),
		.given = offsetof(struct td_host_pool_config, num_vfs_given),
		.max = TD_HOST_VFS_MAX,
		.help = "How many VFs each PF gets. Of pools with one PF, the one with the lowest priority number says it",
		.required = true},
	{.name = "deviceType",
		.kind = TD_SCHEMA_WORD,
		POOL(device_type),
		.words = device_words,
		.fallback = "netdevice",
		.help = "Whether the VFs go to their network driver or to vfio-pci"},
	{.name = "mtu", .kind = TD_SCHEMA_UINT, POOL(mtu), .min = 68, .max = 9216, .help = "The PF's largest IP packet. Default: as it is"},
	{.name = "priority",
		.kind = TD_SCHEMA_UINT,
		POOL(priority),
		.max = 99,
		.fallback = "99",
		.help = "Where pools mean the same VF, the one with the lower number has it"},
	{.name = "vf",
		.kind = TD_SCHEMA_TABLE,
		.keys = vf_keys,
		TD_SCHEMA_AT(struct td_host_pool_config, vf),
		.help = "Settings of each VF in its PF. What is not given stays as it is. A VM that holds the VF has its own MAC and VLAN "
			"(key vlan of its NIC, none when not given) meanwhile"},
	{.name = NULL},
};
#undef POOL

#define NETWORK(member) TD_SCHEMA_AT(struct td_host_network_config, member)
static const struct td_schema_key network_keys[] = {
	{.name = "name", .kind = TD_SCHEMA_IFNAME, NETWORK(name), .help = "The bridge's name", .required = true},
	{.name = "uplinks",
		.kind = TD_SCHEMA_TEXTS,
		NETWORK(uplinks),
		.item_kind = TD_SCHEMA_IFNAME,
		.items_max = TD_HOST_UPLINKS_MAX,
		.count_offset = offsetof(struct td_host_network_config, uplink_count),
		.help = "NICs or teams by which the network leaves the host. None: VMs of this host among themselves"},
	{.name = "vlan",
		.kind = TD_SCHEMA_UINT,
		NETWORK(vlan),
		.max = 4094,
		.fallback = "0",
		.help = "The network's frames carry this VLAN on the uplinks, by links called UPLINK.VLAN; then others may have the same "
			"uplinks. 0: none"},
	{.name = "vlanFiltering",
		.kind = TD_SCHEMA_BOOL,
		NETWORK(vlan_filtering),
		.fallback = "off",
		.help = "The bridge tells VLANs apart"},
	{.name = "vlans",
		.kind = TD_SCHEMA_TEXTS,
		NETWORK(vlans),
		.item_kind = TD_SCHEMA_STRING,
		.check = td_names_is_vlans,
		.allowed = "a VLAN from 1 to 4094, or a range as in 20-29",
		.items_max = TD_HOST_VLANS_MAX,
		.count_offset = offsetof(struct td_host_network_config, vlan_count),
		.help = "VLANs that the uplinks carry, tagged, beside VLAN 1 untagged; needs vlanFiltering"},
	{.name = "isolated",
		.kind = TD_SCHEMA_BOOL,
		NETWORK(isolated),
		.fallback = "off",
		.help = "VMs reach the uplinks and not each other; ports that others put into the bridge stay as they are"},
	{.name = "mcastSnooping",
		.kind = TD_SCHEMA_BOOL,
		NETWORK(mcast_snooping),
		.fallback = "off",
		.help = "The bridge sends multicasts where they were asked for; needs a querier in the network"},
	{.name = "mtu",
		.kind = TD_SCHEMA_UINT,
		NETWORK(mtu),
		.min = 68,
		.max = 9216,
		.help = "The largest IP packet, of bridge and uplinks. Default: 1500, and the uplinks stay as they are"},
	{.name = NULL},
};
#undef NETWORK

#define TEAM(member) TD_SCHEMA_AT(struct td_host_team_config, member)
static const struct td_schema_key team_keys[] = {
	{.name = "name", .kind = TD_SCHEMA_IFNAME, TEAM(name), .help = "The bond's name", .required = true},
	{.name = "mode",
		.kind = TD_SCHEMA_WORD,
		TEAM(mode),
		.words = mode_words,
		.fallback = "active-backup",
		.help = "One member at a time, any switch will do (active-backup); all members by LACP (802.3ad), or all without "
			"(balance-xor): both need the switch to have them as one"},
	{.name = "members",
		.kind = TD_SCHEMA_TEXTS,
		TEAM(members),
		.item_kind = TD_SCHEMA_IFNAME,
		.items_max = TD_HOST_MEMBERS_MAX,
		.count_offset = offsetof(struct td_host_team_config, member_count),
		.help = "NICs",
		.required = true},
	{.name = "primary",
		.kind = TD_SCHEMA_IFNAME,
		TEAM(primary),
		.help = "The member used whenever it has a link; with mode active-backup"},
	{.name = "miimon",
		.kind = TD_SCHEMA_UINT,
		TEAM(miimon_ms),
		.min = 1,
		.max = 10000,
		.fallback = "50",
		.help = "How often links are looked at, in milliseconds: so long may a lost one be in use"},
	{.name = "lacpRate",
		.kind = TD_SCHEMA_WORD,
		TEAM(lacp_fast),
		.words = rate_words,
		.fallback = "slow",
		.help = "LACP frames every 30 s or every second; with mode 802.3ad"},
	{.name = "xmitHashPolicy",
		.kind = TD_SCHEMA_WORD,
		TEAM(hash),
		.words = hash_words,
		.fallback = "vlan+srcmac",
		.help = "What decides on the member that a frame leaves by: vlan+srcmac, so each VM has one, or layers of the "
			"frame's addresses; with modes 802.3ad and balance-xor"},
	{.name = "mtu",
		.kind = TD_SCHEMA_UINT,
		TEAM(mtu),
		.min = 68,
		.max = 9216,
		.fallback = "1500",
		.help = "The largest IP packet, of the team and its members"},
	{.name = NULL},
};
#undef TEAM

static const struct td_schema_key hugepages_keys[] = {
	{.name = "size",
		.kind = TD_SCHEMA_WORD,
		TD_SCHEMA_AT(struct td_host_hugepages_config, size),
		.words = page_words,
		.fallback = "2M",
		.help = "Size of a page"},
	{.name = "count",
		.kind = TD_SCHEMA_UINT,
		TD_SCHEMA_AT(struct td_host_hugepages_config, count),
		.max = 1U << 28,
		.given = offsetof(struct td_host_hugepages_config, count_given),
		.help = "How many pages the host sets apart",
		.required = true},
	{.name = NULL},
};

#define LIST_OF(member, count_member, item, max)                                                                    \
	TD_SCHEMA_AT(struct td_host_config, member), .item_bytes = sizeof(struct item), .items_max = (max),         \
						     .count_offset = offsetof(struct td_host_config, count_member), \
						     .mark_offset = offsetof(struct item, mark)
static const struct td_schema_key host_keys[] = {
	{.name = "pools",
		.kind = TD_SCHEMA_LIST,
		.keys = pool_keys,
		LIST_OF(pool, pool_count, td_host_pool_config, TD_HOST_POOLS_MAX),
		.help = "VFs, in the words of SriovNetworkNodePolicy"},
	{.name = "networks",
		.kind = TD_SCHEMA_LIST,
		.keys = network_keys,
		LIST_OF(network, network_count, td_host_network_config, TD_HOST_NETWORKS_MAX),
		.help = "Virtual networks: bridges for the emulated paths of VMs"},
	{.name = "teams",
		.kind = TD_SCHEMA_LIST,
		.keys = team_keys,
		LIST_OF(team, team_count, td_host_team_config, TD_HOST_TEAMS_MAX),
		.help = "Several NICs as one uplink, by the kernel's bonding"},
	{.name = "hugepages",
		.kind = TD_SCHEMA_LIST,
		.keys = hugepages_keys,
		LIST_OF(hugepages, hugepages_count, td_host_hugepages_config, TD_HOST_HUGEPAGES_MAX),
		.help = "Huge pages for guest memory"},
	{.name = "modules",
		.kind = TD_SCHEMA_TEXTS,
		TD_SCHEMA_AT(struct td_host_config, modules),
		.item_kind = TD_SCHEMA_STRING,
		.check = is_module,
		.allowed = "a kernel module's name",
		.items_max = TD_HOST_MODULES_MAX,
		.count_offset = offsetof(struct td_host_config, module_count),
		.help = "Kernel modules that must be loaded. They are never unloaded; bonding comes without a bond0 of its own"},
	{.name = NULL},
};

const struct td_schema_key *td_host_schema_keys(void)
{
	return host_keys;
}

void td_host_schema_fini(struct td_host_config *config)
{
	td_schema_fini(host_keys, config);
}

int td_host_schema_read(struct td_host_config *config, const char *file_name, const char *text, size_t len_bytes, struct td_err *err)
{
	struct td_schema_marks marks;

	memset(config, 0, sizeof(*config));
	int rc = td_schema_defaults(host_keys, config, err);
	if (!rc)
		rc = td_schema_read_yaml(host_keys, config, file_name, text, len_bytes, &marks, err);
	if (!rc)
		rc = td_host_check(config, file_name, &marks, err);
	if (rc)
		td_host_schema_fini(config);
	return rc;
}
