/* SPDX-License-Identifier: Apache-2.0 */
/* log.c - log lines on standard error, one write(2) each. */
#include "core/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#define LIMIT_BURST	  5U
#define LIMIT_INTERVAL_NS 10000000000ULL

static enum td_log_level log_level = TD_LOG_INFO;

static const char *const level_names[] = {
	[TD_LOG_ERROR] = "ERROR",
	[TD_LOG_WARN] = "WARN",
	[TD_LOG_INFO] = "INFO",
	[TD_LOG_DEBUG] = "DEBUG",
};

void td_log_set_level(enum td_log_level level)
{
	__atomic_store_n(&log_level, level, __ATOMIC_RELAXED);
}

enum td_log_level td_log_level(void)
{
	return __atomic_load_n(&log_level, __ATOMIC_RELAXED);
}

static TD_PRINTF(2, 0) void log_line(enum td_log_level level, const char *fmt, va_list args, uint64_t suppressed)
{
	char line[1024];
	size_t room = sizeof(line) - 1; /* for the newline */
	size_t used;

	used = (size_t)snprintf(line, room, "tandem: %s: ", level_names[level]);
	used += (size_t)vsnprintf(line + used, room - used, fmt, args);
	if (suppressed && used < room)
		used += (size_t)snprintf(line + used, room - used, " (%llu like it not shown)", (unsigned long long)suppressed);
	used = TD_MIN(used, room - 1);
	line[used++] = '\n';
	if (write(STDERR_FILENO, line, used) < 0)
		return; /* nowhere left to say so */
}

void td_log(enum td_log_level level, const char *fmt, ...)
{
	va_list args;

	if (level > td_log_level())
		return;
	va_start(args, fmt);
	log_line(level, fmt, args, 0);
	va_end(args);
}

void td_log_limited(struct td_log_limit *limit, enum td_log_level level, const char *fmt, ...)
{
	uint64_t now = td_now_ns(), suppressed;
	va_list args;

	if (level > td_log_level())
		return;
	if (limit->window_start_ns == 0 || now - limit->window_start_ns >= LIMIT_INTERVAL_NS) {
		limit->window_start_ns = now;
		limit->used = 0;
	}
	if (limit->used >= LIMIT_BURST) {
		limit->suppressed++;
		return;
	}
	limit->used++;
	suppressed = limit->suppressed;
	limit->suppressed = 0;
	va_start(args, fmt);
	log_line(level, fmt, args, suppressed);
	va_end(args);
}
