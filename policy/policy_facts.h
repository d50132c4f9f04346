/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy_facts.h - what a policy may ask about: one table, from which the language, its messages, the manual, traces and simulations come.
 * A fact's value is an int64_t in the unit of its type, or it is unknown: never told, or sampled and not told again in time.
 */
#ifndef TD_POLICY_POLICY_FACTS_H
#define TD_POLICY_POLICY_FACTS_H

#include "core/base.h"
#include "core/err.h"

enum td_policy_type {
	TD_POLICY_BOOL,	    /* 0, 1 */
	TD_POLICY_WORD,	    /* an index into the fact's words */
	TD_POLICY_COUNT,    /* a number */
	TD_POLICY_RATE,	    /* a number in a second: 20k/s */
	TD_POLICY_SPEED,    /* bits in a second: 10Gbit/s */
	TD_POLICY_PERCENT,  /* 80% */
	TD_POLICY_DURATION, /* ms: 5m */
	TD_POLICY_TIME,	    /* minutes since midnight: 22:00 */
	TD_POLICY_LABEL,    /* a number that the policy gave to a text (policy.h) */
};

/* Whose a fact is. Those of pool and host are told to each NIC that they are of. */
enum td_policy_scope { TD_POLICY_OF_NIC, TD_POLICY_OF_POOL, TD_POLICY_OF_HOST };

enum td_policy_news {
	TD_POLICY_ON_CHANGE, /* told when it changes: holds until then */
	TD_POLICY_SAMPLED,   /* told again and again: stale when it is not (key `stale`) */
	TD_POLICY_OWN,	     /* the engine knows it: nobody tells it */
};

/* X(symbol, "name", TYPE, words or NULL, SCOPE, NEWS, "what it is"). Names are an interface: add, never rename. */
#define TD_POLICY_FACTS(X)                                                                                                          \
	X(VF_HEALTH, "vf.health", WORD, td_policy_vf_words, OF_NIC, ON_CHANGE,                                                      \
		"Whether the VF path works: ok, or what is wrong with it, as a reason code")                                        \
	X(EMULATED_HEALTH, "emulated.health", WORD, td_policy_emulated_words, OF_NIC, ON_CHANGE,                                    \
		"Whether the emulated path works (tap, bridge port, bridge, VLAN, uplink): ok, or what is wrong, as a reason code") \
	X(VF_CARRIER, "vf.carrier", BOOL, NULL, OF_NIC, ON_CHANGE, "The guest's VF has link")                                       \
	X(PF_CARRIER, "pf.carrier", BOOL, NULL, OF_NIC, ON_CHANGE, "The PF has a carrier")                                          \
	X(PF_SPEED, "pf.speed", SPEED, NULL, OF_NIC, ON_CHANGE, "The PF's link speed")                                              \
	X(UPLINKS_UP, "uplinks.up", COUNT, NULL, OF_NIC, ON_CHANGE, "Uplinks of the emulated path's bridge that have a carrier")    \
	X(UPLINK_SPEED, "uplink.speed", SPEED, NULL, OF_NIC, ON_CHANGE, "Link speed of the bridge's uplinks together")              \
	X(TEAM_ACTIVE, "team.active", COUNT, NULL, OF_NIC, ON_CHANGE, "Members of the uplink's team that are active")               \
	X(PACKETS, "packets", RATE, NULL, OF_NIC, SAMPLED, "Packets per second, both directions, on either path")                   \
	X(RX_PACKETS, "rx.packets", RATE, NULL, OF_NIC, SAMPLED, "Packets per second to the guest")                                 \
	X(TX_PACKETS, "tx.packets", RATE, NULL, OF_NIC, SAMPLED, "Packets per second from the guest")                               \
	X(RX_BYTES, "rx.bytes", RATE, NULL, OF_NIC, SAMPLED, "Bytes per second to the guest")                                       \
	X(TX_BYTES, "tx.bytes", RATE, NULL, OF_NIC, SAMPLED, "Bytes per second from the guest")                                     \
	X(DROPS, "drops", RATE, NULL, OF_NIC, SAMPLED, "Packets dropped per second, both directions")                               \
	X(EMULATED_CPU, "emulated.cpu", PERCENT, NULL, OF_NIC, SAMPLED, "CPU time of the emulated path, in percent of one CPU")     \
	X(PATH, "path", WORD, td_policy_path_words, OF_NIC, OWN, "The path that the NIC is on")                                     \
	X(PATH_TIME, "path.time", DURATION, NULL, OF_NIC, OWN, "How long it has been on this path")                                 \
	X(FLIPS, "flips", COUNT, NULL, OF_NIC, OWN, "Flips within the time of flap_limit")                                          \
	X(WANTED, "wanted", WORD, td_policy_path_words, OF_NIC, ON_CHANGE, "The path that the operator asked for")                  \
	X(GUEST_DRIVER, "guest.driver", BOOL, NULL, OF_NIC, ON_CHANGE, "The guest's driver of the VF is ready")                     \
	X(GUEST_STANDBY, "guest.standby", BOOL, NULL, OF_NIC, ON_CHANGE,                                                            \
		"The guest takes part in flips: its virtio-net driver accepted STANDBY; mode transparent: its driver is up")        \
	X(VF_HELD, "vf.held", BOOL, NULL, OF_NIC, ON_CHANGE, "The NIC holds the lease of a VF, used or warm")                       \
	X(MIGRATION, "migration", WORD, td_policy_migration_words, OF_NIC, ON_CHANGE, "A live migration of the VM")                 \
	X(POOL_FREE, "pool.free", COUNT, NULL, OF_POOL, SAMPLED, "Free VFs of the NIC's pool")                                      \
	X(POOL_HELD, "pool.held", COUNT, NULL, OF_POOL, SAMPLED, "VFs of the NIC's pool that VMs hold")                             \
	X(MAINTENANCE, "maintenance", BOOL, NULL, OF_HOST, ON_CHANGE, "The host is in maintenance")                                 \
	X(TIME, "time", TIME, NULL, OF_HOST, SAMPLED, "Time of day, local time of the host")                                        \
	X(WEEKDAY, "weekday", WORD, td_policy_weekday_words, OF_HOST, SAMPLED, "Day of the week, local time of the host")

enum td_policy_fact {
#define TD_POLICY_FACT_ENUM(symbol, ...) TD_POLICY_FACT_##symbol,
	TD_POLICY_FACTS(TD_POLICY_FACT_ENUM)
#undef TD_POLICY_FACT_ENUM
		TD_POLICY_FACT_COUNT,
	/* Behind these: label.NAME, in the order in which the policy names them. */
};

struct td_policy_fact_info {
	const char *name;
	enum td_policy_type type;
	const char *const *words; /* WORD: ended by NULL */
	enum td_policy_scope scope;
	enum td_policy_news news;
	const char *help;
};

extern const struct td_policy_fact_info td_policy_facts[TD_POLICY_FACT_COUNT];

/* -1: there is none of this name. The name need not end with NUL. */
int td_policy_facts_find(const char *name, size_t len);
/* A value as rules, simulations and traces write it. Of a LABEL: never, as numbers of labels are a policy's. */
bool td_policy_facts_parse(enum td_policy_fact fact, const char *text, size_t len, int64_t *ret_value);
/* "20k/s", "no-carrier"; a constant or ret_text. */
#define TD_POLICY_VALUE_BYTES 40
const char *td_policy_facts_print(enum td_policy_fact fact, int64_t value, char ret_text[TD_POLICY_VALUE_BYTES]);
/* What its values look like: "ok, no-carrier or pf-down", "a rate as in 20k/s". */
void td_policy_facts_allowed(enum td_policy_fact fact, char *ret_text, size_t len_bytes);

/* The list of facts as mdoc(7), for policy.yaml(5). */
void td_policy_facts_print_man(FILE *out);

#endif
