/* SPDX-License-Identifier: Apache-2.0 */
/* mac_lock.c - see mac_lock.h. */
#include "machine/mac_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/sys/names.h"

static void mac_lock_path(const char *root, const uint8_t mac[6], char path[PATH_MAX])
{
	char text[TD_MAC_TEXT_BYTES];

	snprintf(path, PATH_MAX, "%.4000s/mac-%s.lock", root, td_names_format_mac(mac, text));
}

static void read_holder(int fd, char *holder, size_t room)
{
	ssize_t len = pread(fd, holder, room - 1, 0);

	holder[len > 0 ? len : 0] = '\0';
	for (char *at = holder; *at; at++)
		if (*at < ' ' || *at > '~')
			*at = '?';
}

/* Who gives a lock back takes its file away: one that was opened before and locked after is nobody's. -EAGAIN: try again. */
static int lock_file(int fd, char *holder, size_t room)
{
	struct stat st;

	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK)
			return -errno;
		read_holder(fd, holder, room);
		return -EADDRINUSE;
	}
	if (fstat(fd, &st) < 0)
		return -errno;
	return st.st_nlink ? 0 : -EAGAIN;
}

int td_mac_lock_take(const char *root, const uint8_t mac[6], const char *owner, int *ret_fd, struct td_err *err)
{
	char path[PATH_MAX], holder[128] = "", text[TD_MAC_TEXT_BYTES];
	int rc;

	mac_lock_path(root, mac, path);
	do {
		td_auto_close int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);

		rc = fd < 0 ? -errno : lock_file(fd, holder, sizeof(holder));
		if (rc == 0 && (ftruncate(fd, 0) < 0 || pwrite(fd, owner, strlen(owner), 0) < 0))
			rc = -errno;
		if (rc == 0)
			*ret_fd = td_take_fd(&fd);
	} while (rc == -EAGAIN);
	if (rc == -EADDRINUSE)
		return td_err_set(err, EADDRINUSE, TD_REASON_MAC_IN_USE, "mac %s: %s has it", td_names_format_mac(mac, text),
			holder[0] ? holder : "a VM that is starting");
	return rc < 0 ? td_err_sys(err, -rc, TD_REASON_RUN_DIR, "%s", path) : 0;
}

void td_mac_lock_give(const char *root, const uint8_t mac[6], int *fd)
{
	char path[PATH_MAX];

	if (*fd < 0)
		return;
	mac_lock_path(root, mac, path);
	(void)unlink(path);
	td_cleanup_close(fd);
	*fd = -1;
}
