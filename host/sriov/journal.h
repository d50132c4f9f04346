/* SPDX-License-Identifier: Apache-2.0 */
/*
 * journal.h - DIR/undo-BDF.json: what the lease of one VF changes on the host, written before it is changed. Private to host/sriov/ and its
 * tests. The record holds the state from before, so undoing is bringing that state back, as often as one likes. The file is untrusted: it
 * may be cut off by a crash or written by anybody.
 */
#ifndef TD_HOST_SRIOV_JOURNAL_H
#define TD_HOST_SRIOV_JOURNAL_H

#include "core/base.h"
#include "core/err.h"
#include "host/sriov/sriov.h"

struct td_journal {
	char bdf[TD_BDF_BYTES];
	char pf_bdf[TD_BDF_BYTES];
	char pf_name[IF_NAMESIZE]; /* as it was; "" when the PF had no interface, and then there are no settings */
	unsigned vf_index;
	char driver[32];   /* "": unbound */
	bool has_override; /* older journals say nothing of it */
	char driver_override[TD_SRIOV_OVERRIDE_LEN];
	bool has_settings, has_rates; /* has_rates: also those of transmission; older journals do not say them */
	struct td_sriov_vf_settings settings;
};

/* Is it a journal's file name? ret_bdf: the VF it is about, or "" when the name says none: nobody can read that one, so it is damaged. */
bool td_journal_is_name(const char *file_name, char ret_bdf[TD_BDF_BYTES]);
/* The name of a VF's journal while it is being written? */
bool td_journal_is_unfinished(const char *file_name);
/* Replaces the VF's file as a whole; it is on disk when this returns 0. */
int td_journal_write(const char *dir, const struct td_journal *journal, struct td_err *err);
/* -ENOENT: there is none (err untouched); -EBADMSG with TD_REASON_CLEANUP: it is damaged or about another VF, and says where. */
int td_journal_read(const char *dir, const char *bdf, struct td_journal *ret_journal, struct td_err *err);
int td_journal_remove(const char *dir, const char *bdf, struct td_err *err);

#endif
