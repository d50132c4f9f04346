/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sriov.h - SR-IOV administration of a host: PFs and their VFs, drivers, IOMMU groups, and a VF's settings in its PF.
 * Reads sysfs (Linux Documentation/ABI/testing/sysfs-bus-pci); sets MAC, VLAN, trust, spoof check and link state by
 * rtnetlink (IFLA_VF_*). No VM is known here. Functions block for as long as the kernel takes (a bind: tens of ms).
 */
#ifndef TD_HOST_SRIOV_SRIOV_H
#define TD_HOST_SRIOV_SRIOV_H

#include "core/base.h"
#include "core/err.h"
#include "host/sys/names.h"

#define TD_SRIOV_OVERRIDE_LEN 64

struct td_sriov_vf {
	char bdf[TD_BDF_BYTES];
	char pf_bdf[TD_BDF_BYTES];
	char pf_name[IF_NAMESIZE]; /* "" when the PF has no interface (unbound) */
	unsigned index;		   /* among the PF's VFs */
	uint16_t vendor, device;
	int group;				     /* IOMMU group; -1: none */
	char driver[32];			     /* "" when unbound */
	char driver_override[TD_SRIOV_OVERRIDE_LEN]; /* "": none */
	char netdev[IF_NAMESIZE];		     /* the VF's own interface in the host, or "" */
	uint64_t made;				     /* another one when the VF was destroyed and made anew, at the same address */
};

enum td_sriov_link { TD_SRIOV_LINK_AUTO, TD_SRIOV_LINK_ENABLE, TD_SRIOV_LINK_DISABLE };

/* What the PF says of one of its VFs. */
struct td_sriov_vf_settings {
	uint8_t mac[6];
	uint16_t vlan; /* 0: none */
	bool spoofchk, trust;
	enum td_sriov_link link_state;
	uint32_t min_tx_rate, max_tx_rate; /* Mbit/s; 0: no limit */
};

/* All VFs of a PF (named by interface), ascending by index; *ret_vfs is the caller's to free(). */
int td_sriov_list(const char *pf_name, struct td_sriov_vf **ret_vfs, unsigned *ret_count, struct td_err *err);
int td_sriov_lookup(const char *bdf, struct td_sriov_vf *ret_vf, struct td_err *err); /* "0000:02:10.0"; -ENODEV; -EINVAL: not a VF */

/* Is it there, and the same one as when it was looked up? */
bool td_sriov_is_same(const struct td_sriov_vf *vf);

/* Writes sriov_numvfs (autoprobe off before). Refuses to change a non-zero number to another while a VF is bound to vfio-pci:
 * TD_REASON_VF_BUSY. */
int td_sriov_set_count(const char *pf_name, unsigned count, struct td_err *err);

/* Is the PF's link up (IFF_UP and carrier)? */
int td_sriov_pf_link(const char *pf_name, bool *ret_up, bool *ret_carrier, struct td_err *err);

/*
 * Gives the device to vfio-pci by driver_override and drivers_probe; what was there before is unbound. *ret_old_driver (32 bytes, may be
 * NULL) says what to restore. Checks that the group is viable: TD_REASON_GROUP_NOT_VIABLE names who else is in it.
 */
int td_sriov_bind_vfio(const char *bdf, char *ret_old_driver, struct td_err *err);
/* Clears driver_override; probes `driver` ("": leaves the device unbound). */
int td_sriov_unbind_vfio(const char *bdf, const char *driver, struct td_err *err);
/* Brings back driver and driver_override ("": none of either) from before a bind, whatever of it was done. */
int td_sriov_give_back(const char *bdf, const char *driver, const char *driver_override, struct td_err *err);

int td_sriov_get(const char *pf_name, unsigned vf_index, struct td_sriov_vf_settings *ret_settings, struct td_err *err);
int td_sriov_set_mac(const char *pf_name, unsigned vf_index, const uint8_t mac[6], struct td_err *err); /* all zero: removes the filter */
int td_sriov_set_vlan(const char *pf_name, unsigned vf_index, uint16_t vlan, struct td_err *err);
int td_sriov_set_trust(const char *pf_name, unsigned vf_index, bool on, struct td_err *err);
int td_sriov_set_spoofchk(const char *pf_name, unsigned vf_index, bool on, struct td_err *err);
int td_sriov_set_link_state(const char *pf_name, unsigned vf_index, enum td_sriov_link state, struct td_err *err);
/* Transmit rates in Mbit/s, 0: none. Cards refuse to set them while the PF has no link. */
int td_sriov_set_rate(const char *pf_name, unsigned vf_index, uint32_t min, uint32_t max, struct td_err *err);

#endif
