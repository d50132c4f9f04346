/* SPDX-License-Identifier: Apache-2.0 */
/* memlock.c - reads the limit, what is locked and the capability; one comparison that can't wrap. */
#include "iommu/memlock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static const char *value_of(const char *status, const char *key)
{
	size_t len = strlen(key);

	for (const char *line = status; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, key, len) == 0)
			return line + len;
	}
	return NULL;
}

void td_memlock_parse(const char *status, struct td_memlock *memlock)
{
	const char *locked = value_of(status, "VmLck:"), *caps = value_of(status, "CapEff:");

	memlock->locked_bytes = locked ? strtoull(locked, NULL, 10) * TD_KIB : 0;
	memlock->privileged = caps && (strtoull(caps, NULL, 16) >> CAP_IPC_LOCK & 1);
}

void td_memlock_read(struct td_memlock *ret_memlock)
{
	td_auto_close int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};
	char status[8192];
	ssize_t len = fd < 0 ? 0 : read(fd, status, sizeof(status) - 1);

	status[len > 0 ? len : 0] = '\0';
	td_memlock_parse(status, ret_memlock);
	(void)getrlimit(RLIMIT_MEMLOCK, &limit);
	ret_memlock->limit_bytes = limit.rlim_cur == RLIM_INFINITY ? UINT64_MAX : limit.rlim_cur;
}

int td_memlock_check(const struct td_memlock *memlock, uint64_t need_bytes, struct td_err *err)
{
	if (memlock->privileged || memlock->limit_bytes == UINT64_MAX)
		return 0;
	if (memlock->locked_bytes <= memlock->limit_bytes && need_bytes <= memlock->limit_bytes - memlock->locked_bytes)
		return 0;
	uint64_t total = need_bytes > UINT64_MAX - memlock->locked_bytes ? UINT64_MAX : need_bytes + memlock->locked_bytes;
	return td_err_set(err, EPERM, TD_REASON_MEMLOCK,
		"pinning the guest's memory for a VF needs RLIMIT_MEMLOCK >= %llu bytes (ulimit -l %llu), it is %llu",
		(unsigned long long)total, (unsigned long long)(total / TD_KIB + (total % TD_KIB != 0)),
		(unsigned long long)memlock->limit_bytes);
}
