/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_record.h - what tandem must know of a host beyond what the kernel shows: RUN/host-state.json. It holds the values that attributes of
 * others' objects had before tandem first changed them (a link that tandem made has KIND "": it was not there), and the journal: the steps
 * that a running apply has begun, so that whoever comes after its death can undo them. It lives as long as the kernel's objects do, so
 * below /run. The file is untrusted: it may be damaged.
 *
 * A step that is undone takes along what was recorded for it: while there is a journal, `start` is what `before` was when it began.
 * Nothing here makes a link tandem's: its mark on the link does (TD_HOST_MARK).
 */
#ifndef TD_HOST_PROVISION_HOST_RECORD_H
#define TD_HOST_PROVISION_HOST_RECORD_H

#include "core/err.h"
#include "host/provision/host_diff.h"
#include "host/provision/host_state.h"

struct td_host_record {
	struct td_host_state before;
	struct td_host_state start;  /* empty while the journal is */
	struct td_host_plan journal; /* in the order they were begun */
};

/* No file: an empty record. -EBADMSG with TD_REASON_CLEANUP: it is damaged, and says where. */
int td_host_record_load(const char *dir, struct td_host_record *ret_record, struct td_err *err);
/* Replaces the file as a whole. */
int td_host_record_save(const char *dir, const struct td_host_record *record, struct td_err *err);
void td_host_record_fini(struct td_host_record *record);

/* Adds a step to the journal's end (copied). To be called before `before` is changed for it. -ENOMEM only. */
int td_host_record_begin(struct td_host_record *record, const struct td_host_step *step, struct td_err *err);
/* The step is undone: it goes, and with it what `before` got for it. index < journal.count. */
void td_host_record_undone(struct td_host_record *record, unsigned index);
/* All steps are done: the journal goes, `before` stays. */
void td_host_record_end(struct td_host_record *record);

/* For tests: the file's text and back. */
char *td_host_record_print(const struct td_host_record *record);
int td_host_record_parse(const char *text, size_t len_bytes, struct td_host_record *ret_record, struct td_err *err);

#endif
