/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_observe.h - what a host is, read from rtnetlink and sysfs into objects (host_state.h). Reads only.
 * What comes from the kernel is checked like any input: the link parts are fuzzed.
 */
#ifndef TD_HOST_PROVISION_HOST_OBSERVE_H
#define TD_HOST_PROVISION_HOST_OBSERVE_H

#include "core/err.h"
#include "host/provision/host_state.h"
#include "host/sys/host_netlink.h"

/* A NIC of a running VM, by its tap; told by who knows VMs. */
struct td_host_user {
	char tap[16];
	char who[96]; /* "web1/net0" */
};

struct td_host_observe {
	const char *run_dir;	    /* locks of VFs stand here */
	const char *ssh_client;	    /* an address the host is reached from, or NULL */
	const char *const *modules; /* names to look for */
	unsigned module_count;
	const struct td_host_user *users;
	unsigned user_count;
};

int td_host_observe(
	const struct td_host_observe *observe, struct td_host_netlink *netlink, struct td_host_state *ret_is, struct td_err *err);

/* Is anybody behind vfio-pci's group of this VF? By opening it, so only where a plan needs to know. */
bool td_host_observe_group_open(const char *vf_bdf);

/* ---- for host_observe*.c and tests */

/* Links by number while a dump comes in; names are put in at its end. */
struct td_host_seen {
	struct td_host_state *is;
	struct td_host_seen_link {
		int index, master, lower, primary; /* 0: none */
		unsigned vlan;
		char name[16];
	} * link;
	unsigned count, room;
};

/* One RTM_NEWLINK, of AF_UNSPEC or AF_BRIDGE. Malformed ones are left out. */
void td_host_observe_link(struct nlmsghdr *header, void *seen);
void td_host_observe_bridge_port(struct nlmsghdr *header, void *seen);
void td_host_observe_resolve(struct td_host_seen *seen);
void td_host_observe_free(struct td_host_seen *seen);
const struct td_host_seen_link *td_host_observe_by_index(const struct td_host_seen *seen, int index);

/* Addresses and what depends on links: the default route, the way to ssh_client. */
int td_host_observe_routes(const struct td_host_seen *seen, struct td_host_netlink *netlink, const char *ssh_client, struct td_err *err);
/* VFs, huge pages, modules, locks. */
int td_host_observe_sysfs(const struct td_host_observe *observe, struct td_host_state *is, struct td_err *err);

#endif
