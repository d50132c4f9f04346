/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log.h - lines for the operator on standard error, with a level, prefixed by the object they speak of ("nic net0: ...").
 * The level is the program's only mutable global. Thread safe: one write(2) a line.
 */
#ifndef TD_CORE_LOG_H
#define TD_CORE_LOG_H

#include "core/base.h"

enum td_log_level { TD_LOG_ERROR, TD_LOG_WARN, TD_LOG_INFO, TD_LOG_DEBUG };

void td_log_set_level(enum td_log_level level);
enum td_log_level td_log_level(void);
void td_log(enum td_log_level level, const char *fmt, ...) TD_PRINTF(2, 3);

#define td_error(...) td_log(TD_LOG_ERROR, __VA_ARGS__)
#define td_warn(...)  td_log(TD_LOG_WARN, __VA_ARGS__)
#define td_info(...)  td_log(TD_LOG_INFO, __VA_ARGS__)
#define td_debug(...) td_log(TD_LOG_DEBUG, __VA_ARGS__)

/*
 * A limit for lines that a guest can trigger: `burst` lines in each `interval_ns`, then silence until the interval is over; the next
 * line that is let through says how many were not. Zero-initialised: 5 lines in 10 s. Not thread safe: one holder, one lock.
 */
struct td_log_limit {
	uint64_t window_start_ns;
	unsigned used;
	uint64_t suppressed;
};

void td_log_limited(struct td_log_limit *limit, enum td_log_level level, const char *fmt, ...) TD_PRINTF(3, 4);

#endif
