/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mac_lock.h - a MAC address has one NIC on a host: ROOT/mac-ADDRESS.lock is held by flock(2) for the life of the VM's process, so it ends
 * with it however it dies; its text says whose it is. (A VM that comes by migration has the MAC of one that still runs, and will take the
 * lock when that one has let go.)
 */
#ifndef TD_MACHINE_MAC_LOCK_H
#define TD_MACHINE_MAC_LOCK_H

#include "core/base.h"
#include "core/err.h"

/* root: that of all VMs (rundir.h), which is there. owner: "VM/NIC". -EADDRINUSE, TD_REASON_MAC_IN_USE: who has it. *ret_fd is the
 * caller's. */
int td_mac_lock_take(const char *root, const uint8_t mac[6], const char *owner, int *ret_fd, struct td_err *err);
/* The file goes, too. Harmless when *fd is -1, which it is afterwards. */
void td_mac_lock_give(const char *root, const uint8_t mac[6], int *fd);

#endif
