/* SPDX-License-Identifier: Apache-2.0 */
/* vm.c - puts a VM together from core's parts, and its states: boot, pause, reboot, end. */
#include "core/vm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/acpi.h"

#define DEBUG_EXIT_BYTES 4U

static void reboot_run(struct td_work *work);
static void reset_wait_over(struct td_timer *timer);
static void stop_run(struct td_work *work);

static enum td_result debug_exit_access(struct td_io_region *region, struct td_access *access)
{
	struct td_vm *vm = TD_CONTAINER_OF(region, struct td_vm, debug_exit);

	if (!access->write) {
		access->value = 0;
		return TD_DONE;
	}
	/* The exit status of a process has 8 bits; QEMU's (v << 1) | 1 is cut off in the same way. */
	td_vm_request_stop(vm, TD_VM_END_DEBUG_EXIT, (int)(((access->value << 1) | 1) & 0xff));
	return TD_DONE;
}

static int add_debug_exit(struct td_vm *vm, struct td_err *err)
{
	uint16_t port = vm->config.debug_exit_port;
	int r;

	if (!port)
		return 0;
	vm->debug_exit = (struct td_io_region){
		.name = "debug-exit", .base = port, .len = TD_MIN(DEBUG_EXIT_BYTES, 0x10000U - port), .access = debug_exit_access};
	r = td_bus_add(&vm->pio, &vm->debug_exit);
	if (r < 0)
		return td_err_sys(err, -r, TD_REASON_CONFIG_VALUE, "debug-exit: port %#x", port);
	return 0;
}

static int add_ram(struct td_vm *vm, struct td_err *err)
{
	for (unsigned i = 0; i < vm->mem.region_count; i++) {
		const struct td_mem_region *region = &vm->mem.region[i];
		unsigned slot;
		int r = td_kvm_slot_add(&vm->kvm, region->gpa, region->len_bytes, region->host, 0, &slot);

		if (r < 0)
			return td_err_sys(err, -r, TD_REASON_KVM_CAP, "memory: KVM memslot at %#llx of %llu bytes",
				(unsigned long long)region->gpa.v, (unsigned long long)region->len_bytes);
	}
	return 0;
}

static int check_config(const struct td_vm_config *config, unsigned vcpus_max, struct td_err *err)
{
	if (config->cpus < 1 || config->cpus > vcpus_max)
		return td_err_set(err, EINVAL, TD_REASON_CONFIG_VALUE, "cpus: %u, this host allows 1 to %u", config->cpus, vcpus_max);
	return 0;
}

/* Each step needs those before it; td_vm_fini() undoes what was done, in the opposite order. */
static int vm_build(struct td_vm *vm, struct td_err *err)
{
	int r = td_loop_init(&vm->loop, &vm->lock, err);

	if (r == 0)
		r = td_kvm_init(&vm->kvm, err);
	if (r == 0)
		r = check_config(&vm->config, vm->kvm.vcpus_max, err);
	if (r == 0)
		r = td_mem_init(&vm->mem, &vm->config.mem, err);
	if (r == 0)
		r = add_ram(vm, err);
	if (r == 0)
		r = td_irq_init(&vm->irq, &vm->kvm, err);
	if (r == 0)
		r = add_debug_exit(vm, err);
	if (r == 0)
		r = td_pci_init(&vm->pci, vm, err);
	if (r == 0)
		r = td_acpi_init(vm, err);
	if (r == 0)
		r = td_vcpus_init(vm, err);
	return r;
}

int td_vm_init(struct td_vm *vm, const struct td_vm_config *config, struct td_err *err)
{
	int r;

	memset(vm, 0, sizeof(*vm));
	vm->config = *config;
	vm->initialised = true;
	vm->loop.epoll_fd = vm->loop.wake_fd = -1;
	vm->kvm.fd = vm->kvm.vm_fd = -1;
	vm->mem.fd = -1;
	vm->devices_tail = &vm->devices;
	vm->reboot_work.run = reboot_run;
	vm->stop_work.run = stop_run;
	vm->reset_wait.expired = reset_wait_over;
	td_lock_init(&vm->lock);
	td_jobs_init(&vm->jobs, &vm->loop);
	r = vm_build(vm, err);
	if (r < 0)
		td_vm_fini(vm);
	return r;
}

static struct td_device *take_last_device(struct td_vm *vm)
{
	struct td_device *last = vm->devices;

	while (last && last->next)
		last = last->next;
	if (last)
		td_vm_remove_device(vm, last);
	return last;
}

void td_vm_fini(struct td_vm *vm)
{
	struct td_device *device;

	if (!vm->initialised)
		return;
	td_vcpus_fini(vm);
	td_lock_take(&vm->lock);
	while ((device = take_last_device(vm)))
		device->ops->destroy(device);
	if (vm->pci.vm)
		td_pci_fini(&vm->pci);
	td_lock_give(&vm->lock);
	td_jobs_fini(&vm->jobs);
	td_bus_fini(&vm->pio);
	td_bus_fini(&vm->mmio);
	td_irq_fini(&vm->irq);
	td_kvm_fini(&vm->kvm);
	td_mem_fini(&vm->mem);
	td_loop_fini(&vm->loop);
	td_lock_fini(&vm->lock);
	vm->initialised = false;
}

void td_vm_add_device(struct td_vm *vm, struct td_device *device)
{
	device->next = NULL;
	*vm->devices_tail = device;
	vm->devices_tail = &device->next;
}

void td_vm_remove_device(struct td_vm *vm, struct td_device *device)
{
	struct td_device **at;

	for (at = &vm->devices; *at && *at != device; at = &(*at)->next)
		;
	if (!*at)
		return;
	*at = device->next;
	if (vm->devices_tail == &device->next)
		vm->devices_tail = at;
	device->next = NULL;
}

static int load_guest(struct td_vm *vm, struct td_err *err)
{
	struct td_boot_entry entry;
	int r = td_boot_load(&vm->config.boot, &vm->mem, &entry, err);

	if (r < 0)
		return r;
	/* Whatever starts in long mode here is Linux, which does better without. The tables say what is there. */
	td_pci_set_ports(&vm->pci, entry.mode != TD_BOOT_LONG64);
	r = td_acpi_write_tables(vm, err);
	if (r == 0)
		r = td_vcpus_reset(vm, &entry, err);
	return r;
}

int td_vm_boot(struct td_vm *vm, struct td_err *err)
{
	int r;

	r = load_guest(vm, err); /* nobody else is there yet, whom the lock would keep off */
	td_lock_take(&vm->lock);
	if (r == 0)
		r = td_vcpus_start(vm, err);
	if (r == 0)
		vm->state = TD_VM_RUNNING;
	td_reset_loop_run(&vm->reset_loop, td_now_ns());
	td_lock_give(&vm->lock);
	return r;
}

int td_vm_run(struct td_vm *vm)
{
	int r = td_loop_run(&vm->loop);

	td_vcpus_park(vm);
	vm->state = TD_VM_STOPPED;
	if (r < 0) {
		td_error("vm %s: event loop: %s", vm->config.name, strerror(-r));
		return 1;
	}
	return vm->exit_status;
}

/* A vCPU may be waiting for the VM's lock: it must get it to reach the place where it parks. */
void td_vm_park(struct td_vm *vm)
{
	td_lock_give(&vm->lock);
	td_vcpus_park(vm);
	td_lock_take(&vm->lock);
}

void td_vm_unpark(struct td_vm *vm)
{
	bool ending =
		__atomic_load_n(&vm->reboot_requested, __ATOMIC_ACQUIRE) || __atomic_load_n(&vm->end, __ATOMIC_ACQUIRE) != TD_VM_END_NONE;

	if (!ending)
		td_vcpus_unpark(vm);
}

static void resume_devices(struct td_vm *vm, const struct td_device *end)
{
	for (struct td_device *device = vm->devices; device != end; device = device->next)
		device->ops->resume(device);
}

int td_vm_pause(struct td_vm *vm)
{
	int r;

	if (vm->state == TD_VM_PAUSED)
		return -EALREADY;
	if (vm->state != TD_VM_RUNNING)
		return -EINVAL;
	td_vm_park(vm);
	for (struct td_device *device = vm->devices; device; device = device->next) {
		r = device->ops->quiesce(device);
		device->keeps_dma = r == -EBUSY;
		if (r == 0 || r == -EBUSY)
			continue;
		td_warn("%s: does not come to rest: %s", device->name, strerror(-r));
		resume_devices(vm, device);
		td_vm_unpark(vm);
		return r;
	}
	vm->state = TD_VM_PAUSED;
	return 0;
}

int td_vm_resume(struct td_vm *vm)
{
	if (vm->state == TD_VM_RUNNING)
		return -EALREADY;
	if (vm->state != TD_VM_PAUSED)
		return -EINVAL;
	resume_devices(vm, NULL);
	vm->state = TD_VM_RUNNING;
	if (vm->pause_reason == TD_REASON_RESET_LOOP)
		td_reset_loop_run(&vm->reset_loop, td_now_ns());
	vm->pause_reason = TD_REASON_NONE;
	td_vcpus_tell_stopped(vm);
	td_vm_unpark(vm);
	return 0;
}

int td_vm_press_power(struct td_vm *vm)
{
	if (vm->state != TD_VM_RUNNING)
		return -EINVAL;
	td_acpi_event(vm, TD_ACPI_EVENT_POWER);
	return 0;
}

void td_vm_request_reboot(struct td_vm *vm)
{
	if (__atomic_exchange_n(&vm->reboot_requested, true, __ATOMIC_ACQ_REL))
		return;
	td_vcpus_hold(vm); /* the guest asked for its end: nothing more may happen in it */
	td_loop_post(&vm->loop, &vm->reboot_work);
}

void td_vm_request_stop(struct td_vm *vm, enum td_vm_end end, int exit_status)
{
	enum td_vm_end none = TD_VM_END_NONE;

	if (!__atomic_compare_exchange_n(&vm->end, &none, end, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		return;
	__atomic_store_n(&vm->exit_status, exit_status, __ATOMIC_RELEASE);
	td_vcpus_hold(vm);
	td_loop_post(&vm->loop, &vm->stop_work);
}

static void stop_run(struct td_work *work)
{
	struct td_vm *vm = TD_CONTAINER_OF(work, struct td_vm, stop_work);

	td_loop_stop(&vm->loop);
}

static void reset_devices(struct td_vm *vm)
{
	for (struct td_device *device = vm->devices; device; device = device->next) {
		device->ops->reset(device);
		device->broken = false;
	}
	td_pci_reset(&vm->pci);
	td_irq_reset(&vm->irq);
}

/* The guest is reset, and its vCPUs are parked. */
static void run_again(struct td_vm *vm)
{
	__atomic_store_n(&vm->reboot_requested, false, __ATOMIC_RELEASE);
	td_reset_loop_run(&vm->reset_loop, td_now_ns());
	if (vm->state == TD_VM_RUNNING)
		td_vm_unpark(vm);
}

static void reset_wait_over(struct td_timer *timer)
{
	run_again(TD_CONTAINER_OF(timer, struct td_vm, reset_wait));
}

static void stop_resetting(struct td_vm *vm)
{
	__atomic_store_n(&vm->reboot_requested, false, __ATOMIC_RELEASE);
	if (vm->state == TD_VM_RUNNING && td_vm_pause(vm) < 0) {
		td_reset_loop_run(&vm->reset_loop, td_now_ns()); /* it said why not, and lets it run */
		return;
	}
	vm->pause_reason = TD_REASON_RESET_LOOP;
	td_warn("vm %s: paused: its guest was reset %u times in a row, each time before it had run for %llu s: try: %s [%s]",
		vm->config.name, vm->reset_loop.early, TD_RESET_LOOP_LIFE_NS / 1000000000, td_reason_hint(TD_REASON_RESET_LOOP),
		td_reason_name(TD_REASON_RESET_LOOP));
}

static void reboot_run(struct td_work *work)
{
	struct td_vm *vm = TD_CONTAINER_OF(work, struct td_vm, reboot_work);
	uint64_t now_ns = td_now_ns(), wait_ns;
	struct td_err err = {0};

	if (vm->config.reboot_ends) {
		td_vm_request_stop(vm, TD_VM_END_POWEROFF, 0);
		return;
	}
	td_vm_park(vm);
	reset_devices(vm);
	if (load_guest(vm, &err) < 0) {
		td_error("vm %s: reboot: %s [%s]", vm->config.name, err.text, td_reason_name(err.reason));
		td_vm_request_stop(vm, TD_VM_END_ERROR, 1);
		return;
	}
	vm->reboots++;
	td_log_limited(&vm->reset_limit, TD_LOG_INFO, "vm %s: the guest was reset", vm->config.name);
	if (vm->on_reset)
		vm->on_reset(vm, vm->on_reset_opaque);
	if (!td_reset_loop_reset(&vm->reset_loop, now_ns, &wait_ns))
		stop_resetting(vm);
	else if (wait_ns)
		td_loop_arm(&vm->loop, &vm->reset_wait, wait_ns);
	else
		run_again(vm);
}

static void dispatch(struct td_vm *vm, struct td_bus *bus, const char *kind, struct td_access *access)
{
	enum td_result result;

	td_lock_take(&vm->lock);
	result = td_bus_dispatch(bus, access);
	if (result != TD_DONE) {
		uint64_t *count = result == TD_FAULT ? &vm->fault_count : &vm->unclaimed_count;
		enum td_log_level level = result == TD_FAULT ? TD_LOG_WARN : TD_LOG_DEBUG;

		++*count;
		td_log_limited(&vm->unclaimed_limit, level, "vm %s: %s %s of %u bytes at %#llx: %s", vm->config.name, kind,
			access->write ? "write" : "read", access->width, (unsigned long long)access->offset,
			result == TD_FAULT ? "breaks the device's rules" : "nothing is there");
		if (!access->write)
			access->value = td_access_ones(access);
	}
	td_lock_give(&vm->lock);
}

void td_vm_pio(struct td_vm *vm, struct td_access *access)
{
	dispatch(vm, &vm->pio, "port", access);
}

void td_vm_mmio(struct td_vm *vm, struct td_access *access)
{
	dispatch(vm, &vm->mmio, "MMIO", access);
}
