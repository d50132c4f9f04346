/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor_probe.c - what the running host says to those who ask, not in files of its own: processes by name, the tightest limit of the
 * cgroups above us, KVM's capabilities, the PF's settings of its VFs. Each answer is kept in the tree as a small text, without names,
 * addresses or paths, so that a record holds it. Nothing is changed; no module is loaded by asking.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "host/doctor/doctor_host.h"
#include "host/sriov/sriov.h"
#include "host/sys/sysfs.h"

/* Names of processes are cut off behind 15 bytes. */
static const struct {
	const char *comm, *name;
} managers[] = {{"NetworkManager", "NetworkManager"}, {"systemd-network", "systemd-networkd"}};

static void probe_processes(struct td_doctor_tree *tree)
{
	bool runs[TD_COUNT(managers)] = {false};
	char text[128] = "";
	DIR *proc = opendir("/proc");
	for (struct dirent *entry; proc && (entry = readdir(proc));) {
		char comm[32];
		if (!isdigit((unsigned char)*entry->d_name) || td_sysfs_read("/proc", comm, sizeof(comm), "/%s/comm", entry->d_name))
			continue;
		for (unsigned i = 0; i < TD_COUNT(managers); i++)
			runs[i] = runs[i] || !strcmp(comm, managers[i].comm);
	}
	if (proc)
		closedir(proc);
	for (unsigned i = 0; i < TD_COUNT(managers); i++)
		if (runs[i])
			snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s\n", managers[i].name);
	td_doctor_tree_keep(tree, "processes", text);
}

bool td_doctor_probe_runs(struct td_doctor_tree *tree, const char *name)
{
	const char *text = td_doctor_tree_extra(tree, "processes");
	size_t len = strlen(name);
	for (const char *at = text; at && (at = strstr(at, name)); at += len)
		if ((at == text || at[-1] == '\n') && (!at[len] || at[len] == '\n'))
			return true;
	return false;
}

/* The lowest number in `file` of the cgroup at `path` and of all above it; UINT64_MAX: "max" everywhere. */
static uint64_t lowest_limit(const char *path, const char *file)
{
	char dir[1024], text[64];
	uint64_t lowest = UINT64_MAX;
	snprintf(dir, sizeof(dir), "%s", path);
	for (char *slash; (slash = strrchr(dir, '/')); *slash = '\0') {
		if (!td_sysfs_read(TD_SYSFS, text, sizeof(text), "/fs/cgroup%s/%s", dir, file) && isdigit((unsigned char)*text)) {
			uint64_t limit = strtoull(text, NULL, 10);
			lowest = TD_MIN(lowest, limit);
		}
	}
	return lowest;
}

/* Of version 2, whose line is "0::/path". */
static void probe_cgroup(struct td_doctor_tree *tree)
{
	static const char *const files[] = {"memory.max", "pids.max"};
	char all[2048], kept[128] = "";
	const char *line = !td_sysfs_read("/proc", all, sizeof(all), "/self/cgroup") ? strstr(all, "0::/") : NULL;
	if (!line || strstr(line, "/.."))
		return;
	char *path = all + (line - all) + 3;
	path[strcspn(path, "\n")] = '\0';
	for (unsigned i = 0; i < TD_COUNT(files); i++) {
		uint64_t limit = lowest_limit(path, files[i]);
		if (limit != UINT64_MAX)
			snprintf(kept + strlen(kept), sizeof(kept) - strlen(kept), "%s %llu\n", files[i], (unsigned long long)limit);
	}
	td_doctor_tree_keep(tree, "cgroup", kept);
}

/* Opened only when its driver is there: opening the file of a driver that is not would load it. */
static void probe_kvm(struct td_doctor_tree *tree)
{
	char text[32];
	td_auto_close int fd = access("/sys/class/misc/kvm", F_OK) ? -1 : open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int quirks = fd < 0 ? -1 : ioctl(fd, KVM_CHECK_EXTENSION, KVM_CAP_DISABLE_QUIRKS2);
	if (quirks < 0)
		return;
	snprintf(text, sizeof(text), "%x\n", (unsigned)quirks);
	td_doctor_tree_keep(tree, "kvm-quirks", text);
}

static void probe_vfs(struct td_doctor_tree *tree, const struct td_doctor_function *pf)
{
	static const uint8_t zero[6];
	char name[64];
	td_auto_free char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	for (unsigned i = 0; out && i < pf->vfs; i++) {
		struct td_sriov_vf_settings settings;
		if (td_sriov_get(pf->netdev, i, &settings, NULL))
			break;
		fprintf(out, "%u %s\n", i, memcmp(settings.mac, zero, sizeof(zero)) ? "mac" : "nomac");
	}
	snprintf(name, sizeof(name), "vfs/%s", pf->bdf);
	if (out && fclose(out) == 0)
		td_doctor_tree_keep(tree, name, text);
}

void td_doctor_probe(struct td_doctor_tree *tree, const struct td_doctor_host *host)
{
	const struct td_doctor_function *pf;
	if (!td_doctor_tree_live(tree))
		return;
	probe_processes(tree);
	probe_cgroup(tree);
	probe_kvm(tree);
	for (unsigned i = 0; (pf = td_doctor_host_next_pf(host, &i));)
		if (*pf->netdev && pf->vfs)
			probe_vfs(tree, pf);
}
