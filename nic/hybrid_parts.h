/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hybrid_parts.h - what the files behind hybrid.h share: hybrid.c (life, events, requests), hybrid_vf.c (the VF on the host),
 * hybrid_flip.c (flips of any mode), hybrid_watch.c (those that nobody asks for), hybrid_guard.c (frames that come back, uplinks),
 * hybrid_info.c (counters, JSON), and what they share with the modes that have two paths: failover/, transparent/. Those see this file;
 * the files here know a mode by its table alone. All on the main loop with the VM's lock held, but for td_hybrid_vf_steer(), which may be
 * without.
 */
#ifndef TD_NIC_HYBRID_PARTS_H
#define TD_NIC_HYBRID_PARTS_H

#include "core/loop.h"
#include "emul/igbvf.h"
#include "emul/virtio_net.h"
#include "host/net/host_watch.h"
#include "host/sriov/lease.h"
#include "nic/blackout.h"
#include "nic/catch.h"
#include "nic/hybrid.h"
#include "nic/relay.h"
#include "vfio/vfio_pci.h"

#define TD_HYBRID_LOG	       64U
#define TD_HYBRID_TICK_NS      1000000ULL
#define TD_HYBRID_TICK_IDLE_NS 100000000ULL /* a guest that does not answer is asked again, without haste */

/* Moments of a flip, beside its phases; 0: did not come. */
struct td_hybrid_marks {
	uint64_t driver_down_ns; /* the guest's VF driver stopped receiving */
	uint64_t driver_gone_ns; /* it gave its interrupts back: net_failover has let go of the VF */
	uint64_t ejected_ns;
	uint64_t driver_open_ns; /* its receive queue is on */
	uint64_t driver_up_ns;	 /* it receives */
	uint64_t tx_moved_ns;	 /* the guest sends by the VF */
	uint64_t told_ns;	 /* the outside was told that it does, after the flip was done */
	/*
	 * Mode transparent: how long vCPUs stood still, and how long of that this thread worked; how long what the guest sent was held
	 * back; how long, before the vCPUs stood still, the model rested; buffers given back unused.
	 */
	uint64_t pause_ns, pause_cpu_ns, held_ns, rest_ns;
	unsigned burned;
};

struct td_hybrid_record {
	enum td_path to;
	bool ok, automatic, cold, measuring;
	enum td_reason reason;
	char text[160];
	uint64_t phase_ns[TD_FLIP_PHASES], total_ns, started_ns;
	int64_t at; /* seconds since 1970 */
	struct td_hybrid_marks marks;
	uint64_t relayed, caught;
	unsigned unplug_requests, kicks;
	double rx_ms, tx_ms; /* blackout; < 0: no stream ran */
	double sample_ms;    /* the longest time between two looks at the counters */
};

struct td_hybrid;

/* What a mode with two paths does. begin and undo as of policy/flip.h. */
struct td_hybrid_mode {
	/* nic->mode_state, which is the mode's own. destroy() comes last: VF and emulated NIC are not looked at any more. */
	int (*create)(struct td_hybrid *nic, struct td_err *err);
	void (*destroy)(struct td_hybrid *nic);
	int (*begin)(struct td_hybrid *nic, enum td_path to, enum td_flip_phase phase, struct td_err *err);
	void (*undo)(struct td_hybrid *nic, enum td_path to, enum td_flip_phase phase);
	/* The limit of the phase in progress is over: true with a text that says more than the phase's name. */
	bool (*explain_timeout)(struct td_hybrid *nic, struct td_err *err);
	/* The VF is being taken away and a flip has ended: if the guest still uses it, it does no more when this returns. */
	void (*force_off)(struct td_hybrid *nic);
	/* The guest was reset, flips are aborted: to the emulated path without it. */
	void (*guest_reset)(struct td_hybrid *nic);
	/* After each TD_HYBRID_TICK_NS of a flip, and as often as it asks for between them. Returns in how long again; 0: no need. */
	uint64_t (*tick)(struct td_hybrid *nic);
	/* Ten times a second between flips, while a VF is used or wanted. driver_away: its driver has not used it for a while. */
	void (*look)(struct td_hybrid *nic, bool driver_away);
	/* The guest was asked for the VF and has not given it yet. */
	bool (*leaving)(const struct td_hybrid *nic);
	/* No flip to the VF that nobody asks for before this time. */
	void (*not_before)(struct td_hybrid *nic, uint64_t ns);
	/* The guest's virtio-net driver has come or gone. NULL: a mode without one. */
	void (*driver)(struct td_hybrid *nic, bool accepted, bool standby);
	/* What the guest does to nic->vf; the opaque value is the NIC. NULL: the guest sees no VF, and the four below are the mode's. */
	const struct td_vfio_events *vf_events;
	int (*open_vf)(struct td_hybrid *nic, struct td_err *err);
	void (*close_vf)(struct td_hybrid *nic);
	enum td_vfio_state (*vf_state)(const struct td_hybrid *nic);
	void (*count_vf)(struct td_hybrid *nic, struct td_vfio_counters *ret_vf);
};

/* The transmit queue of the guest's igbvf, of mode failover (failover_queue.c). */
struct td_hybrid_queue {
	bool is_new;	    /* its probe was not seen to open the VF yet */
	uint64_t opened_ns; /* by its probe; 0: not known */
	uint64_t looked_ns; /* when igbvf may have looked for its link at a bad moment; 0: its queue is known to run */
	uint64_t away_ns;   /* since when it is shown none; 0: it is shown its link */
	uint64_t sent, sent_ns;
	unsigned tries;
};

struct td_hybrid {
	struct td_hybrid_host host;
	const struct td_hybrid_mode *mode;     /* NULL: one path only */
	void *mode_state;		       /* the mode's */
	const struct td_vm_net_config *config; /* borrowed for the VM's life */
	struct td_virtio_net *net;	       /* NULL: mode vf, model igbvf */
	struct td_igbvf *igbvf;		       /* NULL: any other model */
	struct td_lease lease;
	struct td_vfio_pci *vf;	 /* NULL: none */
	struct td_relay relay;	 /* open while there is a lease */
	struct td_catch catch;	 /* mode transparent: open around a flip to the emulated path */
	enum td_path path;	 /* where the guest's traffic is */
	enum td_path wanted;	 /* where the operator wants it */
	bool driver_ok, standby; /* of the guest's virtio-net driver */
	enum td_reason reason;	 /* why it is not where it is wanted, or what went wrong last */
	char reason_text[160];

	struct td_flip flip;
	struct td_timer limit; /* of the flip's phase */
	struct td_timer tick;
	bool cold, automatic; /* of the flip in progress */
	bool resetting;	      /* the guest starts anew: nothing is asked of it */
	bool lost;	      /* the VF is being taken away */
	bool give_back;	      /* the VF's lease ends at the next tick */
	bool reconsider;      /* it may be able to go to the VF that it is wanted on: looked at at the next ticks */
	td_hybrid_done done;
	void *done_opaque;

	struct td_timer watch;
	int carrier_fd; /* of the PF below the leased VF, in sysfs; -1 */
	bool link_lost; /* of that PF */
	enum td_reason link_reason;
	unsigned looks;			   /* at the link, in a row, that said otherwise */
	unsigned looks_driver;		   /* at a VF that the guest's driver does not run, in a row */
	bool driver_away;		   /* that was said */
	uint64_t retry_at_ns, patience_ns; /* of flips that nobody asked for; mode transparent has its own */

	bool guarded; /* the host's network keeps the guest's MAC behind the tap */
	bool pinned;  /* its bridge does, while the guest goes over to its VF */
	struct td_host_watch network;
	struct td_timer look_after; /* the network's ports have changed */
	struct td_log_limit guard_limit;
	unsigned bridge_index;	  /* of the bridge that the tap joined; 0: none */
	bool held;		  /* the emulated path keeps frames to the guest back */
	bool steered;		  /* the VF has the NIC's MAC in its PF */
	bool leaving;		  /* the guest was asked for the VF and has not given it yet */
	bool was_up;		  /* its VF driver was up when it was asked */
	uint64_t settle_until_ns; /* 0, or until when the emulated path may still be in use */
	uint64_t asked_ns, verify_ns, quiet_ns, kicked_ns;
	uint64_t announced_ns; /* of the VF, last; 0: not since the guest was elsewhere */
	uint64_t stood_by_ns;  /* the guest was last known to send by the standby */
	uint64_t opening_ns;   /* when the guest's driver began to open its VF, in a flip's SWAP; 0: it did not, or in vain */
	uint64_t open_ns;      /* since when its VF's receive queue is on; 0: it is not */
	uint64_t shut_ns;      /* since when it looks as if it were off; 0: it does not */
	uint64_t verify_vf_tx, verify_net_tx; /* sent by the VF when verifying began, by the standby at the last look */
	struct td_hybrid_queue queue;
	unsigned unplug_requests, kicks;
	uint64_t relayed_before, caught_before;
	struct td_hybrid_marks marks;

	struct td_blackout blackout;
	int stat_fd[2]; /* of the tap, in sysfs: packets to the guest, from the guest; -1 */
	uint64_t measure_until_ns;
	struct td_hybrid_record log[TD_HYBRID_LOG];
	unsigned log_count; /* all flips ever; the last TD_HYBRID_LOG stand in log[n % TD_HYBRID_LOG] */

	struct td_net_counters vf_before; /* of VFs that are no more */
	struct td_net_counters shown;	  /* as given out last: never goes backwards */
};

/* hybrid_vf.c */

/* Lease and PF's packet socket; then open: warm. Harmless when it is so already. */
int td_hybrid_vf_acquire(struct td_hybrid *nic, struct td_err *err);
int td_hybrid_vf_open(struct td_hybrid *nic, struct td_err *err);
/* Closes, and gives the lease back. Not from an event of the VF. */
void td_hybrid_vf_release(struct td_hybrid *nic);
/* The VF's MAC filter in its PF: the NIC's MAC, or none. */
int td_hybrid_vf_steer(struct td_hybrid *nic, bool on, struct td_err *err);
/* None, when it may be there: what comes to the MAC is the emulated path's. Warns. */
void td_hybrid_vf_unsteer(struct td_hybrid *nic);
/* Is the PF up? A guest finds no way to set its VF up below one that is down. */
int td_hybrid_vf_check_pf(struct td_hybrid *nic, struct td_err *err);
/* With carrier? */
int td_hybrid_vf_check_link(struct td_hybrid *nic, struct td_err *err);
/* So too, while there is a lease, by one read, for looking often. False: not by that; td_hybrid_vf_check_link() knows, and says why. */
bool td_hybrid_vf_sees_link(struct td_hybrid *nic);
enum td_vfio_state td_hybrid_vf_state(const struct td_hybrid *nic);
enum td_vfio_driver td_hybrid_vf_driver(struct td_hybrid *nic);

/* The VF is being taken away: told by either kind. An event of the VF: opaque is the NIC. */
void td_hybrid_vf_lost(void *opaque, bool release_requested);

/* hybrid_flip.c */
void td_hybrid_flip_init(struct td_hybrid *nic);
bool td_hybrid_leaving(const struct td_hybrid *nic); /* its mode's answer */
int td_hybrid_flip(struct td_hybrid *nic, enum td_path to, bool automatic, bool cold, struct td_err *err);
bool td_hybrid_flip_by_itself(struct td_hybrid *nic, enum td_path to, bool cold); /* not asked for by anybody; false: did not begin */
void td_hybrid_announce(struct td_hybrid *nic, enum td_path path);
void td_hybrid_wake(struct td_hybrid *nic);		/* ticks from now on, for as long as there is something to look at */
void td_hybrid_finish_measuring(struct td_hybrid *nic); /* writes the blackouts into the last flip's record */

/* hybrid_watch.c */
void td_hybrid_watch_init(struct td_hybrid *nic);
/* From now on, for as long as a VF is used or wanted. */
void td_hybrid_watch(struct td_hybrid *nic);
/* A flip has ended. */
void td_hybrid_watch_flip(struct td_hybrid *nic, const struct td_err *err);
/* The next try to get to the VF; the longer they have failed, the later. */
void td_hybrid_try_later(struct td_hybrid *nic);
/* Mode failover, at each tick: to the VF, when it is wanted there and may be able to go. */
void td_hybrid_follow(struct td_hybrid *nic);
/* And says so. */
void td_hybrid_set_reason(struct td_hybrid *nic, enum td_reason reason, const char *text);

/* hybrid_guard.c */

/*
 * The emulated NIC has come up; what a killed VM has left in its network goes, and its uplinks are watched. Only a NIC that shows the guest
 * their carrier fails where they cannot be. Then: it goes next.
 */
int td_hybrid_guard_begin(struct td_hybrid *nic, struct td_err *err);
void td_hybrid_guard_end(struct td_hybrid *nic);
/*
 * The guest's traffic is on this path: to be said before its frames may come in by an uplink (VF), and when they no longer do (emulated). A
 * millisecond of netlink where it was not so already, so not while vCPUs stand still.
 */
void td_hybrid_guard(struct td_hybrid *nic, enum td_path path);
/*
 * The guest goes over to its VF: its frames may come in by an uplink, and what comes to it is brought to the tap, to be relayed, until
 * td_hybrid_guard() is called for either path.
 */
void td_hybrid_pin(struct td_hybrid *nic);

/* hybrid_info.c */
void td_hybrid_counters(struct td_hybrid *nic, struct td_net_counters *ret_counters);
/* What nic->vf has counted. Of VFs that do not count themselves the PF is asked, by netlink. */
void td_hybrid_count_vf(struct td_hybrid *nic, struct td_vfio_counters *ret_vf);
struct td_hybrid_record *td_hybrid_last_record(struct td_hybrid *nic); /* NULL: none */
/* Packets over both paths to and from the guest, cheaply: for looking every millisecond. */
void td_hybrid_packets(struct td_hybrid *nic, uint64_t *ret_rx, uint64_t *ret_tx);
/* Packets that the guest has sent by the emulated NIC of mode failover. As cheap. */
uint64_t td_hybrid_sent_by_standby(struct td_hybrid *nic);
void td_hybrid_open_stats(struct td_hybrid *nic);
void td_hybrid_close_stats(struct td_hybrid *nic);
json_t *td_hybrid_record_json(const struct td_hybrid_record *record);

#endif
