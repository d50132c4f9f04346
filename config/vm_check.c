/* SPDX-License-Identifier: Apache-2.0 */
/* vm_check.c - what no single key of a VM can say: keys that need or exclude each other, things that may be there once. */
#include <errno.h>
#include <string.h>

#include "config/schema.h"
#include "config/vm_schema.h"
#include "host/sys/names.h"

struct check {
	const struct td_vm_file_config *config;
	const struct td_schema_marks *marks;
	struct td_err *err;
};

/* Blames a member, where it stands in the file; else the list item it would stand in; else the file. */
static int vm_check_fail(const struct check *check, const void *member, const struct td_vm_mark *item, const char *fmt, ...)
	TD_PRINTF(4, 5);

static int vm_check_fail(const struct check *check, const void *member, const struct td_vm_mark *item, const char *fmt, ...)
{
	char text[400];
	struct td_schema_place place = {0};
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	const char *file = check->marks ? check->marks->file : NULL;
	if (td_schema_marked(check->marks, member, &place))
		return td_schema_fail(&place, TD_REASON_CONFIG_VALUE, check->err, "%s", text);
	if (file && item && item->line)
		return td_err_set(check->err, EINVAL, TD_REASON_CONFIG_VALUE, "%s:%u:%u: %s", file, item->line, item->column, text);
	if (file && !member && !item)
		return td_err_set(check->err, EINVAL, TD_REASON_CONFIG_VALUE, "%s: %s", file, text);
	return td_err_set(check->err, EINVAL, TD_REASON_CONFIG_VALUE, "%s", text);
}

static bool vm_check_same(const char *a, const char *b)
{
	return a && b && !strcmp(a, b);
}

static const char *mode_name(enum td_nic_mode mode)
{
	static const char *const names[] = {
		[TD_NIC_FAILOVER] = "failover", [TD_NIC_TRANSPARENT] = "transparent", [TD_NIC_EMULATED] = "emulated", [TD_NIC_VF] = "vf"};

	return names[mode];
}

static int vm_check_check_model(const struct check *check, const struct td_vm_net_config *net)
{
	if (net->mode == TD_NIC_TRANSPARENT && net->model != TD_NIC_IGBVF)
		return vm_check_fail(check, &net->model, &net->mark,
			"nic %s: mode transparent shows the guest an 82576 VF: leave model out, or give mode failover", net->id);
	if (net->mode == TD_NIC_FAILOVER && net->model != TD_NIC_VIRTIO)
		return vm_check_fail(check, &net->model, &net->mark,
			"nic %s: mode failover pairs a virtio NIC with the VF: leave model out, or give mode transparent", net->id);
	if (net->mode == TD_NIC_VF && net->model_given)
		return vm_check_fail(check, &net->model, &net->mark, "nic %s: mode vf has no emulated path: leave model out", net->id);
	if (net->model == TD_NIC_IGBVF && net->queues > 1)
		return vm_check_fail(check, &net->queues, &net->mark, "nic %s: queues %llu: an 82576 VF has 1 for its driver", net->id,
			(unsigned long long)net->queues);
	if (net->model == TD_NIC_IGBVF && net->vhost == TD_VHOST_MODE_ON)
		return vm_check_fail(
			check, &net->vhost, &net->mark, "nic %s: vhost serves virtio only: leave it out, or give model virtio", net->id);
	return 0;
}

/* A key that says what this mode does not do is a mistake, in the key or in the mode. */
static int vm_check_check_effect(const struct check *check, const struct td_vm_net_config *net)
{
	bool vf_only = net->mode == TD_NIC_VF, one_path = vf_only || net->mode == TD_NIC_EMULATED;
	const struct {
		const char *name;
		const void *member;
		bool idle;
	} keys[] = {
		{"path", &net->start_on_vf, net->given.path && one_path && net->start_on_vf != vf_only},
		{"warm", &net->warm, net->given.warm && one_path},
		{"unplug_timeout", &net->unplug_timeout_ms, net->given.unplug_timeout && one_path},
		{"plug_timeout", &net->plug_timeout_ms, net->given.plug_timeout && one_path},
		{"vhost", &net->vhost, net->given.vhost && vf_only},
		{"queues", &net->queues, net->given.queues && vf_only},
		{"mtu", &net->mtu, net->given.mtu && vf_only},
	};

	for (unsigned i = 0; i < TD_COUNT(keys); i++)
		if (keys[i].idle)
			return vm_check_fail(check, keys[i].member, &net->mark,
				"nic %s: %s has no effect in mode %s: leave it out, or give mode failover", net->id, keys[i].name,
				mode_name(net->mode));
	return 0;
}

/* What is tandem's to put into a VLAN: the VF, and a bridge's port. */
static int vm_check_check_vlans(const struct check *check, const struct td_vm_net_config *net)
{
	unsigned first, last;

	if (net->vlans_count && net->mode != TD_NIC_EMULATED)
		return vm_check_fail(check, &net->vlans[0], &net->mark,
			"nic %s: vlans: a PF gives its VF one VLAN, and cannot say which others it may send, so the two paths would "
			"differ: "
			"give vlan (the one that the guest's untagged frames are in), or mode emulated",
			net->id);
	if ((net->vlans_count || (net->vlan && net->mode == TD_NIC_EMULATED)) && !net->bridge)
		return vm_check_fail(check, net->vlans_count ? (const void *)&net->vlans[0] : &net->vlan, &net->mark,
			"nic %s: %s is for the port of a bridge: give bridge, or put the tap into its VLANs yourself", net->id,
			net->vlans_count ? "vlans" : "vlan");
	for (unsigned i = 0; i < net->vlans_count; i++)
		if (td_names_parse_vlans(net->vlans[i], &first, &last) && net->vlan >= first && net->vlan <= last)
			return vm_check_fail(check, &net->vlans[i], &net->mark,
				"nic %s: vlans: %s holds the NIC's vlan, whose frames have no tag: leave it out of one of them", net->id,
				net->vlans[i]);
	return 0;
}

static int vm_check_check_net(const struct check *check, const struct td_vm_net_config *net)
{
	bool has_vf = net->pf || net->vf;

	if (net->pf && net->vf)
		return vm_check_fail(check, &net->vf, &net->mark,
			"nic %s: pf and vf are both given: give pf (any free VF of it) or vf (exactly that one)", net->id);
	if (net->mode != TD_NIC_EMULATED && !has_vf)
		return vm_check_fail(check, &net->mode, &net->mark, "nic %s: mode %s needs a VF: give pf or vf, or mode emulated", net->id,
			mode_name(net->mode));
	if (net->mode == TD_NIC_EMULATED && has_vf)
		return vm_check_fail(check, net->vf ? &net->vf : &net->pf, &net->mark,
			"nic %s: mode emulated uses no VF: leave pf and vf out, or give mode failover", net->id);
	if (net->mode == TD_NIC_VF && (net->bridge || net->tap))
		return vm_check_fail(check, net->bridge ? &net->bridge : &net->tap, &net->mark,
			"nic %s: mode vf has no emulated path: leave bridge and tap out, or give mode failover", net->id);
	if ((net->mode == TD_NIC_FAILOVER || net->mode == TD_NIC_TRANSPARENT) && !net->bridge && !net->tap)
		return vm_check_fail(check, &net->mode, &net->mark,
			"nic %s: bridge is missing: mode %s needs an emulated path to go to: give bridge (or tap, and connect it "
			"yourself), "
			"or mode vf",
			net->id, mode_name(net->mode));
	int rc = vm_check_check_effect(check, net);
	if (!rc)
		rc = vm_check_check_vlans(check, net);
	return rc ? rc : vm_check_check_model(check, net);
}

static int vm_check_check_two_nets(const struct check *check, const struct td_vm_net_config *a, const struct td_vm_net_config *b)
{
	if (vm_check_same(a->id, b->id))
		return vm_check_fail(check, &b->id, &b->mark, "nic %s: two NICs have this id: give each its own", b->id);
	if (!memcmp(a->mac, b->mac, sizeof(a->mac)))
		return vm_check_fail(check, &b->mac, &b->mark, "nic %s: mac %s is nic %s's too: give each its own", b->id,
			td_names_format_mac(b->mac, (char[TD_MAC_TEXT_BYTES]){0}), a->id);
	if (vm_check_same(a->vf, b->vf))
		return vm_check_fail(check, &b->vf, &b->mark, "nic %s: vf %s is nic %s's too: give each its own", b->id, b->vf, a->id);
	if (vm_check_same(a->tap, b->tap))
		return vm_check_fail(check, &b->tap, &b->mark, "nic %s: tap %s is nic %s's too: give each its own", b->id, b->tap, a->id);
	return 0;
}

static int vm_check_check_memory(const struct check *check)
{
	const struct td_vm_file_config *config = check->config;
	uint64_t unit = config->hugepages ? 2 * TD_MIB : TD_PAGE;

	if (config->memory_bytes % unit)
		return vm_check_fail(check, &config->memory_bytes, NULL, "memory.size: %llu bytes is not a multiple of %s",
			(unsigned long long)config->memory_bytes, config->hugepages ? "2M, as hugepages need" : "4K");
	return 0;
}

static int vm_check_check_files(const struct check *check)
{
	const struct td_vm_file_config *config = check->config;

	if (!config->kernel)
		return vm_check_fail(
			check, NULL, NULL, "payload.kernel: missing: give the kernel's path (payload: {kernel: PATH}, or --kernel PATH)");
	if (config->serial_mode == TD_SERIAL_MODE_FILE && !config->serial_file)
		return vm_check_fail(check, &config->serial_mode, NULL, "serial.file: missing: mode file needs the file's path");
	if (config->serial_file && config->serial_mode != TD_SERIAL_MODE_FILE)
		return vm_check_fail(
			check, &config->serial_file, NULL, "serial.file: is given, but the mode is not file: leave one of them out");
	for (unsigned i = 0; i < config->disk_count; i++)
		if (!config->disk[i].path)
			return vm_check_fail(check, NULL, &config->disk[i].mark, "disks[%u].path: missing: give the image's path", i);
	return 0;
}

static int vm_check_check_two_disks(const struct check *check, unsigned a, unsigned b)
{
	const struct td_vm_disk_config *disk = check->config->disk;

	if (vm_check_same(disk[a].path, disk[b].path) && !(disk[a].readonly && disk[b].readonly))
		return vm_check_fail(check, &disk[b].path, &disk[b].mark,
			"disks[%u].path: is disks[%u]'s too: give both readonly=on, or leave one out", b, a);
	return 0;
}

int td_vm_config_check(const struct td_vm_file_config *config, const struct td_schema_marks *marks, struct td_err *err)
{
	const struct check check = {.config = config, .marks = marks, .err = err};
	int rc = vm_check_check_memory(&check);

	if (!rc)
		rc = vm_check_check_files(&check);
	for (unsigned i = 0; !rc && i < config->disk_count; i++)
		for (unsigned j = 0; !rc && j < i; j++)
			rc = vm_check_check_two_disks(&check, j, i);
	for (unsigned i = 0; !rc && i < config->net_count; i++) {
		rc = vm_check_check_net(&check, &config->net[i]);
		for (unsigned j = 0; !rc && j < i; j++)
			rc = vm_check_check_two_nets(&check, &config->net[j], &config->net[i]);
	}
	return rc;
}
