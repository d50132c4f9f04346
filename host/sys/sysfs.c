/* SPDX-License-Identifier: Apache-2.0 */
/* sysfs.c - see sysfs.h. */
#include "host/sys/sysfs.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int make_path(char path[PATH_MAX], const char *sys, const char *fmt, va_list args) __attribute__((format(printf, 3, 0)));
static int make_path(char path[PATH_MAX], const char *sys, const char *fmt, va_list args)
{
	int used = snprintf(path, PATH_MAX, "%s", sys);
	int more = used < 0 || used >= PATH_MAX ? -1 : vsnprintf(path + used, (size_t)(PATH_MAX - used), fmt, args);

	return more < 0 || more >= PATH_MAX - used ? -ENAMETOOLONG : 0;
}

/* What each call begins with: `path` and `rc` of its format. */
#define MAKE_PATH(path, rc, sys, fmt)             \
	char path[PATH_MAX];                      \
	va_list args;                             \
	va_start(args, fmt);                      \
	int rc = make_path(path, sys, fmt, args); \
	va_end(args)

int td_sysfs_path(char path[PATH_MAX], const char *sys, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	int rc = make_path(path, sys, fmt, args);
	va_end(args);
	return rc;
}

bool td_sysfs_exists(const char *sys, const char *fmt, ...)
{
	MAKE_PATH(path, rc, sys, fmt);

	return rc == 0 && access(path, F_OK) == 0;
}

static int read_text(const char *path, char *text, size_t room)
{
	td_auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? -1 : read(fd, text, room);

	if (len < 0)
		return -errno;
	while (len > 0 && isspace((unsigned char)text[len - 1]))
		len--;
	if ((size_t)len == room)
		return -EOVERFLOW;
	text[len] = '\0';
	return 0;
}

int td_sysfs_read(const char *sys, char *text, size_t room, const char *fmt, ...)
{
	MAKE_PATH(path, rc, sys, fmt);

	if (rc == 0)
		rc = read_text(path, text, room);
	if (rc < 0)
		text[0] = '\0';
	return rc;
}

int td_sysfs_read_number(const char *sys, unsigned long max, unsigned long *ret_number, const char *fmt, ...)
{
	char text[32] = "", *end;
	MAKE_PATH(path, rc, sys, fmt);

	if (rc == 0)
		rc = read_text(path, text, sizeof(text));
	if (rc < 0)
		return rc;
	errno = 0;
	unsigned long number = strtoul(text, &end, strncmp(text, "0x", 2) == 0 ? 16 : 10);
	if (errno || end == text || *end || *text == '-' || number > max)
		return -EINVAL;
	*ret_number = number;
	return 0;
}

int td_sysfs_write(const char *sys, const char *text, const char *fmt, ...)
{
	MAKE_PATH(path, rc, sys, fmt);
	td_auto_close int fd = rc < 0 ? -1 : open(path, O_WRONLY | O_CLOEXEC);

	if (rc == 0 && (fd < 0 || write(fd, text, strlen(text)) < 0))
		rc = -errno;
	return rc;
}

bool td_sysfs_link(const char *sys, char *name, size_t room, const char *fmt, ...)
{
	char target[PATH_MAX];
	MAKE_PATH(path, rc, sys, fmt);
	ssize_t len = rc < 0 ? -1 : readlink(path, target, sizeof(target) - 1);

	name[0] = '\0';
	if (len <= 0)
		return false;
	target[len] = '\0';
	const char *slash = strrchr(target, '/');
	const char *last = slash ? slash + 1 : target;
	if (strlen(last) >= room)
		return false;
	memcpy(name, last, strlen(last) + 1);
	return *name;
}
