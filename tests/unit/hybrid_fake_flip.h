/* SPDX-License-Identifier: Apache-2.0 */
/* hybrid_fake_flip.h - a NIC in the world of hybrid_fake.h, its flips, and how the last one ended. */
#ifndef TD_TESTS_HYBRID_FAKE_FLIP_H
#define TD_TESTS_HYBRID_FAKE_FLIP_H

#include "hybrid_fake.h"

static struct {
	unsigned calls;
	bool ok;
	enum td_reason reason;
} ended;

/* The mode's. */
static const struct td_hybrid_mode *const fake_mode;
static void set_up_world(void); /* a NIC on the emulated path, whose guest can flip */
static void settle(void);	/* what follows a flip is over, and all is as it must be */
static void on_done(void *opaque, const json_t *record, const struct td_err *err); /* note_end(), and what must hold at once */

/* ---- a NIC ---- */

/* In a new world. What its configuration does not say is the same for all. */
static inline void create_nic(const struct td_vm_net_config *config)
{
	static const uint8_t mac[6] = {0x52, 0x54, 0, 1, 2, 3};
	static char id[] = "net0";
	const struct td_hybrid_host host = {
		.vm = &fake.vm, .iommu = &fake.iommu, .run_dir = "/nowhere", .failover = fake_mode, .transparent = fake_mode};
	struct td_err err = {0};

	fake = (struct fake){.now_ns = 1000000000U, .announced = -1, .pf_up = true, .carrier = true, .config = *config};
	fake.vm.state = TD_VM_RUNNING;
	fake.config.id = id;
	memcpy(fake.config.mac, mac, sizeof(mac));
	fake.config.unplug_timeout_ms = 2000;
	fake.config.plug_timeout_ms = 10000;
	assert_int_equal(td_hybrid_create(&host, &fake.config, &fake.nic, &err), 0);
}

static inline void destroy_nic(void)
{
	td_hybrid_destroy(fake.nic);
	assert_int_equal(fake.job_count, 0);
	assert_false(fake.leased || fake.vf_made || fake.device_open || fake.relay_open || fake.catching || fake.guarded || fake.pinned);
	for (unsigned i = 0; i < FAKE_TIMERS; i++)
		assert_null(fake.timer[i]);
}

/* ---- flips ---- */

static inline void note_end(const json_t *record, const struct td_err *err)
{
	const struct td_hybrid_record *last = td_hybrid_last_record(fake.nic);

	assert_non_null(record);
	ended.calls++;
	ended.ok = err->code == 0;
	ended.reason = last->reason;
	assert_int_equal(last->ok, ended.ok);
	assert_int_equal(last->reason == TD_REASON_NONE, ended.ok);
	assert_true(ended.ok || strlen(last->text) > 0);
}

static inline enum td_path other_than(enum td_path path)
{
	return path == TD_PATH_VF ? TD_PATH_EMULATED : TD_PATH_VF;
}

static inline int ask(enum td_path to, bool cold)
{
	struct td_err err = {0};

	return td_hybrid_switch(fake.nic, to, cold ? TD_HYBRID_COLD : 0, on_done, NULL, &err);
}

/* Asks for a flip and waits for its end. */
static inline bool flip(enum td_path to)
{
	unsigned before = ended.calls;

	assert_int_equal(ask(to, false), 0);
	fake_run(60000, true);
	assert_int_equal(ended.calls, before + 1);
	return ended.ok;
}

static inline void flip_well(enum td_path to)
{
	if (!flip(to))
		fail_msg("flip to %s: %s", td_path_name(to), td_hybrid_last_record(fake.nic)->text);
	settle();
	assert_int_equal(fake.nic->path, to);
}

/* What the host says of the emulated path from now on. */
static inline void health_is(enum td_reason reason, unsigned wait_ms)
{
	fake.nic->network.health =
		(struct td_host_path_health){.known = true, .reason = reason, .wait_ms = wait_ms, .since_ns = fake.now_ns};
	snprintf(fake.nic->network.health.text, sizeof(fake.nic->network.health.text), "%s", td_reason_name(reason));
	fake.nic->network.events.health(fake.nic);
}

static inline void flip_there_and_back(void)
{
	flip_well(other_than(fake.nic->path));
	flip_well(other_than(fake.nic->path));
}

static inline void set_up_on(enum td_path path)
{
	set_up_world();
	if (path == TD_PATH_VF)
		flip_well(TD_PATH_VF);
}

#endif
