/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vcpu.c - vCPU threads and how they are parked.
 *
 * Theory of operation: to park a vCPU, `hold` is set, then run->immediate_exit, then a signal is sent. KVM_RUN returns EINTR when the
 * signal comes while it runs, and at once when immediate_exit is set before, in both cases after it has completed the IO of the last exit.
 * So the thread looks at `hold` only after EINTR, and a parked vCPU never has half an instruction pending. immediate_exit is cleared under
 * the lock that guards `hold`: no request can fall between.
 */
#include "core/vcpu.h"

#include <errno.h>
#include <limits.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "core/log.h"
#include "core/vcpu_parts.h"
#include "core/vm.h"

#define STACK_BYTES (128UL * 1024) /* device models run on it; only what is touched costs memory */

static void on_kick(int number)
{
	(void)number; /* interrupting KVM_RUN is all it is for */
}

/* SA_RESTART: KVM_RUN returns EINTR all the same, while system calls of device models go on. */
static int install_kick(struct td_err *err)
{
	struct sigaction action = {.sa_handler = on_kick, .sa_flags = SA_RESTART};

	sigemptyset(&action.sa_mask);
	if (sigaction(SIGRTMIN, &action, NULL) < 0)
		return td_err_sys(err, errno, TD_REASON_SYSTEM, "vcpu: sigaction");
	return 0;
}

static void set_immediate_exit(struct td_vcpu *vcpu, bool on)
{
	__atomic_store_n(&vcpu->run->immediate_exit, on, __ATOMIC_RELEASE);
}

/* Waits while the vCPU must not run. False: the thread shall end. */
static bool park(struct td_vcpu *vcpu)
{
	struct td_vcpus *vcpus = &vcpu->vm->vcpus;
	bool quit;

	pthread_mutex_lock(&vcpus->lock);
	if ((vcpus->hold || vcpu->halted) && !vcpus->quit) {
		vcpus->parked_count++;
		pthread_cond_broadcast(&vcpus->changed);
		while ((vcpus->hold || vcpu->halted) && !vcpus->quit)
			pthread_cond_wait(&vcpus->changed, &vcpus->lock);
		vcpus->parked_count--;
	}
	quit = vcpus->quit;
	set_immediate_exit(vcpu, false);
	pthread_mutex_unlock(&vcpus->lock);
	return !quit;
}

static void halt(struct td_vcpu *vcpu)
{
	struct td_vcpus *vcpus = &vcpu->vm->vcpus;

	pthread_mutex_lock(&vcpus->lock);
	vcpu->halted = true;
	pthread_mutex_unlock(&vcpus->lock);
}

static bool run_failed(struct td_vcpu *vcpu, int errnum)
{
	td_error("vcpu %u: KVM_RUN: %s", vcpu->index, strerror(errnum));
	td_vcpu_regs_log(vcpu);
	td_vm_request_stop(vcpu->vm, TD_VM_END_ERROR, 1);
	return false;
}

static void *vcpu_main(void *opaque)
{
	struct td_vcpu *vcpu = opaque;
	bool alive = park(vcpu);

	while (alive) {
		bool runs = true, interrupted = false;

		if (ioctl(vcpu->fd, KVM_RUN, 0) == 0)
			runs = td_vcpu_exit_handle(vcpu);
		else if (errno == EINTR)
			interrupted = true;
		else if (errno != EAGAIN) /* EAGAIN: an AP has had its INIT or SIPI */
			runs = run_failed(vcpu, errno);
		if (interrupted)
			vcpu->stats.interrupted++;
		if (!runs)
			halt(vcpu);
		if (interrupted || !runs)
			alive = park(vcpu);
	}
	return NULL;
}

static int vcpu_open(struct td_vcpu *vcpu, struct kvm_cpuid2 *cpuid, bool tsc_deadline, struct td_err *err)
{
	struct td_kvm *kvm = &vcpu->vm->kvm;

	vcpu->fd = ioctl(kvm->vm_fd, KVM_CREATE_VCPU, (unsigned long)vcpu->index);
	if (vcpu->fd < 0)
		return td_err_sys(err, errno, TD_REASON_KVM_CAP, "vcpu %u: KVM_CREATE_VCPU", vcpu->index);
	vcpu->run = mmap(NULL, kvm->run_len_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
	if (vcpu->run == MAP_FAILED) {
		vcpu->run = NULL;
		return td_err_sys(err, errno, TD_REASON_NO_MEMORY, "vcpu %u: map kvm_run", vcpu->index);
	}
	td_vcpu_cpuid_set_cpu(cpuid, vcpu->index, vcpu->vm->vcpus.count, tsc_deadline);
	if (ioctl(vcpu->fd, KVM_SET_CPUID2, cpuid) < 0)
		return td_err_sys(err, errno, TD_REASON_KVM_CAP, "vcpu %u: KVM_SET_CPUID2", vcpu->index);
	return 0;
}

static void vcpu_close(struct td_vcpu *vcpu)
{
	if (vcpu->run)
		munmap(vcpu->run, vcpu->vm->kvm.run_len_bytes);
	td_cleanup_close(&vcpu->fd);
}

int td_vcpus_init(struct td_vm *vm, struct td_err *err)
{
	struct td_vcpus *vcpus = &vm->vcpus;
	td_auto_free struct kvm_cpuid2 *cpuid = NULL;
	bool tsc_deadline;
	int r = 0;

	pthread_mutex_init(&vcpus->lock, NULL);
	pthread_cond_init(&vcpus->changed, NULL);
	vcpus->hold = true;
	vcpus->vcpu = calloc(vm->config.cpus, sizeof(*vcpus->vcpu));
	if (!vcpus->vcpu)
		return td_err_set(err, ENOMEM, TD_REASON_NO_MEMORY, "vcpu: no memory for %u vCPUs", vm->config.cpus);
	vcpus->count = vm->config.cpus;
	for (unsigned i = 0; i < vcpus->count; i++)
		vcpus->vcpu[i] = (struct td_vcpu){.vm = vm, .index = i, .fd = -1};
	r = install_kick(err);
	if (r < 0)
		return r;
	cpuid = td_vcpu_cpuid_read(vm->kvm.fd, err);
	if (!cpuid)
		return -ENOTSUP;
	tsc_deadline = ioctl(vm->kvm.vm_fd, KVM_CHECK_EXTENSION, KVM_CAP_TSC_DEADLINE_TIMER) > 0;
	for (unsigned i = 0; i < vcpus->count && r == 0; i++)
		r = vcpu_open(&vcpus->vcpu[i], cpuid, tsc_deadline, err);
	return r;
}

static void kick_all(struct td_vcpus *vcpus)
{
	for (unsigned i = 0; i < vcpus->count; i++) {
		if (!vcpus->vcpu[i].started)
			continue;
		set_immediate_exit(&vcpus->vcpu[i], true);
		pthread_kill(vcpus->vcpu[i].thread, SIGRTMIN);
	}
}

void td_vcpus_fini(struct td_vm *vm)
{
	struct td_vcpus *vcpus = &vm->vcpus;

	if (!vcpus->vcpu)
		return;
	pthread_mutex_lock(&vcpus->lock);
	vcpus->quit = true;
	kick_all(vcpus);
	pthread_cond_broadcast(&vcpus->changed);
	pthread_mutex_unlock(&vcpus->lock);
	for (unsigned i = 0; i < vcpus->count; i++) {
		if (vcpus->vcpu[i].started)
			pthread_join(vcpus->vcpu[i].thread, NULL);
		vcpu_close(&vcpus->vcpu[i]);
	}
	free(vcpus->vcpu);
	pthread_cond_destroy(&vcpus->changed);
	pthread_mutex_destroy(&vcpus->lock);
	memset(vcpus, 0, sizeof(*vcpus));
}

int td_vcpus_reset(struct td_vm *vm, const struct td_boot_entry *entry, struct td_err *err)
{
	struct td_vcpus *vcpus = &vm->vcpus;
	int r = 0;

	for (unsigned i = 0; i < vcpus->count && r == 0; i++)
		r = td_vcpu_regs_reset(&vcpus->vcpu[i], entry, err);
	if (r < 0)
		return r;
	pthread_mutex_lock(&vcpus->lock);
	for (unsigned i = 0; i < vcpus->count; i++)
		vcpus->vcpu[i].halted = false;
	pthread_mutex_unlock(&vcpus->lock);
	return 0;
}

/* Signals of the process belong to the main thread; the kick alone comes through. */
static int start_thread(struct td_vcpu *vcpu, const pthread_attr_t *attr)
{
	sigset_t blocked, before;
	char name[16];
	int r;

	sigfillset(&blocked);
	sigdelset(&blocked, SIGRTMIN);
	pthread_sigmask(SIG_SETMASK, &blocked, &before);
	r = pthread_create(&vcpu->thread, attr, vcpu_main, vcpu);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r != 0)
		return -r;
	vcpu->started = true;
	snprintf(name, sizeof(name), "vcpu%u", vcpu->index);
	pthread_setname_np(vcpu->thread, name);
	return 0;
}

int td_vcpus_start(struct td_vm *vm, struct td_err *err)
{
	struct td_vcpus *vcpus = &vm->vcpus;
	pthread_attr_t attr;
	int r = 0;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	for (unsigned i = 0; i < vcpus->count && r == 0; i++)
		r = start_thread(&vcpus->vcpu[i], &attr);
	pthread_attr_destroy(&attr);
	if (r < 0)
		return td_err_sys(err, -r, TD_REASON_SYSTEM, "vcpu: start thread"); /* td_vcpus_fini() ends those that run */
	td_vcpus_unpark(vm);
	return 0;
}

void td_vcpus_park(struct td_vm *vm)
{
	struct td_vcpus *vcpus = &vm->vcpus;
	unsigned started = 0;

	if (!vcpus->vcpu)
		return;
	pthread_mutex_lock(&vcpus->lock);
	vcpus->hold = true;
	kick_all(vcpus);
	for (unsigned i = 0; i < vcpus->count; i++)
		started += vcpus->vcpu[i].started;
	while (vcpus->parked_count < started)
		pthread_cond_wait(&vcpus->changed, &vcpus->lock);
	pthread_mutex_unlock(&vcpus->lock);
}

void td_vcpus_hold(struct td_vm *vm)
{
	struct td_vcpus *vcpus = &vm->vcpus;

	if (!vcpus->vcpu)
		return;
	pthread_mutex_lock(&vcpus->lock);
	vcpus->hold = true;
	kick_all(vcpus);
	pthread_mutex_unlock(&vcpus->lock);
}

void td_vcpus_unpark(struct td_vm *vm)
{
	struct td_vcpus *vcpus = &vm->vcpus;

	if (!vcpus->vcpu)
		return;
	pthread_mutex_lock(&vcpus->lock);
	vcpus->hold = false;
	pthread_cond_broadcast(&vcpus->changed);
	pthread_mutex_unlock(&vcpus->lock);
}

/* EINVAL before the guest uses kvm-clock. */
void td_vcpus_tell_stopped(struct td_vm *vm)
{
	for (unsigned i = 0; vm->vcpus.vcpu && i < vm->vcpus.count; i++)
		ioctl(vm->vcpus.vcpu[i].fd, KVM_KVMCLOCK_CTRL, 0);
}

struct td_vcpu_stats td_vcpus_stats(const struct td_vm *vm)
{
	struct td_vcpu_stats sum = {0};

	for (unsigned i = 0; i < vm->vcpus.count; i++) {
		const struct td_vcpu_stats *one = &vm->vcpus.vcpu[i].stats;

		sum.pio += __atomic_load_n(&one->pio, __ATOMIC_RELAXED);
		sum.mmio += __atomic_load_n(&one->mmio, __ATOMIC_RELAXED);
		sum.interrupted += __atomic_load_n(&one->interrupted, __ATOMIC_RELAXED);
		sum.other += __atomic_load_n(&one->other, __ATOMIC_RELAXED);
	}
	return sum;
}
