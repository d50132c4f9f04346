/* SPDX-License-Identifier: Apache-2.0 */
/* machine.c - puts a VM together in the order in which it stands below, and takes it apart backwards. */
#include "machine/machine.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "emul/rtc.h"
#include "emul/serial.h"
#include "emul/virtio_blk.h"
#include "emul/virtio_rng.h"
#include "machine/mac_lock.h"
#include "machine/rundir.h"
#include "nic/failover/failover_mode.h"
#include "nic/transparent/transparent_mode.h"

static int machine_add_serial(struct td_machine *machine, struct td_err *err)
{
	static const enum td_serial_kind kinds[] = {[TD_SERIAL_MODE_TTY] = TD_SERIAL_STDIO,
		[TD_SERIAL_MODE_PTY] = TD_SERIAL_PTY,
		[TD_SERIAL_MODE_FILE] = TD_SERIAL_FILE,
		[TD_SERIAL_MODE_OFF] = TD_SERIAL_NULL};
	const struct td_vm_file_config *config = machine->config;
	const struct td_serial_config serial = {.kind = kinds[config->serial_mode], .path = config->serial_file};

	return td_serial_create(&machine->vm, "serial0", &serial, &machine->serial, err);
}

static int machine_add_disks(struct td_machine *machine, struct td_err *err)
{
	for (unsigned i = 0; i < machine->config->disk_count; i++) {
		const struct td_vm_disk_config *disk = &machine->config->disk[i];
		char name[16];

		snprintf(name, sizeof(name), "disk%u", i);
		struct td_virtio_blk_config blk = {.name = name,
			.path = disk->path,
			.format = disk->format,
			.readonly = disk->readonly,
			.direct = disk->direct,
			.serial = name,
			.run_dir = machine->run_dir};
		int rc = td_virtio_blk_create(&machine->vm, &blk, err);
		if (rc)
			return rc;
	}
	return 0;
}

/* ROOT of ROOT/NAME. */
static void run_root(const struct td_machine *machine, char root[TD_RUNDIR_PATH_MAX])
{
	snprintf(root, TD_RUNDIR_PATH_MAX, "%s", machine->run_dir);
	*strrchr(root, '/') = '\0';
}

/* Before anything of them is made: two VMs with one MAC take each other's frames. */
static int take_macs(struct td_machine *machine, struct td_err *err)
{
	char root[TD_RUNDIR_PATH_MAX], owner[128];

	run_root(machine, root);
	for (unsigned i = 0; i < machine->config->net_count; i++) {
		const struct td_vm_net_config *net = &machine->config->net[i];
		int rc;

		snprintf(owner, sizeof(owner), "%.63s/%.32s", machine->config->name, net->id);
		rc = td_mac_lock_take(root, net->mac, owner, &machine->mac_fd[i], err);
		if (rc < 0)
			return td_err_prefix(err, "nic %s", net->id);
		machine->mac_count++;
	}
	return 0;
}

static void give_macs(struct td_machine *machine)
{
	char root[TD_RUNDIR_PATH_MAX];

	if (!machine->mac_count)
		return;
	run_root(machine, root);
	while (machine->mac_count) {
		unsigned i = --machine->mac_count;

		td_mac_lock_give(root, machine->config->net[i].mac, &machine->mac_fd[i]);
	}
}

static int machine_add_nics(struct td_machine *machine, struct td_err *err)
{
	struct td_hybrid_host host = {.vm = &machine->vm,
		.iommu = &machine->iommu,
		.run_dir = machine->run_dir,
		.exact_vf = machine->exact_vf,
		.failover = &td_failover_mode,
		.transparent = &td_transparent_mode};
	int rc = take_macs(machine, err);

	if (rc < 0)
		return rc;
	for (unsigned i = 0; i < machine->config->net_count; i++)
		if (machine->config->net[i].vf)
			machine->exact_vf[host.exact_vf_count++] = machine->config->net[i].vf;
	for (unsigned i = 0; i < machine->config->net_count; i++) {
		rc = td_hybrid_create(&host, &machine->config->net[i], &machine->nic[i], err);
		if (rc)
			return rc;
		machine->nic_count++;
	}
	return 0;
}

static int machine_add_devices(struct td_machine *machine, struct td_err *err)
{
	int rc = td_rtc_create(&machine->vm, "rtc0", err);

	if (!rc)
		rc = machine_add_serial(machine, err);
	if (!rc)
		rc = machine_add_disks(machine, err);
	if (!rc && machine->config->rng)
		rc = td_virtio_rng_create(&machine->vm, "rng0", err);
	if (!rc)
		rc = machine_add_nics(machine, err);
	return rc;
}

static void on_reset(struct td_vm *vm, void *opaque)
{
	struct td_machine *machine = opaque;

	(void)vm;
	for (unsigned i = 0; i < machine->nic_count; i++)
		td_hybrid_guest_reset(machine->nic[i]);
}

/* The first asks the guest, as the power button does; the second does not ask. Nor does the first of a guest that cannot hear it. */
static void signals_ready(struct td_watch *watch, uint32_t events)
{
	struct td_machine *machine = TD_CONTAINER_OF(watch, struct td_machine, signals);
	struct signalfd_siginfo info;

	(void)events;
	if (read(watch->fd, &info, sizeof(info)) != sizeof(info))
		return;
	bool ask = info.ssi_signo != SIGQUIT && machine->stop_signals++ == 0;
	if (ask && machine->vm.state == TD_VM_RUNNING && !td_vm_press_power(&machine->vm))
		td_info("vm %s: pressed the power button; a second signal ends it at once", machine->config->name);
	else
		td_vm_request_stop(&machine->vm, TD_VM_END_KILLED, 128 + (int)info.ssi_signo);
}

/* Before the first thread is made, so that no other takes them. */
static int watch_signals(struct td_machine *machine, struct td_err *err)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGQUIT);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	machine->signals = (struct td_watch){.fd = fd, .ready = signals_ready, .events = EPOLLIN};
	int rc = fd < 0 ? -errno : td_loop_watch(&machine->vm.loop, &machine->signals);
	return rc ? td_err_sys(err, -rc, TD_REASON_SYSTEM, "vm %s: signalfd", machine->config->name) : 0;
}

/* Is there a NIC that opens a VF before the boot? */
static bool pins_memory(const struct td_vm_file_config *config)
{
	for (unsigned i = 0; i < config->net_count; i++) {
		const struct td_vm_net_config *net = &config->net[i];

		if (net->mode == TD_NIC_VF || (net->mode != TD_NIC_EMULATED && net->start_on_vf))
			return true;
	}
	return false;
}

static void fill_vm_config(struct td_vm_config *vm, const struct td_vm_file_config *config)
{
	snprintf(vm->name, sizeof(vm->name), "%s", config->name);
	vm->mem = (struct td_mem_config){.size_bytes = config->memory_bytes,
		.hugepages = config->hugepages,
		.thp = config->thp,
		.prefault = config->prefault,
		.pinned = pins_memory(config)};
	vm->cpus = (unsigned)config->cpus;
	vm->boot = (struct td_boot_config){.kernel = config->kernel, .initrd = config->initramfs, .cmdline = config->cmdline};
	vm->debug_exit_port = (uint16_t)config->debug_exit;
	vm->reboot_ends = config->exit_on_reboot;
}

int td_machine_init(struct td_machine *machine, const struct td_vm_file_config *config, const char *run_dir, struct td_err *err)
{
	struct td_vm_config vm_config = {0};
	char socket_path[128];

	machine->config = config;
	machine->run_dir = run_dir;
	machine->signals.fd = -1;
	fill_vm_config(&vm_config, config);
	int rc = td_vm_init(&machine->vm, &vm_config, err);
	if (rc)
		return rc;
	machine->vm.on_reset = on_reset;
	machine->vm.on_reset_opaque = machine;
	rc = watch_signals(machine, err);
	if (!rc)
		rc = machine_add_devices(machine, err);
	if (rc)
		return rc;
	snprintf(socket_path, sizeof(socket_path), "%s/control.sock", run_dir);
	return td_control_create(&machine->vm.loop, socket_path, td_machine_commands, machine, &machine->control, err);
}

int td_machine_run(struct td_machine *machine, int *ret_status, struct td_err *err)
{
	int rc = td_vm_boot(&machine->vm, err);

	if (rc)
		return rc;
	machine->started_ns = td_now_ns();
	*ret_status = td_vm_run(&machine->vm);
	return 0;
}

/* The NICs' calls want the VM's lock, as on the main loop. */
static void destroy_nics(struct td_machine *machine)
{
	if (!machine->nic_count)
		return;
	td_lock_take(&machine->vm.lock);
	while (machine->nic_count)
		td_hybrid_destroy(machine->nic[--machine->nic_count]);
	td_lock_give(&machine->vm.lock);
	td_machine_drop_switching(machine);
}

void td_machine_fini(struct td_machine *machine)
{
	destroy_nics(machine);
	give_macs(machine);
	td_control_destroy(machine->control);
	machine->control = NULL;
	if (machine->signals.fd >= 0) {
		td_loop_unwatch(&machine->vm.loop, &machine->signals);
		td_cleanup_close(&machine->signals.fd);
		machine->signals.fd = -1;
	}
	td_vm_fini(&machine->vm);
	if (machine->iommu)
		td_iommu_destroy(machine->iommu);
	machine->iommu = NULL;
}
