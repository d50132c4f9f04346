/* SPDX-License-Identifier: Apache-2.0 */
/* hybrid_fake_host.h - the host's half of hybrid_fake.h: lease, PF, packet sockets, the bridge. Not to be included otherwise. */
#ifndef TD_TESTS_HYBRID_FAKE_HOST_H
#define TD_TESTS_HYBRID_FAKE_HOST_H

/* ---- lease and PF ---- */

int td_iommu_create(struct td_iommu **ret_iommu, struct td_err *err)
{
	(void)err;
	*ret_iommu = (struct td_iommu *)(void *)&fake;
	return 0;
}

int td_lease_acquire(struct td_lease *lease, const char *dir, const struct td_lease_request *request, struct td_err *err)
{
	int rc = fake_try("lease", err);

	(void)dir, (void)request;
	assert_false(fake.leased);
	if (rc < 0)
		return rc;
	snprintf(lease->vf.bdf, sizeof(lease->vf.bdf), "0000:02:10.0");
	snprintf(lease->vf.pf_name, sizeof(lease->vf.pf_name), "pf0");
	lease->before = fake.settings;
	fake.leased = lease->held = true;
	fake.vf_anew = false;
	return 0;
}

int td_lease_release(struct td_lease *lease, struct td_err *err)
{
	(void)err;
	assert_false(fake.device_open);
	fake.leased = lease->held = fake.filter = false;
	return 0;
}

int td_sriov_set_mac(const char *pf_name, unsigned vf_index, const uint8_t mac[6], struct td_err *err)
{
	static const uint8_t none[6];
	bool on = memcmp(mac, none, sizeof(none)) != 0;
	int rc = fake_try(on ? "filter on" : "filter off", err);

	(void)vf_index;
	assert_string_equal(pf_name, "pf0");
	assert_true(fake.leased);
	fake.filter = rc < 0 ? fake.filter : on;
	fake.other_mac = fake.other_mac && rc < 0;
	return rc;
}

bool td_sriov_is_same(const struct td_sriov_vf *vf)
{
	(void)vf;
	return !fake.vf_anew;
}

int td_sriov_set_vlan(const char *pf_name, unsigned vf_index, uint16_t vlan, struct td_err *err)
{
	int rc = fake_try("vlan", err);

	(void)pf_name, (void)vf_index;
	if (rc == 0)
		fake.settings.vlan = vlan;
	return rc;
}

int td_sriov_set_link_state(const char *pf_name, unsigned vf_index, enum td_sriov_link state, struct td_err *err)
{
	int rc = fake_try("link state", err);

	(void)pf_name, (void)vf_index;
	if (rc == 0)
		fake.settings.link_state = state;
	return rc;
}

int td_sriov_set_trust(const char *pf_name, unsigned vf_index, bool on, struct td_err *err)
{
	int rc = fake_try("trust", err);

	(void)pf_name, (void)vf_index;
	if (rc == 0)
		fake.settings.trust = on;
	return rc;
}

int td_sriov_set_spoofchk(const char *pf_name, unsigned vf_index, bool on, struct td_err *err)
{
	int rc = fake_try("spoofchk", err);

	(void)pf_name, (void)vf_index;
	if (rc == 0)
		fake.settings.spoofchk = on;
	return rc;
}

int td_sriov_set_rate(const char *pf_name, unsigned vf_index, uint32_t min, uint32_t max, struct td_err *err)
{
	int rc = fake_try("rate", err);

	(void)pf_name, (void)vf_index;
	if (rc == 0) {
		fake.settings.min_tx_rate = min;
		fake.settings.max_tx_rate = max;
	}
	return rc;
}

int td_sriov_get(const char *pf_name, unsigned vf_index, struct td_sriov_vf_settings *ret_settings, struct td_err *err)
{
	(void)pf_name, (void)vf_index;
	*ret_settings = fake.settings;
	if (fake.filter)
		memcpy(ret_settings->mac, fake.other_mac ? (const uint8_t[6]){2} : fake.config.mac, sizeof(ret_settings->mac));
	return fake_try("settings", err);
}

/* Its driver does not tell. */
int td_sriov_netlink_stats(const char *pf_name, unsigned vf_index, struct td_sriov_stats *ret_stats, struct td_err *err)
{
	(void)vf_index, (void)err;
	assert_string_equal(pf_name, "pf0");
	*ret_stats = (struct td_sriov_stats){0};
	return 0;
}

int td_sriov_pf_link(const char *pf_name, bool *ret_up, bool *ret_carrier, struct td_err *err)
{
	assert_true(fake.leased && pf_name[0]);
	*ret_up = fake.pf_up;
	*ret_carrier = fake.carrier && fake.pf_up;
	return fake_try("pf link", err);
}

/* ---- packet sockets ---- */

int td_relay_open(struct td_relay *relay, const char *pf_name, const uint8_t mac[6], uint16_t vlan, struct td_err *err)
{
	int rc = fake_try("relay open", err);

	(void)pf_name, (void)mac;
	assert_int_equal(vlan, fake.config.vlan);
	fake.relay_open = rc == 0;
	relay->fd = rc < 0 ? -1 : FAKE_FD;
	return rc;
}

void td_relay_close(struct td_relay *relay)
{
	fake.relay_open = false;
	relay->fd = -1;
}

#define FAKE_RELAYED_A_RUN 256U /* bounded, as it says */

unsigned td_relay_run(struct td_relay *relay, td_relay_take take, void *opaque)
{
	uint8_t frame[64];
	unsigned taken = 0;

	assert_int_equal(relay->fd, FAKE_FD);
	for (; taken < FAKE_RELAYED_A_RUN && take(opaque, frame, sizeof(frame)) > 0; taken++)
		fake.relayed += !memcmp(frame + TD_VIRTIO_NET_HEADER_BYTES, fake.config.mac, 6);
	if (!taken)
		return 0;
	relay->relayed += taken;
	assert_true(fake_vf_hears());
	fake_note("relay");
	return taken;
}

unsigned td_relay_discard(struct td_relay *relay, td_relay_take take, void *opaque)
{
	uint8_t frame[64];
	unsigned taken = 0;

	assert_int_equal(relay->fd, FAKE_FD);
	for (; take(opaque, frame, sizeof(frame)) > 0; taken++)
		;
	relay->discarded += taken;
	return taken;
}

int td_relay_send(struct td_relay *relay, const uint8_t *frame, size_t len_bytes)
{
	(void)relay, (void)frame, (void)len_bytes;
	if (!fake.relay_open)
		return -EBADF;
	fake_note("announce vf");
	fake.announced = TD_PATH_VF;
	return 0;
}

int td_catch_open(struct td_catch *catch, const char *pf_name, unsigned tap_index, const uint8_t mac[6], uint16_t vlan, struct td_err *err)
{
	int rc = fake_try("catch open", err);

	(void)catch, (void)mac;
	assert_string_equal(pf_name, "pf0");
	assert_int_equal(tap_index, FAKE_TAP_INDEX + fake.taps_lost);
	assert_int_equal(vlan, fake.config.vlan);
	fake.catching |= rc == 0;
	return rc;
}

void td_catch_close(struct td_catch *catch)
{
	(void)catch;
	fake.catching = false;
}

void td_catch_run(struct td_catch *catch)
{
	(void)catch;
	if (!fake.catching)
		return;
	assert_false(fake_vf_hears()); /* those frames, too */
	fake_note("catch run");
}

void td_catch_forget(struct td_catch *catch)
{
	(void)catch;
	fake_note("catch forget");
}

/* ---- the bridge ---- */

void td_witness_open(struct td_witness *witness, const char *bridge, const uint8_t mac[6])
{
	assert_string_equal(bridge, fake.config.bridge);
	assert_memory_equal(mac, fake.config.mac, 6);
	*witness = (struct td_witness){.count = fake.witness_sees ? 1 : 0};
	fake.seen = 0;
}

/* The n-th announcement is the first that is seen. */
bool td_witness_saw(struct td_witness *witness)
{
	bool saw = witness->count && fake.seen >= fake.witness_sees;

	fake.seen = saw ? 0 : fake.seen;
	return saw;
}

void td_witness_close(struct td_witness *witness)
{
	witness->count = 0;
}

int td_host_watch_open(struct td_host_watch *watch, struct td_jobs *jobs, const struct td_host_path_want *want,
	const struct td_host_watch_events *events, struct td_err *err)
{
	(void)jobs, (void)err;
	assert_string_equal(want->tap, FAKE_TAP);
	*watch = (struct td_host_watch){.watch.fd = FAKE_FD, .want = *want, .health.known = true, .up = true, .events = *events};
	return 0;
}

void td_host_watch_pf(struct td_host_watch *watch, unsigned pf_index)
{
	watch->pf_index = pf_index;
}

void td_host_watch_close(struct td_host_watch *watch)
{
	watch->watch.fd = -1;
}

void td_host_watch_tap(struct td_host_watch *watch, const char *tap, unsigned tap_index)
{
	assert_string_equal(tap, FAKE_TAP);
	watch->want.tap_index = tap_index;
}

int td_host_guard_tidy(const char *bridge, struct td_err *err)
{
	(void)err;
	assert_string_equal(bridge, fake.config.bridge);
	fake.tidied++;
	return 0;
}

int td_host_guard_renew(const char *bridge, unsigned tap, const uint8_t mac[6], struct td_err *err)
{
	(void)err;
	assert_string_equal(bridge, fake.config.bridge);
	assert_int_equal(tap, FAKE_TAP_INDEX + fake.taps_lost);
	assert_memory_equal(mac, fake.config.mac, 6);
	assert_true(fake.guarded);
	fake.renewed++;
	return 0;
}

int td_host_port_join(const struct td_host_port *port, struct td_err *err)
{
	assert_string_equal(port->bridge, fake.config.bridge);
	assert_int_equal(port->tap_index, FAKE_TAP_INDEX + fake.taps_lost);
	assert_int_equal(port->vlan, fake.config.vlan);
	return fake_try("port join", err);
}

int td_host_port_rejoin(const struct td_host_port *port, struct td_err *err)
{
	assert_string_equal(port->bridge, fake.config.bridge);
	assert_int_equal(port->tap_index, FAKE_TAP_INDEX + fake.taps_lost);
	return fake_try("port rejoin", err);
}

int td_host_port_follow_mtu(const struct td_host_port *port, struct td_err *err)
{
	assert_int_equal(port->tap_index, FAKE_TAP_INDEX + fake.taps_lost);
	return fake_try("port mtu", err);
}

/* ---- a tap in the lost one's place ---- */

int td_tap_open(struct td_tap *tap, const struct td_tap_config *config, struct td_err *err)
{
	bool first = config->name;
	int rc = fake_try("tap open", err);

	fake.tap_opens += first;
	fake.tap_opens_any += !first;
	assert_memory_equal(config->mac, fake.config.mac, 6);
	assert_int_equal(config->queue_count, 1);
	if (rc == 0 && first && fake.tap_name_taken)
		return td_err_set(err, EBUSY, TD_REASON_TAP_EXISTS, "tap %s", config->name);
	if (rc < 0)
		return rc;
	*tap = (struct td_tap){.index = FAKE_TAP_INDEX + ++fake.taps_lost, .queue_count = 1};
	snprintf(tap->name, sizeof(tap->name), "%s", FAKE_TAP);
	fake.guarded = fake.pinned = false; /* what stood was the old one's */
	return 0;
}

void td_tap_close(struct td_tap *tap)
{
	tap->queue_count = 0;
}

static inline bool fake_lost_tap(void)
{
	return fake.tap_is_lost;
}

static inline int fake_renew_tap(struct td_tap *anew)
{
	fake.taps_taken++;
	assert_int_equal(anew->index, FAKE_TAP_INDEX + fake.taps_lost);
	fake.tap_is_lost = false;
	*anew = (struct td_tap){0};
	return 0;
}

void td_host_guard_left(int index)
{
	fake.left = index;
}

static inline int fake_guard(const char *bridge, unsigned tap, const uint8_t mac[6], bool on)
{
	assert_string_equal(bridge, fake.config.bridge);
	assert_int_equal(tap, FAKE_TAP_INDEX + fake.taps_lost);
	assert_memory_equal(mac, fake.config.mac, 6);
	assert_false(fake.pinned);
	assert_true(fake.foreign || fake.guarded != on);
	fake.guarded = on && !fake.foreign;
	return fake.guarded;
}

int td_host_guard_on(const char *bridge, unsigned tap, const uint8_t mac[6], struct td_err *err)
{
	(void)err;
	return fake_guard(bridge, tap, mac, true);
}

int td_host_guard_pin(unsigned tap, const uint8_t mac[6], struct td_err *err)
{
	(void)err;
	assert_int_equal(tap, FAKE_TAP_INDEX + fake.taps_lost);
	assert_memory_equal(mac, fake.config.mac, 6);
	assert_false(fake.guarded || fake.pinned);
	fake.pinned = true;
	return 0;
}

int td_host_guard_unpin(unsigned tap, const uint8_t mac[6], struct td_err *err)
{
	(void)err;
	assert_int_equal(tap, FAKE_TAP_INDEX + fake.taps_lost);
	assert_memory_equal(mac, fake.config.mac, 6);
	assert_true(fake.pinned);
	fake.pinned = false;
	return 0;
}

int td_host_guard_off(const char *bridge, unsigned tap, const uint8_t mac[6], struct td_err *err)
{
	(void)err;
	return fake_guard(bridge, tap, mac, false);
}

#endif
