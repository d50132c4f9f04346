/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_guard.h - frames that come back. An uplink may return what a VM of this host has sent: a team's other member, a switch that floods,
 * a PF whose card sends broadcasts of its own VFs and of itself back up. The bridge would learn the VM's MAC address on the uplink, and
 * the VM would hear itself. Networks that tandem made (by their mark) are kept from it, while the VM is on its emulated path:
 *
 * - the address stands in the bridge's FDB as static and sticky on the VM's tap: it cannot move, and it goes with the tap;
 * - frames with it as source are dropped where they come in from outside: a tc flower filter on the ingress of each uplink. All filters
 *   of an uplink share one mask, so a frame costs one look into a hash table, whatever the number of VMs;
 * - where the uplink is a PF with VFs, or has such below it, the card is told that the address is behind the PF: VMs on VFs of the same
 * card reach the VM then, by the card's own switch.
 *
 * (A bridge port that is *locked* would drop all sources it does not know, which an uplink cannot have; so it is no way to do this.)
 *
 * While the VM is on its VF its frames come in by the uplink rightly, if that is the VF's own PF: then neither stands. While it goes over
 * to its VF, what is on its way to its tap is to come there, whatever the bridge sees of it elsewhere meanwhile: it is pinned. That is an
 * entry that is sticky but not static, so that nobody takes it for a guarded VM's.
 */
#ifndef TD_HOST_NET_HOST_GUARD_H
#define TD_HOST_NET_HOST_GUARD_H

#include "core/err.h"
#include "host/sys/host_netlink.h"

/* `tap` is an interface's index, never 0: when it is gone, another's that takes its name is not taken for it. */

/*
 * The VM with this MAC is behind `tap`. In a network of isolated ports the tap becomes one too. 1: guarded; 0: the bridge is another's, and
 * nothing was done; -errno: perhaps in part, for td_host_guard_off() to take away. A second time: what is missing is added.
 */
int td_host_guard_on(const char *bridge, unsigned tap, const uint8_t mac[6], struct td_err *err);
/* It is elsewhere now. The tap may be gone, and the bridge another's. Only where it was on: the like that others entered goes, too. */
int td_host_guard_off(const char *bridge, unsigned tap, const uint8_t mac[6], struct td_err *err);

/* On any bridge, as the entry is on the caller's own port. Not while it is guarded. */
int td_host_guard_pin(unsigned tap, const uint8_t mac[6], struct td_err *err);
int td_host_guard_unpin(unsigned tap, const uint8_t mac[6], struct td_err *err); /* what is not there need not go */

/*
 * On another's bridge these do nothing, and return 0. Filters of all uplinks as the FDB says: new uplinks get theirs; what VMs left
 * that were killed goes, as do entries of taps that nobody is behind. May run while VMs come, go and flip, and in any thread. Where
 * nothing is to be done it costs one dump of filters an uplink, and one of the bridge's FDB.
 */
int td_host_guard_sync(struct td_host_netlink *netlink, const char *bridge, struct td_err *err);
/* So too, by a socket of its own. */
int td_host_guard_tidy(const char *bridge, struct td_err *err);
/* So too, for a VM that is guarded: its own entry is put back first, should somebody have taken it away, or the bridge be a new one. */
int td_host_guard_renew(const char *bridge, unsigned tap, const uint8_t mac[6], struct td_err *err);
/* The link with this index has left a bridge. If it is no tap, and in no other bridge, its filters go. */
void td_host_guard_left(int index);
/* A link is no uplink any more: its filters go. */
void td_host_guard_clear(struct td_host_netlink *netlink, const char *link);

#endif
