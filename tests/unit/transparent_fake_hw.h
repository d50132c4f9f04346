/* SPDX-License-Identifier: Apache-2.0 */
/* transparent_fake_hw.h - the host's half of transparent_fake.h: hardware VF, lease, PF, packet sockets. Not to be included otherwise. */
#ifndef TD_TESTS_TRANSPARENT_FAKE_HW_H
#define TD_TESTS_TRANSPARENT_FAKE_HW_H

/* ---- the hardware VF ---- */

int td_iommu_create(struct td_iommu **ret_iommu, struct td_err *err)
{
	(void)err;
	*ret_iommu = (struct td_iommu *)(void *)&fake;
	return 0;
}

int td_hw82576_create(
	struct td_vm *vm, struct td_iommu *iommu, const struct td_hw82576_config *config, struct td_hw82576 **ret_hw, struct td_err *err)
{
	(void)vm, (void)iommu, (void)err;
	assert_true(fake.leased);
	assert_false(fake.hw_made);
	fake.events = config->events;
	fake.hw_made = true;
	fake.hw_phase = TD_HW82576_CLOSED;
	*ret_hw = (struct td_hw82576 *)(void *)&fake;
	return 0;
}

void td_hw82576_destroy(struct td_hw82576 *hw)
{
	(void)hw;
	assert_true(fake.hw_made);
	fake.hw_made = fake.connected = false;
	fake.hw_phase = TD_HW82576_CLOSED;
}

int td_hw82576_open(struct td_hw82576 *hw, struct td_err *err)
{
	int rc = fake_try("open", err);

	(void)hw;
	assert_int_equal(fake.hw_phase, TD_HW82576_CLOSED);
	fake.hw_phase = rc < 0 ? TD_HW82576_CLOSED : TD_HW82576_OPEN;
	return rc;
}

enum td_hw82576_phase td_hw82576_phase(const struct td_hw82576 *hw)
{
	(void)hw;
	return fake.hw_phase;
}

int td_hw82576_prepare(struct td_hw82576 *hw, const struct td_vf82576_state *state, struct td_err *err)
{
	int rc;

	(void)hw;
	assert_true(fake.hw_phase == TD_HW82576_OPEN || fake.hw_phase == TD_HW82576_PREPARED);
	assert_int_equal(fake.model, FAKE_GOES); /* it takes long: the guest must be served */
	assert_false(fake.parked);
	fake.prepared = *state;
	rc = fake_try("prepare", err);
	fake.connected = false;
	fake.hw_phase = rc < 0 ? TD_HW82576_OPEN : TD_HW82576_PREPARED;
	return rc;
}

void td_hw82576_unprepare(struct td_hw82576 *hw)
{
	(void)hw;
	assert_true(fake.hw_made);
	fake_note("unprepare");
	if (fake.hw_phase != TD_HW82576_PREPARED)
		return;
	fake.connected = false;
	fake.hw_phase = TD_HW82576_OPEN;
}

int td_hw82576_connect(struct td_hw82576 *hw, const int fds[2], struct td_err *err)
{
	int rc = fake_try("connect", err);

	(void)hw;
	assert_int_equal(fake.hw_phase, TD_HW82576_PREPARED);
	assert_int_equal(fds[0], FAKE_FD + 1);
	assert_int_equal(fds[1], FAKE_FD + 2);
	fake.connected = rc == 0;
	return rc;
}

int td_hw82576_restore(struct td_hw82576 *hw, const struct td_vf82576_state *state, struct td_err *err)
{
	int rc;

	(void)hw;
	assert_int_equal(fake.hw_phase, TD_HW82576_PREPARED);
	assert_true(fake.connected && fake.parked && fake_model_is_still());
	assert_int_equal(state->rx[0].head, 0);
	assert_int_equal(state->hash_count, fake.prepared.hash_count);
	assert_int_equal(state->tx[0].tail, state->tx[0].head); /* nothing is sent by a VF whose MAC the PF does not know */
	rc = fake_try("restore", err);
	fake.hw_phase = rc < 0 ? TD_HW82576_OPEN : TD_HW82576_RUNNING;
	if (rc < 0)
		return rc;
	fake.hw_rx = state->rx[0];
	fake.hw_tx = state->tx[0];
	return 0;
}

static inline int fake_tell_multicasts(const char *name, bool quiet, struct td_err *err)
{
	int rc = fake_try(name, err);

	assert_int_equal(fake.hw_phase, TD_HW82576_RUNNING);
	fake.quiet = rc < 0 ? fake.quiet : quiet;
	return rc;
}

int td_hw82576_quiet(struct td_hw82576 *hw, struct td_err *err)
{
	(void)hw;
	return fake_tell_multicasts("quiet", true, err);
}

int td_hw82576_unquiet(struct td_hw82576 *hw, const struct td_vf82576_state *state, struct td_err *err)
{
	(void)hw;
	assert_ptr_equal(state, &fake.state);
	return fake_tell_multicasts("unquiet", false, err);
}

void td_hw82576_drain(struct td_hw82576 *hw)
{
	(void)hw;
	assert_int_equal(fake.hw_phase, TD_HW82576_RUNNING);
	assert_true(fake.parked);
	fake_note("drain");
}

int td_hw82576_capture(struct td_hw82576 *hw, struct td_vf82576_state *ret_rings, bool *ret_lost, struct td_err *err)
{
	(void)hw, (void)err;
	assert_int_equal(fake.hw_phase, TD_HW82576_RUNNING);
	assert_true(fake.parked);
	fake_note("capture");
	if (fake.hw_rx.len_bytes)
		fake.hw_rx.head = 5;
	ret_rings->rx[0] = fake.hw_rx;
	ret_rings->tx[0] = fake.hw_tx;
	memset(ret_rings->counter, 0, sizeof(ret_rings->counter));
	*ret_lost = fake.capture_loses;
	fake.hw_phase = TD_HW82576_OPEN;
	fake.quiet = false;
	return 0;
}

void td_hw82576_write(struct td_hw82576 *hw, uint32_t reg, uint32_t value)
{
	(void)hw;
	assert_int_equal(reg, TD_VF_TDT);
	assert_int_equal(fake.hw_phase, TD_HW82576_RUNNING);
	fake_note("tail");
	fake.hw_tx.tail = value;
}

uint32_t td_hw82576_read(struct td_hw82576 *hw, uint32_t reg)
{
	(void)hw, (void)reg;
	return 0;
}

void td_hw82576_reset_queues(struct td_hw82576 *hw)
{
	(void)hw;
}

void td_hw82576_bus_master(struct td_hw82576 *hw, bool on)
{
	(void)hw, (void)on;
}

int td_hw82576_mail(struct td_hw82576 *hw, const uint32_t words[TD_VF_MAIL_WORDS])
{
	(void)hw, (void)words;
	return 0;
}

void *td_hw82576_queue_pages(struct td_hw82576 *hw)
{
	(void)hw;
	return NULL;
}

bool td_hw82576_link_up(struct td_hw82576 *hw)
{
	(void)hw;
	assert_int_equal(fake.hw_phase, TD_HW82576_RUNNING);
	return fake.link;
}

void td_hw82576_counters(struct td_hw82576 *hw, uint64_t ret_counter[TD_VF82576_COUNTERS])
{
	(void)hw;
	assert_true(fake.hw_made);
	memset(ret_counter, 0, TD_VF82576_COUNTERS * sizeof(*ret_counter));
}

/* ---- lease and PF ---- */

int td_lease_acquire(struct td_lease *lease, const char *dir, const struct td_lease_request *request, struct td_err *err)
{
	int rc = fake_try("lease", err);

	(void)dir, (void)request;
	assert_false(fake.leased);
	if (rc < 0)
		return rc;
	snprintf(lease->vf.bdf, sizeof(lease->vf.bdf), "0000:02:10.0");
	snprintf(lease->vf.pf_name, sizeof(lease->vf.pf_name), "pf0");
	fake.leased = lease->held = true;
	return 0;
}

int td_lease_release(struct td_lease *lease, struct td_err *err)
{
	(void)err;
	assert_false(fake.hw_made);
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
	return rc;
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

int td_sriov_get(const char *pf_name, unsigned vf_index, struct td_sriov_vf_settings *ret_settings, struct td_err *err)
{
	(void)pf_name, (void)vf_index;
	*ret_settings = fake.settings;
	return fake_try("settings", err);
}

int td_sriov_pf_link(const char *pf_name, bool *ret_up, bool *ret_carrier, struct td_err *err)
{
	(void)pf_name;
	*ret_up = fake.pf_up;
	*ret_carrier = fake.carrier;
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

unsigned td_relay_run(struct td_relay *relay, td_relay_take take, void *opaque)
{
	uint8_t frame[64];
	unsigned taken = 0;

	assert_int_equal(relay->fd, FAKE_FD);
	for (; take(opaque, frame, sizeof(frame)) > 0; taken++)
		fake.relayed += !memcmp(frame + TD_VIRTIO_NET_HEADER_BYTES, fake.config.mac, 6);
	if (!taken)
		return 0;
	assert_true(fake.filter && fake.hw_phase == TD_HW82576_RUNNING);
	fake_note("relay");
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

int td_catch_open(
	struct td_catch *catch, const char *pf_name, const char *tap_name, const uint8_t mac[6], uint16_t vlan, struct td_err *err)
{
	int rc = fake_try("catch open", err);

	(void)catch, (void)mac;
	assert_string_equal(pf_name, "pf0");
	assert_string_equal(tap_name, "tap0");
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
	assert_false(fake.filter && fake.hw_phase == TD_HW82576_RUNNING); /* the VF hears those frames, too */
	fake_note("catch run");
}

void td_catch_forget(struct td_catch *catch)
{
	(void)catch;
	fake_note("catch forget");
}

/* ---- neighbours that a transparent NIC never calls ---- */

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"
#define FAKE_UNUSED(declaration)  \
	declaration               \
	{                         \
		fail();           \
		__builtin_trap(); \
	}

const struct td_hybrid_mode td_hybrid_failover;
FAKE_UNUSED(void td_hybrid_on_emulated(struct td_hybrid *nic))
FAKE_UNUSED(void td_hybrid_driver_is_up(struct td_hybrid *nic))
FAKE_UNUSED(int td_virtio_net_create(
	struct td_vm *vm, const struct td_virtio_net_config *config, struct td_virtio_net **ret_net, struct td_err *err))
FAKE_UNUSED(const char *td_virtio_net_tap(const struct td_virtio_net *net))
FAKE_UNUSED(bool td_virtio_net_uses_vhost(const struct td_virtio_net *net))
FAKE_UNUSED(void td_virtio_net_counters(struct td_virtio_net *net, struct td_net_counters *ret_counters))
FAKE_UNUSED(int td_virtio_net_inject_tx(struct td_virtio_net *net, const uint8_t *frame, size_t len_bytes))
FAKE_UNUSED(int td_vfio_pci_create(struct td_vm *vm, struct td_iommu *iommu, const struct td_vfio_pci_config *config,
	struct td_vfio_pci **ret_dev, struct td_err *err))
FAKE_UNUSED(void td_vfio_pci_destroy(struct td_vfio_pci *dev))
FAKE_UNUSED(int td_vfio_pci_open(struct td_vfio_pci *dev, struct td_err *err))
FAKE_UNUSED(void td_vfio_pci_close(struct td_vfio_pci *dev))
FAKE_UNUSED(int td_vfio_pci_attach(struct td_vfio_pci *dev, struct td_err *err))
FAKE_UNUSED(enum td_vfio_state td_vfio_pci_state(const struct td_vfio_pci *dev))
FAKE_UNUSED(bool td_vfio_pci_link_up(struct td_vfio_pci *dev, bool *ret_known))
FAKE_UNUSED(void td_vfio_pci_counters(struct td_vfio_pci *dev, struct td_vfio_counters *ret_counters))
FAKE_UNUSED(uint64_t td_vfio_pci_traps(const struct td_vfio_pci *dev))
FAKE_UNUSED(enum td_vfio_driver td_vfio_pci_driver(struct td_vfio_pci *dev))
#pragma GCC diagnostic pop

#endif
