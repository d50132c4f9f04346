/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hybrid.h - one logical NIC of a VM over its paths: one MAC, one set of counters, one flip log. Wires the flip's state machine
 * (policy/flip.h) to the virtio-net (emul/virtio_net.h) and the VF (vfio/vfio_pci.h, host/sriov/lease.h). Main loop, VM's lock held.
 * Modes: emulated (virtio-net alone), vf (a VF alone, attached before boot), failover (both: virtio STANDBY and hot-plug).
 */
#ifndef TD_NIC_HYBRID_H
#define TD_NIC_HYBRID_H

#include <jansson.h>

#include "core/base.h"
#include "core/err.h"
#include "core/vm.h"
#include "iommu/iommu.h"
#include "nic/nic_config.h"
#include "policy/flip.h"

struct td_hybrid;
struct td_hybrid_mode;

/* What every NIC of a VM shares. */
struct td_hybrid_host {
	struct td_vm *vm;
	struct td_iommu **iommu; /* the VM's one IO address space; *iommu is made when the first VF is opened, and freed by the machine */
	const char *run_dir;	 /* /run/tandem/NAME: journals */
	/* The VFs that NICs of the VM name exactly, so that no NIC that takes any of a PF's takes one of them. Borrowed. */
	const char *const *exact_vf;
	unsigned exact_vf_count;
	/* What knows to flip (failover/failover_mode.h, transparent/transparent_mode.h); NULL: no NIC is of that mode. */
	const struct td_hybrid_mode *failover, *transparent;
};

/* flip may be NULL. Called when a flip that td_hybrid_switch() started has ended. */
typedef void (*td_hybrid_done)(void *opaque, const json_t *flip_record, const struct td_err *err);

int td_hybrid_create(
	const struct td_hybrid_host *host, const struct td_vm_net_config *config, struct td_hybrid **ret_nic, struct td_err *err);
/* Gives the VF back: MAC, settings, driver. Before the VM's devices are destroyed. */
void td_hybrid_destroy(struct td_hybrid *nic);

const char *td_hybrid_id(const struct td_hybrid *nic);
/* The guest was reset: the VF is detached, the NIC is on its emulated path until the driver accepts STANDBY again. */
void td_hybrid_guest_reset(struct td_hybrid *nic);

/* 0 when the VM can be paused now. -EBUSY: not amid a flip, whose guest would be blamed for what it can't do. */
int td_hybrid_may_pause(const struct td_hybrid *nic, struct td_err *err);

#define TD_HYBRID_COLD	1U /* to emulated: give the lease back; to the VF: nothing */
#define TD_HYBRID_FORCE 2U /* to emulated: also if that path is known not to work */

/*
 * how: TD_HYBRID_*. -EBUSY, -EOPNOTSUPP (mode has no such path), -ENETDOWN (the path does not work, with what is wrong as the reason). A
 * NIC that is there already is no error: done() is called within, with a record that says "changed": false.
 */
int td_hybrid_switch(struct td_hybrid *nic, enum td_path to, unsigned how, td_hybrid_done done, void *opaque, struct td_err *err);

/*
 * New reference; a blackout that no traffic measured is null:
 * {"id","mac","mode","path","state","vf":{"bdf","pf","state"},"tap","bridge","vhost","counters":{...},"emulated":{"health","text"},"reason",
 * "flips":[{"to","ok","reason","phases":{"reserve":ms...},"total_ms","blackout_rx_ms","blackout_tx_ms","at"}...]}
 */
json_t *td_hybrid_info(struct td_hybrid *nic);

#endif
