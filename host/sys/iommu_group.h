/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iommu_group.h - which IOMMU group a PCI function is in, and whether VFIO may have the group. sys: TD_SYSFS, or a directory of files.
 * Any thread. Source: Linux Documentation/ABI/testing/sysfs-kernel-iommu_groups.
 */
#ifndef TD_HOST_SYS_IOMMU_GROUP_H
#define TD_HOST_SYS_IOMMU_GROUP_H

#include "core/base.h"
#include "core/err.h"

/* The group's number; -1: it is in none. */
int td_iommu_group_of(const char *sys, const char *bdf);
/* Everybody else in the group is bound to a driver that leaves DMA alone, or to none; else TD_REASON_GROUP_NOT_VIABLE says who. */
int td_iommu_group_check(const char *sys, const char *bdf, struct td_err *err);

#endif
