/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_want.h - what host.yaml means on the machine at hand: the objects that are wanted, with their attributes. Pure: facts of the machine
 * come in as a state, nothing is read or changed.
 *
 * What the file no longer has is wanted as it was: links that tandem made go away, and attributes of others' objects return to the values
 * they had before tandem first changed them (`before`).
 */
#ifndef TD_HOST_PROVISION_HOST_WANT_H
#define TD_HOST_PROVISION_HOST_WANT_H

#include "core/err.h"
#include "host/provision/host_config.h"
#include "host/provision/host_state.h"

/*
 * Refuses what cannot be on this machine, with its place in the file: a PF or NIC that is not there (TD_REASON_PF_MISSING,
 * TD_REASON_LINK_MISSING), more VFs than the card has (TD_REASON_NO_SRIOV), a name that somebody else's link has (TD_REASON_NOT_OURS), ...
 * *ret_want is empty after a failure.
 */
int td_host_want(const struct td_host_config *config, const char *file_name, const struct td_host_state *is,
	const struct td_host_state *before, struct td_host_state *ret_want, struct td_err *err);

/* Does the file make a link of this name: a network, a team, an uplink's VLAN? */
bool td_host_want_makes(const struct td_host_config *config, const char *link);

/* How many NICs that the file names, or gives the PCI address of, are not there yet; the first of them in ret_name. For waiting at boot. */
unsigned td_host_want_missing(const struct td_host_config *config, const struct td_host_state *is, char ret_name[TD_HOST_NAME_BYTES]);

#endif
