/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hybrid_parts.h - what the files behind hybrid.h share: hybrid.c (life, events, requests), hybrid_vf.c (the VF on the host),
 * hybrid_flip.c (flips of any mode), hybrid_watch.c (those that nobody asks for), failover*.c (what a flip does in mode
 * failover), transparent*.c (in mode transparent), hybrid_guard.c (frames that come back, uplinks), hybrid_info.c
 * (counters, JSON). Nobody else includes it. All on the main loop with the VM's lock held, but for td_hybrid_vf_steer(), which may be
 * without, and td_hybrid_hold(), which a vCPU's thread may call with it.
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
#include "vfio/hw82576.h"
#include "vfio/vfio_pci.h"

#define TD_HYBRID_LOG 64U

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
	int (*begin)(struct td_hybrid *nic, enum td_path to, enum td_flip_phase phase, struct td_err *err);
	void (*undo)(struct td_hybrid *nic, enum td_path to, enum td_flip_phase phase);
	/* The limit of the phase in progress is over: true with a text that says more than the phase's name. */
	bool (*explain_timeout)(struct td_hybrid *nic, struct td_err *err);
	/* The VF is being taken away and a flip has ended: if the guest still uses it, it does no more when this returns. */
	void (*force_off)(struct td_hybrid *nic);
	/* The guest was reset, flips are aborted: to the emulated path without it. */
	void (*guest_reset)(struct td_hybrid *nic);
	void (*tick)(struct td_hybrid *nic);
};

/* Of mode transparent. */
struct td_transparent {
	bool on_hardware; /* the guest's rings are the VF's */
	uint64_t held_ns; /* since when what the guest sends is held back; 0: it is not */
	bool parked;	  /* by the flip in progress */
	uint64_t parked_ns, parked_cpu_ns;
	uint64_t retry_at_ns, patience_ns; /* of flips to the VF that nobody asked for */
	struct td_vf82576_state prepared;  /* what hardware and PF were told */
	unsigned preparations;
	uint64_t again_ns;     /* the guest was slow to post: no try before */
	uint64_t ahead_ns;     /* since when it gives buffers back for that; 0: it does not */
	unsigned failed_rests; /* of this flip */
	uint64_t rest_ns;      /* since when the model rests, before the guest is stopped; 0: it does not */
	bool unheard;	       /* what waits in the tap came before the VF received */
	uint32_t room;	       /* frames that may be brought to the VF before its ring is looked at again */
	unsigned late_looks;   /* at the tap, when nothing else is waited for */
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
	const struct td_vm_net_config *config; /* borrowed for the VM's life */
	struct td_virtio_net *net;	       /* NULL: mode vf, model igbvf */
	struct td_igbvf *igbvf;		       /* NULL: any other model */
	struct td_hw82576 *hw;		       /* behind igbvf; NULL: none */
	struct td_transparent transparent;
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
	uint64_t settle_until_ns; /* 0, or until when the path that the guest is not on may still be in use */
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

/* The VF is being taken away: told by either kind. */
void td_hybrid_vf_lost(struct td_hybrid *nic, bool release_requested);

/* transparent.c */
extern const struct td_hybrid_mode td_hybrid_transparent;

/* hybrid_flip.c */
void td_hybrid_flip_init(struct td_hybrid *nic);
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

/* failover.c */
extern const struct td_hybrid_mode td_hybrid_failover;
void td_hybrid_hold(struct td_hybrid *nic, bool hold);
void td_hybrid_ask_unplug(struct td_hybrid *nic);
/* The guest has nothing to do with the VF any more, however that came. */
void td_hybrid_on_emulated(struct td_hybrid *nic);

/* failover_tick.c */
void td_hybrid_failover_tick(struct td_hybrid *nic);
void td_hybrid_driver_is_up(struct td_hybrid *nic);
/* On the VF: the emulated path is in use, or was a moment ago; it is looked at every millisecond until it is not. */
void td_hybrid_settle(struct td_hybrid *nic);
/* And from then on, a few times a second: is it in use again? */
void td_hybrid_look_at_standby(struct td_hybrid *nic, bool driver_away);

/* failover_queue.c */
void td_hybrid_queue_forget(struct td_hybrid *nic); /* no driver runs the VF: the next to open it is one that probes it */
void td_hybrid_queue_opened(struct td_hybrid *nic, uint64_t now_ns);
void td_hybrid_queue_looked(struct td_hybrid *nic, uint64_t now_ns); /* igbvf looks for its link about now */
/* The VF is open: a queue that stands still is started. */
void td_hybrid_look_at_queue(struct td_hybrid *nic, uint64_t now_ns);
void td_hybrid_queue_give_due(struct td_hybrid *nic, uint64_t now_ns); /* whether it is open or not: the link, when it is time */
void td_hybrid_queue_end(struct td_hybrid *nic); /* nobody is going to look for a while: igbvf is left with its link */

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
struct td_hybrid_record *td_hybrid_last_record(struct td_hybrid *nic); /* NULL: none */
/* Packets over both paths to and from the guest, cheaply: for looking every millisecond. */
void td_hybrid_packets(struct td_hybrid *nic, uint64_t *ret_rx, uint64_t *ret_tx);
/* Packets that the guest has sent by the emulated NIC of mode failover. As cheap. */
uint64_t td_hybrid_sent_by_standby(struct td_hybrid *nic);
void td_hybrid_open_stats(struct td_hybrid *nic);
void td_hybrid_close_stats(struct td_hybrid *nic);
json_t *td_hybrid_record_json(const struct td_hybrid_record *record);

#endif
