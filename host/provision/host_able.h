/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_able.h - what of a plan the host is known not to be able to do, before anything is changed. Pure: facts come in with the state.
 * (What does not fit the machine by its names is host_want.c's to refuse, with its place in the file.)
 */
#ifndef TD_HOST_PROVISION_HOST_ABLE_H
#define TD_HOST_PROVISION_HOST_ABLE_H

#include "core/err.h"
#include "host/provision/host_diff.h"

/*
 * The first thing that cannot be, with its numbers: TD_REASON_HUGEPAGES (more than the memory that is available, a part of which stays
 * with the host), TD_REASON_MODULE (one that this kernel has not, or that it does not load any more), TD_REASON_NO_IOMMU (a VF for
 * vfio-pci), TD_REASON_LINK_MISSING (a VF's interface that something is wanted of, and that goes), TD_REASON_CONFIG_VALUE (an MTU that a
 * link's driver does not take). A fact that is not known stands against nothing.
 */
int td_host_able(const struct td_host_state *is, const struct td_host_state *want, const struct td_host_plan *plan, struct td_err *err);
/* Are there VFs wanted for vfio-pci, of a PF without an IOMMU? A reboot may mend it. */
bool td_host_able_lacks_iommu(const struct td_host_state *is, const struct td_host_state *want);

#endif
