/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base.h - the few types and macros that every folder uses: address types that do not mix, cleanup attributes, arithmetic.
 * Holds no state and calls nothing but libc.
 */
#ifndef TD_CORE_BASE_H
#define TD_CORE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A guest-physical address, and an address as a device behind the IOMMU sees it: structs, so that mixing them does not compile. */
typedef struct {
	uint64_t v;
} td_gpa;

typedef struct {
	uint64_t v;
} td_iova;

#define TD_GPA(x)  ((td_gpa){(uint64_t)(x)})
#define TD_IOVA(x) ((td_iova){(uint64_t)(x)})

#define TD_COUNT(a)			   (sizeof(a) / sizeof((a)[0]))
#define TD_MIN(a, b)			   ((a) < (b) ? (a) : (b))
#define TD_MAX(a, b)			   ((a) > (b) ? (a) : (b))
#define TD_CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))
#define TD_PRINTF(fmt, args)		   __attribute__((format(printf, fmt, args)))

#define TD_KIB	(1024ULL)
#define TD_MIB	(1024ULL * TD_KIB)
#define TD_GIB	(1024ULL * TD_MIB)
#define TD_PAGE 4096ULL

static inline uint64_t td_align_up(uint64_t value, uint64_t alignment) /* alignment: a power of two */
{
	return (value + alignment - 1) & ~(alignment - 1);
}

/* True when [start, start + len) is inside [0, limit) and the sum does not wrap. */
static inline bool td_range_ok(uint64_t start, uint64_t len, uint64_t limit)
{
	return len <= limit && start <= limit - len;
}

/* Auto-cleaned locals: `td_auto_close int fd = open(...)`. Ownership is handed over by td_take_fd() / td_take_ptr(). */
#define td_auto_close __attribute__((cleanup(td_cleanup_close)))
#define td_auto_free  __attribute__((cleanup(td_cleanup_free)))

void td_cleanup_close(int *fd); /* closes *fd when >= 0; keeps errno */
/*
 * Closes *fd when >= 0, without waiting for it, and sets it to -1; may change errno. For packet sockets: their close waits until no CPU
 * handles a frame for them any more, tens of milliseconds in which a main loop that holds the VM's lock would stop its guest.
 */
void td_close_behind(int *fd);
void td_cleanup_free(void *ptr); /* ptr is the address of a heap pointer; keeps errno */

static inline int td_take_fd(int *fd)
{
	int taken = *fd;
	*fd = -1;
	return taken;
}

#define td_take_ptr(p)                      \
	({                                  \
		__typeof__(p) taken_ = (p); \
		(p) = NULL;                 \
		taken_;                     \
	})

/* CLOCK_MONOTONIC. */
uint64_t td_now_ns(void);

#endif
