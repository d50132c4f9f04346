/* SPDX-License-Identifier: Apache-2.0 */
/* vm_schema.c - the table of a VM's keys, and the three ways into it: defaults, vm.yaml, flags. What no single key can say is vm_check.c.
 */
#include "config/vm_schema.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/schema.h"
#include "core/mem.h"
#include "host/sys/names.h"

/* In the order of the enums of nic_config.h and machine/vm_config.h. */
static const char *const mode_words[] = {"failover", "transparent", "emulated", "vf", NULL};
static const char *const model_words[] = {"virtio", "igbvf", NULL};
static const char *const serial_words[] = {"tty", "pty", "file", "off", NULL};
static const char *const vhost_words[] = {"auto", "on", "off", NULL};
static const char *const path_words[] = {"emulated", "vf", NULL};
static const char *const reboot_words[] = {"restart", "exit", NULL};
static const char *const log_words[] = {"error", "warn", "info", "debug", NULL};

static const struct td_schema_key cpus_keys[] = {
	{.name = "boot",
		.kind = TD_SCHEMA_UINT,
		TD_SCHEMA_AT(struct td_vm_file_config, cpus),
		.min = 1,
		.max = 254,
		.fallback = "1",
		.help = "CPUs of the guest"},
	{.name = NULL},
};

static const struct td_schema_key memory_keys[] = {
	{.name = "size",
		.kind = TD_SCHEMA_SIZE,
		TD_SCHEMA_AT(struct td_vm_file_config, memory_bytes),
		.min = TD_MEM_MIN_BYTES,
		.max = TD_MEM_MAX_BYTES,
		.fallback = "512M",
		.help = "Guest memory, a multiple of 4K (with hugepages: of 2M)"},
	{.name = "hugepages",
		.kind = TD_SCHEMA_BOOL,
		TD_SCHEMA_AT(struct td_vm_file_config, hugepages),
		.fallback = "off",
		.help = "Take the memory from the host's pool of 2 MiB pages (vm.nr_hugepages)"},
	{.name = "thp",
		.kind = TD_SCHEMA_BOOL,
		TD_SCHEMA_AT(struct td_vm_file_config, thp),
		.fallback = "on",
		.help = "Ask the host for transparent huge pages; says nothing beside hugepages"},
	{.name = "prefault",
		.kind = TD_SCHEMA_BOOL,
		TD_SCHEMA_AT(struct td_vm_file_config, prefault),
		.fallback = "off",
		.help = "Take all of the memory before the guest starts"},
	{.name = NULL},
};

static const struct td_schema_key payload_keys[] = {
	{.name = "kernel",
		.kind = TD_SCHEMA_PATH,
		TD_SCHEMA_AT(struct td_vm_file_config, kernel),
		.help = "The kernel: a bzImage, an ELF file with a PVH entry, or a Multiboot v1 image",
		.required = true},
	{.name = "initramfs", .kind = TD_SCHEMA_PATH, TD_SCHEMA_AT(struct td_vm_file_config, initramfs), .help = "The initial RAM disk"},
	{.name = "cmdline", .kind = TD_SCHEMA_STRING, TD_SCHEMA_AT(struct td_vm_file_config, cmdline), .help = "The kernel's command line"},
	{.name = NULL},
};

static const struct td_schema_key serial_keys[] = {
	{.name = "mode",
		.kind = TD_SCHEMA_WORD,
		TD_SCHEMA_AT(struct td_vm_file_config, serial_mode),
		.words = serial_words,
		.fallback = "tty",
		.given = offsetof(struct td_vm_file_config, serial_mode_given),
		.help = "Where the first serial port goes: the terminal (Ctrl-A x ends the VM), a PTY (tandem vm console), a file, or "
			"nowhere"},
	{.name = "file",
		.kind = TD_SCHEMA_PATH,
		TD_SCHEMA_AT(struct td_vm_file_config, serial_file),
		.help = "The file that output goes to; implies mode file"},
	{.name = NULL},
};

static const struct td_schema_key disk_keys[] = {
	{.name = "path",
		.kind = TD_SCHEMA_PATH,
		TD_SCHEMA_AT(struct td_vm_disk_config, path),
		.help = "An image file or a block device",
		.required = true},
	{.name = "format",
		.kind = TD_SCHEMA_WORD,
		TD_SCHEMA_AT(struct td_vm_disk_config, format),
		.words = td_disk_format_words,
		.fallback = "auto",
		.help = "What the file holds. Auto: a raw disk; a file that begins as another image format (qcow2, vmdk, vhdx, vdi, ...) "
			"or as a compressed file is refused. Raw: a raw disk, whatever it begins with. The others are served by qemu-nbd "
			"(Debian: qemu-utils and libnbd0), which tandem starts and ends"},
	{.name = "readonly",
		.kind = TD_SCHEMA_BOOL,
		TD_SCHEMA_AT(struct td_vm_disk_config, readonly),
		.fallback = "off",
		.help = "The guest cannot write to it"},
	{.name = "direct",
		.kind = TD_SCHEMA_BOOL,
		TD_SCHEMA_AT(struct td_vm_disk_config, direct),
		.fallback = "off",
		.help = "Go around the host's page cache"},
	{.name = NULL},
};

#define NET(member) TD_SCHEMA_AT(struct td_vm_net_config, member)
static const struct td_schema_key net_keys[] = {
	{.name = "id", .kind = TD_SCHEMA_NAME, NET(id), .max = 15, .help = "The NIC's name in commands and logs. Default: net0, net1, ..."},
	{.name = "mode",
		.kind = TD_SCHEMA_WORD,
		NET(mode),
		.words = mode_words,
		.given = offsetof(struct td_vm_net_config, mode_given),
		.help = "Failover: a virtio NIC that is always there and a VF beside it, flipped by tandem nic switch. Transparent: one "
			"82576 VF in the guest's eyes, the hardware or its software model, flipped unnoticed. Emulated: no VF. Vf: a VF "
			"alone. Default: failover when pf or vf is given, else emulated"},
	{.name = "model",
		.kind = TD_SCHEMA_WORD,
		NET(model),
		.words = model_words,
		.given = offsetof(struct td_vm_net_config, model_given),
		.help = "What the guest sees on the emulated path. Default: igbvf (an Intel 82576 VF) in mode transparent, else virtio"},
	{.name = "mac",
		.kind = TD_SCHEMA_MAC,
		NET(mac),
		.help = "The NIC's one MAC address, on both paths. Default: made from this machine's id (/etc/machine-id), the VM's name "
			"and the NIC's id, the same each time here"},
	{.name = "bridge",
		.kind = TD_SCHEMA_IFNAME,
		NET(bridge),
		.help = "The host's bridge that the emulated path is put into. Required in modes failover and transparent, unless tap is "
			"given"},
	{.name = "tap", .kind = TD_SCHEMA_IFNAME, NET(tap), .help = "The name of the emulated path's tap. Default: the kernel chooses"},
	{.name = "vhost",
		.kind = TD_SCHEMA_WORD,
		NET(vhost),
		.given = offsetof(struct td_vm_net_config, given.vhost),
		.words = vhost_words,
		.fallback = "auto",
		.help = "Move the emulated path's frames in the host's kernel (vhost-net)"},
	{.name = "queues",
		.kind = TD_SCHEMA_UINT,
		NET(queues),
		.given = offsetof(struct td_vm_net_config, given.queues),
		.min = 1,
		.max = 8,
		.fallback = "1",
		.help = "Queue pairs of the emulated path"},
	{.name = "mtu",
		.kind = TD_SCHEMA_UINT,
		NET(mtu),
		.given = offsetof(struct td_vm_net_config, given.mtu),
		.min = 68,
		.max = 9216,
		.fallback = "1500",
		.help = "The largest IP packet"},
	{.name = "pf", .kind = TD_SCHEMA_IFNAME, NET(pf), .help = "The VF path takes any free VF of this PF (network interface)"},
	{.name = "vf", .kind = TD_SCHEMA_BDF, NET(vf), .help = "The VF path takes this VF"},
	{.name = "vlan",
		.kind = TD_SCHEMA_UINT,
		NET(vlan),
		.max = 4094,
		.fallback = "0",
		.help = "The guest's frames are in this VLAN outside, on both paths, unseen by it: the PF tags those of the VF, and the "
			"bridge has to tell VLANs apart (vlan_filtering 1) or to be in this one by its uplink. 0: the VF is in none, the "
			"emulated path in the bridge's default one"},
	{.name = "vlans",
		.kind = TD_SCHEMA_TEXTS,
		NET(vlans),
		.item_kind = TD_SCHEMA_STRING,
		.check = td_names_is_vlans,
		.allowed = "a VLAN from 1 to 4094, or a range as in 20-29",
		.items_max = TD_NIC_VLANS_MAX,
		.count_offset = offsetof(struct td_vm_net_config, vlans_count),
		.help = "VLANs that the guest has by their tags, beside its untagged one. For mode emulated, on a bridge that tells VLANs "
			"apart: a PF gives its VF one VLAN, and cannot say which others it may send. As a flag: vlans=10:20-29"},
	{.name = "path",
		.kind = TD_SCHEMA_WORD,
		NET(start_on_vf),
		.given = offsetof(struct td_vm_net_config, given.path),
		.words = path_words,
		.fallback = "vf",
		.help = "The path that a failover NIC goes to when the guest's driver is up"},
	{.name = "warm",
		.kind = TD_SCHEMA_BOOL,
		NET(warm),
		.given = offsetof(struct td_vm_net_config, given.warm),
		.fallback = "on",
		.help = "Keep the VF open while on the emulated path, so that the next flip is fast"},
	{.name = "unplug_timeout",
		.kind = TD_SCHEMA_DURATION,
		NET(unplug_timeout_ms),
		.given = offsetof(struct td_vm_net_config, given.unplug_timeout),
		.min = 100,
		.max = 600000,
		.fallback = "2s",
		.help = "How long the guest may take to give the VF up"},
	{.name = "plug_timeout",
		.kind = TD_SCHEMA_DURATION,
		NET(plug_timeout_ms),
		.given = offsetof(struct td_vm_net_config, given.plug_timeout),
		.min = 100,
		.max = 600000,
		.fallback = "10s",
		.help = "How long the guest may take to bring the VF up"},
	{.name = NULL},
};
#undef NET

static const struct td_schema_key vm_keys[] = {
	{.name = "name",
		.kind = TD_SCHEMA_NAME,
		TD_SCHEMA_AT(struct td_vm_file_config, name),
		.max = TD_VM_NAME_MAX,
		.help = "The VM's name, one of a kind on the host. Default: the YAML file's name without its ending, else vm-PID"},
	{.name = "cpus", .kind = TD_SCHEMA_TABLE, .keys = cpus_keys, .bare = "boot", .help = "CPUs"},
	{.name = "memory", .kind = TD_SCHEMA_TABLE, .keys = memory_keys, .bare = "size", .help = "Guest memory"},
	{.name = "payload", .kind = TD_SCHEMA_TABLE, .keys = payload_keys, .hoisted = true, .help = "What the VM boots"},
	{.name = "serial", .kind = TD_SCHEMA_TABLE, .keys = serial_keys, .bare = "mode", .help = "The first serial port"},
	{.name = "disks",
		.flag = "disk",
		.kind = TD_SCHEMA_LIST,
		.keys = disk_keys,
		TD_SCHEMA_AT(struct td_vm_file_config, disk),
		.bare = "path",
		.item_bytes = sizeof(struct td_vm_disk_config),
		.items_max = TD_VM_DISKS_MAX,
		.count_offset = offsetof(struct td_vm_file_config, disk_count),
		.mark_offset = offsetof(struct td_vm_disk_config, mark),
		.help = "Virtio disks, up to 8"},
	{.name = "rng",
		.kind = TD_SCHEMA_BOOL,
		TD_SCHEMA_AT(struct td_vm_file_config, rng),
		.fallback = "on",
		.help = "A virtio entropy device"},
	{.name = "debug_exit",
		.kind = TD_SCHEMA_UINT,
		TD_SCHEMA_AT(struct td_vm_file_config, debug_exit),
		.max = 0xffff,
		.fallback = "0",
		.help = "An I/O port: a guest that writes N to it ends the VM with exit status 2N+1. 0: none"},
	{.name = "on_reboot",
		.kind = TD_SCHEMA_WORD,
		TD_SCHEMA_AT(struct td_vm_file_config, exit_on_reboot),
		.words = reboot_words,
		.fallback = "restart",
		.help = "What a reboot of the guest does"},
	{.name = "log_level",
		.kind = TD_SCHEMA_WORD,
		TD_SCHEMA_AT(struct td_vm_file_config, log_level),
		.words = log_words,
		.fallback = "warn",
		.help = "What tandem says on standard error"},
	{.name = "net",
		.kind = TD_SCHEMA_LIST,
		.keys = net_keys,
		TD_SCHEMA_AT(struct td_vm_file_config, net),
		.item_bytes = sizeof(struct td_vm_net_config),
		.items_max = TD_VM_NETS_MAX,
		.count_offset = offsetof(struct td_vm_file_config, net_count),
		.mark_offset = offsetof(struct td_vm_net_config, mark),
		.help = "Hybrid NICs, up to 8"},
	{.name = NULL},
};

const struct td_schema_key *td_vm_config_keys(void)
{
	return vm_keys;
}

void td_vm_config_fini(struct td_vm_file_config *config)
{
	td_schema_fini(vm_keys, config);
}

/* FNV-1a, 40 bits of it, in the locally administered range. */
void td_vm_config_derive_mac(const char *machine_id, const char *vm_name, const char *nic_id, uint8_t mac[6])
{
	const char *const part[] = {machine_id, vm_name, nic_id};
	uint64_t hash = 0xcbf29ce484222325ULL;

	for (unsigned i = 0; i < TD_COUNT(part); i++) {
		for (const char *c = part[i]; *c; c++)
			hash = (hash ^ (uint8_t)*c) * 0x100000001b3ULL;
		hash = (hash ^ '/') * 0x100000001b3ULL;
	}
	hash ^= hash >> 40;
	mac[0] = 0x02;
	for (unsigned i = 1; i < 6; i++)
		mac[i] = (uint8_t)(hash >> (8 * i));
}

/* "" on a machine that has none: machine-id(5). */
static void vm_schema_read_machine_id(char ret_id[64])
{
	td_auto_close int fd = open("/etc/machine-id", O_RDONLY | O_CLOEXEC | O_NOCTTY);
	ssize_t len = fd < 0 ? 0 : read(fd, ret_id, 63);

	ret_id[TD_MAX(len, 0)] = '\0';
	ret_id[strcspn(ret_id, "\n")] = '\0';
}

static int derive_net(struct td_vm_file_config *config, unsigned index, const char *machine_id)
{
	struct td_vm_net_config *net = &config->net[index];
	static const uint8_t none[6];

	if (!net->id && asprintf(&net->id, "net%u", index) < 0) {
		net->id = NULL;
		return -ENOMEM;
	}
	if (!net->mode_given)
		net->mode = net->pf || net->vf ? TD_NIC_FAILOVER : TD_NIC_EMULATED;
	if (!net->model_given)
		net->model = net->mode == TD_NIC_TRANSPARENT ? TD_NIC_IGBVF : TD_NIC_VIRTIO;
	if (!memcmp(net->mac, none, sizeof(none)))
		td_vm_config_derive_mac(machine_id, config->name, net->id, net->mac);
	return 0;
}

/* "dir/web1.yaml" -> "web1"; what no name may hold becomes '-'. */
static char *name_of_file(const char *file)
{
	const char *slash = file ? strrchr(file, '/') : NULL;
	const char *stem = slash ? slash + 1 : file;

	if (!stem || !*stem || *stem == '.' || *stem == '-') {
		char *name;

		return asprintf(&name, "vm-%d", (int)getpid()) < 0 ? NULL : name;
	}
	const char *dot = strrchr(stem, '.');
	size_t len = dot ? (size_t)(dot - stem) : strlen(stem);
	char *name = strndup(stem, TD_MIN(len, (size_t)TD_VM_NAME_MAX));
	for (char *c = name; c && *c; c++)
		if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') || strchr("._-", *c)))
			*c = '-';
	return name;
}

/* What was left out and follows from the rest. */
static int vm_schema_derive(struct td_vm_file_config *config, const char *file, struct td_err *err)
{
	char machine_id[64];

	if (!config->name)
		config->name = name_of_file(file);
	if (!config->name)
		return td_err_set(err, ENOMEM, TD_REASON_SYSTEM, "out of memory");
	if (config->serial_file && !config->serial_mode_given)
		config->serial_mode = TD_SERIAL_MODE_FILE;
	vm_schema_read_machine_id(machine_id);
	for (unsigned i = 0; i < config->net_count; i++)
		if (derive_net(config, i, machine_id))
			return td_err_set(err, ENOMEM, TD_REASON_SYSTEM, "out of memory");
	return 0;
}

int td_vm_config_from_yaml(struct td_vm_file_config *config, const char *file_name, const char *text, size_t len_bytes, struct td_err *err)
{
	struct td_schema_marks marks = {0};

	memset(config, 0, sizeof(*config));
	int rc = td_schema_defaults(vm_keys, config, err);
	if (!rc)
		rc = td_schema_read_yaml(vm_keys, config, file_name, text, len_bytes, &marks, err);
	if (!rc)
		rc = vm_schema_derive(config, file_name, err);
	if (!rc)
		rc = td_vm_config_check(config, &marks, err);
	if (rc)
		td_vm_config_fini(config);
	return rc;
}

struct vm_args {
	struct td_schema_flags flags;
	struct td_vm_file_config *config;
	struct td_schema_marks marks;
	const char *file;
	bool help, given[TD_ARGS_MAX];
};

/* Before the flags are read, for they stand over the file. */
static int vm_args_look(void *opaque, const struct td_args_option *option, const char *text, struct td_err *err)
{
	struct vm_args *args = opaque;

	if (option) {
		args->help = args->help || !option->argument;
		return 0;
	}
	if (args->file)
		return td_err_set(err, EINVAL, TD_REASON_USAGE, "%s: a second file: give one", text);
	args->file = text;
	return 0;
}

static int vm_args_take(void *opaque, const struct td_args_option *option, const char *text, struct td_err *err)
{
	struct vm_args *args = opaque;
	bool *given = option ? &args->given[option - args->flags.option] : NULL;

	if (!option || !option->argument)
		return 0;
	if (*given && !td_schema_flag_repeats(vm_keys, option->name))
		return td_err_set(err, EINVAL, TD_REASON_USAGE, "--%s: given twice: give it once", option->name);
	*given = true;
	return td_schema_read_flag(vm_keys, args->config, option->name, text, &args->marks, err);
}

bool td_vm_config_wants_help(int argc, char **argv)
{
	struct vm_args args = {.help = false};

	td_schema_flags(vm_keys, &args.flags);
	(void)td_args_read(args.flags.option, argc, argv, vm_args_look, &args, NULL);
	return args.help;
}

static int vm_schema_read_args(struct td_vm_file_config *config, int argc, char **argv, struct td_err *err)
{
	td_auto_free char *text = NULL;
	struct vm_args args = {.config = config};
	size_t len = 0;
	int rc;

	td_schema_flags(vm_keys, &args.flags);
	rc = td_args_read(args.flags.option, argc, argv, vm_args_look, &args, err);
	if (!rc)
		rc = td_schema_defaults(vm_keys, config, err);
	if (!rc && args.file)
		rc = td_schema_read_file(args.file, &text, &len, err);
	if (!rc && args.file)
		rc = td_schema_read_yaml(vm_keys, config, args.file, text, len, &args.marks, err);
	if (!rc)
		rc = td_args_read(args.flags.option, argc, argv, vm_args_take, &args, err);
	if (!rc)
		rc = vm_schema_derive(config, args.file, err);
	return rc ? rc : td_vm_config_check(config, &args.marks, err);
}

int td_vm_config_from_args(struct td_vm_file_config *config, int argc, char **argv, struct td_err *err)
{
	memset(config, 0, sizeof(*config));
	int rc = vm_schema_read_args(config, argc, argv, err);
	if (rc)
		td_vm_config_fini(config);
	return rc;
}
