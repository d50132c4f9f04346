/* SPDX-License-Identifier: Apache-2.0 */
/* schema_file.c - a whole file, or pipe, as text. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/schema.h"

int td_schema_read_file(const char *path, char **ret_text, size_t *ret_len, struct td_err *err)
{
	td_auto_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		return td_err_sys(err, errno, TD_REASON_CONFIG_FILE, "%s: open", path);
	if (S_ISDIR(st.st_mode))
		return td_err_set(err, EISDIR, TD_REASON_CONFIG_FILE, "%s: is a directory: give a YAML file", path);
	size_t room = TD_SCHEMA_YAML_MAX + 1, len = 0; /* one more, so that a file too long is seen; pipes have no size */
	td_auto_free char *text = malloc(room);
	if (!text)
		return td_err_set(err, ENOMEM, TD_REASON_SYSTEM, "%s: out of memory", path);
	while (len < room) {
		ssize_t n = read(fd, text + len, room - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return td_err_sys(err, errno, TD_REASON_CONFIG_FILE, "%s: read", path);
		if (!n)
			break;
		len += (size_t)n;
	}
	*ret_len = len;
	*ret_text = td_take_ptr(text);
	return 0;
}
