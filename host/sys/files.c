/* SPDX-License-Identifier: Apache-2.0 */
/* files.c - see files.h. */
#include "host/sys/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int td_files_write_all(int fd, const char *data, size_t len_bytes)
{
	while (len_bytes) {
		ssize_t done = write(fd, data, len_bytes);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return done < 0 ? -errno : -EIO;
		data += done;
		len_bytes -= (size_t)done;
	}
	return 0;
}

int td_files_replace(int dir_fd, const char *name, const char *new_name, const char *text)
{
	td_auto_close int fd = openat(dir_fd, new_name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	int rc = fd < 0 ? -errno : td_files_write_all(fd, text, strlen(text));

	if (rc == 0 && (fsync(fd) < 0 || renameat(dir_fd, new_name, dir_fd, name) < 0 || fsync(dir_fd) < 0))
		rc = -errno;
	return rc;
}
