/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_state.h - a host as objects with attributes, all of them text: what it is (host_observe.h) and what it shall be (host_want.h) have
 * one shape, so that one function compares them (host_diff.h), and a step, its undo, the journal and the output are the same words.
 *
 * An attribute without a value (NULL) is unknown where it stands in what is, and of no matter where it stands in what is wanted.
 */
#ifndef TD_HOST_PROVISION_HOST_STATE_H
#define TD_HOST_PROVISION_HOST_STATE_H

#include "core/base.h"
#include "host/sys/names.h"

enum td_host_kind {
	TD_HOST_MODULE,
	TD_HOST_HUGEPAGES, /* "2M", "1G" */
	TD_HOST_LINK,	   /* by interface name */
	TD_HOST_VF,	   /* "pf0/3" */
	TD_HOST_KIND_COUNT
};

/* X(symbol, "name"). Names stand in output and in the journal. Values are decimal numbers, yes/no, and words of host.yaml. */
#define TD_HOST_ATTRS(X)                                                                                               \
	X(LOADED, "loaded") /* module */                                                                               \
	X(PAGES, "count")   /* huge pages */                                                                           \
	X(KIND, "kind")	    /* link: nic, bridge, bond, "vlan UPLINK ID", "macvlan LOWER", other; "": not there */     \
	X(MARK, "mark")	    /* link: "tandem" or "tandem isolated" (its ifalias) says it is ours; */                   \
			    /* "tandem making": its group says so, it has no ifalias yet */                            \
	X(NUM_VFS, "numVfs")                                                                                           \
	X(MTU, "mtu")                                                                                                  \
	X(UP, "up")                                                                                                    \
	X(MASTER, "master") /* "": none */                                                                             \
	X(MODE, "mode")	    /* bond, as are the next four */                                                           \
	X(MIIMON, "miimon")                                                                                            \
	X(LACP_RATE, "lacpRate")                                                                                       \
	X(HASH, "xmitHashPolicy")                                                                                      \
	X(PRIMARY, "primary")                                                                                          \
	X(VLAN_FILTERING, "vlanFiltering") /* bridge */                                                                \
	X(MCAST_SNOOPING, "mcastSnooping")                                                                             \
	X(ISOLATED, "isolated") /* a bridge's port */                                                                  \
	X(VLANS, "vlans")	/* a bridge's port: tagged ones, "10,20-29" */                                         \
	X(TRUST, "trust")	/* VF, as is all that follows */                                                       \
	X(SPOOFCHK, "spoofchk")                                                                                        \
	X(VLAN, "vlan")                                                                                                \
	X(LINK_STATE, "linkState")                                                                                     \
	X(MAX_TX_RATE, "maxTxRate")                                                                                    \
	X(MIN_TX_RATE, "minTxRate")                                                                                    \
	X(DRIVER, "driver") /* vfio-pci, netdevice (any other), none */                                                \
	/* Facts: never wanted. */                                                                                     \
	X(BDF, "bdf")                                                                                                  \
	X(TOTAL_VFS, "totalVfs")                                                                                       \
	X(VENDOR, "vendor")                                                                                            \
	X(DEVICE, "device")                                                                                            \
	X(FREE, "free")		     /* of the huge pages, those that nobody uses */                                   \
	X(AVAILABLE, "availableMiB") /* for huge pages: the host's memory that is available */                         \
	X(KNOWN, "known")	     /* of a module that is not loaded: yes, no, disabled (none is loaded any more) */ \
	X(MIN_MTU, "minMtu")                                                                                           \
	X(MAX_MTU, "maxMtu") /* 0: any */                                                                              \
	X(ETHERNET, "ethernet")                                                                                        \
	X(ALT_NAMES, "altNames") /* of a link: "enp1s0 lan", as long as an interface's name may be */                  \
	X(IOMMU, "iommu")	 /* of a PF */                                                                         \
	X(NETDEV, "netdev")	 /* of a VF, where the host has it */                                                  \
	X(ADDRESS, "address")	 /* an IP address of the link */                                                       \
	X(CARRIER, "carrier")                                                                                          \
	X(ROUTE, "route")   /* what depends on the link: "the default route" */                                        \
	X(STRAY, "stray")   /* looks like ours and is not known: its mark, which MARK has not then */                  \
	X(HOLDER, "holder") /* who uses the VF or tap: "VM web1" */

enum td_host_attr {
#define TD_HOST_ATTR_ENUM(symbol, name) TD_HOST_ATTR_##symbol,
	TD_HOST_ATTRS(TD_HOST_ATTR_ENUM)
#undef TD_HOST_ATTR_ENUM
		TD_HOST_ATTR_COUNT
};

#define TD_HOST_NAME_BYTES 64

struct td_host_object {
	enum td_host_kind kind;
	char name[TD_HOST_NAME_BYTES];
	char *value[TD_HOST_ATTR_COUNT]; /* owned */
};

/* Zero-initialised: empty. Adding moves objects: pointers to them end with the next td_host_state_add(). */
struct td_host_state {
	struct td_host_object *object;
	unsigned count, room;
	bool no_memory; /* an addition failed: whoever filled the state looks here once, at the end */
};

const char *td_host_state_kind_name(enum td_host_kind kind);
const char *td_host_state_attr_name(enum td_host_attr attr);
/* false: no such name. */
bool td_host_state_find_kind(const char *name, enum td_host_kind *ret_kind);
bool td_host_state_find_attr(const char *name, enum td_host_attr *ret_attr);

struct td_host_object *td_host_state_find(const struct td_host_state *state, enum td_host_kind kind, const char *name);
/* The one there is, or a new one. NULL without memory. */
struct td_host_object *td_host_state_add(struct td_host_state *state, enum td_host_kind kind, const char *name);
/* value is copied; NULL takes it away. */
void td_host_state_set(struct td_host_state *state, enum td_host_kind kind, const char *name, enum td_host_attr attr, const char *value);
void td_host_state_setf(struct td_host_state *state, enum td_host_kind kind, const char *name, enum td_host_attr attr, const char *fmt, ...)
	TD_PRINTF(5, 6);
/* NULL: no such object, or no value. */
const char *td_host_state_get(const struct td_host_state *state, enum td_host_kind kind, const char *name, enum td_host_attr attr);
/* Does the attribute have exactly this value? */
bool td_host_state_is(const struct td_host_object *object, enum td_host_attr attr, const char *value);
void td_host_state_remove(struct td_host_state *state, enum td_host_kind kind, const char *name);
/* Takes away objects that have no value. */
void td_host_state_tidy(struct td_host_state *state);
/* Takes away all VFs of a PF. */
void td_host_state_remove_vfs(struct td_host_state *state, const char *pf);
bool td_host_state_copy(const struct td_host_state *from, struct td_host_state *ret_to);
void td_host_state_fini(struct td_host_state *state);

/* "pf0/3" of pf0? */
bool td_host_state_vf_of(const struct td_host_object *object, const char *pf);
/* "pf0/3" into its parts. false: not of this form. */
bool td_host_state_split_vf(const char *name, char ret_pf[16], unsigned *ret_index);
void td_host_state_join_vf(const char *pf, unsigned index, char ret_name[TD_HOST_NAME_BYTES]);
/* A link that tandem made: by its mark. */
bool td_host_state_ours(const struct td_host_object *link);
/* Sets of VLANs 1..4094 as text, "10,20-29", ascending; for the attribute VLANS. */
struct td_host_vlans {
	uint64_t bits[64];
};
void td_host_state_vlans_add(struct td_host_vlans *vlans, unsigned first, unsigned last);
bool td_host_state_vlans_has(const struct td_host_vlans *vlans, unsigned vlan);
/* NULL without memory; the caller's to free(). */
char *td_host_state_vlans_print(const struct td_host_vlans *vlans);
/* false: malformed. */
bool td_host_state_vlans_scan(const char *text, struct td_host_vlans *ret_vlans);

#endif
