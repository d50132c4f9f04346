/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vcpu.h - vCPU threads: CPUID, register set-up, the exit loop, pause and kick, exit counts.
 */
#ifndef TD_CORE_VCPU_H
#define TD_CORE_VCPU_H

#include <pthread.h>

#include "core/base.h"
#include "core/err.h"
#include "core/log.h"

struct td_vm;
struct td_boot_entry;
struct kvm_run;

/* Exits to user space, by kind. Read without a lock: each is written by its own thread only. */
struct td_vcpu_stats {
	uint64_t pio, mmio, interrupted, other;
};

struct td_vcpu {
	struct td_vm *vm;
	unsigned index;
	int fd;
	struct kvm_run *run;
	pthread_t thread;
	bool started;
	bool halted; /* ended by a shutdown or an error: stays parked until td_vcpus_reset(). Guarded by td_vcpus.lock */
	struct td_vcpu_stats stats;
	struct td_log_limit reset_limit;
};

struct td_vcpus {
	struct td_vcpu *vcpu;
	unsigned count;
	pthread_mutex_t lock; /* guards the two below; a leaf */
	pthread_cond_t changed;
	unsigned parked_count;
	bool hold; /* vCPUs park before the next KVM_RUN */
	bool quit;
};

int td_vcpus_init(struct td_vm *vm, struct td_err *err);
void td_vcpus_fini(struct td_vm *vm); /* ends the threads */

/* vCPU 0 to the boot entry, the others wait for SIPI (in-kernel LAPIC). vCPUs must be parked or not started. */
int td_vcpus_reset(struct td_vm *vm, const struct td_boot_entry *entry, struct td_err *err);
int td_vcpus_start(struct td_vm *vm, struct td_err *err);

/* Parks every vCPU outside KVM_RUN and waits until it is so; pending IO of an exit is completed first. Not from a vCPU thread. */
void td_vcpus_park(struct td_vm *vm);
void td_vcpus_unpark(struct td_vm *vm);
/* Parked, and for long: the guest's watchdogs are told that it stood still (Linux Documentation/virt/kvm/api.rst, KVM_KVMCLOCK_CTRL). */
void td_vcpus_tell_stopped(struct td_vm *vm);
/* Any thread: as td_vcpus_park(), without waiting. The guest stops at its next exit. */
void td_vcpus_hold(struct td_vm *vm);

struct td_vcpu_stats td_vcpus_stats(const struct td_vm *vm); /* the sum */

#endif
