/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sysfs.h - one fact of sysfs: a short text, a number, a link. Each call takes the tree's root (TD_SYSFS in production, a directory of
 * files in tests) and the file below it as a format. No state: any thread. -errno; -ENAMETOOLONG: the path does not fit.
 * Source: Linux Documentation/filesystems/sysfs.rst.
 */
#ifndef TD_HOST_SYS_SYSFS_H
#define TD_HOST_SYS_SYSFS_H

#include <limits.h>

#include "core/base.h"

#define TD_SYSFS "/sys"

int td_sysfs_path(char path[PATH_MAX], const char *sys, const char *fmt, ...) TD_PRINTF(3, 4);
bool td_sysfs_exists(const char *sys, const char *fmt, ...) TD_PRINTF(2, 3);

/* Without white space at its end. -EOVERFLOW: longer than `room` with its NUL. On failure text is "". */
int td_sysfs_read(const char *sys, char *text, size_t room, const char *fmt, ...) TD_PRINTF(4, 5);
/* In decimal, or in hexadecimal behind "0x". -EINVAL: the file holds no number, or one past `max`. */
int td_sysfs_read_number(const char *sys, unsigned long max, unsigned long *ret_number, const char *fmt, ...) TD_PRINTF(4, 5);
/* In one write(2), as the kernel wants it. */
int td_sysfs_write(const char *sys, const char *text, const char *fmt, ...) TD_PRINTF(3, 4);
/* The last name of what a link points to. False, and "": there is no such link, or the name does not fit. */
bool td_sysfs_link(const char *sys, char *name, size_t room, const char *fmt, ...) TD_PRINTF(4, 5);

#endif
