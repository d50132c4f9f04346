/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_hold.h - who holds VFs: tandem's leases by their locks (host/sriov/lease.h), seen in /proc/locks so that looking disturbs nobody,
 * and the host's own use of a VF's interface.
 */
#ifndef TD_HOST_PROVISION_HOST_HOLD_H
#define TD_HOST_PROVISION_HOST_HOLD_H

#include "host/provision/host_state.h"

/* Fills in HOLDER of VFs. */
void td_host_hold(const char *run_dir, struct td_host_state *is);

/* Is a flock(2) held on this file? */
bool td_host_hold_locked(const char *path);
/* So too; `locks` is the text of /proc/locks. */
bool td_host_hold_is_locked(const char *locks, const char *path);

#endif
