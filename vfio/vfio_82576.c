/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vfio_82576.c - VFs of Intel 82576 and I350 (igbvf): when the guest's driver is up, the link, and the counters, all by reading registers
 * that have no side effect; and what stands in the mailbox. V2PMAILBOX and the other read-to-clear registers are the guest's alone.
 * Source: Intel 82576EB datasheet §8.26, §8.19.
 */
#include "core/vf82576.h"
#include "vfio/vfio_dev.h"

#define BAR 0U

#define STATUS	       0x0008U
#define STATUS_LINK_UP (1U << 1)
#define VFGPRC	       0x0f10U /* good packets received */
#define VFGPTC	       0x0f14U /* good packets transmitted */
#define VFGORC	       0x0f18U /* good octets received */
#define VFGOTC	       0x0f34U /* good octets transmitted */

#define ANSWER_BITS (TD_VF_MAIL_ANSWER_CTS | TD_VF_MAIL_ANSWER_NACK) /* a refusal without CTS would make igbvf reset the VF */

#define GONE 0xffffffffU /* what a register reads as when the device does not answer */

/* What a wire of 1 Gbit/s can carry in a nanosecond, doubled for a VF that talks to its neighbour inside the card. */
#define MOST_PACKETS_PER_MS 3000ULL
#define MOST_BYTES_PER_MS   250000ULL
#define SLACK_MS	    50ULL

bool td_vfio_82576_is(uint16_t vendor, uint16_t device)
{
	return vendor == 0x8086 && (device == 0x10ca || device == 0x1520);
}

static uint32_t read_reg(struct td_vfio_pci *dev, uint32_t offset)
{
	volatile uint32_t *reg = td_vfio_bar_reg32(dev, BAR, offset);

	return reg ? *reg : GONE;
}

static bool readable(struct td_vfio_pci *dev)
{
	return dev->intel.known && dev->state != TD_VFIO_CLOSED && !dev->open.lost && !td_vfio_reset_runs(&dev->open);
}

bool td_vfio_82576_rx_enabled(struct td_vfio_pci *dev)
{
	uint32_t rxdctl = readable(dev) ? read_reg(dev, TD_VF_RXDCTL) : 0;

	return rxdctl != GONE && rxdctl & TD_VF_QUEUE_ENABLE;
}

bool td_vfio_82576_link_up(struct td_vfio_pci *dev)
{
	uint32_t status = readable(dev) ? read_reg(dev, STATUS) : 0;

	return status != GONE && status & STATUS_LINK_UP;
}

/*
 * Only an answer of the PF has CTS, and only between two of the guest's requests does it stand there for long: the driver makes those when
 * it is configured. What stands there in place of ours when it is to be given back is newer. Between reading and writing, for less than a
 * microsecond, a request of the guest's could be overwritten, which would then be answered late or not at all, until igbvf resets the VF:
 * that is borne, as all this is done for a driver that was silent for a while. VFU would not keep the guest out, which owns it, and whoever
 * reads V2PMAILBOX takes from the driver what it waits for.
 */
bool td_vfio_82576_show_answer(struct td_vfio_pci *dev, bool show)
{
	volatile uint32_t *word = readable(dev) ? td_vfio_bar_reg32(dev, BAR, TD_VF_MBMEM) : NULL;
	uint32_t answer = word ? *word : GONE, known = dev->intel.answer;

	dev->intel.answer = 0;
	if (answer == GONE)
		return false;
	if (show) {
		if (!known || answer != (known & ~ANSWER_BITS))
			return false;
		*word = known;
		return true;
	}
	if (!(answer & TD_VF_MAIL_ANSWER_CTS))
		return false;
	dev->intel.answer = answer;
	*word = answer & ~ANSWER_BITS;
	return true;
}

uint64_t td_vfio_82576_add(uint32_t last, uint32_t now, uint64_t most)
{
	uint32_t grown = now - last; /* modulo 2^32: right over one wrap */

	return grown <= most ? grown : TD_MIN(now, most);
}

uint64_t td_vfio_82576_most(uint64_t elapsed_ns, bool bytes)
{
	return (elapsed_ns / 1000000 + SLACK_MS) * (bytes ? MOST_BYTES_PER_MS : MOST_PACKETS_PER_MS);
}

void td_vfio_82576_sample(struct td_vfio_pci *dev)
{
	static const uint32_t offset[4] = {VFGPRC, VFGORC, VFGPTC, VFGOTC};
	struct td_vfio_82576 *intel = &dev->intel;
	uint64_t *sum[4] = {&intel->sum.rx_packets, &intel->sum.rx_bytes, &intel->sum.tx_packets, &intel->sum.tx_bytes};
	uint64_t now_ns = td_now_ns();

	if (!readable(dev) || read_reg(dev, STATUS) == GONE)
		return;
	for (unsigned i = 0; i < 4; i++) {
		uint32_t now = read_reg(dev, offset[i]);
		bool bytes = i % 2 == 1;

		if (intel->based)
			*sum[i] += td_vfio_82576_add(intel->last[i], now, td_vfio_82576_most(now_ns - intel->last_ns, bytes));
		intel->last[i] = now;
	}
	intel->based = true;
	intel->last_ns = now_ns;
}

void td_vfio_82576_rebase(struct td_vfio_pci *dev)
{
	td_vfio_82576_sample(dev);
	dev->intel.based = false;
	dev->intel.answer = 0;
}
