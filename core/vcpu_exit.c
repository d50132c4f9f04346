/* SPDX-License-Identifier: Apache-2.0 */
/* vcpu_exit.c - what a vCPU thread does with each exit of KVM_RUN (Linux Documentation/virt/kvm/api.rst §5). */
#include <linux/kvm.h>
#include <string.h>

#include "core/err.h"
#include "core/log.h"
#include "core/vcpu_parts.h"
#include "core/vm.h"

/* String instructions give `count` elements at once. */
static void handle_io(struct td_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	uint8_t *data = (uint8_t *)run + run->io.data_offset;
	bool write = run->io.direction == KVM_EXIT_IO_OUT;

	for (uint32_t i = 0; i < run->io.count; i++, data += run->io.size) {
		struct td_access access = {.offset = run->io.port, .width = run->io.size, .write = write};

		if (write)
			memcpy(&access.value, data, access.width);
		td_vm_pio(vcpu->vm, &access);
		if (!write)
			memcpy(data, &access.value, access.width);
	}
}

/* KVM gives up to 8 bytes, also 3 or 5 of them where an access crosses a page: devices see naturally aligned powers of two. */
static void handle_mmio(struct td_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	uint32_t len = TD_MIN(run->mmio.len, (uint32_t)sizeof(run->mmio.data));

	for (uint32_t at = 0; at < len;) {
		struct td_access access = {.offset = run->mmio.phys_addr + at, .width = 8, .write = run->mmio.is_write};

		/* The whole access as it came, where that is a power of two: what alignment it has is the device's matter. */
		if (at == 0 && (len & (len - 1)) == 0)
			access.width = (uint8_t)len;
		else
			while (access.width > len - at || (access.offset & (access.width - 1U)))
				access.width /= 2;
		if (access.write)
			memcpy(&access.value, run->mmio.data + at, access.width);
		td_vm_mmio(vcpu->vm, &access);
		if (!access.write)
			memcpy(run->mmio.data + at, &access.value, access.width);
		at += access.width;
	}
}

static bool handle_system_event(struct td_vcpu *vcpu)
{
	uint32_t type = vcpu->run->system_event.type;

	if (type == KVM_SYSTEM_EVENT_SHUTDOWN)
		td_vm_request_stop(vcpu->vm, TD_VM_END_POWEROFF, 0);
	else if (type == KVM_SYSTEM_EVENT_RESET)
		td_vm_request_reboot(vcpu->vm);
	else {
		td_error("vcpu %u: system event %u ends the VM", vcpu->index, type);
		td_vm_request_stop(vcpu->vm, TD_VM_END_ERROR, 1);
	}
	return false;
}

static bool handle_shutdown(struct td_vcpu *vcpu)
{
	td_log_limited(&vcpu->reset_limit, TD_LOG_WARN, "vcpu %u: triple fault, the guest is reset", vcpu->index);
	td_vm_request_reboot(vcpu->vm);
	return false;
}

static bool handle_internal_error(struct td_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	td_error("vcpu %u: KVM internal error, suberror %u", vcpu->index, run->internal.suberror);
	for (uint32_t i = 0; i < TD_MIN(run->internal.ndata, (uint32_t)TD_COUNT(run->internal.data)); i++)
		td_error("vcpu %u:   data[%u] %#llx", vcpu->index, i, run->internal.data[i]);
	td_vcpu_regs_log(vcpu);
	td_vm_request_stop(vcpu->vm, TD_VM_END_ERROR, 1);
	return false;
}

static bool handle_fatal(struct td_vcpu *vcpu, enum td_reason reason, const char *what, unsigned long long detail)
{
	td_error("vcpu %u: %s %llu (%#llx): the VM ends [%s]", vcpu->index, what, detail, detail, td_reason_name(reason));
	td_vcpu_regs_log(vcpu);
	td_vm_request_stop(vcpu->vm, TD_VM_END_ERROR, 1);
	return false;
}

bool td_vcpu_exit_handle(struct td_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		vcpu->stats.pio++;
		handle_io(vcpu);
		return true;
	case KVM_EXIT_MMIO:
		vcpu->stats.mmio++;
		handle_mmio(vcpu);
		return true;
	case KVM_EXIT_INTR:
		vcpu->stats.interrupted++;
		return true;
	default:
		break;
	}
	vcpu->stats.other++;
	switch (run->exit_reason) {
	case KVM_EXIT_HLT: /* only without in-kernel LAPIC; nothing to wait for here */
	case KVM_EXIT_IRQ_WINDOW_OPEN:
		return true;
	case KVM_EXIT_SYSTEM_EVENT:
		return handle_system_event(vcpu);
	case KVM_EXIT_SHUTDOWN:
		return handle_shutdown(vcpu);
	case KVM_EXIT_INTERNAL_ERROR:
		return handle_internal_error(vcpu);
	case KVM_EXIT_FAIL_ENTRY:
		return handle_fatal(vcpu, TD_REASON_INTERNAL, "the CPU refuses to enter the guest, reason",
			run->fail_entry.hardware_entry_failure_reason);
	default:
		return handle_fatal(vcpu, TD_REASON_KVM_CAP, "unknown KVM exit", run->exit_reason);
	}
}
