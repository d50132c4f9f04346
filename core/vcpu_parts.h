/* SPDX-License-Identifier: Apache-2.0 */
/* vcpu_parts.h - what vcpu.c, vcpu_cpuid.c, vcpu_regs.c and vcpu_exit.c share. Private to them. */
#ifndef TD_CORE_VCPU_PARTS_H
#define TD_CORE_VCPU_PARTS_H

#include "core/vcpu.h"

struct kvm_cpuid2;

#define TD_VCPU_CPUID_ENTRIES 256U

/* The host's CPUID as KVM can give it (owned by the caller, free()); NULL with *err. */
struct kvm_cpuid2 *td_vcpu_cpuid_read(int kvm_fd, struct td_err *err);
/* The part of it that differs from CPU to CPU, for CPU `index` of `cpus`: topology, APIC IDs. */
void td_vcpu_cpuid_set_cpu(struct kvm_cpuid2 *cpuid, unsigned index, unsigned cpus, bool tsc_deadline);

/* Every register as after power-on, then vCPU 0 at the boot entry and the others waiting for SIPI. */
int td_vcpu_regs_reset(struct td_vcpu *vcpu, const struct td_boot_entry *entry, struct td_err *err);
/* rip and the like, for a log line. */
void td_vcpu_regs_log(struct td_vcpu *vcpu);

/* Works one exit off. False: this vCPU cannot go on; what follows has been requested from the VM. */
bool td_vcpu_exit_handle(struct td_vcpu *vcpu);

#endif
