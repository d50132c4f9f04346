/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor_tree.h - the doctor's eyes: files, links and directories of a host below a root, each read once, within limits, and kept as
 * doctor_files.h allows. Where a check asks again it gets what was read before; what has been read is the record. So a record cannot lack
 * what a check saw, and checks cannot see what a record would not hold.
 *
 * The root is the running host, a directory with a copy of one, or a record. What no file of a host says is asked of the running host,
 * once, and kept as a file below TD_DOCTOR_EXTRA: access to a device node, errors, VFs' settings. No call changes the host; opening never
 * blocks, and follows links inside the root only.
 *
 * One thread. What is returned lives until td_doctor_tree_close().
 */
#ifndef TD_HOST_DOCTOR_DOCTOR_TREE_H
#define TD_HOST_DOCTOR_DOCTOR_TREE_H

#include "core/base.h"
#include "core/err.h"
#include "host/doctor/doctor_store.h"

#define TD_DOCTOR_EXTRA "/.tandem-doctor" /* and only a record has such a directory */

struct td_doctor_tree;

/* root: NULL (the running host), a directory or a tar archive. Wrong ones: TD_REASON_USAGE. */
int td_doctor_tree_open(const char *root, struct td_doctor_tree **ret_tree, struct td_err *err);
void td_doctor_tree_close(struct td_doctor_tree *tree); /* NULL: nothing */
/* Takes over the store (and leaves it empty), as if it had come from an archive. NULL without memory. */
struct td_doctor_tree *td_doctor_tree_of_store(struct td_doctor_store *store);

bool td_doctor_tree_live(const struct td_doctor_tree *tree);
/* All that was read and asked so far. */
const struct td_doctor_store *td_doctor_tree_store(const struct td_doctor_tree *tree);

/* A file's text as it is kept; NULL when it is not there, cannot be read or may not be. */
const char *td_doctor_tree_text(struct td_doctor_tree *tree, const char *fmt, ...) TD_PRINTF(2, 3);
const uint8_t *td_doctor_tree_bytes(struct td_doctor_tree *tree, size_t *ret_len, const char *fmt, ...) TD_PRINTF(3, 4);
/* A file that is one number, decimal or 0x-hexadecimal. */
bool td_doctor_tree_number(struct td_doctor_tree *tree, uint64_t *ret_number, const char *fmt, ...) TD_PRINTF(3, 4);
/* The last part of what a link points to; NULL: no link. */
const char *td_doctor_tree_link(struct td_doctor_tree *tree, const char *fmt, ...) TD_PRINTF(2, 3);
bool td_doctor_tree_exists(struct td_doctor_tree *tree, const char *fmt, ...) TD_PRINTF(2, 3);

/* The names in a directory, ascending; none when it is not there. td_auto_names frees them. */
struct td_doctor_names {
	char **name;
	unsigned count;
};
#define td_auto_names __attribute__((cleanup(td_doctor_names_fini)))
void td_doctor_names_fini(struct td_doctor_names *names);
void td_doctor_tree_list(struct td_doctor_tree *tree, struct td_doctor_names *ret_names, const char *fmt, ...) TD_PRINTF(3, 4);

/* A device node. usable: the user who asks may open it for reading and writing. False: there is none. */
struct td_doctor_device {
	unsigned mode, uid, gid;
	bool usable;
};
bool td_doctor_tree_device(struct td_doctor_tree *tree, const char *path, struct td_doctor_device *ret_device);

/* Keeps what was found out by other means under TD_DOCTOR_EXTRA "/name", for td_doctor_tree_extra() of this tree and of its record. */
void td_doctor_tree_keep(struct td_doctor_tree *tree, const char *name, const char *text);
const char *td_doctor_tree_extra(struct td_doctor_tree *tree, const char *fmt, ...) TD_PRINTF(2, 3); /* NULL: nobody kept any */

/* How many files were there but could not be read, and one of them. */
unsigned td_doctor_tree_unreadable(const struct td_doctor_tree *tree, const char **ret_example);

#endif
