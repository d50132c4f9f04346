/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_config.h - what a host shall be, as host.yaml says it: plain data, filled by config/host_schema.c (which has the keys' meanings and
 * limits) and read by host_want.c. Nothing of the machine it stands on is known here. Strings are owned by the config.
 *
 * Words of pools are those of SriovNetworkNodePolicy (sriov-network-operator), words of teams those of the kernel's bonding.
 */
#ifndef TD_HOST_PROVISION_HOST_CONFIG_H
#define TD_HOST_PROVISION_HOST_CONFIG_H

#include "core/base.h"

#define TD_HOST_POOLS_MAX     32
#define TD_HOST_NETWORKS_MAX  64
#define TD_HOST_TEAMS_MAX     16
#define TD_HOST_MEMBERS_MAX   8
#define TD_HOST_UPLINKS_MAX   8
#define TD_HOST_SELECTORS_MAX 32
#define TD_HOST_VLANS_MAX     64
#define TD_HOST_MODULES_MAX   32
#define TD_HOST_HUGEPAGES_MAX 2
#define TD_HOST_VFS_MAX	      256 /* of one PF */

/* Where it stands in the file, from 1; 0: nowhere. */
struct td_host_mark {
	unsigned line, column;
};

enum td_host_device_type { TD_HOST_NETDEVICE, TD_HOST_VFIO_PCI };
enum td_host_team_mode { TD_HOST_ACTIVE_BACKUP, TD_HOST_LACP, TD_HOST_BALANCE_XOR };
enum td_host_hash { TD_HOST_HASH_SOURCE_MAC, TD_HOST_HASH_LAYER2, TD_HOST_HASH_LAYER23, TD_HOST_HASH_LAYER34 };
enum td_host_page_size { TD_HOST_PAGE_2M, TD_HOST_PAGE_1G };

struct td_host_vf_config {
	bool trust, trust_given, spoofchk, spoofchk_given;
	uint64_t vlan;
	bool vlan_given;
	int link_state; /* enum td_sriov_link */
	bool link_state_given;
	uint64_t max_tx_rate, min_tx_rate; /* Mbit/s; 0: no limit */
	bool max_tx_rate_given, min_tx_rate_given;
};

struct td_host_pool_config {
	char *name;
	struct td_host_mark mark;
	uint64_t num_vfs;
	bool num_vfs_given;
	char *pf_names[TD_HOST_SELECTORS_MAX]; /* "pf0", "pf0#0-3" */
	unsigned pf_name_count;
	char *root_devices[TD_HOST_SELECTORS_MAX]; /* PFs by PCI address */
	unsigned root_device_count;
	char *vendor, *device_id; /* "8086", or NULL */
	enum td_host_device_type device_type;
	uint64_t mtu; /* 0: as it is */
	uint64_t priority;
	struct td_host_vf_config vf;
};

struct td_host_network_config {
	char *name;
	struct td_host_mark mark;
	char *uplinks[TD_HOST_UPLINKS_MAX];
	unsigned uplink_count;
	uint64_t vlan; /* 0: none */
	bool vlan_filtering, isolated, mcast_snooping;
	char *vlans[TD_HOST_VLANS_MAX]; /* "10", "20-29" */
	unsigned vlan_count;
	uint64_t mtu; /* 0: 1500 for the bridge, uplinks as they are */
};

struct td_host_team_config {
	char *name;
	struct td_host_mark mark;
	enum td_host_team_mode mode;
	char *members[TD_HOST_MEMBERS_MAX];
	unsigned member_count;
	char *primary; /* or NULL */
	uint64_t miimon_ms, mtu;
	bool lacp_fast;
	enum td_host_hash hash;
};

struct td_host_hugepages_config {
	struct td_host_mark mark;
	enum td_host_page_size size;
	uint64_t count;
	bool count_given;
};

struct td_host_config {
	struct td_host_pool_config pool[TD_HOST_POOLS_MAX];
	unsigned pool_count;
	struct td_host_network_config network[TD_HOST_NETWORKS_MAX];
	unsigned network_count;
	struct td_host_team_config team[TD_HOST_TEAMS_MAX];
	unsigned team_count;
	struct td_host_hugepages_config hugepages[TD_HOST_HUGEPAGES_MAX];
	unsigned hugepages_count;
	char *modules[TD_HOST_MODULES_MAX];
	unsigned module_count;
};

/* "pf0" (then *ret_last is UINT_MAX) or "pf0#0-3": the PF's name and the VFs meant, first <= last < TD_HOST_VFS_MAX. */
bool td_host_config_pf_range(const char *text, char ret_name[16], unsigned *ret_first, unsigned *ret_last);

#endif
