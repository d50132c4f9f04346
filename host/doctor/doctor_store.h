/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor_store.h - a small tree of files in memory: what the doctor has read of a host, or what a recorded tree holds. It goes to and
 * comes from a tar archive or a directory (doctor_archive.c). No file of the host is read here: that is doctor_tree.h.
 *
 * Paths are absolute, without "//", "." or "..". All limits are checked where a node is put, so that a hostile archive ends in an error.
 * One thread.
 */
#ifndef TD_HOST_DOCTOR_DOCTOR_STORE_H
#define TD_HOST_DOCTOR_DOCTOR_STORE_H

#include "core/base.h"
#include "core/err.h"

#define TD_DOCTOR_PATH_MAX  512U	       /* with the NUL */
#define TD_DOCTOR_FILE_MAX  (1U * 1024 * 1024) /* bytes of one file */
#define TD_DOCTOR_NODES_MAX 100000U
#define TD_DOCTOR_BYTES_MAX (64U * 1024 * 1024) /* of all files */
/* of an archive, unpacked: all files, and of each node a header and its padding */
#define TD_DOCTOR_ARCHIVE_MAX (TD_DOCTOR_BYTES_MAX + TD_DOCTOR_NODES_MAX * 1024U)

enum td_doctor_kind {
	TD_DOCTOR_SEEN, /* it is there; nothing else is known of it, or it is a directory */
	TD_DOCTOR_LINK, /* data: what it points to */
	TD_DOCTOR_FILE,
};

struct td_doctor_node {
	enum td_doctor_kind kind;
	size_t len_bytes;
	char *data; /* with a NUL behind it; NULL for TD_DOCTOR_SEEN */
	char path[];
};

struct td_doctor_store {
	struct td_doctor_node **node; /* ascending by path */
	size_t count, room;
	uint64_t bytes;
};

void td_doctor_store_fini(struct td_doctor_store *store); /* a store all zero is empty and sound */

/* Replaces what is there, but TD_DOCTOR_SEEN never replaces. `data` is copied. -EINVAL: no such path; -EFBIG: beyond the limits. */
int td_doctor_store_put(struct td_doctor_store *store, const char *path, enum td_doctor_kind kind, const void *data, size_t len_bytes);
const struct td_doctor_node *td_doctor_store_find(const struct td_doctor_store *store, const char *path);
/* Is there a node of this path, or one below it? */
bool td_doctor_store_has(const struct td_doctor_store *store, const char *path);
/* Calls for the name of each child of `dir`, ascending by path, each once. */
void td_doctor_store_children(
	const struct td_doctor_store *store, const char *dir, void (*call)(void *opaque, const char *name), void *opaque);

/*
 * A tar archive (ustar, pax, GNU), as it is or packed by gzip, xz or zstd. Entries that are neither files, symbolic links nor directories
 * are left out. -EBADMSG: it is none, or cut off; -EINVAL: a path that is none; -EFBIG: beyond the limits.
 */
int td_doctor_store_parse(struct td_doctor_store *store, const void *data, size_t len_bytes, struct td_err *err);
/* From a file, of which no more than TD_DOCTOR_ARCHIVE_MAX is read. */
int td_doctor_store_load(struct td_doctor_store *store, const char *archive, struct td_err *err);
/* Into a tar archive; into a directory that must not exist yet when `target` ends in "/". What was begun is removed on failure. */
int td_doctor_store_save(const struct td_doctor_store *store, const char *target, struct td_err *err);

#endif
