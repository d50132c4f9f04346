/* SPDX-License-Identifier: Apache-2.0 */
/* doctor_memory.c - checks of huge pages, and of what the user who asks may have: locked memory, privileges, the cgroup's limits. */
#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>

#include "host/doctor/doctor_host.h"

#define SMALL_VM_BYTES (1ULL * TD_GIB) /* a limit below this bites any VM of today */
#define FEW_TASKS      64U

static bool capable(const struct td_doctor_host *host, unsigned capability)
{
	return host->capabilities >> capability & 1;
}

/* "always within_size advise [never] deny force" */
static bool choice_is(const char *text, const char *choice)
{
	const char *open = text ? strchr(text, '[') : NULL;
	size_t len = strlen(choice);
	return open && !strncmp(open + 1, choice, len) && open[1 + len] == ']';
}

/* A mount of its own, which takes CAP_SYS_ADMIN, gives huge pages whatever shmem_enabled says, unless it denies them. */
static bool transparent_pages(struct td_doctor *doctor, const char *shmem)
{
	if (!shmem || choice_is(shmem, "deny"))
		return false;
	return capable(&doctor->host, CAP_SYS_ADMIN) || !choice_is(shmem, "never");
}

void td_doctor_check_memory(struct td_doctor *doctor)
{
	uint64_t reserved = 0, available = 0;
	const char *dir = "/sys/kernel/mm/hugepages/hugepages-2048kB";
	const char *shmem = td_doctor_tree_text(doctor->tree, "/sys/kernel/mm/transparent_hugepage/shmem_enabled");
	td_doctor_tree_number(doctor->tree, &reserved, "%s/nr_hugepages", dir);
	td_doctor_tree_number(doctor->tree, &available, "%s/free_hugepages", dir);
	bool transparent = transparent_pages(doctor, shmem);
	if (reserved || transparent) {
		td_doctor_fine(doctor, "host", "2 MiB pages: %llu reserved, %llu of them free; transparent ones (thp=on) %s",
			(unsigned long long)reserved, (unsigned long long)available, transparent ? "can be had" : "cannot be had");
		return;
	}
	td_doctor_find(doctor, TD_DOCTOR_NO_HUGE_PAGES, "host", "no huge pages are reserved, and transparent ones for shared memory are %s",
		!shmem			   ? "not in this kernel"
		: choice_is(shmem, "deny") ? "denied"
					   : "off");
}

/* "Max locked memory         8388608              8388608              bytes" */
static void check_memlock(struct td_doctor *doctor)
{
	const char *text = td_doctor_tree_text(doctor->tree, "/proc/self/limits");
	const char *line = text ? strstr(text, "Max locked memory") : NULL;
	if (!line || !doctor->host.user_known)
		return;
	line += strlen("Max locked memory");
	line += strspn(line, " ");
	if (capable(&doctor->host, CAP_IPC_LOCK) || !strncmp(line, "unlimited", 9)) {
		td_doctor_fine(doctor, "host", "user %u may lock all memory", doctor->host.uid);
		return;
	}
	errno = 0;
	unsigned long long limit = strtoull(line, NULL, 10);
	if (errno || *line < '0' || *line > '9')
		return;
	if (limit >= SMALL_VM_BYTES)
		td_doctor_fine(doctor, "host", "user %u may lock %llu MiB: VMs with VFs up to that size", doctor->host.uid, limit >> 20);
	else
		td_doctor_find(doctor, TD_DOCTOR_MEMLOCK, "host",
			"user %u may lock %llu MiB of memory (ulimit -l %llu); a VM of 1 GiB with a VF locks 1024", doctor->host.uid,
			limit >> 20, limit >> 10);
}

/* Lines "memory.max NUMBER", "pids.max NUMBER": the lowest of the cgroup and those above it, as doctor_probe.c kept them. */
static bool cgroup_limit(struct td_doctor *doctor, const char *name, unsigned long long *ret_limit)
{
	const char *text = td_doctor_tree_extra(doctor->tree, "cgroup");
	const char *line = text ? strstr(text, name) : NULL;
	if (!line || line[strlen(name)] != ' ')
		return false;
	char *end;
	errno = 0;
	*ret_limit = strtoull(line + strlen(name) + 1, &end, 10);
	return !errno && end != line + strlen(name) + 1;
}

void td_doctor_check_limits(struct td_doctor *doctor)
{
	unsigned long long limit;
	check_memlock(doctor);
	if (doctor->host.user_known && !capable(&doctor->host, CAP_NET_ADMIN))
		td_doctor_find(doctor, TD_DOCTOR_NO_NET_ADMIN, "host", "user %u has no CAP_NET_ADMIN", doctor->host.uid);
	if (cgroup_limit(doctor, "memory.max", &limit) && limit < 64 * TD_GIB)
		td_doctor_find(doctor, TD_DOCTOR_CGROUP_MEMORY, "host", "the cgroup this runs in may have %llu MiB of memory (memory.max)",
			limit >> 20);
	if (cgroup_limit(doctor, "pids.max", &limit) && limit < FEW_TASKS)
		td_doctor_find(doctor, TD_DOCTOR_CGROUP_TASKS, "host", "the cgroup this runs in may have %llu threads (pids.max)", limit);
}
