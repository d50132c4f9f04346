/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio_pci.h - the virtio 1.2 PCI transport (§4.1), modern only: common configuration, ISR, device configuration, notifications, the
 * configuration access window, and one MSI-X vector for each queue and one for configuration changes. What a device is for (net, blk,
 * rng) is in its own file, behind struct td_virtio_ops.
 *
 * BARs: 0 is IO, notifications only. It comes first among the notify capabilities, as AMD hosts decode an MMIO write in software before
 * Linux 6.19, while a port write carries all it says in the exit. 2 is memory:
 *   0x0000 common configuration, 0x0100 ISR, 0x0200 device configuration, 0x1000 notifications, 0x2000 MSI-X table, 0x3000 pending bits
 * Notifications are ioeventfds while the device runs; a trapped one signals the same eventfd.
 *
 * Locks: everything is called with the VM's lock held unless it says otherwise.
 */
#ifndef TD_EMUL_VIRTIO_PCI_H
#define TD_EMUL_VIRTIO_PCI_H

#include <stdatomic.h>

#include "core/base.h"
#include "core/err.h"
#include "core/kvm.h"
#include "core/log.h"
#include "core/loop.h"
#include "core/msix.h"
#include "core/pci.h"
#include "emul/virtqueue.h"

#define TD_VIRTIO_QUEUES_MAX   17 /* 8 queue pairs and a control queue */
#define TD_VIRTIO_CONFIG_BYTES 64
#define TD_VIRTIO_NO_VECTOR    0xffff

#define TD_VIRTIO_BAR_PORTS   0
#define TD_VIRTIO_BAR_MEMORY  2
#define TD_VIRTIO_BAR_BYTES   0x4000U
#define TD_VIRTIO_AT_COMMON   0x0000U
#define TD_VIRTIO_AT_ISR      0x0100U
#define TD_VIRTIO_AT_DEVICE   0x0200U
#define TD_VIRTIO_AT_NOTIFY   0x1000U
#define TD_VIRTIO_AT_MSIX     0x2000U
#define TD_VIRTIO_AT_PBA      0x3000U
#define TD_VIRTIO_NOTIFY_STEP 4U /* notify_off_multiplier */

struct td_virtio_pci;

/* How a device is stopped: what becomes of requests that are under way, and may it wait for them? */
enum td_virtio_stop {
	TD_VIRTIO_REST, /* the device will go on: they are done and answered, in limited time */
	TD_VIRTIO_DROP, /* nobody wants the answers: called off, and what can't be is not waited for */
	TD_VIRTIO_END,	/* the same, but that is waited for, in limited time */
};

struct td_virtio_ops {
	/* The driver wants FEATURES_OK with these, all of them offered. False: refused. */
	bool (*features_ok)(const struct td_virtio_pci *dev, uint64_t features);
	/*
	 * DRIVER_OK was set, or the device is resumed: queues that are enabled may be used from now on, from where they stand. Each gets a
	 * kick after this. -errno: the device is broken.
	 */
	int (*start)(struct td_virtio_pci *dev);
	/*
	 * Guarantees: no access to a queue, no DMA, no interrupt after it returns 0; queues stand where the device got to. May run inside
	 * kicked(), and again when it did not return 0.
	 * -EINPROGRESS, only of TD_VIRTIO_DROP: no interrupt and no answer any more, but DMA; td_virtio_pci_stopped() follows.
	 * -ETIMEDOUT: as that after TD_VIRTIO_END; after TD_VIRTIO_REST all goes on, and start() follows. It was logged with a reason.
	 */
	int (*stop)(struct td_virtio_pci *dev, enum td_virtio_stop how);
	/* Forgets what the driver negotiated. After stop(). */
	void (*reset)(struct td_virtio_pci *dev);
	/* The device was just marked broken, and stopped. */
	void (*broken)(struct td_virtio_pci *dev);
	/* On the main loop: a queue that is served there was kicked while the device runs. */
	void (*kicked)(struct td_virtio_pci *dev, unsigned queue);
	/* The queue's vector changed while the device runs. */
	void (*vector_changed)(struct td_virtio_pci *dev, unsigned queue);
	/* Gives back what the device holds, and the memory that dev is part of. The transport is off the bus. */
	void (*destroy)(struct td_virtio_pci *dev);
};

struct td_virtio_queue {
	struct td_virtqueue vq;
	struct td_virtio_pci *dev;
	unsigned index;
	uint16_t size_max;
	_Atomic uint16_t vector; /* read by I/O threads */
	bool enabled;
	int kick_fd;	       /* where notifications go: own_fd, or another queue's (virtio_net.c) */
	int own_fd;	       /* owned */
	bool served_by_main;   /* own_fd is watched on the main loop */
	struct td_watch watch; /* of own_fd */
	struct td_ioeventfd notify[2];
	bool notify_on[2]; /* 0: ports, 1: memory */
};

struct td_virtio_pci {
	struct td_pci_dev pci; /* first */
	const struct td_virtio_ops *ops;
	struct td_msix msix;
	uint16_t type; /* virtio device ID: 1 net, 2 blk, 4 rng */
	uint64_t offered, negotiated;
	uint32_t offered_select, negotiated_select;
	uint8_t status, generation, isr;
	uint16_t queue_select;
	uint16_t config_vector;
	bool msix_ready;
	bool running; /* between start() and stop() */
	bool quiesced;
	bool stopping;	    /* stopped, with requests still under way */
	bool reset_pending; /* the driver's reset waits for them: until it is done the status reads as before (§4.1.4.3.2) */
	unsigned queue_count;
	struct td_virtio_queue queue[TD_VIRTIO_QUEUES_MAX];
	uint8_t config[TD_VIRTIO_CONFIG_BYTES]; /* what the driver reads; little-endian */
	unsigned config_len;
	unsigned access_cap;	   /* offset of the configuration access capability */
	_Atomic(const char *) why; /* what an I/O thread found broken */
	struct td_work break_work;
	struct td_log_limit limit;
	uint64_t kicks_trapped;
};

struct td_virtio_pci_config {
	const char *name;
	uint16_t type;
	uint32_t class_code;
	uint64_t features; /* the device's own; those of the ring and VERSION_1 are added */
	const struct td_virtio_ops *ops;
	unsigned config_len; /* bytes of dev->config that exist */
};

/*
 * dev is zeroed memory, part of the device's own struct. Then td_virtio_pci_add_queue() for each queue, then td_virtio_pci_attach(); from
 * then on the VM owns the device. Before that td_virtio_pci_fini() undoes both.
 */
int td_virtio_pci_init(struct td_virtio_pci *dev, struct td_vm *vm, const struct td_virtio_pci_config *config, struct td_err *err);
int td_virtio_pci_add_queue(struct td_virtio_pci *dev, uint16_t size_max, bool served_by_main, struct td_err *err);
int td_virtio_pci_attach(struct td_virtio_pci *dev, struct td_err *err);
void td_virtio_pci_fini(struct td_virtio_pci *dev);
/* A device whose making failed at any step: that, and ops->destroy(). */
void td_virtio_pci_abandon(struct td_virtio_pci *dev, struct td_vm *vm);

/* virtio_pci_plain.c: ops of devices that have nothing to do there: any features will do, queues are only looked at in kicked(). */
bool td_virtio_pci_any_features(const struct td_virtio_pci *dev, uint64_t features);
int td_virtio_pci_no_start(struct td_virtio_pci *dev);
int td_virtio_pci_no_stop(struct td_virtio_pci *dev, enum td_virtio_stop how);
void td_virtio_pci_no_act(struct td_virtio_pci *dev);
void td_virtio_pci_no_vector_act(struct td_virtio_pci *dev, unsigned queue);

/* Marks the device broken: stops it, sets DEVICE_NEEDS_RESET, tells the driver. `why` is static text. */
void td_virtio_pci_break(struct td_virtio_pci *dev, const char *why);
/* The same from any thread, soon. */
void td_virtio_pci_break_later(struct td_virtio_pci *dev, const char *why);

/* What was under way when stop() returned -EINPROGRESS has ended. On the main loop. */
void td_virtio_pci_stopped(struct td_virtio_pci *dev);

/* dev->config was changed: a configuration change interrupt. */
void td_virtio_pci_config_changed(struct td_virtio_pci *dev);

/* Interrupt of a queue. Any thread. */
void td_virtio_pci_signal(struct td_virtio_pci *dev, unsigned queue);
/* The eventfd that raises a queue's interrupt, or -1: for vhost. */
int td_virtio_pci_signal_fd(const struct td_virtio_pci *dev, unsigned queue);

/* Kicks a queue from our side, so that its server looks at it. Any thread. */
void td_virtio_pci_kick(struct td_virtio_pci *dev, unsigned queue);

static inline bool td_virtio_pci_has(const struct td_virtio_pci *dev, unsigned feature_bit)
{
	return dev->negotiated >> feature_bit & 1;
}

/* virtio_pci_regs.c: an access to the common configuration structure; also called by tests. */
enum td_result td_virtio_pci_common_access(struct td_virtio_pci *dev, struct td_access *access);

/* virtio_pci_caps.c: for virtio_pci.c alone. */
int td_virtio_pci_caps_add(struct td_virtio_pci *dev, struct td_err *err);
/* The guest wrote to configuration space: it may have used the configuration access capability (§4.1.4.9). */
void td_virtio_pci_caps_written(struct td_virtio_pci *dev, unsigned offset, unsigned width);

/* For virtio_pci_regs.c alone: the driver's status write of 0, and of DRIVER_OK. */
int td_virtio_pci_reset(struct td_virtio_pci *dev, enum td_virtio_stop how);
void td_virtio_pci_start(struct td_virtio_pci *dev);

#endif
