/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vf82576.h - the VF of an Intel 82576 as its driver sees it: registers, their bits, the mailbox's messages, and the state that moves
 * between the hardware (vfio/hw82576.h) and the software model (emul/igbvf.h). Names and numbers only, no code: what both sides must agree
 * on. Source: Intel 82576EB datasheet §7.10 (virtualization), §8 (registers), §8.26 (VF registers).
 */
#ifndef TD_CORE_VF82576_H
#define TD_CORE_VF82576_H

#include <string.h>

#include "core/base.h"

#define TD_VF82576_VENDOR      0x8086U
#define TD_VF82576_DEVICE      0x10caU
#define TD_VF82576_BAR0_BYTES  0x4000U /* pages: 0 device, mailbox, counters; 1 interrupts; 2 receive queues; 3 transmit queues */
#define TD_VF82576_BAR3_BYTES  0x4000U /* MSI-X table at 0, pending bits at 0x2000 */
#define TD_VF82576_PBA_OFFSET  0x2000U
#define TD_VF82576_VECTORS     3U
#define TD_VF82576_QUEUES      2U
#define TD_VF82576_PAGE_IRQ    0x1000U /* offset of page 1 */
#define TD_VF82576_PAGE_QUEUES 0x2000U /* of page 2 */

enum td_vf82576_reg {
	TD_VF_CTRL = 0x0000,
	TD_VF_STATUS = 0x0008,
	TD_VF_MBMEM = 0x0800, /* 16 words */
	TD_VF_V2PMAILBOX = 0x0c40,
	TD_VF_PSRTYPE = 0x0f0c,
	TD_VF_GPRC = 0x0f10, /* counters: td_vf82576_counters[] */
	TD_VF_GPTC = 0x0f14,
	TD_VF_GORC = 0x0f18,
	TD_VF_GOTC = 0x0f34,
	TD_VF_MPRC = 0x0f3c,
	TD_VF_GPRLBC = 0x0f40,
	TD_VF_GPTLBC = 0x0f44,
	TD_VF_GORLBC = 0x0f48,
	TD_VF_GOTLBC = 0x0f50,
	TD_VF_FRTIMER = 0x1048,
	TD_VF_EICS = 0x1520,
	TD_VF_EIMS = 0x1524,
	TD_VF_EIMC = 0x1528,
	TD_VF_EIAC = 0x152c,
	TD_VF_EIAM = 0x1530,
	TD_VF_EICR = 0x1580,
	TD_VF_EITR0 = 0x1680, /* 3, 4 bytes apart */
	TD_VF_IVAR0 = 0x1700, /* bytes: rx 0, tx 0, rx 1, tx 1 */
	TD_VF_IVAR_MISC = 0x1740,
	/* Queue n: + 0x100 n. */
	TD_VF_RDBAL = 0x2800,
	TD_VF_RDBAH = 0x2804,
	TD_VF_RDLEN = 0x2808,
	TD_VF_SRRCTL = 0x280c,
	TD_VF_RDH = 0x2810,
	TD_VF_DCA_RXCTRL = 0x2814,
	TD_VF_RDT = 0x2818,
	TD_VF_RXDCTL = 0x2828,
	TD_VF_RQDPC = 0x2830,
	TD_VF_TDBAL = 0x3800,
	TD_VF_TDBAH = 0x3804,
	TD_VF_TDLEN = 0x3808,
	TD_VF_TDH = 0x3810,
	TD_VF_DCA_TXCTRL = 0x3814,
	TD_VF_TDT = 0x3818,
	TD_VF_TXDCTL = 0x3828,
	TD_VF_TDWBAL = 0x3838,
	TD_VF_TDWBAH = 0x383c,
};

#define TD_VF_CTRL_RST		(1U << 26)
#define TD_VF_STATUS_FD		(1U << 0)
#define TD_VF_STATUS_LU		(1U << 1)
#define TD_VF_STATUS_SPEED_1000 (2U << 6)
#define TD_VF_QUEUE_ENABLE	(1U << 25) /* RXDCTL, TXDCTL */
#define TD_VF_IVAR_VALID	0x80U

/* V2PMAILBOX */
#define TD_VF_MAIL_REQ	 (1U << 0) /* VF: a message for the PF stands in VMBMEM */
#define TD_VF_MAIL_ACK	 (1U << 1) /* VF: took the PF's message */
#define TD_VF_MAIL_VFU	 (1U << 2) /* the VF owns VMBMEM */
#define TD_VF_MAIL_PFU	 (1U << 3) /* the PF does */
#define TD_VF_MAIL_PFSTS (1U << 4) /* PF: a message; cleared by reading */
#define TD_VF_MAIL_PFACK (1U << 5) /* PF: took the VF's message; cleared by reading */
#define TD_VF_MAIL_RSTI	 (1U << 6) /* the PF is in reset */
#define TD_VF_MAIL_RSTD	 (1U << 7) /* the PF's reset is over; cleared by reading */
#define TD_VF_MAIL_WORDS 16U

/* First word of a message: the request, flags, bits 23:16 a count. igbvf's and igb's protocol, the datasheet leaves it open. */
enum td_vf82576_mail {
	TD_VF_MAIL_RESET = 0x01,	 /* answer: words 1, 2 the MAC */
	TD_VF_MAIL_SET_MAC = 0x02,	 /* words 1, 2; with a count of 1..3 a list of more MACs (igb: MACVLAN filters) */
	TD_VF_MAIL_SET_MULTICAST = 0x03, /* count hashes of 16 bits, two a word; 30 at most */
	TD_VF_MAIL_SET_VLAN = 0x04,	 /* word 1: VLAN ID; count 1: add, 0: remove */
	TD_VF_MAIL_SET_LPE = 0x05,	 /* word 1: largest frame in bytes, with the CRC */
	TD_VF_MAIL_SET_PROMISC = 0x06,	 /* flags in bits 16 (unicast), 17 (multicast), 18 (all) */
	TD_VF_MAIL_PF_CONTROL = 0x0100,	 /* from the PF: something changed */
};
#define TD_VF_MAIL_ANSWER_ACK  0x80000000U
#define TD_VF_MAIL_ANSWER_NACK 0x40000000U
#define TD_VF_MAIL_ANSWER_CTS  0x20000000U /* clear to send: the VF needs no RESET handshake */
#define TD_VF_MAIL_COUNT_SHIFT 16U

#define TD_VF82576_HASHES_MAX  30U
#define TD_VF82576_FRAME_BYTES 1518U /* largest frame with CRC, until SET_LPE */
#define TD_VF82576_COUNTERS    9U
#define TD_VF82576_VLAN_WORDS  128U /* 4096 bits */

/* One ring of 16-byte descriptors. Source: §7.1.4 (receive), §7.2.2 (transmit). */
struct td_vf82576_ring {
	uint64_t base;	     /* guest-physical, multiple of 128 */
	uint32_t len_bytes;  /* multiple of 128 */
	uint32_t head, tail; /* in descriptors; [head, tail) is the device's */
	uint32_t control;    /* RXDCTL, TXDCTL */
	uint32_t dca;
	uint32_t srrctl;    /* receive only */
	uint64_t writeback; /* transmit only: TDWBAL, TDWBAH */
};

/*
 * All that the guest may ask the device for, apart from PCI configuration and MSI-X, which the VMM always emulates. Nothing here is a
 * host's handle. What the driver told the PF by mail is kept so that another PF, or the model, can be told again.
 */
struct td_vf82576_state {
	struct td_vf82576_ring rx[TD_VF82576_QUEUES], tx[TD_VF82576_QUEUES];
	uint32_t psrtype;
	uint32_t eims, eiac, eiam, eicr;
	uint32_t eitr[TD_VF82576_VECTORS];
	uint32_t ivar0, ivar_misc;
	uint32_t mailbox; /* V2PMAILBOX: PFSTS, PFACK, RSTD not yet read, VFU */
	uint32_t mail[TD_VF_MAIL_WORDS];
	bool handshaken; /* the driver's RESET was answered: its queues may run */
	uint8_t mac[6];
	uint16_t hash[TD_VF82576_HASHES_MAX];
	uint32_t hash_count;
	uint32_t vlan[TD_VF82576_VLAN_WORDS];  /* bit set: the driver wants frames of this VLAN */
	uint32_t frame_max_bytes;	       /* SET_LPE, with the CRC */
	uint32_t promisc;		       /* SET_PROMISC's first word */
	uint64_t counter[TD_VF82576_COUNTERS]; /* as the guest sees them, in full; registers show the low 32 bits */
};

/* Has the driver told its PF the same? */
static inline bool td_vf82576_same_filters(const struct td_vf82576_state *a, const struct td_vf82576_state *b)
{
	return a->hash_count == b->hash_count && memcmp(a->hash, b->hash, a->hash_count * sizeof(a->hash[0])) == 0 &&
	       memcmp(a->vlan, b->vlan, sizeof(a->vlan)) == 0 && a->frame_max_bytes == b->frame_max_bytes && a->promisc == b->promisc;
}

/* The order of td_vf82576_state.counter. */
enum td_vf82576_counter {
	TD_VF_COUNT_GPRC,
	TD_VF_COUNT_GPTC,
	TD_VF_COUNT_GORC,
	TD_VF_COUNT_GOTC,
	TD_VF_COUNT_MPRC,
	TD_VF_COUNT_GPRLBC,
	TD_VF_COUNT_GPTLBC,
	TD_VF_COUNT_GORLBC,
	TD_VF_COUNT_GOTLBC,
};
static const uint16_t td_vf82576_counter_reg[TD_VF82576_COUNTERS] = {
	TD_VF_GPRC, TD_VF_GPTC, TD_VF_GORC, TD_VF_GOTC, TD_VF_MPRC, TD_VF_GPRLBC, TD_VF_GPTLBC, TD_VF_GORLBC, TD_VF_GOTLBC};

#endif
