/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vm.h - one virtual machine: memory, KVM, interrupts, buses, devices and vCPUs, and its life from boot to power-off.
 * Knows no device by name; machine/machine.c puts the machine together.
 *
 * Threads: the main thread runs `loop`. Each vCPU has a thread. A device may have an I/O thread with a loop of its own.
 * Locks, in order:
 *   1. vm->lock (lock.h: nothing that waits is done under it): device registers, PCI topology, memslots. A vCPU's thread holds it for the
 *      length of one access; the main loop around each callback (it is the loop's guard); control commands therefore too.
 *   2. jobs->lock, then loop->post_lock: leaves.
 * I/O threads never take vm->lock: a device's queues are theirs while the thread runs, and are set up while it does not. They reach the
 * main loop by td_loop_post(). What may wait (netlink, sysfs, fsync, pinning RAM) is a host job (job.h): `jobs` has a thread of its own,
 * which never takes vm->lock. Pausing vCPUs (td_vm_pause) is done by the main loop's thread with vm->lock held: it lets go of the lock
 * while it waits.
 */
#ifndef TD_CORE_VM_H
#define TD_CORE_VM_H

#include "core/base.h"
#include "core/boot.h"
#include "core/bus.h"
#include "core/device.h"
#include "core/err.h"
#include "core/irq.h"
#include "core/job.h"
#include "core/kvm.h"
#include "core/lock.h"
#include "core/log.h"
#include "core/loop.h"
#include "core/mem.h"
#include "core/pci.h"
#include "core/reset_loop.h"
#include "core/vcpu.h"

enum td_vm_state { TD_VM_CREATED, TD_VM_RUNNING, TD_VM_PAUSED, TD_VM_STOPPED };

/* Why the VM stopped; exit_status is the process's. */
enum td_vm_end { TD_VM_END_NONE, TD_VM_END_POWEROFF, TD_VM_END_DEBUG_EXIT, TD_VM_END_KILLED, TD_VM_END_ERROR };

struct td_vm_config {
	char name[64];
	struct td_mem_config mem;
	unsigned cpus;		    /* 1..kvm.vcpus_max */
	struct td_boot_config boot; /* strings are borrowed for the VM's life */
	uint16_t debug_exit_port;   /* 0: none; as QEMU's isa-debug-exit: a write of v ends the process with status (v << 1) | 1 */
	bool reboot_ends;	    /* a guest's reboot ends the process instead (as QEMU's -no-reboot) */
};

struct td_vm {
	struct td_vm_config config;
	struct td_kvm kvm;
	struct td_mem mem;
	struct td_irq irq;
	struct td_bus pio, mmio;
	struct td_pci pci;
	struct td_loop loop;
	struct td_jobs jobs;
	struct td_lock lock;
	struct td_vcpus vcpus;
	struct td_device *devices, **devices_tail;
	struct td_log_limit unclaimed_limit, reset_limit;
	uint64_t unclaimed_count, fault_count;
	enum td_vm_state state;
	enum td_vm_end end;
	int exit_status;
	struct td_work reboot_work, stop_work;
	bool initialised;      /* td_vm_init() succeeded or is under way: there is something for td_vm_fini() */
	bool reboot_requested; /* merges requests until the guest may run again; atomic */
	struct td_io_region debug_exit;
	unsigned reboots;
	struct td_reset_loop reset_loop;
	struct td_timer reset_wait;  /* armed: the guest was reset, and has to wait before it runs */
	enum td_reason pause_reason; /* why it is paused: TD_REASON_NONE, as somebody asked for it, or TD_REASON_RESET_LOOP */
	/* Called on the main loop after every reset of the guest, before vCPUs run again; may be NULL. */
	void (*on_reset)(struct td_vm *vm, void *opaque);
	void *on_reset_opaque;
};

/* Makes memory, KVM, irqchip, buses, PCI root and the loop. Devices are added after it and before td_vm_boot(). */
int td_vm_init(struct td_vm *vm, const struct td_vm_config *config, struct td_err *err);
/* Destroys the devices too, last one first. Harmless after a td_vm_init() that failed and on a zeroed struct. */
void td_vm_fini(struct td_vm *vm);

/* Puts the device into the VM's list; the VM owns it from here on. td_vm_remove_device() takes it out without destroying it. */
void td_vm_add_device(struct td_vm *vm, struct td_device *device);
void td_vm_remove_device(struct td_vm *vm, struct td_device *device);

/* Writes ACPI tables, kernel, initrd and boot parameters into RAM, sets vCPU 0's registers, starts the vCPU threads (paused: not). */
int td_vm_boot(struct td_vm *vm, struct td_err *err);

/* Runs the main loop until the VM has stopped. Returns the process's exit status. */
int td_vm_run(struct td_vm *vm);

/*
 * Main loop only: stops the vCPUs for a moment, without a pause of the VM or its devices; the lock is let go while it waits for them. They
 * go on with td_vm_unpark(), but not when a reset or the end was asked for meanwhile.
 */
void td_vm_park(struct td_vm *vm);
void td_vm_unpark(struct td_vm *vm);

/*
 * Main loop only. Pausing stops vCPUs, then quiesces devices; hardware that says -EBUSY (a VF in use) goes on receiving into the buffers
 * it has, as with other VMMs, and device->keeps_dma says so. -EALREADY when it is so already. A guest in a loop of resets (reset_loop.h) is
 * paused by itself, freshly reset; td_vm_resume() lets it try again.
 */
int td_vm_pause(struct td_vm *vm);
int td_vm_resume(struct td_vm *vm);
/* ACPI power button. */
int td_vm_press_power(struct td_vm *vm);

/* Any thread: asks the main loop to reset the guest, or to stop. The first end wins. */
void td_vm_request_reboot(struct td_vm *vm);
void td_vm_request_stop(struct td_vm *vm, enum td_vm_end end, int exit_status);

/* vcpu.c hands every PIO and MMIO exit to these; the lock is taken inside. Reads of nothing give all ones. */
void td_vm_pio(struct td_vm *vm, struct td_access *access);
void td_vm_mmio(struct td_vm *vm, struct td_access *access);

#endif
