/* SPDX-License-Identifier: Apache-2.0 */
/*
 * igbvf.h - a PCI function that guests drive with their stock igbvf driver: an Intel 82576 VF. By itself it is a software model on a tap.
 * As the guest's half of a transparent NIC it can instead stand in front of a hardware VF: then the pages of the queues, and
 * that of the interrupts where the driver is igbvf, are the hardware's and reached without exit; all other registers are answered here,
 * with the help of `struct td_igbvf_hardware`. Configuration space and MSI-X are emulated in both cases. Registers and state:
 * core/vf82576.h.
 *
 * Calls are made on the main loop with the VM's lock held, unless they say otherwise.
 *
 * Modes:  software <--td_igbvf_to_hardware / td_igbvf_to_software--> hardware
 * Either is entered from rest only: td_igbvf_rest() stops the model's I/O thread; on hardware there is nothing here to stop.
 */
#ifndef TD_EMUL_IGBVF_H
#define TD_EMUL_IGBVF_H

#include <sys/types.h>

#include "core/base.h"
#include "core/err.h"
#include "core/vf82576.h"
#include "emul/virtio_net.h" /* struct td_net_counters */

struct td_vm;
struct td_igbvf;

struct td_igbvf_config {
	const char *name; /* "net0" */
	uint8_t mac[6];
	uint16_t mtu;	      /* of the tap; 0: as it is */
	const char *tap_name; /* "" or NULL: the kernel chooses */
};

/* What a hardware VF does for the function in front of it. All calls with the VM's lock held, from the main loop or a vCPU's thread. */
struct td_igbvf_hardware {
	uint32_t (*read)(void *opaque, uint32_t reg);
	void (*write)(void *opaque, uint32_t reg, uint32_t value);
	/* The guest reset its VF (CTRL.RST). Queue pages stay as they are. */
	void (*reset)(void *opaque);
	/* It turned bus mastering on or off: without, there is no DMA. */
	void (*bus_master)(void *opaque, bool on);
	/*
	 * A message of the guest's to the PF, already checked. The answer comes by td_igbvf_answer(), perhaps before this returns.
	 * -errno: the PF can't be asked; the guest gets a NACK.
	 */
	int (*mail)(void *opaque, const uint32_t words[TD_VF_MAIL_WORDS]);
	/*
	 * Pages 1 to 3 of BAR0 in our address space, mapped into the guest from td_igbvf_give_pages() on while it decodes the BAR: 2, 3,
	 * and 1 while its driver handles interrupts as igbvf does. NULL: they trap too.
	 */
	void *pages;
	void *opaque;
};

/* The tap, and the function on the VM's bus. -EBUSY with TD_REASON_TAP_EXISTS. The VM destroys it with its other devices. */
int td_igbvf_create(struct td_vm *vm, const struct td_igbvf_config *config, struct td_igbvf **ret_dev, struct td_err *err);

const char *td_igbvf_tap(const struct td_igbvf *dev);
unsigned td_igbvf_tap_index(const struct td_igbvf *dev); /* of the interface */
/* Frames as the guest sees direction, software path only, since creation. */
/* As td_virtio_net_lost_tap() and td_virtio_net_renew_tap(). */
bool td_igbvf_lost_tap(const struct td_igbvf *dev);
int td_igbvf_renew_tap(struct td_igbvf *dev, struct td_tap *anew);
void td_igbvf_counters(struct td_igbvf *dev, struct td_net_counters *ret_counters);
/* Link of the software path: STATUS.LU, and a message of the PF's when it changed. */
void td_igbvf_set_link(struct td_igbvf *dev, bool up);
/* Tells the driver to look at its link, if that is not what it has seen last. After a flip in either direction. */
void td_igbvf_tell_link(struct td_igbvf *dev);
/* As of virtio_net.h: a frame out of the tap's far side, as if the guest had sent it; 14..1514 bytes; any thread. */
int td_igbvf_inject_tx(struct td_igbvf *dev, const uint8_t *frame, size_t len_bytes);
/* At rest or on hardware: takes the next frame that waits in the tap, behind TD_TAP_HEADER_BYTES. Its length, or -EAGAIN. */
ssize_t td_igbvf_take_rx(struct td_igbvf *dev, void *frame, size_t room_bytes);
/* So too: waits for one, at most so long. False: none has come. The VM's lock need not be held. */
bool td_igbvf_await_rx(struct td_igbvf *dev, uint64_t limit_ns);
/* Does the guest hear this address, by what it told its PF? At rest or on hardware. */
bool td_igbvf_hears(const struct td_igbvf *dev, const uint8_t address[6]);
/*
 * On hardware: do frames for the guest wait in the tap, or are they dropped at its door? True from td_igbvf_to_hardware() on; false once
 * the software path has nothing to say any more; true again before the filter moves back. In software it depends on driver and link alone.
 */
void td_igbvf_listen(struct td_igbvf *dev, bool on);
int td_igbvf_msix_fd(const struct td_igbvf *dev, unsigned vector); /* borrowed eventfd: who writes to it raises the guest's interrupt */

/* Raises a vector as the hardware would. Spurious ones of 0 and 1 are borne by the driver; 2 makes it look at its mail and its link. */
void td_igbvf_kick(struct td_igbvf *dev, unsigned vector);

/* ---- what a flip needs ---- */

/* Is there a driver that runs this device: handshake done, a receive queue and bus mastering on? */
bool td_igbvf_driver_up(const struct td_igbvf *dev);
/* True when a message of the guest's is on its way to a hardware PF: wait until it is false before anything below. */
bool td_igbvf_mail_pending(const struct td_igbvf *dev);
/*
 * Can the device's state be moved as it is? -EOPNOTSUPP with a reason code: queues or features in use that igbvf does not use (second
 * queue, header split, write-back of heads), a ring outside RAM. Harmless to ask at any time.
 */
int td_igbvf_check(struct td_igbvf *dev, struct td_err *err);

/* The model comes to rest: no DMA, no interrupt until td_igbvf_go() or one of the two below. Frames wait in the tap. */
void td_igbvf_rest(struct td_igbvf *dev);
void td_igbvf_go(struct td_igbvf *dev);
/* At any time, also while the model works: heads and counters are of one moment each. */
void td_igbvf_copy_state(struct td_igbvf *dev, struct td_vf82576_state *ret_state);
/*
 * What the guest programmed; filters, vectors and what else only the guest's accesses change at any time, the rest (rings, masks,
 * counters) at rest. On hardware all but the rings, which the hardware holds, and what the guest set of interrupts without exit. Valid
 * until the device goes on.
 */
const struct td_vf82576_state *td_igbvf_state(struct td_igbvf *dev);
/*
 * Before that rest, while the model works: hands some posted receive buffers back to the guest unused, as below, so that few are left to
 * hand back at rest. To be called again and again until it returns true: the head is near the ring's end and most buffers are posted, or
 * there is no ring that this could be done with. Hasty: near the end is enough, which is where frames bring it, too. *ret_burned counts
 * what was given back since the last call.
 */
bool td_igbvf_burn_ahead(struct td_igbvf *dev, bool hasty, unsigned *ret_burned);
/*
 * At rest: hands posted receive buffers back to the guest unused (DD, EOP and an error, on which igbvf posts them again) until the receive
 * head is 0. 0, or -EAGAIN: the guest has to post more first; call td_igbvf_go() and come back. *ret_burned counts what was given back
 * since this or the last was called.
 */
int td_igbvf_burn_to_start(struct td_igbvf *dev, unsigned *ret_burned);
/*
 * At rest -> on hardware, transmit held (below). The rings are the hardware's from here on; `hardware` is copied. Give it transmit tails
 * that leave nothing to send.
 */
int td_igbvf_to_hardware(struct td_igbvf *dev, const struct td_igbvf_hardware *hardware, struct td_err *err);
/*
 * On hardware, at any time: what the guest sends from now on waits in its ring, for the tails that it writes stay here, until they are
 * handed on by td_igbvf_release_tx(), or taken back to software. It runs on and receives meanwhile, but all of its accesses are exits,
 * until it is given the pages again. Harmless when it is so already.
 */
void td_igbvf_hold_tx(struct td_igbvf *dev);
void td_igbvf_release_tx(struct td_igbvf *dev);
/*
 * After release, with vCPUs stopped: a store that has faulted before may be completed by KVM's emulator, which finds the memslot by then
 * and copies the bytes there one by one. A device takes each for a tail of its own, and sends its whole ring again.
 */
void td_igbvf_give_pages(struct td_igbvf *dev);
/*
 * On hardware -> software, with the rings as `rings` has them (rx, tx, but for tails that are held; of the interrupts what can be read,
 * where the guest reached them without exit; the rest of the state is ours already) and the counters' growth on hardware added. Fires the
 * vectors of both queues once and goes on: no td_igbvf_go() is needed. Rings are the guest's: not trusted.
 */
void td_igbvf_to_software(struct td_igbvf *dev, const struct td_vf82576_state *rings);
/* The answer of a hardware PF to the message it was sent; words: as the PF wrote them. */
void td_igbvf_answer(struct td_igbvf *dev, const uint32_t words[TD_VF_MAIL_WORDS]);
/* The PF sent a message by itself (control: its link changed, or it was reset and wants the handshake again), or raised vector 2. */
void td_igbvf_pf_message(struct td_igbvf *dev, const uint32_t words[TD_VF_MAIL_WORDS]);

/* ---- migration: the software model's state as bytes, with the function's MSI-X and configuration ---- */

size_t td_igbvf_state_bytes(void);
/* In software, at rest or quiesced: -EBUSY else. -ENOSPC. */
int td_igbvf_save(struct td_igbvf *dev, uint8_t *to, size_t room_bytes, struct td_err *err);
/*
 * As of save; into a function of the same MAC. -EINVAL with TD_REASON_DEVICE_STATE, and nothing changed. A link that is not what the guest
 * knows is told to it.
 */
int td_igbvf_load(struct td_igbvf *dev, const uint8_t *from, size_t len_bytes, struct td_err *err);

/* Packets moved by the model, exits it caused: cheap, any thread. */
struct td_igbvf_stats {
	uint64_t traps; /* accesses to registers that left the guest */
	uint64_t rx_frames, tx_frames;
	uint64_t rx_no_buffer; /* times that frames waited in the tap because the guest had posted too few buffers */
	uint64_t interrupts, bad_descriptors;
	uint64_t direct; /* times the transmit registers became memory, for the guest sent much: no traps then */
};
void td_igbvf_stats(const struct td_igbvf *dev, struct td_igbvf_stats *ret_stats);

#endif
