/* SPDX-License-Identifier: Apache-2.0 */
/* machine_control.c - the commands of a VM's control socket. They run on the main loop with the VM's lock held. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "core/json.h"
#include "emul/serial.h"
#include "machine/machine.h"

static const char *machine_control_state_name(enum td_vm_state state)
{
	static const char *const names[] = {
		[TD_VM_CREATED] = "created", [TD_VM_RUNNING] = "running", [TD_VM_PAUSED] = "paused", [TD_VM_STOPPED] = "stopped"};

	return names[state];
}

static const char *console_path(const struct td_machine *machine)
{
	return machine->serial ? td_serial_pty_path(machine->serial) : "";
}

static json_t *machine_control_counts(const struct td_machine *machine)
{
	const struct td_vm *vm = &machine->vm;
	struct td_vcpu_stats stats = td_vcpus_stats(vm);

	return json_pack("{s:{s:I, s:I, s:I, s:I}, s:I, s:I, s:I, s:I}", "exits", "pio", (json_int_t)stats.pio, "mmio",
		(json_int_t)stats.mmio, "interrupted", (json_int_t)stats.interrupted, "other", (json_int_t)stats.other,
		"pci_config_accesses", (json_int_t)vm->pci.config_accesses, "irq_route_updates", (json_int_t)vm->irq.route_updates,
		"unclaimed_accesses", (json_int_t)vm->unclaimed_count, "faulty_accesses", (json_int_t)vm->fault_count);
}

/* How long the VM's lock was held, in a build that measures it; else null. */
static json_t *machine_control_lock(const struct td_vm *vm)
{
	struct td_lock_stats stats;

	if (!td_lock_stats(&vm->lock, &stats))
		return json_null();
	return json_pack("{s:I, s:f, s:I, s:I}", "holds", (json_int_t)stats.holds, "longest_cpu_ms", (double)stats.longest_cpu_ns / 1e6,
		"too_long", (json_int_t)stats.too_long, "slept", (json_int_t)stats.slept);
}

static void machine_control_run_vm_info(struct td_control_request *request, json_t *args, void *opaque)
{
	struct td_machine *machine = opaque;
	const struct td_vm_file_config *config = machine->config;

	(void)args;
	uint64_t uptime_ms = machine->started_ns ? (td_now_ns() - machine->started_ns) / 1000000U : 0;
	td_control_reply(request,
		json_pack("{s:o, s:s, s:s, s:i, s:I, s:I, s:I, s:o, s:s, s:i, s:i, s:i, s:o, s:o}", "name", td_json_text(config->name),
			"state", machine_control_state_name(machine->vm.state), "reason", td_reason_name(machine->vm.pause_reason), "pid",
			(int)getpid(), "uptime_ms", (json_int_t)uptime_ms, "cpus", (json_int_t)config->cpus, "memory_bytes",
			(json_int_t)config->memory_bytes, "kernel", td_json_text(config->kernel), "console", console_path(machine), "disks",
			(int)config->disk_count, "nics", (int)machine->nic_count, "reboots", (int)machine->vm.reboots, "counts",
			machine_control_counts(machine), "lock", machine_control_lock(&machine->vm)));
}

/* The end of a command that answers with nothing but its success. */
static void machine_control_finish(struct td_control_request *request, const struct td_machine *machine, int rc, const char *what)
{
	struct td_err err;

	if (!rc) {
		td_control_reply(request, json_pack("{s:s}", "state", machine_control_state_name(machine->vm.state)));
		return;
	}
	if (rc == -EALREADY)
		td_err_set(&err, EALREADY, TD_REASON_VM_STATE, "vm %s: is %s already", machine->config->name,
			machine_control_state_name(machine->vm.state));
	else
		td_err_sys(&err, -rc, rc == -ETIMEDOUT ? TD_REASON_DISK_TIMEOUT : TD_REASON_VM_STATE, "vm %s: %s (it is %s)",
			machine->config->name, what, machine_control_state_name(machine->vm.state));
	td_control_fail(request, &err);
}

/* The devices whose hardware goes on writing to the paused guest's memory, by name. New reference. */
static json_t *dma_goes_on(const struct td_machine *machine)
{
	json_t *names = json_array();

	for (const struct td_device *device = machine->vm.devices; device; device = device->next)
		if (device->keeps_dma)
			json_array_append_new(names, td_json_text(device->name));
	return names;
}

static void machine_control_run_vm_pause(struct td_control_request *request, json_t *args, void *opaque)
{
	struct td_machine *machine = opaque;
	struct td_err err;

	(void)args;
	for (unsigned i = 0; i < machine->nic_count; i++)
		if (td_hybrid_may_pause(machine->nic[i], &err)) {
			td_control_fail(request, &err);
			return;
		}
	int rc = td_vm_pause(&machine->vm);
	if (rc)
		machine_control_finish(request, machine, rc, "cannot be paused");
	else
		td_control_reply(request,
			json_pack("{s:s, s:o}", "state", machine_control_state_name(machine->vm.state), "dma", dma_goes_on(machine)));
}

static void machine_control_run_vm_resume(struct td_control_request *request, json_t *args, void *opaque)
{
	struct td_machine *machine = opaque;

	(void)args;
	machine_control_finish(request, machine, td_vm_resume(&machine->vm), "cannot be resumed");
}

static void machine_control_run_vm_shutdown(struct td_control_request *request, json_t *args, void *opaque)
{
	struct td_machine *machine = opaque;
	struct td_err err;

	(void)args;
	if (machine->vm.state == TD_VM_RUNNING) {
		machine_control_finish(request, machine, td_vm_press_power(&machine->vm), "cannot be asked to shut down");
		return;
	}
	td_err_set(&err, EBUSY, TD_REASON_VM_STATE, "vm %s: is %s, so its guest does not hear the power button: resume it first",
		machine->config->name, machine_control_state_name(machine->vm.state));
	td_control_fail(request, &err);
}

static void machine_control_run_vm_kill(struct td_control_request *request, json_t *args, void *opaque)
{
	struct td_machine *machine = opaque;

	(void)args;
	td_vm_request_stop(&machine->vm, TD_VM_END_KILLED, 128 + 9);
	machine_control_finish(request, machine, 0, "");
}

static void machine_control_run_vm_console(struct td_control_request *request, json_t *args, void *opaque)
{
	struct td_machine *machine = opaque;
	struct td_err err;

	(void)args;
	if (*console_path(machine)) {
		td_control_reply(request, json_pack("{s:s}", "path", console_path(machine)));
		return;
	}
	td_err_set(
		&err, ENOTTY, TD_REASON_SERIAL, "vm %s: has no console to connect to: run it with serial mode pty", machine->config->name);
	td_control_fail(request, &err);
}

static void machine_control_run_nic_list(struct td_control_request *request, json_t *args, void *opaque)
{
	struct td_machine *machine = opaque;
	json_t *list = json_array();

	(void)args;
	for (unsigned i = 0; i < machine->nic_count; i++)
		json_array_append_new(list, td_hybrid_info(machine->nic[i]));
	td_control_reply(request, list);
}

/* The NIC that "nic" names; NULL when the request has been answered with an error. */
static struct td_hybrid *machine_control_find_nic(struct td_control_request *request, const struct td_machine *machine, const json_t *args)
{
	const char *id = json_string_value(json_object_get(args, "nic"));
	struct td_err err;

	for (unsigned i = 0; id && i < machine->nic_count; i++)
		if (!strcmp(td_hybrid_id(machine->nic[i]), id))
			return machine->nic[i];
	td_err_set(&err, ENOENT, TD_REASON_NIC_NOT_FOUND, "vm %s: has no NIC '%.32s'", machine->config->name, id ? id : "");
	td_control_fail(request, &err);
	return NULL;
}

static void machine_control_run_nic_info(struct td_control_request *request, json_t *args, void *opaque)
{
	struct td_hybrid *nic = machine_control_find_nic(request, opaque, args);

	if (nic)
		td_control_reply(request, td_hybrid_info(nic));
}

/* opaque: the NIC's place in machine->switching. */
static void switch_done(void *opaque, const json_t *flip_record, const struct td_err *err)
{
	struct td_control_request **place = opaque, *request = *place;

	*place = NULL;
	if (err && err->code)
		td_control_fail_with(request, err, flip_record ? json_deep_copy(flip_record) : NULL);
	else
		td_control_reply(request, json_deep_copy(flip_record));
}

void td_machine_drop_switching(struct td_machine *machine)
{
	struct td_err err;

	td_err_set(&err, ECANCELED, TD_REASON_FLIP_ABORTED, "vm %s: ended during the flip", machine->config->name);
	for (unsigned i = 0; i < TD_VM_NETS_MAX; i++)
		if (machine->switching[i])
			switch_done(&machine->switching[i], NULL, &err);
}

/* Two may ask for the same NIC: the second is refused by td_hybrid_switch(), and the first goes on waiting. */
static void switch_nic(struct td_control_request *request, struct td_machine *machine, struct td_hybrid *nic, enum td_path to, unsigned how)
{
	struct td_err err = {0};
	unsigned index = 0;

	while (machine->nic[index] != nic)
		index++;
	struct td_control_request **place = &machine->switching[index], *before = *place;
	*place = request; /* the flip may end within the call */
	if (!td_hybrid_switch(nic, to, how, switch_done, place, &err))
		return;
	*place = before;
	td_control_fail(request, &err);
}

static void machine_control_run_nic_switch(struct td_control_request *request, json_t *args, void *opaque)
{
	struct td_err err = {0};
	const char *to = json_string_value(json_object_get(args, "to"));
	bool cold = json_is_true(json_object_get(args, "cold")), force = json_is_true(json_object_get(args, "force"));

	if (!to || (strcmp(to, "vf") != 0 && strcmp(to, "emulated") != 0)) {
		td_err_set(&err, EINVAL, TD_REASON_USAGE, "nic-switch: to must be \"vf\" or \"emulated\"");
		td_control_fail(request, &err);
		return;
	}
	if ((cold || force) && *to == 'v') {
		td_err_set(&err, EINVAL, TD_REASON_USAGE, "nic-switch: cold and force go with \"to\": \"emulated\"");
		td_control_fail(request, &err);
		return;
	}
	struct td_hybrid *nic = machine_control_find_nic(request, opaque, args);
	if (nic)
		switch_nic(request, opaque, nic, *to == 'v' ? TD_PATH_VF : TD_PATH_EMULATED,
			(cold ? TD_HYBRID_COLD : 0) | (force ? TD_HYBRID_FORCE : 0));
}

const struct td_control_command td_machine_commands[] = {
	{"vm-info", machine_control_run_vm_info},
	{"vm-pause", machine_control_run_vm_pause},
	{"vm-resume", machine_control_run_vm_resume},
	{"vm-shutdown", machine_control_run_vm_shutdown},
	{"vm-kill", machine_control_run_vm_kill},
	{"vm-console", machine_control_run_vm_console},
	{"nic-list", machine_control_run_nic_list},
	{"nic-info", machine_control_run_nic_info},
	{"nic-switch", machine_control_run_nic_switch},
	{NULL, NULL},
};
