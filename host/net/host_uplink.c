/* SPDX-License-Identifier: Apache-2.0 */
/* host_uplink.c - see host_uplink.h. Source: Linux Documentation/ABI/testing/sysfs-class-net. */
#include "host/net/host_uplink.h"

#include <dirent.h>
#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "host/sriov/sriov_sysfs.h"
#include "host/sys/sysfs.h"

#define DEPTH_MAX 4 /* of links below links */

static bool exists(const char *sys, const char *port, const char *pattern)
{
	char path[512];
	glob_t found;
	bool is;

	snprintf(path, sizeof(path), "%.200s/class/net/%.64s/%s", sys, port, pattern);
	is = glob(path, GLOB_NOSORT, NULL, &found) == 0;
	globfree(&found);
	return is;
}

/* Most ports are VMs' taps: they are told at once. */
static bool is_uplink(const char *sys, const char *port)
{
	return !td_host_uplink_is_tap(sys, port) && (exists(sys, port, "device") || exists(sys, port, "lower_*"));
}

static bool has_carrier(const char *sys, const char *port)
{
	bool up = false, carrier = false;

	return td_sriov_sysfs_link(sys, port, &up, &carrier, NULL) == 0 && carrier;
}

int td_host_uplink_each(const char *sys, const char *bridge, void (*each)(const char *port, bool carrier, void *opaque), void *opaque)
{
	char path[PATH_MAX];
	int rc = td_sysfs_path(path, sys, "/class/net/%s/brif", bridge);
	DIR *dir = rc < 0 ? NULL : opendir(path);

	if (!dir)
		return rc < 0 ? rc : errno == ENOENT ? 0 : -errno;
	for (struct dirent *entry; (entry = readdir(dir));)
		if (entry->d_name[0] != '.' && is_uplink(sys, entry->d_name))
			each(entry->d_name, has_carrier(sys, entry->d_name), opaque);
	closedir(dir);
	return 0;
}

static bool is_below(const char *sys, const char *link, const char *name, unsigned depth)
{
	char path[256];
	bool found = false;

	snprintf(path, sizeof(path), "%.200s/class/net/%.15s", sys, link);
	DIR *dir = depth == DEPTH_MAX ? NULL : opendir(path);
	for (struct dirent *entry; !found && dir && (entry = readdir(dir));)
		if (!strncmp(entry->d_name, "lower_", 6))
			found = !strcmp(entry->d_name + 6, name) || is_below(sys, entry->d_name + 6, name, depth + 1);
	if (dir)
		closedir(dir);
	return found;
}

bool td_host_uplink_is_below(const char *sys, const char *link, const char *name)
{
	return is_below(sys, link, name, 0);
}

bool td_host_uplink_is_tap(const char *sys, const char *link)
{
	return td_sysfs_exists(sys, "/class/net/%s/tun_flags", link);
}

/* Source: Linux net/8021q/vlanproc.c: "NAME | VID | PARENT" a line. */
unsigned td_host_uplink_vlan(const char *proc, const char *sys, const char *bridge)
{
	char path[256], line[128], name[64], pattern[96];
	unsigned vid, found = 0;
	bool several = false;

	snprintf(path, sizeof(path), "%.200s/net/vlan/config", proc);
	FILE *file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%63s | %u |", name, &vid) != 2)
			continue;
		snprintf(pattern, sizeof(pattern), "brif/%.63s", name);
		if (!exists(sys, bridge, pattern))
			continue;
		several = several || (found && found != vid);
		found = vid;
	}
	if (file)
		fclose(file);
	return several ? 0 : found;
}
