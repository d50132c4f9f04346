/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sriov_sysfs.h - the part of sriov.h that is sysfs, over an explicit root ("/sys" in production, a directory of files in tests).
 * Private to vfio/, host/net/host_uplink.c and their tests. Source: Linux Documentation/ABI/testing/sysfs-bus-pci,
 * sysfs-kernel-iommu_groups.
 */
#ifndef TD_HOST_SRIOV_SRIOV_SYSFS_H
#define TD_HOST_SRIOV_SRIOV_SYSFS_H

#include "core/base.h"
#include "core/err.h"
#include "host/sriov/sriov.h"

#define TD_SRIOV_SYS "/sys"

/* "0000:3b:02.1", lower case hexadecimal, and nothing else. */
bool td_sriov_sysfs_bdf_ok(const char *bdf);
/* A name the kernel would take for an interface: 1..15 bytes, no '/', no blank, not "." or "..". */
bool td_sriov_sysfs_ifname_ok(const char *name);

int td_sriov_sysfs_list(const char *sys, const char *pf_name, struct td_sriov_vf **ret_vfs, unsigned *ret_count, struct td_err *err);
int td_sriov_sysfs_lookup(const char *sys, const char *bdf, struct td_sriov_vf *ret_vf, struct td_err *err);
int td_sriov_sysfs_set_count(const char *sys, const char *pf_name, unsigned count, struct td_err *err);
int td_sriov_sysfs_link(const char *sys, const char *name, bool *ret_up, bool *ret_carrier, struct td_err *err);

/* Everybody else in the group is bound to a driver that leaves DMA alone, or to none; else TD_REASON_GROUP_NOT_VIABLE says who. */
int td_sriov_sysfs_check_group(const char *sys, const char *bdf, struct td_err *err);
int td_sriov_sysfs_bind(const char *sys, const char *bdf, char *ret_old_driver, struct td_err *err);
int td_sriov_sysfs_unbind(const char *sys, const char *bdf, const char *driver, struct td_err *err);
int td_sriov_sysfs_give_back(const char *sys, const char *bdf, const char *driver, const char *driver_override, struct td_err *err);

#endif
