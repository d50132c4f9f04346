/* SPDX-License-Identifier: Apache-2.0 */
/* failover_mode.h - what a flip does in mode failover: for whoever creates hybrid NICs (struct td_hybrid_host). */
#ifndef TD_NIC_FAILOVER_FAILOVER_MODE_H
#define TD_NIC_FAILOVER_FAILOVER_MODE_H

struct td_hybrid_mode;

extern const struct td_hybrid_mode td_failover_mode;

#endif
