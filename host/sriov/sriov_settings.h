/* SPDX-License-Identifier: Apache-2.0 */
/* sriov_settings.h - a VF's settings in its PF, brought to what they are to be. */
#ifndef TD_HOST_SRIOV_SRIOV_SETTINGS_H
#define TD_HOST_SRIOV_SRIOV_SETTINGS_H

#include "core/base.h"
#include "core/err.h"
#include "host/sriov/sriov.h"

/* What was otherwise. */
struct td_sriov_found {
	unsigned count;
	char text[120]; /* "vlan 77, not 100; trust on, not off" */
};

/*
 * any_mac: whatever its MAC is, is right: the guest's driver may have asked for one. Reads them, and sets those that differ: a driver that
 * knows no trust or link state is then not asked to set it. *ret_found (may be NULL) says which. All are tried; -errno of the first
 * failure. Waits; any thread.
 */
int td_sriov_settings_bring(const char *pf_name, unsigned vf_index, const struct td_sriov_vf_settings *wanted, bool any_mac,
	struct td_sriov_found *ret_found, struct td_err *err);

/* Pure: which differ. */
void td_sriov_settings_compare(
	const struct td_sriov_vf_settings *now, const struct td_sriov_vf_settings *wanted, struct td_sriov_found *ret_found);

#endif
