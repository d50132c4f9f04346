/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tap.h - one tap interface of the host with 1..8 queues, each a descriptor that carries whole frames behind a 12-byte virtio-net header
 * (Linux Documentation/networking/tuntap.rst). The interface dies with its descriptors. What it is a port of is not its business:
 * host/net/host_port.h. Links by rtnetlink.
 */
#ifndef TD_EMUL_TAP_H
#define TD_EMUL_TAP_H

#include <linux/if.h>

#include "core/base.h"
#include "core/err.h"
#include "host/sys/host_netlink.h"

#define TD_TAP_QUEUES_MAX   8
#define TD_TAP_HEADER_BYTES 12U

struct td_tap {
	char name[IFNAMSIZ];
	unsigned index; /* of the interface: its name may be another's by now */
	unsigned queue_count, active_count;
	int fd[TD_TAP_QUEUES_MAX]; /* owned, non-blocking */
	bool silent;
	unsigned offloads;		/* TUN_F_*, as they were asked for last */
	struct td_host_netlink netlink; /* of td_tap_counters(), open after the first: until then all this is plain data and descriptors */
};

struct td_tap_config {
	const char *name; /* NULL or "": the kernel chooses tandemN */
	uint8_t mac[6];	  /* the guest's: the tap's own is made from it */
	uint16_t mtu;	  /* of a tap that is no port of a bridge; 0: as it is */
	unsigned queue_count;
};

/* Makes the interface, silent, with queue 0 active, up. -EBUSY with TD_REASON_TAP_EXISTS. */
int td_tap_open(struct td_tap *tap, const struct td_tap_config *config, struct td_err *err);
void td_tap_close(struct td_tap *tap); /* harmless when not open or half open, if zeroed before */

/*
 * Was the interface deleted? Its descriptors are dead then. What is asked of it is noted all the same, and no error: another takes its
 * place. td_tap_replace(): `anew` becomes the tap, with its offloads, active queues and silence, and is zeroed. -errno: both as before.
 */
bool td_tap_is_lost(const struct td_tap *tap);
int td_tap_replace(struct td_tap *tap, struct td_tap *anew);

/* Which offloads the reader of the tap takes: TUN_F_*. */
int td_tap_set_offloads(struct td_tap *tap, unsigned tun_flags);
/* Frames are spread over the first `count` queues. */
int td_tap_set_active(struct td_tap *tap, unsigned count);
/* Silent: frames to the tap's readers are dropped at its door, and those that wait in it too. */
void td_tap_set_silent(struct td_tap *tap, bool silent);

/* As the host sees direction: rx is what was written to the tap. */
struct td_tap_counters {
	uint64_t rx_packets, rx_bytes, rx_dropped, tx_packets, tx_bytes, tx_dropped;
};
int td_tap_counters(struct td_tap *tap, struct td_tap_counters *ret_counters);

#endif
