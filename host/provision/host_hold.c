/* SPDX-License-Identifier: Apache-2.0 */
/* host_hold.c - /proc/locks has a line for each lock: "12: FLOCK  ADVISORY  WRITE 1234 00:19:567 0 EOF", with device and inode. */
#include "host/provision/host_hold.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

bool td_host_hold_is_locked(const char *locks, const char *path)
{
	struct stat st;
	struct statfs fs;
	char inode[32];
	if (stat(path, &st) || statfs(path, &fs))
		return false;
	snprintf(inode, sizeof(inode), ":%llu ", (unsigned long long)st.st_ino);
	for (const char *line = locks; *line; line += strcspn(line, "\n") + (line[strcspn(line, "\n")] != '\0')) {
		unsigned major_number = 0, minor_number = 0;
		size_t len = strcspn(line, "\n");
		const char *at = memmem(line, len, inode, strlen(inode));
		if (!at || !memmem(line, len, " FLOCK ", 7) || memmem(line, len, " -> ", 4))
			continue;
		while (at > line && at[-1] != ' ')
			at--;
		/* Of an overlay or btrfs, stat(2) tells another device than the lock does: there the inode must do. /run is neither. */
		if (sscanf(at, "%x:%x:", &major_number, &minor_number) == 2 &&
			(fs.f_type != TMPFS_MAGIC || (major_number == major(st.st_dev) && minor_number == minor(st.st_dev))))
			return true;
	}
	return false;
}

static char *read_locks(void)
{
	char *text = NULL;
	size_t room = 0;
	FILE *file = fopen("/proc/locks", "re");
	if (!file)
		return NULL;
	if (getdelim(&text, &room, '\0', file) < 0) {
		free(text);
		text = NULL;
	}
	fclose(file);
	return text;
}

static void read_holder(const char *path, char *text, size_t room)
{
	td_auto_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t len = fd < 0 ? 0 : read(fd, text, room - 1);
	text[len > 0 ? len : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
}

static void hold_vf(const char *run_dir, const char *locks, struct td_host_state *is, const char *vf, const char *bdf)
{
	char path[PATH_MAX], who[64];
	snprintf(path, sizeof(path), "%s/vf-%s.lock", run_dir, bdf);
	if (!td_host_hold_is_locked(locks, path))
		return;
	read_holder(path, who, sizeof(who));
	td_host_state_setf(is, TD_HOST_VF, vf, TD_HOST_ATTR_HOLDER, "VM %s", *who ? who : "(starting)");
}

/*
 * The host's own use. An interface that is not seen though its driver has the VF is in another network namespace, as those of containers
 * are, or the driver has none (DPDK's).
 */
static void hold_interface(struct td_host_state *is, const struct td_host_object *vf)
{
	const char *netdev = vf->value[TD_HOST_ATTR_NETDEV];
	const struct td_host_object *link = netdev ? td_host_state_find(is, TD_HOST_LINK, netdev) : NULL;
	if (vf->value[TD_HOST_ATTR_HOLDER] || !td_host_state_is(vf, TD_HOST_ATTR_DRIVER, "netdevice"))
		return;
	if (!netdev) {
		td_host_state_set(is, TD_HOST_VF, vf->name, TD_HOST_ATTR_HOLDER, "a container or another program");
		return;
	}
	const char *address = link ? link->value[TD_HOST_ATTR_ADDRESS] : NULL, *master = link ? link->value[TD_HOST_ATTR_MASTER] : NULL;
	const struct td_host_object *upper = master && *master ? td_host_state_find(is, TD_HOST_LINK, master) : NULL;
	if (address)
		td_host_state_setf(is, TD_HOST_VF, vf->name, TD_HOST_ATTR_HOLDER, "the host itself (%s: %s)", netdev, address);
	else if (upper && !td_host_state_ours(upper))
		td_host_state_setf(is, TD_HOST_VF, vf->name, TD_HOST_ATTR_HOLDER, "the host itself (%s is in %s)", netdev, master);
}

bool td_host_hold_locked(const char *path)
{
	td_auto_free char *locks = read_locks();
	return locks && td_host_hold_is_locked(locks, path);
}

void td_host_hold(const char *run_dir, struct td_host_state *is)
{
	td_auto_free char *locks = read_locks();
	for (unsigned i = 0; locks && i < is->count; i++) {
		const struct td_host_object *vf = &is->object[i];
		if (vf->kind == TD_HOST_VF && vf->value[TD_HOST_ATTR_BDF])
			hold_vf(run_dir, locks, is, vf->name, vf->value[TD_HOST_ATTR_BDF]);
	}
	for (unsigned i = 0; i < is->count; i++)
		if (is->object[i].kind == TD_HOST_VF)
			hold_interface(is, &is->object[i]);
}
