/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core_vm_test.c - whole VMs on the machine's KVM, with guests of a few instructions: debug exit, exits of every kind, pause, reboot,
 * triple fault. Skipped, saying so, where there is no /dev/kvm.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/vcpu_parts.h"
#include "core/vm.h"

#define LOAD_ADDR  0x100000U
#define CODE_AT	   0x20U
#define EXIT_PORT  0xf4U
#define PROBE_PORT 0x5000U
#define PROBE_MMIO 0xc0000000U

/* What the guest's probes left. */
struct probe {
	struct td_io_region pio, mmio;
	unsigned pio_calls, mmio_calls;
	uint8_t pio_widths[8], mmio_widths[8];
	uint64_t pio_values[8], mmio_values[8], mmio_offsets[8];
};

struct fixture {
	struct td_vm vm;
	struct probe probe;
	int image_fd;
	char path[64];
};

static enum td_result probe_pio(struct td_io_region *region, struct td_access *access)
{
	struct probe *probe = TD_CONTAINER_OF(region, struct probe, pio);
	unsigned n = probe->pio_calls++ % 8;

	probe->pio_widths[n] = access->width;
	probe->pio_values[n] = access->value;
	if (!access->write)
		access->value = 0xa1b2c3d4;
	return TD_DONE;
}

static enum td_result probe_mmio(struct td_io_region *region, struct td_access *access)
{
	struct probe *probe = TD_CONTAINER_OF(region, struct probe, mmio);
	unsigned n = probe->mmio_calls++ % 8;

	probe->mmio_widths[n] = access->width;
	probe->mmio_offsets[n] = access->offset;
	probe->mmio_values[n] = access->value;
	if (!access->write)
		access->value = 0x1122334455667788ULL;
	return TD_DONE;
}

static bool no_kvm(void)
{
	if (access("/dev/kvm", R_OK | W_OK) == 0)
		return false;
	print_message("skipped: /dev/kvm: %s\n", strerror(errno));
	return true;
}

/* A VM whose guest is the given 32-bit code. */
static struct fixture *make_vm(const void *code, size_t len, unsigned cpus)
{
	uint32_t header[] = {0x1badb002, 0x10000, 0U - 0x1badb002U - 0x10000U, LOAD_ADDR, LOAD_ADDR, 0, 0, LOAD_ADDR + CODE_AT};
	struct td_vm_config config = {
		.name = "test", .mem.size_bytes = 8 * TD_MIB, .cpus = cpus, .debug_exit_port = EXIT_PORT, .boot.cmdline = "x"};
	struct fixture *f = calloc(1, sizeof(*f));
	struct td_err err = {0};

	f->image_fd = memfd_create("guest", MFD_CLOEXEC);
	assert_int_equal(pwrite(f->image_fd, header, sizeof(header), 0), sizeof(header));
	assert_int_equal(pwrite(f->image_fd, code, len, CODE_AT), len);
	snprintf(f->path, sizeof(f->path), "/proc/self/fd/%d", f->image_fd);
	config.boot.kernel = f->path;
	if (td_vm_init(&f->vm, &config, &err) < 0)
		fail_msg("%s", err.text);
	f->probe.pio = (struct td_io_region){.name = "probe", .base = PROBE_PORT, .len = 16, .access = probe_pio};
	f->probe.mmio = (struct td_io_region){.name = "probe", .base = PROBE_MMIO, .len = 0x2000, .access = probe_mmio};
	assert_int_equal(td_bus_add(&f->vm.pio, &f->probe.pio), 0);
	assert_int_equal(td_bus_add(&f->vm.mmio, &f->probe.mmio), 0);
	return f;
}

static int boot_and_run(struct fixture *f)
{
	struct td_err err = {0};

	if (td_vm_boot(&f->vm, &err) < 0)
		fail_msg("%s", err.text);
	return td_vm_run(&f->vm);
}

static void free_vm(struct fixture *f)
{
	td_vm_fini(&f->vm);
	td_vm_fini(&f->vm); /* harmless */
	close(f->image_fd);
	free(f);
}

/* mov al, v; out EXIT_PORT, al; hlt; jmp back to the hlt */
#define EXIT_WITH(v) 0xb0, (v), 0xe6, EXIT_PORT, 0xf4, 0xeb, 0xfd

static void debug_exit_gives_the_status(void **state)
{
	/* Multiboot's magic in eax, else exit with 1. */
	static const uint8_t code[] = {0x3d, 0x02, 0xb0, 0xad, 0x2b, 0x75, 7, EXIT_WITH(0x21), EXIT_WITH(0)};
	struct fixture *f;

	(void)state;
	if (no_kvm())
		skip();
	f = make_vm(code, sizeof(code), 1);
	assert_int_equal(boot_and_run(f), 0x43);
	assert_int_equal(f->vm.end, TD_VM_END_DEBUG_EXIT);
	assert_int_equal(f->vm.state, TD_VM_STOPPED);
	free_vm(f);
}

static void port_io_of_every_width_arrives(void **state)
{
	static const uint8_t code[] = {
		0xba,
		0x00,
		0x50,
		0,
		0, /* mov edx, PROBE_PORT */
		0xb8,
		0x44,
		0x33,
		0x22,
		0x11, /* mov eax, 0x11223344 */
		0xee,
		0x66,
		0xef,
		0xef, /* out dx, al; ax; eax */
		0xed, /* in eax, dx */
		0xba,
		0x00,
		0x50,
		0,
		0,    /* mov edx, PROBE_PORT */
		0xef, /* out dx, eax */
		0xbe,
		0x20,
		0,
		0x10,
		0, /* mov esi, the code itself */
		0xb9,
		3,
		0,
		0,
		0, /* mov ecx, 3 */
		0xfc,
		0xf3,
		0x6e, /* cld; rep outsb */
		EXIT_WITH(0),
	};
	struct fixture *f;

	(void)state;
	if (no_kvm())
		skip();
	f = make_vm(code, sizeof(code), 1);
	assert_int_equal(boot_and_run(f), 1);
	assert_int_equal(f->probe.pio_calls, 8);
	assert_memory_equal(f->probe.pio_widths, "\1\2\4\4\4\1\1\1", 8);
	assert_int_equal(f->probe.pio_values[0], 0x44);
	assert_int_equal(f->probe.pio_values[1], 0x3344);
	assert_int_equal(f->probe.pio_values[2], 0x11223344);
	assert_int_equal(f->probe.pio_values[4], 0xa1b2c3d4);
	assert_int_equal(f->probe.pio_values[5], code[0]);
	assert_int_equal(f->probe.pio_values[7], code[2]);
	assert_true(td_vcpus_stats(&f->vm).pio >= 6);
	free_vm(f);
}

static void mmio_arrives_and_what_nobody_claims_reads_as_ones(void **state)
{
	static const uint8_t code[] = {
		0xc7,
		0x05,
		4,
		0,
		0,
		0xc0,
		0x78,
		0x56,
		0x34,
		0x12, /* mov dword [PROBE_MMIO + 4], 0x12345678 */
		0xa0,
		1,
		0,
		0,
		0xc0, /* mov al, [PROBE_MMIO + 1] */
		0xa2,
		2,
		0,
		0,
		0xc0, /* mov [PROBE_MMIO + 2], al */
		0xa1,
		0,
		0,
		0,
		0xd0, /* mov eax, [0xd0000000]: nothing there */
		0xa3,
		8,
		0,
		0,
		0xc0, /* mov [PROBE_MMIO + 8], eax */
		0xba,
		0x34,
		0x12,
		0,
		0,
		0xed, /* mov edx, 0x1234; in eax, dx: nothing there */
		0xa3,
		12,
		0,
		0,
		0xc0, /* mov [PROBE_MMIO + 12], eax */
		0xa3,
		0xfe,
		0xff,
		0xff,
		0xbf, /* mov [PROBE_MMIO - 2], eax: crosses into it */
		EXIT_WITH(0),
	};
	struct fixture *f;

	(void)state;
	if (no_kvm())
		skip();
	f = make_vm(code, sizeof(code), 1);
	assert_int_equal(boot_and_run(f), 1);
	assert_memory_equal(f->probe.mmio_widths, "\4\1\1\4\4\2", 6);
	assert_int_equal(f->probe.mmio_values[0], 0x12345678);
	assert_int_equal(f->probe.mmio_offsets[1], 1);
	assert_int_equal(f->probe.mmio_values[2], 0x88);
	assert_int_equal(f->probe.mmio_values[3], 0xffffffff);
	assert_int_equal(f->probe.mmio_values[4], 0xffffffff);
	assert_true(f->vm.unclaimed_count >= 3);
	assert_int_equal(f->vm.fault_count, 0);
	free_vm(f);
}

/* Counts its starts at 2 MiB; at the third it exits, before that it does what `end` says. */
#define COUNT_STARTS_TO(n) 0xff, 0x05, 0, 0, 0x20, 0, 0x83, 0x3d, 0, 0, 0x20, 0, n, 0x75, 7, EXIT_WITH(0x11)
#define COUNT_STARTS	   COUNT_STARTS_TO(3)

static void reset_counted(struct td_vm *vm, void *opaque)
{
	assert_ptr_equal(vm->on_reset_opaque, opaque);
	++*(unsigned *)opaque;
}

static void a_reset_starts_the_guest_anew(const void *code, size_t len)
{
	unsigned resets = 0;
	struct fixture *f = make_vm(code, len, 3);

	f->vm.on_reset = reset_counted;
	f->vm.on_reset_opaque = &resets;
	assert_int_equal(boot_and_run(f), 0x23);
	assert_int_equal(f->vm.reboots, 2);
	assert_int_equal(resets, 2);
	free_vm(f);
}

static void triple_fault_resets(void **state)
{
	static const uint8_t code[] = {COUNT_STARTS, 0x0f, 0x0b}; /* ud2 without IDT */

	(void)state;
	if (no_kvm())
		skip();
	td_log_set_level(TD_LOG_ERROR);
	a_reset_starts_the_guest_anew(code, sizeof(code));
}

struct resumer {
	struct td_timer timer;
	struct td_vm *vm;
	unsigned resumed, reboots;
	enum td_reason reason;
};

static void resumer_look(struct td_timer *timer)
{
	struct resumer *r = TD_CONTAINER_OF(timer, struct resumer, timer);

	if (r->vm->state == TD_VM_PAUSED) {
		r->reason = r->vm->pause_reason;
		r->reboots = r->vm->reboots;
		r->resumed++;
		assert_int_equal(td_vm_resume(r->vm), 0);
	}
	td_loop_arm(&r->vm->loop, timer, 10000000);
}

/* Each start is a triple fault but the sixth, which would not come by itself. */
static void endless_resets_pause(void **state)
{
	static const uint8_t code[] = {COUNT_STARTS_TO(TD_RESET_LOOP_MAX + 1), 0x0f, 0x0b};
	struct resumer r = {.timer.expired = resumer_look};
	struct fixture *f;

	(void)state;
	if (no_kvm())
		skip();
	td_log_set_level(TD_LOG_ERROR);
	f = make_vm(code, sizeof(code), 1);
	r.vm = &f->vm;
	td_loop_arm(&f->vm.loop, &r.timer, 10000000);
	assert_int_equal(boot_and_run(f), 0x23);
	td_loop_disarm(&f->vm.loop, &r.timer);
	assert_int_equal(r.resumed, 1);
	assert_int_equal(r.reason, TD_REASON_RESET_LOOP);
	assert_int_equal(r.reboots, TD_RESET_LOOP_MAX);
	assert_int_equal(f->vm.reboots, TD_RESET_LOOP_MAX);
	assert_int_equal(f->vm.pause_reason, TD_REASON_NONE);
	free_vm(f);
}

static void acpi_reset_resets(void **state)
{
	static const uint8_t code[] = {COUNT_STARTS, 0xba, 0x04, 0x06, 0, 0, 0xb0, 1, 0xee, 0xee, 0xee, 0xf4, 0xeb, 0xfd};

	(void)state;
	if (no_kvm())
		skip();
	a_reset_starts_the_guest_anew(code, sizeof(code));
}

static void reboot_can_end_the_vm(void **state)
{
	static const uint8_t code[] = {0x0f, 0x0b};
	struct fixture *f;

	(void)state;
	if (no_kvm())
		skip();
	f = make_vm(code, sizeof(code), 1);
	f->vm.config.reboot_ends = true;
	assert_int_equal(boot_and_run(f), 0);
	assert_int_equal(f->vm.end, TD_VM_END_POWEROFF);
	free_vm(f);
}

struct device {
	struct td_device device;
	unsigned quiesced, resumed;
	int fail;
	bool *destroyed;
};

static void device_reset(struct td_device *device)
{
	(void)device;
}

static int device_quiesce(struct td_device *device)
{
	struct device *d = TD_CONTAINER_OF(device, struct device, device);

	if (d->fail)
		return d->fail;
	d->quiesced++;
	return 0;
}

static void device_resume(struct td_device *device)
{
	TD_CONTAINER_OF(device, struct device, device)->resumed++;
}

static void device_destroy(struct td_device *device)
{
	*TD_CONTAINER_OF(device, struct device, device)->destroyed = true;
}

static const struct td_device_ops device_ops = {device_reset, device_quiesce, device_resume, device_destroy};

struct pauser {
	struct td_timer timer;
	struct td_vm *vm;
	struct device *good, *bad;
	unsigned rounds;
};

static uint32_t counter(struct td_vm *vm)
{
	return __atomic_load_n((uint32_t *)td_mem_ptr(&vm->mem, TD_GPA(0x200000), 4), __ATOMIC_ACQUIRE);
}

/* On the main loop, with the lock held, while the guest counts and does port IO as fast as it can. */
static void pause_and_resume(struct td_timer *timer)
{
	struct pauser *p = TD_CONTAINER_OF(timer, struct pauser, timer);
	uint32_t before;

	assert_int_equal(td_vm_resume(p->vm), -EALREADY);
	p->bad->fail = p->rounds % 2 ? -EIO : 0;
	if (p->bad->fail) {
		assert_int_equal(td_vm_pause(p->vm), -EIO);
		assert_int_equal(p->vm->state, TD_VM_RUNNING);
		assert_int_equal(p->good->quiesced, p->good->resumed);
	} else {
		assert_int_equal(td_vm_pause(p->vm), 0);
		assert_int_equal(td_vm_pause(p->vm), -EALREADY);
		before = counter(p->vm);
		usleep(2000);
		assert_int_equal(counter(p->vm), before);
		assert_int_equal(td_vm_resume(p->vm), 0);
	}
	if (++p->rounds < 40)
		td_loop_arm(&p->vm->loop, timer, 1000000);
	else
		td_vm_request_stop(p->vm, TD_VM_END_KILLED, 7);
}

static void pausing_stops_every_vcpu_and_undoes_failures(void **state)
{
	/* lock inc dword [2 MiB]; out PROBE_PORT, al; jmp */
	static const uint8_t code[] = {0xba, 0x00, 0x50, 0, 0, 0xf0, 0xff, 0x05, 0, 0, 0x20, 0, 0xee, 0xeb, 0xf6};
	bool gone[2] = {false, false};
	struct device good = {.device = {.ops = &device_ops, .name = "good"}, .destroyed = &gone[0]};
	struct device bad = {.device = {.ops = &device_ops, .name = "bad"}, .destroyed = &gone[1]};
	struct pauser p = {.timer.expired = pause_and_resume, .good = &good, .bad = &bad};
	struct fixture *f;
	uint32_t counted;

	(void)state;
	if (no_kvm())
		skip();
	td_log_set_level(TD_LOG_ERROR);
	f = make_vm(code, sizeof(code), 2);
	td_vm_add_device(&f->vm, &good.device);
	td_vm_add_device(&f->vm, &bad.device);
	p.vm = &f->vm;
	td_loop_arm(&f->vm.loop, &p.timer, 1000000);
	assert_int_equal(boot_and_run(f), 7);
	counted = counter(&f->vm);
	assert_true(counted > 0);
	/* Completed before parking: at most the last instruction pair is between the two. */
	assert_in_range(counted - f->probe.pio_calls, 0, 1);
	assert_int_equal(good.quiesced, 40);
	td_vm_remove_device(&f->vm, &bad.device);
	free_vm(f);
	assert_true(gone[0]);
	assert_false(gone[1]);
}

/* A guest of two vCPUs: one powers off while the other's reset waits for it. */
struct ender {
	struct td_device device;
	struct td_timer timer;
	struct td_work look;
	struct td_vm *vm;
	bool by_pause, held;
};

static void ask_for_the_end(struct ender *e)
{
	td_vm_request_stop(e->vm, TD_VM_END_POWEROFF, 9);
	td_loop_post(&e->vm->loop, &e->look);
}

static void ender_reset(struct td_device *device)
{
	ask_for_the_end(TD_CONTAINER_OF(device, struct ender, device));
}

static int ender_quiesce(struct td_device *device)
{
	ask_for_the_end(TD_CONTAINER_OF(device, struct ender, device));
	return -EIO;
}

static void ender_no_act(struct td_device *device)
{
	(void)device;
}

static void ender_look(struct td_work *work)
{
	struct ender *e = TD_CONTAINER_OF(work, struct ender, look);

	e->held = e->vm->vcpus.hold;
}

static void ender_begin(struct td_timer *timer)
{
	struct ender *e = TD_CONTAINER_OF(timer, struct ender, timer);

	if (e->by_pause)
		assert_int_equal(td_vm_pause(e->vm), -EIO);
	else
		td_vm_request_reboot(e->vm);
}

static void nothing_runs_after_the_end(void **state)
{
	static const struct td_device_ops ops = {ender_reset, ender_quiesce, ender_no_act, ender_no_act};
	static const uint8_t code[] = {0xeb, 0xfe};

	(void)state;
	if (no_kvm())
		skip();
	for (unsigned i = 0; i < 2; i++) {
		struct ender e = {
			.device = {.ops = &ops, .name = "ender"}, .by_pause = i, .timer.expired = ender_begin, .look.run = ender_look};
		struct fixture *f = make_vm(code, sizeof(code), 2);

		e.vm = &f->vm;
		td_vm_add_device(&f->vm, &e.device);
		td_loop_arm(&f->vm.loop, &e.timer, 1000000);
		assert_int_equal(boot_and_run(f), 9);
		assert_true(e.held);
		free_vm(f);
	}
}

/* What a newer kernel might say: the log has its number and a reason, and the VM ends as others do. */
static void an_unknown_exit_ends_the_vm(void **state)
{
	static const uint8_t code[] = {0xeb, 0xfe};
	struct fixture *f;
	char text[1024];

	(void)state;
	if (no_kvm())
		skip();
	f = make_vm(code, sizeof(code), 1);
	int saved = dup(STDERR_FILENO), log = memfd_create("log", MFD_CLOEXEC);
	dup2(log, STDERR_FILENO);
	f->vm.vcpus.vcpu[0].run->exit_reason = 4242;
	bool runs = td_vcpu_exit_handle(&f->vm.vcpus.vcpu[0]);
	dup2(saved, STDERR_FILENO);
	close(saved);
	ssize_t len = pread(log, text, sizeof(text) - 1, 0);
	close(log);
	text[TD_MAX(len, 0)] = '\0';
	assert_false(runs);
	assert_non_null(strstr(text, "unknown KVM exit 4242"));
	assert_non_null(strstr(text, "[kvm-capability]"));
	assert_int_equal(boot_and_run(f), 1);
	assert_int_equal(f->vm.end, TD_VM_END_ERROR);
	free_vm(f);
}

static void the_first_end_wins(void **state)
{
	static const uint8_t code[] = {0xf4, 0xeb, 0xfd};
	struct fixture *f;

	(void)state;
	if (no_kvm())
		skip();
	f = make_vm(code, sizeof(code), 2);
	td_vm_request_stop(&f->vm, TD_VM_END_KILLED, 5);
	td_vm_request_stop(&f->vm, TD_VM_END_ERROR, 6);
	assert_int_equal(boot_and_run(f), 5);
	assert_int_equal(f->vm.end, TD_VM_END_KILLED);
	free_vm(f);
}

static void bad_configurations_are_refused_and_undone(void **state)
{
	struct td_vm_config config = {.name = "x", .mem.size_bytes = 8 * TD_MIB, .cpus = 0};
	struct td_err err = {0};
	struct td_vm vm = {0};
	int before, after;

	(void)state;
	td_vm_fini(&vm); /* zeroed: harmless */
	if (no_kvm())
		skip();
	before = dup(0);
	close(before);
	assert_int_equal(td_vm_init(&vm, &config, &err), -EINVAL);
	config.cpus = 100000;
	assert_int_equal(td_vm_init(&vm, &config, &err), -EINVAL);
	config.cpus = 1;
	config.mem.size_bytes = 7;
	assert_int_equal(td_vm_init(&vm, &config, &err), -EINVAL);
	config.mem.size_bytes = 8 * TD_MIB;
	config.debug_exit_port = 0xcf8; /* PCI has it */
	assert_true(td_vm_init(&vm, &config, &err) < 0);
	after = dup(0);
	close(after);
	assert_int_equal(before, after);
}

static void memslots_are_counted_and_reused(void **state)
{
	static const uint8_t code[] = {0xf4};
	struct fixture *f;
	unsigned slots[TD_KVM_SLOTS_MAX], count = 0, again;
	uint64_t base = 0xd0000000;
	void *page;

	(void)state;
	if (no_kvm())
		skip();
	f = make_vm(code, sizeof(code), 1);
	page = mmap(NULL, TD_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_int_equal(td_kvm_slot_add(&f->vm.kvm, TD_GPA(0), TD_PAGE, page, 0, &again), -EEXIST);
	assert_int_equal(td_kvm_slot_add(&f->vm.kvm, TD_GPA(base), 0, page, 0, &again), -EINVAL);
	while (td_kvm_slot_add(&f->vm.kvm, TD_GPA(base + count * TD_PAGE), TD_PAGE, page, 0, &slots[count]) == 0)
		count++;
	assert_in_range(count, 32, TD_KVM_SLOTS_MAX - 1);
	assert_int_equal(td_kvm_slot_add(&f->vm.kvm, TD_GPA(base + count * TD_PAGE), TD_PAGE, page, 0, &again), -ENOSPC);
	td_kvm_slot_del(&f->vm.kvm, slots[3]);
	td_kvm_slot_del(&f->vm.kvm, slots[3]);
	td_kvm_slot_del(&f->vm.kvm, 1000);
	assert_int_equal(td_kvm_slot_add(&f->vm.kvm, TD_GPA(base + 3 * TD_PAGE), TD_PAGE, page, KVM_MEM_READONLY, &again), 0);
	assert_int_equal(again, slots[3]);
	free_vm(f);
	munmap(page, TD_PAGE);
}

static void msis_take_and_give_back_gsis(void **state)
{
	static const uint8_t code[] = {0xf4};
	static struct td_irq_msi msis[TD_IRQ_GSI_MAX];
	int event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	unsigned count = 0;
	uint64_t updates;
	struct fixture *f;

	(void)state;
	if (no_kvm())
		skip();
	f = make_vm(code, sizeof(code), 1);
	while (td_irq_msi_init(&f->vm.irq, &msis[count]) == 0)
		count++;
	assert_int_equal(count, TD_IRQ_GSI_MAX - TD_IRQ_PINS);
	assert_int_equal(msis[count].gsi, -1);
	updates = f->vm.irq.route_updates;
	assert_int_equal(td_irq_msi_attach(&f->vm.irq, &msis[5], 0xfee00000, 0x41, event_fd), 0);
	assert_int_equal(td_irq_msi_attach(&f->vm.irq, &msis[5], 0xfee00000, 0x41, event_fd), 0);
	td_irq_msi_detach(&f->vm.irq, &msis[5], event_fd);
	assert_int_equal(td_irq_msi_attach(&f->vm.irq, &msis[5], 0xfee00000, 0x41, event_fd), 0);
	assert_int_equal(f->vm.irq.route_updates, updates + 1);
	assert_int_equal(td_irq_msi_attach(&f->vm.irq, &msis[5], 0xfee00000, 0x42, event_fd), 0);
	assert_int_equal(f->vm.irq.route_updates, updates + 2);
	for (unsigned i = 0; i < count; i++)
		td_irq_msi_fini(&f->vm.irq, &msis[i], event_fd);
	assert_int_equal(td_irq_msi_init(&f->vm.irq, &msis[0]), 0);
	assert_int_equal(msis[0].gsi, TD_IRQ_PINS);
	free_vm(f);
	close(event_fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(debug_exit_gives_the_status),
		cmocka_unit_test(port_io_of_every_width_arrives),
		cmocka_unit_test(mmio_arrives_and_what_nobody_claims_reads_as_ones),
		cmocka_unit_test(triple_fault_resets),
		cmocka_unit_test(endless_resets_pause),
		cmocka_unit_test(acpi_reset_resets),
		cmocka_unit_test(reboot_can_end_the_vm),
		cmocka_unit_test(pausing_stops_every_vcpu_and_undoes_failures),
		cmocka_unit_test(nothing_runs_after_the_end),
		cmocka_unit_test(an_unknown_exit_ends_the_vm),
		cmocka_unit_test(the_first_end_wins),
		cmocka_unit_test(bad_configurations_are_refused_and_undone),
		cmocka_unit_test(memslots_are_counted_and_reused),
		cmocka_unit_test(msis_take_and_give_back_gsis),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
