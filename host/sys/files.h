/* SPDX-License-Identifier: Apache-2.0 */
/* files.h - writing files of ours whole. Any thread; -errno. */
#ifndef TD_HOST_SYS_FILES_H
#define TD_HOST_SYS_FILES_H

#include "core/base.h"

/* All of it, however many write(2)s that takes. The descriptor blocks. */
int td_files_write_all(int fd, const char *data, size_t len_bytes);
/*
 * A file of the directory, mode 0600, replaced as a whole by way of new_name: a reader sees the old text or the new one. On disk when this
 * returns 0; a crash may leave new_name behind.
 */
int td_files_replace(int dir_fd, const char *name, const char *new_name, const char *text);

#endif
