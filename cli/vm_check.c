/* SPDX-License-Identifier: Apache-2.0 */
/* vm_check.c - what no single key of a VM can say: keys that need or exclude each other, things that may be there once. */
#include <errno.h>
#include <string.h>

#include "cli/vm_config.h"

static int fail(struct td_err *err, const char *fmt, ...) TD_PRINTF(2, 3);

static int fail(struct td_err *err, const char *fmt, ...)
{
	char text[400];
	va_list args;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	return td_err_set(err, EINVAL, TD_REASON_CONFIG_VALUE, "%s", text);
}

static bool same(const char *a, const char *b)
{
	return a && b && !strcmp(a, b);
}

static const char *mode_name(enum td_nic_mode mode)
{
	static const char *const names[] = {
		[TD_NIC_FAILOVER] = "failover", [TD_NIC_TRANSPARENT] = "transparent", [TD_NIC_EMULATED] = "emulated", [TD_NIC_VF] = "vf"};

	return names[mode];
}

static int check_model(const struct td_vm_net_config *net, struct td_err *err)
{
	if (net->mode == TD_NIC_TRANSPARENT && net->model != TD_NIC_IGBVF)
		return fail(err, "nic %s: mode transparent shows the guest an 82576 VF: leave model out, or give mode failover", net->id);
	if (net->mode == TD_NIC_FAILOVER && net->model != TD_NIC_VIRTIO)
		return fail(
			err, "nic %s: mode failover pairs a virtio NIC with the VF: leave model out, or give mode transparent", net->id);
	if (net->mode == TD_NIC_VF && net->model_given)
		return fail(err, "nic %s: mode vf has no emulated path: leave model out", net->id);
	if (net->model == TD_NIC_IGBVF && net->queues > 1)
		return fail(err, "nic %s: queues %llu: an 82576 VF has 1 for its driver", net->id, (unsigned long long)net->queues);
	if (net->model == TD_NIC_IGBVF && net->vhost == TD_VHOST_MODE_ON)
		return fail(err, "nic %s: vhost serves virtio only: leave it out, or give model virtio", net->id);
	return 0;
}

static int check_net(const struct td_vm_net_config *net, struct td_err *err)
{
	bool has_vf = net->pf || net->vf;
	if (net->pf && net->vf)
		return fail(err, "nic %s: pf and vf are both given: give pf (any free VF of it) or vf (exactly that one)", net->id);
	if (net->mode != TD_NIC_EMULATED && !has_vf)
		return fail(err, "nic %s: mode %s needs a VF: give pf or vf, or mode emulated", net->id, mode_name(net->mode));
	if (net->mode == TD_NIC_EMULATED && has_vf)
		return fail(err, "nic %s: mode emulated uses no VF: leave pf and vf out, or give mode failover", net->id);
	if (net->mode == TD_NIC_VF && (net->bridge || net->tap))
		return fail(err, "nic %s: mode vf has no emulated path: leave bridge and tap out, or give mode failover", net->id);
	if (net->mode == TD_NIC_EMULATED && net->vlan)
		return fail(err, "nic %s: vlan is set on a VF, and mode emulated has none: put the bridge's port into the VLAN", net->id);
	return check_model(net, err);
}

static int check_two_nets(const struct td_vm_net_config *a, const struct td_vm_net_config *b, struct td_err *err)
{
	if (same(a->id, b->id))
		return fail(err, "nic %s: two NICs have this id: give each its own", b->id);
	if (!memcmp(a->mac, b->mac, sizeof(a->mac)))
		return fail(err, "nic %s: mac %02x:%02x:%02x:%02x:%02x:%02x is nic %s's too: give each its own", b->id, b->mac[0],
			b->mac[1], b->mac[2], b->mac[3], b->mac[4], b->mac[5], a->id);
	if (same(a->vf, b->vf))
		return fail(err, "nic %s: vf %s is nic %s's too: give each its own", b->id, b->vf, a->id);
	if (same(a->tap, b->tap))
		return fail(err, "nic %s: tap %s is nic %s's too: give each its own", b->id, b->tap, a->id);
	return 0;
}

static int check_memory(const struct td_vm_file_config *config, struct td_err *err)
{
	uint64_t unit = config->hugepages ? 2 * TD_MIB : TD_PAGE;
	if (config->memory_bytes % unit)
		return fail(err, "memory.size: %llu bytes is not a multiple of %s", (unsigned long long)config->memory_bytes,
			config->hugepages ? "2M, as hugepages need" : "4K");
	return 0;
}

int td_vm_config_check(const struct td_vm_file_config *config, struct td_err *err)
{
	int r = check_memory(config, err);
	if (r)
		return r;
	if (!config->kernel)
		return fail(err, "payload.kernel: missing: give the kernel's path (payload: {kernel: PATH}, or --kernel PATH)");
	if (config->serial_mode == TD_SERIAL_MODE_FILE && !config->serial_file)
		return fail(err, "serial.file: missing: mode file needs the file's path");
	if (config->serial_file && config->serial_mode != TD_SERIAL_MODE_FILE)
		return fail(err, "serial.file: is given, but the mode is not file: leave one of them out");
	for (unsigned i = 0; i < config->disk_count; i++)
		if (!config->disk[i].path)
			return fail(err, "disks[%u].path: missing: give the image's path", i);
	for (unsigned i = 0; i < config->net_count; i++) {
		r = check_net(&config->net[i], err);
		for (unsigned j = 0; !r && j < i; j++)
			r = check_two_nets(&config->net[j], &config->net[i], err);
		if (r)
			return r;
	}
	return 0;
}
