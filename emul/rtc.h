/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rtc.h - MC146818 real-time clock and CMOS memory at ports 0x70 and 0x71: the host's UTC time, plus what the guest has set. No
 * interrupts (alarm, periodic, update-ended): the ACPI tables give it no IRQ.
 */
#ifndef TD_EMUL_RTC_H
#define TD_EMUL_RTC_H

#include "core/vm.h"

#define TD_RTC_PORT 0x70U

/* Makes the clock and gives it to the VM. After td_vm_init(), before td_vm_boot(). */
int td_rtc_create(struct td_vm *vm, const char *name, struct td_err *err);

#endif
