/* SPDX-License-Identifier: Apache-2.0 */
/*
 * igbvf_base.h - what the parts of the software 82576 VF have in common: numbers, and how they count. Each part (igbvf_irq.h, igbvf_ring.h,
 * igbvf_rx.h, igbvf_tx.h, igbvf_mail.h) has a struct of its own and knows none of the others; of the VF's registers (core/vf82576.h) it
 * writes those that are its own. The device puts them together: igbvf_parts.h.
 */
#ifndef TD_EMUL_IGBVF_BASE_H
#define TD_EMUL_IGBVF_BASE_H

#include "core/base.h"
#include "core/vf82576.h"

#define TD_IGBVF_DESC_BYTES    16U
#define TD_IGBVF_CRC_BYTES     4U
#define TD_IGBVF_INDEX_BITS    0xffffU /* of heads and tails */
#define TD_IGBVF_FRAME_MAX     16128U  /* with CRC: the largest SET_LPE that is taken */
#define TD_IGBVF_FRAME_MIN     64U
#define TD_IGBVF_CAUSE_RX(q)   (2U * (q))
#define TD_IGBVF_CAUSE_TX(q)   (2U * (q) + 1U)
#define TD_IGBVF_CAUSE_MAILBOX (2U * TD_VF82576_QUEUES)
#define TD_IGBVF_NEVER	       UINT64_MAX

static inline void td_igbvf_count(uint64_t *counter, uint64_t more) /* one writer */
{
	__atomic_store_n(counter, *counter + more, __ATOMIC_RELAXED);
}

#endif
