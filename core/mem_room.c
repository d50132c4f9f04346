/* SPDX-License-Identifier: Apache-2.0 */
/* mem_room.c - see mem_room.h: MemAvailable, the kernel's own guess of what can be had without swapping. */
#include "core/mem_room.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MEMINFO_MAX 8191

/* 8 bytes for each 4 KiB, three times, and something for what is above them: 1/64 is enough. */
static uint64_t with_tables(uint64_t bytes)
{
	return bytes + bytes / 64;
}

static unsigned long long mib_up(uint64_t bytes)
{
	return bytes / TD_MIB + (bytes % TD_MIB != 0);
}

uint64_t td_mem_room_parse(const char *meminfo)
{
	static const char key[] = "MemAvailable:";
	const char *line = strstr(meminfo, key);
	char *end;

	if (!line)
		return UINT64_MAX;
	line += sizeof(key) - 1;
	unsigned long long kib = strtoull(line, &end, 10);
	return end == line || kib > UINT64_MAX / TD_KIB ? UINT64_MAX : kib * TD_KIB;
}

int td_mem_room_compare(uint64_t need_bytes, uint64_t available_bytes, const char *why, struct td_err *err)
{
	uint64_t need = with_tables(need_bytes);

	if (need <= available_bytes)
		return 0;
	return td_err_set(err, ENOMEM, TD_REASON_NO_MEMORY, "memory: %s: %llu MiB needed, %llu MiB available on the host", why,
		mib_up(need), (unsigned long long)(available_bytes / TD_MIB));
}

int td_mem_room_check(uint64_t need_bytes, const char *why, struct td_err *err)
{
	td_auto_close int fd = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
	char text[MEMINFO_MAX + 1];
	ssize_t len = fd < 0 ? 0 : read(fd, text, MEMINFO_MAX);

	text[TD_MAX(len, 0)] = '\0';
	return td_mem_room_compare(need_bytes, td_mem_room_parse(text), why, err);
}
