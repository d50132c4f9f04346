/* SPDX-License-Identifier: Apache-2.0 */
/*
 * igbvf.c - see igbvf.h: the PCI function, its BARs, its life, its link. Registers: igbvf_regs.c; mailbox: igbvf_mail.c; interrupts:
 * igbvf_irq.c; datapath: igbvf_io.c, igbvf_rx.c, igbvf_tx.c; between hardware and software: igbvf_flip.c.
 */
#include "emul/igbvf.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_tun.h>
#include <linux/pci_regs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "core/vm.h"
#include "emul/igbvf_parts.h"

#define CLASS_NET	 0x020000U
#define REVISION	 1U
#define PCIE_CAP_BYTES	 0x3cU
#define PCIE_VERSION	 2U
#define PCIE_DEVCTL_RW	 0x7fffU
#define FRAME_PAD_BYTES	 60U
#define INJECT_MAX_BYTES 1514U

static struct td_igbvf *igbvf_from_pci(struct td_pci_dev *pci)
{
	return TD_CONTAINER_OF(pci, struct td_igbvf, pci);
}

static struct td_igbvf *igbvf_from_device(struct td_device *device)
{
	return igbvf_from_pci(TD_CONTAINER_OF(device, struct td_pci_dev, device));
}

/* ---- reset ---- */

void td_igbvf_update_tap(struct td_igbvf *dev)
{
	const struct td_vf82576_state *state = &dev->state;
	bool running = dev->link_up && td_igbvf_may_run(dev) && state->rx[0].control & TD_VF_QUEUE_ENABLE;

	td_tap_set_silent(&dev->tap, !(dev->on_hardware ? dev->listen : running));
}

void td_igbvf_reset(struct td_igbvf *dev)
{
	struct td_vf82576_state *state = &dev->state;

	td_igbvf_io_hold(dev, TD_IGBVF_HOLD_REGISTER);
	memset(state->rx, 0, sizeof(state->rx));
	memset(state->tx, 0, sizeof(state->tx));
	memset(dev->tx_kept, 0, sizeof(dev->tx_kept));
	state->psrtype = 0;
	td_igbvf_tx_reset(&dev->tx);
	td_igbvf_mail_reset(&dev->mail);
	td_igbvf_irq_reset(&dev->irq);
	td_igbvf_pages_update(dev, dev->pci.bar[TD_IGBVF_BAR_REGS].mapped);
	dev->irq_unseen = dev->irq_refused = false;
	td_igbvf_update_tap(dev);
	td_igbvf_io_release(dev, TD_IGBVF_HOLD_REGISTER);
}

/* A kernel that hands over to the next (kexec), or whose driver has gone, turns it off to be sure that nothing writes to its RAM. */
static void update_bus_master(struct td_igbvf *dev)
{
	bool on = td_igbvf_may_dma(dev);

	if (on == dev->bus_master)
		return;
	td_igbvf_io_hold(dev, TD_IGBVF_HOLD_REGISTER);
	dev->bus_master = on;
	td_igbvf_update_tap(dev);
	td_igbvf_io_release(dev, TD_IGBVF_HOLD_REGISTER);
	if (dev->on_hardware)
		dev->hardware.bus_master(dev->hardware.opaque, on);
}

static void reset_function(struct td_igbvf *dev)
{
	td_igbvf_reset(dev);
	if (dev->on_hardware)
		dev->hardware.reset(dev->hardware.opaque);
	td_msix_reset(&dev->msix);
}

/* ---- PCI ---- */

static enum td_result igbvf_bar_access(struct td_pci_dev *pci, unsigned bar, struct td_access *access)
{
	struct td_igbvf *dev = igbvf_from_pci(pci);
	enum td_result result;

	if (bar == TD_IGBVF_BAR_REGS)
		return td_igbvf_regs_access(dev, access);
	if (bar != TD_IGBVF_BAR_MSIX)
		return TD_UNCLAIMED;
	if (td_msix_bar_access(&dev->msix, bar, access, &result))
		return result;
	access->value = 0; /* nothing else is there */
	return TD_DONE;
}

static void igbvf_bar_mapped(struct td_pci_dev *pci, unsigned bar, bool on)
{
	struct td_igbvf *dev = igbvf_from_pci(pci);

	if (bar != TD_IGBVF_BAR_REGS)
		return;
	td_igbvf_io_hold(dev, TD_IGBVF_HOLD_REGISTER); /* ends what igbvf_direct.c has there */
	td_igbvf_pages_update(dev, on);
	td_igbvf_io_release(dev, TD_IGBVF_HOLD_REGISTER);
}

static void igbvf_config_written(struct td_pci_dev *pci, unsigned offset, unsigned width)
{
	struct td_igbvf *dev = igbvf_from_pci(pci);
	unsigned at = dev->pcie_cap + PCI_EXP_DEVCTL;
	uint16_t control = td_pci_get16(pci->config, at);

	td_msix_config_written(&dev->msix, offset, width);
	update_bus_master(dev);
	if (offset >= at + 2 || offset + width <= at || !(control & PCI_EXP_DEVCTL_BCR_FLR))
		return;
	td_pci_set16(pci->config, at, control & PCIE_DEVCTL_RW); /* reads as zero */
	reset_function(dev);
	td_pci_dev_reset(pci);
	update_bus_master(dev);
}

static void igbvf_ejected(struct td_pci_dev *pci)
{
	reset_function(igbvf_from_pci(pci));
}

static const struct td_pci_ops pci_ops = {
	.bar_access = igbvf_bar_access,
	.bar_mapped = igbvf_bar_mapped,
	.config_written = igbvf_config_written,
	.ejected = igbvf_ejected,
};

/* ---- the device's life ---- */

static void igbvf_device_reset(struct td_device *device)
{
	reset_function(igbvf_from_device(device));
}

static int igbvf_device_quiesce(struct td_device *device)
{
	struct td_igbvf *dev = igbvf_from_device(device);

	/* On hardware too: it may come back to the model while the VM is paused. */
	td_igbvf_io_hold(dev, TD_IGBVF_HOLD_QUIESCE);
	return dev->on_hardware ? -EBUSY : 0;
}

static void igbvf_device_resume(struct td_device *device)
{
	td_igbvf_io_release(igbvf_from_device(device), TD_IGBVF_HOLD_QUIESCE);
}

static void igbvf_destroy(struct td_igbvf *dev)
{
	td_igbvf_io_fini(dev);
	if (dev->pci.vm) {
		td_pci_detach(&dev->pci);
		td_igbvf_direct_fini(dev);
		td_igbvf_mail_fini(&dev->mail);
		if (dev->msix_ready)
			td_msix_fini(&dev->msix);
		td_pci_dev_fini(&dev->pci);
	}
	td_igbvf_rx_fini(&dev->rx);
	td_tap_close(&dev->tap);
	td_igbvf_irq_fini(&dev->irq);
	pthread_mutex_destroy(&dev->io.lock);
	pthread_cond_destroy(&dev->io.changed);
	free(dev);
}

static void igbvf_device_destroy(struct td_device *device)
{
	igbvf_destroy(igbvf_from_device(device));
}

static const struct td_device_ops device_ops = {
	.reset = igbvf_device_reset,
	.quiesce = igbvf_device_quiesce,
	.resume = igbvf_device_resume,
	.destroy = igbvf_device_destroy,
};

/* ---- set-up ---- */

static int igbvf_add_pcie(struct td_igbvf *dev, struct td_err *err)
{
	int cap = td_pci_add_cap(&dev->pci, PCI_CAP_ID_EXP, PCIE_CAP_BYTES);

	if (cap < 0)
		return td_err_set(err, -cap, TD_REASON_INTERNAL, "%s: no room for a PCI capability", td_igbvf_name(dev));
	dev->pcie_cap = (unsigned)cap;
	/* On the root bus of a machine without root ports it is part of the root complex, as hardware VFs are shown too. */
	td_pci_set16(dev->pci.config, dev->pcie_cap + PCI_EXP_FLAGS, PCIE_VERSION | PCI_EXP_TYPE_RC_END << 4);
	td_pci_set32(dev->pci.config, dev->pcie_cap + PCI_EXP_DEVCAP, PCI_EXP_DEVCAP_RBER | PCI_EXP_DEVCAP_FLR);
	td_pci_set16(dev->pci.writable, dev->pcie_cap + PCI_EXP_DEVCTL, PCIE_DEVCTL_RW | PCI_EXP_DEVCTL_BCR_FLR);
	return 0;
}

static int init_function(struct td_igbvf *dev, struct td_vm *vm, const char *name, struct td_err *err)
{
	static const struct td_pci_ids ids = {
		.vendor = TD_VF82576_VENDOR,
		.device = TD_VF82576_DEVICE,
		.subsystem_vendor = TD_VF82576_VENDOR,
		.subsystem = 0,
		.revision = REVISION,
		.class_code = CLASS_NET,
	};
	int rc = td_pci_dev_init(&dev->pci, vm, name, &pci_ops, &device_ops, &ids, err);

	if (rc)
		return rc;
	td_pci_dev_set_bar(&dev->pci, TD_IGBVF_BAR_REGS, TD_PCI_BAR_MEM64, true, TD_VF82576_BAR0_BYTES);
	td_pci_dev_set_bar(&dev->pci, TD_IGBVF_BAR_MSIX, TD_PCI_BAR_MEM64, true, TD_VF82576_BAR3_BYTES);
	rc = igbvf_add_pcie(dev, err);
	if (!rc)
		rc = td_msix_init(
			&dev->msix, &dev->pci, TD_VF82576_VECTORS, TD_IGBVF_BAR_MSIX, 0, TD_IGBVF_BAR_MSIX, TD_VF82576_PBA_OFFSET, err);
	dev->msix_ready = !rc;
	return rc;
}

static int igbvf_open_tap(struct td_igbvf *dev, const struct td_igbvf_config *config, struct td_err *err)
{
	struct td_tap_config tap = {.name = config->tap_name, .mtu = config->mtu, .queue_count = 1};
	int rc;

	memcpy(tap.mac, config->mac, sizeof(tap.mac));
	rc = td_tap_open(&dev->tap, &tap, err);
	if (rc)
		return rc;
	/* Checksums are completed here: a guest then needn't look at them again, as with those that a card has verified. */
	rc = td_tap_set_offloads(&dev->tap, TUN_F_CSUM);
	return rc ? td_err_sys(err, -rc, TD_REASON_TAP, "tap %s: TUNSETOFFLOAD", dev->tap.name) : 0;
}

static void wake_thread(void *opaque)
{
	td_igbvf_io_wake(opaque);
}

static void hold_frames(void *opaque)
{
	td_igbvf_io_hold(opaque, TD_IGBVF_HOLD_REGISTER);
}

static void release_frames(void *opaque)
{
	td_igbvf_update_tap(opaque);
	td_igbvf_io_release(opaque, TD_IGBVF_HOLD_REGISTER);
}

static int igbvf_ask_hardware(void *opaque, const uint32_t words[TD_VF_MAIL_WORDS])
{
	struct td_igbvf *dev = opaque;

	return dev->hardware.mail(dev->hardware.opaque, words);
}

static void interrupt_by_mail(void *opaque)
{
	struct td_igbvf *dev = opaque;

	if (dev->on_hardware)
		td_msix_raise(&dev->msix, TD_VF82576_VECTORS - 1);
	else
		td_igbvf_irq_cause(&dev->irq, TD_IGBVF_CAUSE_MAILBOX);
}

static const struct td_igbvf_mail_ops mail_ops = {
	.hold = hold_frames,
	.release = release_frames,
	.ask = igbvf_ask_hardware,
	.interrupt = interrupt_by_mail,
};

static void igbvf_init_fields(struct td_igbvf *dev, struct td_vm *vm, const struct td_igbvf_config *config)
{
	memcpy(dev->state.mac, config->mac, sizeof(dev->state.mac));
	dev->link_up = true;
	dev->io.epoll_fd = dev->io.wake_fd = -1;
	dev->held = TD_IGBVF_HOLD_REST; /* until all is there */
	dev->io.park = true;
	pthread_mutex_init(&dev->io.lock, NULL);
	pthread_cond_init(&dev->io.changed, NULL);
	td_igbvf_irq_init(&dev->irq, &dev->state, &dev->msix, wake_thread, dev);
	td_igbvf_mail_init(&dev->mail, &dev->state, &vm->loop, &dev->on_hardware, &mail_ops, dev);
}

static int open_datapath(struct td_igbvf *dev, struct td_err *err)
{
	const struct td_mem *mem = &dev->pci.vm->mem;
	int tap_fd = dev->tap.fd[0], rc = td_igbvf_rx_init(&dev->rx, &dev->state, mem, td_igbvf_name(dev), tap_fd);

	if (rc)
		return td_err_sys(err, -rc, TD_REASON_NO_MEMORY, "%s: datapath", td_igbvf_name(dev));
	td_igbvf_tx_init(&dev->tx, &dev->state, mem, td_igbvf_name(dev), tap_fd, &dev->link_up);
	return td_igbvf_io_init(dev, tap_fd, err);
}

int td_igbvf_create(struct td_vm *vm, const struct td_igbvf_config *config, struct td_igbvf **ret_dev, struct td_err *err)
{
	struct td_igbvf *dev;
	int rc;

	if (config->mac[0] & 1)
		return td_err_set(err, EINVAL, TD_REASON_CONFIG_VALUE, "%s: a multicast MAC", config->name);
	dev = calloc(1, sizeof(*dev));
	if (!dev)
		return td_err_sys(err, ENOMEM, TD_REASON_NO_MEMORY, "%s", config->name);
	igbvf_init_fields(dev, vm, config);
	td_igbvf_direct_init(dev);
	rc = init_function(dev, vm, config->name, err);
	if (!rc)
		rc = igbvf_open_tap(dev, config, err);
	if (!rc)
		rc = open_datapath(dev, err);
	if (!rc)
		rc = td_pci_attach(&vm->pci, &dev->pci, -1, err);
	if (rc) {
		dev->pci.vm = vm;
		igbvf_destroy(dev);
		return rc;
	}
	td_vm_add_device(vm, &dev->pci.device);
	td_igbvf_io_release(dev, TD_IGBVF_HOLD_REST);
	*ret_dev = dev;
	return 0;
}

/* ---- what others ask of the device ---- */

const char *td_igbvf_tap(const struct td_igbvf *dev)
{
	return dev->tap.name;
}

unsigned td_igbvf_tap_index(const struct td_igbvf *dev)
{
	return dev->tap.index;
}

bool td_igbvf_lost_tap(const struct td_igbvf *dev)
{
	return td_tap_is_lost(&dev->tap);
}

int td_igbvf_renew_tap(struct td_igbvf *dev, struct td_tap *anew)
{
	int rc;

	td_igbvf_io_hold(dev, TD_IGBVF_HOLD_REGISTER);
	rc = td_igbvf_io_watch_tap(dev, anew->fd[0]);
	if (!rc)
		rc = td_tap_replace(&dev->tap, anew);
	if (!rc)
		dev->rx.tap_fd = dev->tx.tap_fd = dev->tap.fd[0];
	td_igbvf_io_release(dev, TD_IGBVF_HOLD_REGISTER);
	return rc;
}

int td_igbvf_msix_fd(const struct td_igbvf *dev, unsigned vector)
{
	return td_msix_fd(&dev->msix, vector);
}

static uint64_t igbvf_load(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

void td_igbvf_counters(struct td_igbvf *dev, struct td_net_counters *ret_counters)
{
	*ret_counters = (struct td_net_counters){
		.rx_packets = igbvf_load(&dev->rx.packets),
		.rx_bytes = igbvf_load(&dev->rx.bytes),
		.tx_packets = igbvf_load(&dev->tx.packets),
		.tx_bytes = igbvf_load(&dev->tx.bytes),
		.rx_dropped = igbvf_load(&dev->rx.dropped),
		.tx_dropped = igbvf_load(&dev->tx.dropped),
	};
}

void td_igbvf_stats(const struct td_igbvf *dev, struct td_igbvf_stats *ret_stats)
{
	*ret_stats = (struct td_igbvf_stats){
		.traps = igbvf_load(&dev->traps),
		.rx_frames = igbvf_load(&dev->rx.packets),
		.tx_frames = igbvf_load(&dev->tx.packets),
		.rx_no_buffer = igbvf_load(&dev->rx.no_buffer),
		.interrupts = igbvf_load(&dev->irq.messages),
		.bad_descriptors = igbvf_load(&dev->rx.ring.breaks),
		.direct = igbvf_load(&dev->direct_count),
	};
	for (unsigned i = 0; i < TD_VF82576_QUEUES; i++)
		ret_stats->bad_descriptors += igbvf_load(&dev->tx.queue[i].ring.breaks);
}

bool td_igbvf_hears(const struct td_igbvf *dev, const uint8_t address[6])
{
	return td_igbvf_rx_hears(&dev->state, address);
}

void td_igbvf_answer(struct td_igbvf *dev, const uint32_t words[TD_VF_MAIL_WORDS])
{
	td_igbvf_mail_answer(&dev->mail, words);
}

void td_igbvf_pf_message(struct td_igbvf *dev, const uint32_t words[TD_VF_MAIL_WORDS])
{
	td_igbvf_mail_control(&dev->mail, words);
}

void td_igbvf_set_link(struct td_igbvf *dev, bool up)
{
	if (dev->link_up == up)
		return;
	td_igbvf_io_hold(dev, TD_IGBVF_HOLD_REGISTER);
	__atomic_store_n(&dev->link_up, up, __ATOMIC_RELAXED);
	td_igbvf_update_tap(dev);
	td_igbvf_io_release(dev, TD_IGBVF_HOLD_REGISTER);
	if (!dev->on_hardware)
		td_igbvf_tell_link(dev);
}

int td_igbvf_inject_tx(struct td_igbvf *dev, const uint8_t *frame, size_t len_bytes)
{
	static const uint8_t zeros[FRAME_PAD_BYTES];
	struct iovec iov[] = {
		{(uint8_t *)(uintptr_t)zeros, TD_TAP_HEADER_BYTES},
		{(uint8_t *)(uintptr_t)frame, len_bytes},
		{(uint8_t *)(uintptr_t)zeros, len_bytes < FRAME_PAD_BYTES ? FRAME_PAD_BYTES - len_bytes : 0},
	};

	if (len_bytes < ETH_HLEN || len_bytes > INJECT_MAX_BYTES)
		return -EINVAL;
	return writev(dev->tap.fd[0], iov, TD_COUNT(iov)) < 0 ? -errno : 0;
}
