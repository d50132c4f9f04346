/* SPDX-License-Identifier: Apache-2.0 */
/* nic_config.h - what a hybrid NIC is to be: plain data, filled by config/vm_schema.c. Strings are owned by whoever fills it. */
#ifndef TD_NIC_NIC_CONFIG_H
#define TD_NIC_NIC_CONFIG_H

#include "core/base.h"

enum td_nic_mode { TD_NIC_FAILOVER, TD_NIC_TRANSPARENT, TD_NIC_EMULATED, TD_NIC_VF };
enum td_nic_model { TD_NIC_VIRTIO, TD_NIC_IGBVF };
enum td_vhost_mode { TD_VHOST_MODE_AUTO, TD_VHOST_MODE_ON, TD_VHOST_MODE_OFF };

#define TD_NIC_VLANS_MAX 32

/* Where an item of a list begins in its file; 0, 0: it came by a flag. */
struct td_vm_mark {
	unsigned line, column;
};

struct td_vm_net_config {
	char *id;
	enum td_nic_mode mode;
	bool mode_given, model_given;
	struct {
		bool vhost, queues, mtu, path, warm, unplug_timeout, plug_timeout;
	} given;
	enum td_nic_model model;
	uint8_t mac[6];
	char *bridge, *tap; /* or NULL */
	enum td_vhost_mode vhost;
	uint64_t queues, mtu, vlan;
	char *vlans[TD_NIC_VLANS_MAX]; /* "10", "20-29": those that keep their tags */
	unsigned vlans_count;
	char *pf, *vf; /* or NULL */
	bool start_on_vf;
	bool warm;
	uint64_t unplug_timeout_ms, plug_timeout_ms;
	struct td_vm_mark mark;
};

#endif
