/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sriov_sysfs.h - the part of sriov.h that is sysfs, over an explicit root ("/sys" in production, a directory of files in tests).
 * Private to host/sriov/, host/net/host_uplink.c and their tests. Source: Linux Documentation/ABI/testing/sysfs-bus-pci.
 */
#ifndef TD_HOST_SRIOV_SRIOV_SYSFS_H
#define TD_HOST_SRIOV_SRIOV_SYSFS_H

#include "core/base.h"
#include "core/err.h"
#include "host/sriov/sriov.h"

int td_sriov_sysfs_list(const char *sys, const char *pf_name, struct td_sriov_vf **ret_vfs, unsigned *ret_count, struct td_err *err);
int td_sriov_sysfs_lookup(const char *sys, const char *bdf, struct td_sriov_vf *ret_vf, struct td_err *err);
bool td_sriov_sysfs_is_same(const char *sys, const struct td_sriov_vf *vf);
int td_sriov_sysfs_set_count(const char *sys, const char *pf_name, unsigned count, struct td_err *err);
int td_sriov_sysfs_link(const char *sys, const char *name, bool *ret_up, bool *ret_carrier, struct td_err *err);

int td_sriov_sysfs_bind(const char *sys, const char *bdf, char *ret_old_driver, struct td_err *err);
int td_sriov_sysfs_unbind(const char *sys, const char *bdf, const char *driver, struct td_err *err);
int td_sriov_sysfs_give_back(const char *sys, const char *bdf, const char *driver, const char *driver_override, struct td_err *err);

#endif
