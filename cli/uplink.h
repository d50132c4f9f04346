/* SPDX-License-Identifier: Apache-2.0 */
/*
 * uplink.h - does a tap's bridge reach the outside? The kernel keeps a bridge's own carrier up as long as any port has one, the tap itself
 * among them, so it is the other ports that are looked at. Told by the kernel when a link changes (rtnetlink), read from sysfs.
 */
#ifndef TD_CLI_UPLINK_H
#define TD_CLI_UPLINK_H

#include "core/base.h"
#include "core/err.h"
#include "core/loop.h"

#define TD_UPLINK_SYS "/sys"

struct td_uplink {
	struct td_loop *loop;
	struct td_watch watch; /* its descriptor is owned; -1: not open */
	const char *tap;       /* borrowed */
	bool up;
	void (*changed)(void *opaque, bool up);
	void *opaque;
};

/*
 * False: the tap's bridge has uplinks (NICs, or what stands on them: bonds, teams, VLANs) and none has a carrier. Other machines' taps,
 * veths and the like are no uplinks. True as well for a tap without bridge, or with one of another kind. sys: "/sys".
 */
bool td_uplink_is_up(const char *sys, const char *tap);

/* uplink->up is set. From then on, on the loop, changed() is called when it is another. */
int td_uplink_open(struct td_uplink *uplink, struct td_loop *loop, const char *tap, void (*changed)(void *opaque, bool up), void *opaque,
	struct td_err *err);
void td_uplink_close(struct td_uplink *uplink); /* harmless when not open, if the descriptor is -1 */

#endif
