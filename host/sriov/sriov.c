/* SPDX-License-Identifier: Apache-2.0 */
/* sriov.c - the public face of the sysfs half of sriov.h: the same calls on the running kernel's /sys. */
#include "host/sriov/sriov.h"

#include "host/sriov/sriov_sysfs.h"
#include "host/sys/sysfs.h"

int td_sriov_list(const char *pf_name, struct td_sriov_vf **ret_vfs, unsigned *ret_count, struct td_err *err)
{
	return td_sriov_sysfs_list(TD_SYSFS, pf_name, ret_vfs, ret_count, err);
}

int td_sriov_lookup(const char *bdf, struct td_sriov_vf *ret_vf, struct td_err *err)
{
	return td_sriov_sysfs_lookup(TD_SYSFS, bdf, ret_vf, err);
}

bool td_sriov_is_same(const struct td_sriov_vf *vf)
{
	return td_sriov_sysfs_is_same(TD_SYSFS, vf);
}

int td_sriov_set_count(const char *pf_name, unsigned count, struct td_err *err)
{
	return td_sriov_sysfs_set_count(TD_SYSFS, pf_name, count, err);
}

int td_sriov_pf_link(const char *pf_name, bool *ret_up, bool *ret_carrier, struct td_err *err)
{
	return td_sriov_sysfs_link(TD_SYSFS, pf_name, ret_up, ret_carrier, err);
}

int td_sriov_bind_vfio(const char *bdf, char *ret_old_driver, struct td_err *err)
{
	return td_sriov_sysfs_bind(TD_SYSFS, bdf, ret_old_driver, err);
}

int td_sriov_unbind_vfio(const char *bdf, const char *driver, struct td_err *err)
{
	return td_sriov_sysfs_unbind(TD_SYSFS, bdf, driver, err);
}

int td_sriov_give_back(const char *bdf, const char *driver, const char *driver_override, struct td_err *err)
{
	return td_sriov_sysfs_give_back(TD_SYSFS, bdf, driver, driver_override, err);
}
