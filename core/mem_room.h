/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mem_room.h - has the host room for memory that is taken all at once, as prefault and the pinning for a VF do? Where it has not, the
 * kernel's OOM killer would pick somebody, who may be anybody. Memory that a guest takes little by little is not asked about: hosts are
 * overcommitted on purpose.
 */
#ifndef TD_CORE_MEM_ROOM_H
#define TD_CORE_MEM_ROOM_H

#include "core/base.h"
#include "core/err.h"

/* "MemAvailable:" of a /proc/meminfo (proc(5)), in bytes; UINT64_MAX where it says nothing. */
uint64_t td_mem_room_parse(const char *meminfo);

/* -ENOMEM, TD_REASON_NO_MEMORY: both numbers, in MiB. The page tables of CPU, KVM and IOMMU count as needed. why: "prefault takes ...". */
int td_mem_room_compare(uint64_t need_bytes, uint64_t available_bytes, const char *why, struct td_err *err);

/* The same, of this host now. Any thread; reads /proc/meminfo. */
int td_mem_room_check(uint64_t need_bytes, const char *why, struct td_err *err);

#endif
