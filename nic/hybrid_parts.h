/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hybrid_parts.h - what the files behind hybrid.h share: hybrid.c (life, events, requests), hybrid_vf.c (the VF on the host),
 * hybrid_flip.c (flips of any mode), hybrid_watch.c (those that nobody asks for), hybrid_port.c (its tap as a port of the bridge),
 * hybrid_guard.c (frames that come back, uplinks), hybrid_health.c (does the emulated path work?), hybrid_proof.c (did a frame pass?),
 * hybrid_settings.c (the VF in its PF), hybrid_info.c (counters, JSON), and what they share with the modes that have two paths: failover/,
 * transparent/. Those see this file; the files here know a mode by its table alone. All on the main loop with the VM's lock held; what may
 * wait for the host is a job beside it (host_call.h, hybrid_vf.c).
 */
#ifndef TD_NIC_HYBRID_PARTS_H
#define TD_NIC_HYBRID_PARTS_H

#include "core/loop.h"
#include "emul/igbvf.h"
#include "emul/virtio_net.h"
#include "host/net/host_watch.h"
#include "nic/blackout.h"
#include "nic/catch.h"
#include "nic/host_call.h"
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
	/* Mode failover: how often the guest was asked for the VF, and made to look for its link. */
	unsigned unplug_requests, kicks;
};

/* Of a flip's phase RESERVE: what comes next. */
enum td_hybrid_reserving { TD_RESERVE_PATH, TD_RESERVE_SETTINGS, TD_RESERVE_MODE, TD_RESERVE_BEGUN };

/* What has shown that frames pass on the path that a flip has led to. */
enum td_hybrid_proof { TD_PROOF_NONE, TD_PROOF_ANNOUNCEMENT, TD_PROOF_COUNTER };

struct td_hybrid_record {
	enum td_path to;
	bool ok, automatic, cold, forced, measuring;
	enum td_hybrid_proof proof;
	enum td_reason reason;
	char text[160];
	uint64_t phase_ns[TD_FLIP_PHASES], total_ns, started_ns;
	int64_t at; /* seconds since 1970 */
	struct td_hybrid_marks marks;
	uint64_t relayed, caught;
	double rx_ms, tx_ms; /* blackout; < 0: no stream ran */
	double sample_ms;    /* the longest time between two looks at the counters */
};

struct td_hybrid;

/* What a VF's object can do: the plain one's (vfio/vfio_pci.h), or a mode's. Those of a device wait: they are for a job. */
struct td_hybrid_vf_kind {
	int (*create)(struct td_hybrid *nic, void **ret_vf, struct td_err *err);
	int (*open_device)(void *vf, struct td_err *err);
	int (*open)(void *vf, struct td_err *err);
	void (*close)(void *vf); /* harmless when it is not open */
	void (*close_device)(void *vf);
	void (*destroy)(void *vf);
};

/* On the main loop, when what was begun is over. err is the callee's to read. */
typedef void (*td_hybrid_then)(struct td_hybrid *nic, int rc, const struct td_err *err);

/* A job that needs objects of the NIC, which nobody else touches meanwhile: run() is on the jobs' thread. */
struct td_hybrid_work {
	struct td_job job;
	struct td_hybrid *nic;
	int (*run)(struct td_hybrid *nic, struct td_err *err);
	td_hybrid_then then;
	int rc;
	struct td_err err;
};

/* A VF on its way back to the host. */
struct td_hybrid_giver {
	struct td_job job;
	const struct td_hybrid_vf_kind *kind;
	void *vf_object;	  /* NULL: it was never opened */
	struct td_host_call give; /* answered within the job */
};

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
	/* The filter of the PF is as it was last asked for, or that has failed. */
	void (*steered)(struct td_hybrid *nic, int rc, const struct td_err *err);
	/* What the guest does to nic->vf; the opaque value is the NIC. NULL: the guest sees no VF, and the three below are the mode's. */
	const struct td_vfio_events *vf_events;
	const struct td_hybrid_vf_kind *vf_kind;
	enum td_vfio_state (*vf_state)(const struct td_hybrid *nic);
	void (*count_vf)(struct td_hybrid *nic, struct td_vfio_counters *ret_vf);
};

struct td_hybrid {
	struct td_hybrid_host host;
	const struct td_hybrid_mode *mode;     /* NULL: one path only */
	void *mode_state;		       /* the mode's */
	const struct td_vm_net_config *config; /* borrowed for the VM's life */
	struct td_virtio_net *net;	       /* NULL: mode vf, model igbvf */
	struct td_igbvf *igbvf;		       /* NULL: any other model */
	struct td_lease lease;
	void *vf_object;	/* of its mode's kind; NULL: none */
	struct td_vfio_pci *vf; /* the same, of the plain kind; NULL: none, or another kind */
	bool vf_is_open;	/* its device is, and it has none that is being opened */
	struct td_relay relay;	/* open while there is a lease */
	struct td_catch catch;	/* mode transparent: open around a flip to the emulated path */
	enum td_path path;	/* where the guest's traffic is */
	enum td_path wanted;	/* where the operator wants it */
	bool standby;		/* accepted by the guest's virtio-net driver */
	enum td_reason reason;	/* why it is not where it is wanted, or what went wrong last */
	char reason_text[320];

	struct td_flip flip;
	struct td_timer limit; /* of the flip's phase */
	struct td_timer tick;
	bool cold, automatic, forced; /* of the flip in progress */
	bool waits_for_path;	      /* which will work soon: phase RESERVE has not begun for its mode */
	enum td_hybrid_reserving reserving;
	uint32_t reserve_ms; /* the limit of that phase, when there is nothing to wait for */
	bool resetting;	     /* the guest starts anew: nothing is asked of it */
	bool lost;	     /* the VF is being taken away */
	bool ending;	     /* the NIC is: nothing new begins */
	bool give_back;	     /* the VF's lease ends at the next tick */
	bool reconsider;     /* it may be able to go to the VF that it is wanted on: looked at at the next ticks */
	td_hybrid_done done;
	void *done_opaque;

	/* What the host was asked; a call's `job.busy` says that it has not answered yet. */
	struct td_host_call reserve, steer, link, count, port, guard, tend, witness, settle;
	struct td_hybrid_work work; /* of the phase in progress */
	struct td_hybrid_giver giver;
	td_hybrid_then open_then;
	struct td_err open_err;
	bool steer_wanted, steer_asked; /* the filter: as it shall be; as the last call has it */

	struct td_timer settle_timer;
	bool settle_again;     /* the settings are to be looked at once more when the look that is under way is over */
	bool settles_for_flip; /* phase RESERVE waits for the look */
	uint64_t settle_wait_ns, changed_ns;
	unsigned changes, fights; /* settings that others changed, in all; and in a row, each soon after the last */
	struct td_log_limit settings_limit;

	struct td_timer watch;
	uint64_t link_seen_ns; /* when the PF's link was looked at last; 0: not since there is a lease */
	bool link_seen;	       /* and what it was */
	bool link_lost;	       /* of that PF */
	enum td_reason link_reason;
	bool stays;			   /* on the VF all the same, as the other path does not work either; that was said */
	unsigned looks, looks_all;	   /* at the link, in a row, that said otherwise; in all */
	unsigned looks_driver;		   /* at a VF that the guest's driver does not run, in a row */
	bool driver_away;		   /* that was said */
	uint64_t retry_at_ns, patience_ns; /* of flips that nobody asked for; mode transparent has its own */

	enum td_guard guard_wanted, guard_is; /* the guest's MAC in the bridge */
	struct td_host_watch network;
	struct td_timer look_after; /* the network's ports have changed */
	struct td_log_limit guard_limit, health_limit;
	unsigned tap_index;    /* of the emulated NIC's interface, also when that is lost; 0: it has had none */
	unsigned bridge_index; /* of the bridge that the tap joined; 0: none */
	bool mtu_again;	       /* it has changed once more */
	struct td_timer renew; /* when the tap is looked after again */
	bool steered;	       /* the VF has the NIC's MAC in its PF */
	uint64_t relayed_before, caught_before;
	enum td_hybrid_proof proof;			 /* of the last flip */
	bool witness_wanted, verifying, announced_again; /* verifying: phase VERIFY waits for the proof alone */
	uint64_t sent_by_vf;				 /* by the VF, when the flip began */
	struct td_hybrid_marks marks;

	struct td_blackout blackout;
	struct td_hybrid_stat {
		int fd;			/* of the tap, in sysfs; -1 */
		uint64_t before, shown; /* of taps that were lost; of this one, as it was read last */
	} stat[2];			/* packets to the guest, from the guest */
	uint64_t measure_until_ns;
	bool uncounted; /* by the PF, when it was asked last: what passes by the VF is not known */
	struct td_hybrid_record log[TD_HYBRID_LOG];
	unsigned log_count; /* all flips ever; the last TD_HYBRID_LOG stand in log[n % TD_HYBRID_LOG] */

	struct td_net_counters vf_before; /* of VFs that are no more */
	struct td_net_counters shown;	  /* as given out last: never goes backwards */
};

/* hybrid_vf.c */

/* The phase that waited for the host is over; or the flip was LATE, and what it waited for is back. */
void td_hybrid_phase_over(struct td_hybrid *nic, enum td_flip_phase phase, int rc, const struct td_err *err);
/* Is a job under way that belongs to a flip's phase, and must be back before that can be undone? */
bool td_hybrid_vf_at_work(const struct td_hybrid *nic);
/* One job at a time. */
void td_hybrid_work_submit(
	struct td_hybrid *nic, struct td_hybrid_work *work, int (*run)(struct td_hybrid *, struct td_err *), td_hybrid_then then);

/* Phase RESERVE ends when there is a lease, its VF is set up, and its PF has a link; mode vf needs no carrier. */
void td_hybrid_vf_reserve(struct td_hybrid *nic);
/* -> warm. 0: it is so already. -EINPROGRESS: `then` is called; for td_hybrid_vf_prepare() phase PREPARE ends. */
int td_hybrid_vf_open(struct td_hybrid *nic, td_hybrid_then then, struct td_err *err);
int td_hybrid_vf_prepare(struct td_hybrid *nic, struct td_err *err);
/* Before the boot: reserved and opened when this returns. A mode with two paths needs no link yet. */
int td_hybrid_vf_warm_up(struct td_hybrid *nic, struct td_err *err);
/* At the end: no job of these is under way any more. */
void td_hybrid_vf_wait(struct td_hybrid *nic);

/* The guest has no part in the VF any more, and the VF none in the guest's memory. What the host has of it stays until the release. */
void td_hybrid_vf_cut(struct td_hybrid *nic);
/* So too, and the lease goes back. */
void td_hybrid_vf_release(struct td_hybrid *nic);

/*
 * The VF's MAC filter in its PF: the NIC's MAC, or none. mode->steered() is called when it is so; what is wanted last counts. 0: there is
 * no PF to ask, and no call.
 */
int td_hybrid_vf_steer(struct td_hybrid *nic, bool on);
/* None, when it may be there: what comes to the MAC is the emulated path's. */
void td_hybrid_vf_unsteer(struct td_hybrid *nic);
enum td_vfio_state td_hybrid_vf_state(const struct td_hybrid *nic);
enum td_vfio_driver td_hybrid_vf_driver(struct td_hybrid *nic);

/* The VF is being taken away: told by either kind. An event of the VF: opaque is the NIC. */
void td_hybrid_vf_lost(void *opaque, bool release_requested);

/* hybrid_flip.c */
void td_hybrid_flip_init(struct td_hybrid *nic);
bool td_hybrid_leaving(const struct td_hybrid *nic); /* its mode's answer */
/* how: TD_HYBRID_*. */
int td_hybrid_flip(struct td_hybrid *nic, enum td_path to, bool automatic, unsigned how, struct td_err *err);
bool td_hybrid_flip_by_itself(struct td_hybrid *nic, enum td_path to, bool cold); /* not asked for by anybody; false: did not begin */
void td_hybrid_announce(struct td_hybrid *nic, enum td_path path);
void td_hybrid_wake(struct td_hybrid *nic);		/* ticks from now on, for as long as there is something to look at */
void td_hybrid_sample(struct td_hybrid *nic);		/* of the counters, for the blackout */
void td_hybrid_finish_measuring(struct td_hybrid *nic); /* writes the blackouts into the last flip's record */

void td_hybrid_reserve_on(struct td_hybrid *nic); /* what phase RESERVE waited for has come: its next step */

/* hybrid_watch.c */
void td_hybrid_watch_init(struct td_hybrid *nic);
/* From now on, for as long as a VF is used or wanted. */
void td_hybrid_watch(struct td_hybrid *nic);
/* The host has said how the PF's link is. */
void td_hybrid_watch_note(struct td_hybrid *nic, const struct td_host_call *call);
/* A flip has ended. */
void td_hybrid_watch_flip(struct td_hybrid *nic, const struct td_err *err);
/* The next try to get to the VF; the longer they have failed, the later. */
void td_hybrid_try_later(struct td_hybrid *nic);
/* Mode failover, at each tick: to the VF, when it is wanted there and may be able to go. */
void td_hybrid_follow(struct td_hybrid *nic);
/* And says so. */
void td_hybrid_set_reason(struct td_hybrid *nic, enum td_reason reason, const char *text);

/* hybrid_port.c */
const char *td_hybrid_tap(const struct td_hybrid *nic); /* NULL: it has none */
struct td_host_port td_hybrid_port(const struct td_hybrid *nic);
/* The tap is there: it becomes a port of its bridge before this returns. */
int td_hybrid_port_begin(struct td_hybrid *nic, struct td_err *err);
void td_hybrid_port_end(struct td_hybrid *nic);
void td_hybrid_port_mtu(void *opaque);		 /* an event of td_host_watch: opaque is the NIC */
void td_hybrid_port_lost(struct td_hybrid *nic); /* its tap is gone: it is made anew, if it was deleted */

/* hybrid_guard.c */

/*
 * The emulated NIC has come up; what a killed VM has left in its network goes, and its uplinks are watched. Only a NIC that shows the guest
 * their carrier fails where they cannot be. Then: it goes next.
 */
int td_hybrid_guard_begin(struct td_hybrid *nic, struct td_err *err);
void td_hybrid_guard_end(struct td_hybrid *nic);
/*
 * The guest's traffic is on this path: to be said before its frames may come in by an uplink (VF), and when they no longer do (emulated).
 * A job brings it about, before those that are submitted after it.
 */
void td_hybrid_guard(struct td_hybrid *nic, enum td_path path);
/*
 * The guest goes over to its VF: its frames may come in by an uplink, and what comes to it is brought to the tap, to be relayed, until
 * td_hybrid_guard() is called for either path.
 */
void td_hybrid_pin(struct td_hybrid *nic);
bool td_hybrid_pinned(const struct td_hybrid *nic);
/* It has another tap: what stood for the one before went with it, and is brought about for this one. */
void td_hybrid_guard_renew(struct td_hybrid *nic);

/* Ports have changed so that it can't wait: the bridge is another one, and does not have the tap yet. Nothing to do: nothing is done. */
void td_hybrid_guard_rejoin(struct td_hybrid *nic);

/* hybrid_health.c */

/* What is known of the emulated path: not NULL. Of a NIC that has none, or where it can't be watched, nothing is known. */
const struct td_host_path_health *td_hybrid_health(const struct td_hybrid *nic);
/* It will work by itself in this time; 0: not that anybody knows, or it works. */
uint32_t td_hybrid_health_wait_ms(const struct td_hybrid *nic);
bool td_hybrid_is_well(const struct td_hybrid *nic); /* nothing is known to be wrong with it */
/* May a flip there begin that somebody asked for? A path that will work soon may be asked for: the flip waits for it. */
int td_hybrid_health_check(const struct td_hybrid *nic, enum td_path to, struct td_err *err);
/* Phase RESERVE of such a flip. True: it is pending until the path works, and its mode's part of it begins then. */
bool td_hybrid_health_wait(struct td_hybrid *nic);
/* It is over, with err (may be NULL) for the flip. False: nothing was waited for. */
bool td_hybrid_health_give_up(struct td_hybrid *nic, struct td_err *err);
/* The VF leaves the guest now: what waits for the path waits no longer. */
void td_hybrid_health_no_choice(struct td_hybrid *nic);
void td_hybrid_health_say(struct td_hybrid *nic);
void td_hybrid_health_changed(void *opaque); /* an event of td_host_watch: opaque is the NIC */

/* hybrid_proof.c */
void td_hybrid_proof_begin(struct td_hybrid *nic, enum td_path to); /* with the flip */
int td_hybrid_proof_verify(struct td_hybrid *nic);		    /* phase VERIFY, to the emulated path: 0 or -EINPROGRESS */
void td_hybrid_proof_tick(struct td_hybrid *nic);
void td_hybrid_proof_announce(struct td_hybrid *nic);			      /* phase ANNOUNCE begins: what was seen before is no proof */
void td_hybrid_proof_hurry(struct td_hybrid *nic);			      /* phase VERIFY, if it waits for the proof alone, ends now */
enum td_hybrid_proof td_hybrid_proof(struct td_hybrid *nic, enum td_path to); /* of the last flip, by now */
void td_hybrid_proof_end(struct td_hybrid *nic);			      /* with the flip */
const char *td_hybrid_proof_name(enum td_hybrid_proof proof);

/* hybrid_settings.c */
void td_hybrid_settings_init(struct td_hybrid *nic);
void td_hybrid_settings_look(struct td_hybrid *nic); /* soon: they may have been changed */
/* A host call has looked at them: what it found is said. */
void td_hybrid_settings_note(struct td_hybrid *nic, const struct td_host_call *call);
/* Phase RESERVE of a flip that takes the VF from its guest. True: it is pending until they are as they should be. */
bool td_hybrid_settings_begin(struct td_hybrid *nic);
void td_hybrid_settings_pf(void *opaque, const char *name); /* an event of td_host_watch: opaque is the NIC */

/* hybrid_info.c */
void td_hybrid_counters(struct td_hybrid *nic, struct td_net_counters *ret_counters);
struct td_hybrid_record *td_hybrid_last_record(struct td_hybrid *nic); /* NULL: none */
/* Packets over both paths to and from the guest, cheaply: for looking every millisecond. */
void td_hybrid_packets(struct td_hybrid *nic, uint64_t *ret_rx, uint64_t *ret_tx);
/* Packets that the guest has sent by its VF, by all it ever had. */
uint64_t td_hybrid_sent_by_vf(struct td_hybrid *nic);
/* Packets that the guest has sent by the emulated NIC of mode failover. As cheap. */
uint64_t td_hybrid_sent_by_standby(struct td_hybrid *nic);
void td_hybrid_open_stats(struct td_hybrid *nic); /* also of a tap that takes a lost one's place */
void td_hybrid_close_stats(struct td_hybrid *nic);
/* False: there is a VF whose counters only its PF knows. Then it is asked, unless it is being asked; the answer samples. */
bool td_hybrid_counts_itself(const struct td_hybrid *nic);
void td_hybrid_count_soon(struct td_hybrid *nic);
json_t *td_hybrid_record_json(const struct td_hybrid_record *record);

#endif
