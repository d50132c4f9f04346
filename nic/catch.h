/* SPDX-License-Identifier: Apache-2.0 */
/*
 * catch.h - the other way round than relay.h: frames to the guest that still come to the PF after its filter for the VF has gone, because
 * switches outside have not learned yet, are caught there and put into the tap. For a while after a flip to the emulated path.
 */
#ifndef TD_NIC_CATCH_H
#define TD_NIC_CATCH_H

#include "core/base.h"
#include "core/err.h"

struct td_catch {
	int pf_fd, tap_fd; /* owned packet sockets; -1: not open */
	uint16_t vlan;
	uint8_t *buffer;
	uint64_t caught; /* monotonic, also over closing */
};

/*
 * The PF hears all unicast from here on, and keeps what is meant for `mac`; of a VF with a VLAN, what carries its tag, which the tap's
 * frames have not. 0: none; then tags are the guest's own, and stay. A PF below a bridge, a team or a VLAN hands such frames on
 * already: then nothing is opened, and 0 returned. Before the filter goes. The tap is known by its index: a name may be another's by now.
 */
int td_catch_open(struct td_catch *catch, const char *pf_name, unsigned tap_index, const uint8_t mac[6], uint16_t vlan, struct td_err *err);
void td_catch_close(struct td_catch *catch);  /* harmless when not open, if the descriptors are -1 */
void td_catch_run(struct td_catch *catch);    /* bounded work */
void td_catch_forget(struct td_catch *catch); /* what was caught so far the VF had too: just before its filter goes */

#endif
