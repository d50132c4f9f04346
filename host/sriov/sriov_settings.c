/* SPDX-License-Identifier: Apache-2.0 */
/* sriov_settings.c - see sriov_settings.h. */
#include "host/sriov/sriov_settings.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

__attribute__((format(printf, 2, 3))) static void note_found(struct td_sriov_found *found, const char *format, ...)
{
	size_t used = strlen(found->text);
	va_list args;

	used += (size_t)snprintf(found->text + used, sizeof(found->text) - used, "%s", found->count++ ? "; " : "");
	used = TD_MIN(used, sizeof(found->text) - 1);
	va_start(args, format);
	vsnprintf(found->text + used, sizeof(found->text) - used, format, args);
	va_end(args);
}

static void note_switch(struct td_sriov_found *found, const char *name, bool now, bool wanted)
{
	if (now != wanted)
		note_found(found, "%s %s, not %s", name, now ? "on" : "off", wanted ? "on" : "off");
}

void td_sriov_settings_compare(
	const struct td_sriov_vf_settings *now, const struct td_sriov_vf_settings *wanted, struct td_sriov_found *ret_found)
{
	static const char *const links[] = {
		[TD_SRIOV_LINK_AUTO] = "auto", [TD_SRIOV_LINK_ENABLE] = "enable", [TD_SRIOV_LINK_DISABLE] = "disable"};
	char a[TD_MAC_TEXT_BYTES], b[TD_MAC_TEXT_BYTES];

	*ret_found = (struct td_sriov_found){0};
	if (memcmp(now->mac, wanted->mac, sizeof(now->mac)) != 0)
		note_found(ret_found, "mac %s, not %s", td_names_format_mac(now->mac, a), td_names_format_mac(wanted->mac, b));
	if (now->vlan != wanted->vlan)
		note_found(ret_found, "vlan %u, not %u", now->vlan, wanted->vlan);
	note_switch(ret_found, "spoofchk", now->spoofchk, wanted->spoofchk);
	note_switch(ret_found, "trust", now->trust, wanted->trust);
	if (now->link_state != wanted->link_state)
		note_found(ret_found, "state %s, not %s", links[now->link_state], links[wanted->link_state]);
	if (now->min_tx_rate != wanted->min_tx_rate)
		note_found(ret_found, "min_tx_rate %u, not %u", now->min_tx_rate, wanted->min_tx_rate);
	if (now->max_tx_rate != wanted->max_tx_rate)
		note_found(ret_found, "max_tx_rate %u, not %u", now->max_tx_rate, wanted->max_tx_rate);
}

/* The first failure counts, and does not keep from the rest. */
struct bringing {
	const char *pf_name;
	unsigned vf_index;
	int rc;
	struct td_err *err;
};

static void note_rc(struct bringing *bringing, int rc, const struct td_err *now)
{
	if (rc >= 0 || bringing->rc < 0)
		return;
	bringing->rc = rc;
	if (bringing->err)
		*bringing->err = *now;
}

static void bring_addresses(
	struct bringing *bringing, const struct td_sriov_vf_settings *now, const struct td_sriov_vf_settings *wanted, struct td_err *err)
{
	if (memcmp(now->mac, wanted->mac, sizeof(now->mac)) != 0)
		note_rc(bringing, td_sriov_set_mac(bringing->pf_name, bringing->vf_index, wanted->mac, err), err);
	if (now->vlan != wanted->vlan)
		note_rc(bringing, td_sriov_set_vlan(bringing->pf_name, bringing->vf_index, wanted->vlan, err), err);
}

static void bring_rights(
	struct bringing *bringing, const struct td_sriov_vf_settings *now, const struct td_sriov_vf_settings *wanted, struct td_err *err)
{
	const char *pf = bringing->pf_name;
	unsigned index = bringing->vf_index;

	if (now->spoofchk != wanted->spoofchk)
		note_rc(bringing, td_sriov_set_spoofchk(pf, index, wanted->spoofchk, err), err);
	if (now->trust != wanted->trust)
		note_rc(bringing, td_sriov_set_trust(pf, index, wanted->trust, err), err);
	if (now->link_state != wanted->link_state)
		note_rc(bringing, td_sriov_set_link_state(pf, index, wanted->link_state, err), err);
	if (now->min_tx_rate != wanted->min_tx_rate || now->max_tx_rate != wanted->max_tx_rate)
		note_rc(bringing, td_sriov_set_rate(pf, index, wanted->min_tx_rate, wanted->max_tx_rate, err), err);
}

int td_sriov_settings_bring(const char *pf_name, unsigned vf_index, const struct td_sriov_vf_settings *wanted, bool any_mac,
	struct td_sriov_found *ret_found, struct td_err *err)
{
	struct bringing bringing = {.pf_name = pf_name, .vf_index = vf_index, .err = err};
	struct td_sriov_vf_settings now;
	struct td_sriov_found found;
	struct td_err failed = {0};
	int rc = td_sriov_get(pf_name, vf_index, &now, err);

	if (rc < 0)
		return rc;
	if (any_mac)
		memcpy(now.mac, wanted->mac, sizeof(now.mac));
	td_sriov_settings_compare(&now, wanted, &found);
	bring_addresses(&bringing, &now, wanted, &failed);
	bring_rights(&bringing, &now, wanted, &failed);
	if (ret_found)
		*ret_found = found;
	return bringing.rc;
}
