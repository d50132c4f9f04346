/* SPDX-License-Identifier: Apache-2.0 */
/* mem.c - the memfd behind guest RAM, its mapping, and checked access to it. */
#include "core/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "core/mem_room.h"

#define HUGE_BYTES	 (2ULL * TD_MIB)
#define PREFAULT_THREADS 8U

static int check_size(const struct td_mem_config *config, struct td_err *err)
{
	uint64_t unit = config->hugepages ? HUGE_BYTES : TD_PAGE;

	if (config->size_bytes < TD_MEM_MIN_BYTES || config->size_bytes > TD_MEM_MAX_BYTES)
		return td_err_set(err, EINVAL, TD_REASON_CONFIG_VALUE, "memory: size %llu is outside of 1 MiB to 4 TiB",
			(unsigned long long)config->size_bytes);
	if (config->size_bytes % unit != 0)
		return td_err_set(err, EINVAL, TD_REASON_CONFIG_VALUE, "memory: size %llu is not a multiple of %llu KiB",
			(unsigned long long)config->size_bytes, (unsigned long long)(unit / TD_KIB));
	return 0;
}

/* More than there is can't ever be filled. Huge pages are counted when they are mapped. */
static int check_host(const struct td_mem_config *config, struct td_err *err)
{
	struct sysinfo info;
	uint64_t bytes;

	if (config->hugepages || sysinfo(&info) < 0)
		return 0;
	bytes = ((uint64_t)info.totalram + info.totalswap) * info.mem_unit;
	if (config->size_bytes > bytes)
		return td_err_set(err, ENOMEM, TD_REASON_NO_MEMORY, "memory: the guest's %llu MiB are more than the host has (%llu MiB)",
			(unsigned long long)(config->size_bytes / TD_MIB), (unsigned long long)(bytes / TD_MIB));
	if (config->prefault)
		return td_mem_room_check(config->size_bytes, "prefault takes all of the guest's at once", err);
	return config->pinned ? td_mem_room_check(config->size_bytes, "a VF pins all of the guest's at once", err) : 0;
}

/* hugetlbpage.rst: "free" pages that are reserved are somebody's already. */
static unsigned long long hugepages(const char *which)
{
	unsigned long long count = 0;
	char path[96];
	FILE *file;

	snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/hugepages-2048kB/%s_hugepages", which);
	file = fopen(path, "re");
	if (!file)
		return 0;
	if (fscanf(file, "%llu", &count) != 1)
		count = 0;
	fclose(file);
	return count;
}

static int no_hugepages(const struct td_mem_config *config, int errnum, struct td_err *err)
{
	unsigned long long need = config->size_bytes / HUGE_BYTES, have = hugepages("free"), reserved = hugepages("resv");

	have -= TD_MIN(reserved, have);
	if (errnum != ENOMEM || have >= need)
		return td_err_sys(err, errnum, TD_REASON_NO_MEMORY, "memory: %llu pages of 2 MiB", need);
	return td_err_set(err, ENOMEM, TD_REASON_NO_MEMORY,
		"memory: %llu pages of 2 MiB needed, %llu free: %llu missing: make it %llu in all (vm.nr_hugepages, or hugepages: in "
		"host.yaml)",
		need, have, need - have, hugepages("nr") + need - have);
}

/*
 * A nameless file on a tmpfs of our own, mounted nowhere: there huge pages can be had whatever shmem_enabled says of memfds, which is
 * "never" on most hosts. -1 without CAP_SYS_ADMIN.
 */
static int open_huge_tmpfs(void)
{
	td_auto_close int context = fsopen("tmpfs", FSOPEN_CLOEXEC);
	td_auto_close int mount = -1;

	if (context < 0 || fsconfig(context, FSCONFIG_SET_STRING, "huge", "within_size", 0) < 0 ||
		fsconfig(context, FSCONFIG_SET_STRING, "size", "0", 0) < 0 || fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -1;
	mount = fsmount(context, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	if (mount < 0)
		return -1;
	return openat(mount, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
}

static int make_file(struct td_mem *mem, const struct td_mem_config *config, struct td_err *err)
{
	unsigned flags = MFD_CLOEXEC;

	if (config->hugepages)
		flags |= MFD_HUGETLB | MFD_HUGE_2MB;
	else if (config->thp)
		mem->fd = open_huge_tmpfs();
	if (mem->fd < 0)
		mem->fd = memfd_create("tandem-ram", flags);
	if (mem->fd < 0)
		return td_err_sys(err, errno, TD_REASON_NO_MEMORY, "memory: memfd_create");
	if (ftruncate(mem->fd, (off_t)config->size_bytes) < 0)
		return td_err_sys(err, errno, TD_REASON_NO_MEMORY, "memory: %llu bytes", (unsigned long long)config->size_bytes);
	return 0;
}

/* Host address 2-MiB-aligned as guest-physical ones are, so that huge pages can be mapped on both levels. */
static uint8_t *map_aligned(int fd, uint64_t len)
{
	uint8_t *reserved, *start, *mapped;
	uint64_t room = len + HUGE_BYTES;

	reserved = mmap(NULL, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (reserved == MAP_FAILED)
		return NULL;
	start = (uint8_t *)td_align_up((uintptr_t)reserved, HUGE_BYTES);
	mapped = mmap(start, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
	if (mapped == MAP_FAILED) {
		int saved = errno;

		munmap(reserved, room);
		errno = saved;
		return NULL;
	}
	if (start > reserved)
		munmap(reserved, (size_t)(start - reserved));
	munmap(start + len, (size_t)(reserved + room - (start + len)));
	return start;
}

static void set_regions(struct td_mem *mem, uint8_t *host)
{
	uint64_t low = TD_MIN(mem->size_bytes, TD_MEM_HOLE_START);

	mem->region[0] = (struct td_mem_region){.gpa = TD_GPA(0), .len_bytes = low, .host = host};
	mem->region_count = 1;
	if (mem->size_bytes > low) {
		mem->region[1] =
			(struct td_mem_region){.gpa = TD_GPA(TD_MEM_HOLE_END), .len_bytes = mem->size_bytes - low, .host = host + low};
		mem->region_count = 2;
	}
}

struct prefault {
	pthread_t thread;
	bool started;
	uint8_t *start;
	uint64_t len;
	int result;
};

static void *prefault_run(void *opaque)
{
	struct prefault *job = opaque;

	if (madvise(job->start, job->len, MADV_POPULATE_WRITE) == 0)
		return NULL;
	if (errno != EINVAL) {
		job->result = -errno;
		return NULL;
	}
	/* Linux before 5.14. An atomic add of nothing faults the page in for writing. */
	for (uint64_t at = 0; at < job->len; at += TD_PAGE)
		__atomic_fetch_add(job->start + at, 0, __ATOMIC_RELAXED);
	return NULL;
}

static int prefault_all(struct td_mem *mem, struct td_err *err)
{
	struct prefault job[PREFAULT_THREADS] = {0};
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned count = cpus > 1 ? (unsigned)TD_MIN((unsigned long)cpus, PREFAULT_THREADS) : 1;
	uint64_t part = td_align_up(mem->size_bytes / count + 1, HUGE_BYTES);
	int r = 0;

	for (unsigned i = 0; i < count && part * i < mem->size_bytes; i++) {
		job[i].start = mem->region[0].host + part * i;
		job[i].len = TD_MIN(part, mem->size_bytes - part * i);
		job[i].started = pthread_create(&job[i].thread, NULL, prefault_run, &job[i]) == 0;
		if (!job[i].started)
			prefault_run(&job[i]);
	}
	for (unsigned i = 0; i < count; i++) {
		if (job[i].started)
			pthread_join(job[i].thread, NULL);
		if (job[i].result < 0)
			r = job[i].result;
	}
	if (r < 0)
		return td_err_sys(err, -r, TD_REASON_NO_MEMORY, "memory: prefault of %llu bytes", (unsigned long long)mem->size_bytes);
	return 0;
}

static int map_all(struct td_mem *mem, const struct td_mem_config *config, struct td_err *err)
{
	uint8_t *host = map_aligned(mem->fd, config->size_bytes);

	if (!host && config->hugepages)
		return no_hugepages(config, errno, err);
	if (!host)
		return td_err_sys(err, errno, TD_REASON_NO_MEMORY, "memory: map %llu bytes", (unsigned long long)config->size_bytes);
	mem->size_bytes = config->size_bytes;
	mem->hugepages = config->hugepages;
	set_regions(mem, host);
	madvise(host, mem->size_bytes, MADV_DONTDUMP);
	if (config->thp)
		madvise(host, mem->size_bytes, MADV_HUGEPAGE);
	return config->prefault ? prefault_all(mem, err) : 0;
}

int td_mem_init(struct td_mem *mem, const struct td_mem_config *config, struct td_err *err)
{
	int r;

	memset(mem, 0, sizeof(*mem));
	mem->fd = -1;
	r = check_size(config, err);
	if (r == 0)
		r = check_host(config, err);
	if (r == 0)
		r = make_file(mem, config, err);
	if (r == 0)
		r = map_all(mem, config, err);
	if (r < 0)
		td_mem_fini(mem);
	return r;
}

void td_mem_fini(struct td_mem *mem)
{
	if (mem->region_count)
		munmap(mem->region[0].host, mem->size_bytes);
	td_cleanup_close(&mem->fd);
	memset(mem, 0, sizeof(*mem));
	mem->fd = -1;
}

uint64_t td_mem_absent_bytes(const struct td_mem *mem)
{
	uint64_t present = 0;
	struct stat stat;

	if (mem->hugepages)
		return 0;
	if (!fstat(mem->fd, &stat))
		present = TD_MIN((uint64_t)stat.st_blocks * 512, mem->size_bytes);
	return mem->size_bytes - present;
}

void *td_mem_ptr(const struct td_mem *mem, td_gpa gpa, uint64_t len_bytes)
{
	for (unsigned i = 0; i < mem->region_count; i++) {
		const struct td_mem_region *region = &mem->region[i];
		uint64_t offset = gpa.v - region->gpa.v;

		if (gpa.v < region->gpa.v || offset >= region->len_bytes)
			continue;
		return len_bytes <= region->len_bytes - offset ? region->host + offset : NULL;
	}
	return NULL;
}

bool td_mem_read(const struct td_mem *mem, td_gpa gpa, void *to, uint64_t len_bytes)
{
	const void *from = td_mem_ptr(mem, gpa, len_bytes);

	if (!from)
		return false;
	memcpy(to, from, len_bytes);
	return true;
}

bool td_mem_write(const struct td_mem *mem, td_gpa gpa, const void *from, uint64_t len_bytes)
{
	void *to = td_mem_ptr(mem, gpa, len_bytes);

	if (!to)
		return false;
	memcpy(to, from, len_bytes);
	return true;
}

td_gpa td_mem_top(const struct td_mem *mem)
{
	const struct td_mem_region *last;

	if (mem->region_count < 2)
		return TD_GPA(TD_MEM_HOLE_END);
	last = &mem->region[1];
	return TD_GPA(last->gpa.v + last->len_bytes);
}
