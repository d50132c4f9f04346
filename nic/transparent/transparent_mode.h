/* SPDX-License-Identifier: Apache-2.0 */
/* transparent_mode.h - what a flip does in mode transparent: for whoever creates hybrid NICs (struct td_hybrid_host). */
#ifndef TD_NIC_TRANSPARENT_TRANSPARENT_MODE_H
#define TD_NIC_TRANSPARENT_TRANSPARENT_MODE_H

struct td_hybrid_mode;

extern const struct td_hybrid_mode td_transparent_mode;

#endif
