/* SPDX-License-Identifier: Apache-2.0 */
/* failover_fake_host.h - the other half of failover_fake.h: emulated NIC, VF, lease, PF, packet socket. Not to be included otherwise. */
#ifndef TD_TESTS_FAILOVER_FAKE_HOST_H
#define TD_TESTS_FAILOVER_FAKE_HOST_H

/* ---- the emulated NIC ---- */

int td_virtio_net_create(struct td_vm *vm, const struct td_virtio_net_config *config, struct td_virtio_net **ret_net, struct td_err *err)
{
	(void)vm, (void)err;
	assert_true(config->standby);
	fake.net_events = config->events;
	*ret_net = (struct td_virtio_net *)(void *)&fake;
	return 0;
}

const char *td_virtio_net_tap(const struct td_virtio_net *net)
{
	(void)net;
	return "tap-of-nobody";
}

bool td_virtio_net_uses_vhost(const struct td_virtio_net *net)
{
	(void)net;
	return false;
}

void td_virtio_net_counters(struct td_virtio_net *net, struct td_net_counters *ret_counters)
{
	(void)net;
	*ret_counters = (struct td_net_counters){0};
}

int td_virtio_net_inject_tx(struct td_virtio_net *net, const uint8_t *frame, size_t len_bytes)
{
	(void)net, (void)frame;
	assert_in_range(len_bytes, 14, 1514);
	fake.announced = TD_PATH_EMULATED;
	return 0;
}

int td_virtio_net_hold_rx(struct td_virtio_net *net, bool hold)
{
	(void)net;
	assert_int_not_equal(fake.held, hold);
	fake.held = hold;
	return 0;
}

ssize_t td_virtio_net_take_rx(struct td_virtio_net *net, void *frame, size_t room_bytes)
{
	(void)net, (void)frame, (void)room_bytes;
	assert_true(fake.held);
	return -EAGAIN;
}

bool td_virtio_net_guest_announce(struct td_virtio_net *net)
{
	(void)net;
	fake.announcements++;
	return true;
}

/* ---- the VF ---- */

int td_iommu_create(struct td_iommu **ret_iommu, struct td_err *err)
{
	(void)err;
	*ret_iommu = (struct td_iommu *)(void *)&fake;
	return 0;
}

int td_vfio_pci_create(
	struct td_vm *vm, struct td_iommu *iommu, const struct td_vfio_pci_config *config, struct td_vfio_pci **ret_dev, struct td_err *err)
{
	int rc = fake_try("create", err);

	(void)vm, (void)iommu;
	assert_true(fake.leased && !fake.vf_made);
	if (rc < 0)
		return rc;
	fake.vf_events = config->events;
	fake.vf_made = true;
	fake.vf_state = TD_VFIO_CLOSED;
	*ret_dev = (struct td_vfio_pci *)(void *)&fake;
	return 0;
}

/* As the real one: a guest that goes on has a ghost of it. */
void td_vfio_pci_close(struct td_vfio_pci *dev)
{
	(void)dev;
	if (fake.vf_state == TD_VFIO_PLUGGED && fake.vm.state != TD_VM_STOPPED) {
		fake.vm.pci.ghosts = 1U << FAKE_SLOT;
		if (fake.step != STEP_EJECT)
			guest_will(STEP_LET_GO);
	}
	fake.vf_state = TD_VFIO_CLOSED;
	fake.driver = TD_VFIO_DRIVER_NONE;
}

void td_vfio_pci_destroy(struct td_vfio_pci *dev)
{
	td_vfio_pci_close(dev);
	fake.vf_made = false;
}

int td_vfio_pci_open(struct td_vfio_pci *dev, struct td_err *err)
{
	int rc = fake_try("open", err);

	(void)dev;
	assert_int_equal(fake.vf_state, TD_VFIO_CLOSED);
	fake.opens += rc == 0;
	fake.vf_state = rc < 0 ? TD_VFIO_CLOSED : TD_VFIO_WARM;
	return rc;
}

/* The guest sees one NIC of this MAC beside its emulated one, and only when it knows what to do with it. */
int td_vfio_pci_plug(struct td_vfio_pci *dev, struct td_err *err)
{
	int rc = fake_try("plug", err);

	(void)dev;
	assert_int_equal(fake.vf_state, TD_VFIO_WARM);
	assert_true(fake.nic->standby && fake.filter);
	assert_false(td_pci_has_ghost(&fake.vm.pci));
	if (rc < 0)
		return rc;
	fake.vf_state = TD_VFIO_PLUGGED;
	guest_will(STEP_PROBE);
	return 0;
}

int td_vfio_pci_unplug_request(struct td_vfio_pci *dev)
{
	(void)dev;
	assert_int_equal(fake.vf_state, TD_VFIO_PLUGGED);
	if (fake.step < STEP_DOWN)
		guest_will(fake.driver == TD_VFIO_DRIVER_NONE ? STEP_EJECT : STEP_DOWN);
	return 0;
}

void td_vfio_pci_detach(struct td_vfio_pci *dev)
{
	(void)dev;
	if (fake.vf_state == TD_VFIO_PLUGGED)
		fake.vf_state = TD_VFIO_WARM;
}

enum td_vfio_state td_vfio_pci_state(const struct td_vfio_pci *dev)
{
	(void)dev;
	return fake.vf_state;
}

enum td_vfio_driver td_vfio_pci_driver(struct td_vfio_pci *dev)
{
	(void)dev;
	return fake.vf_state == TD_VFIO_PLUGGED ? fake.driver : TD_VFIO_DRIVER_NONE;
}

bool td_vfio_pci_link_up(struct td_vfio_pci *dev, bool *ret_known)
{
	(void)dev;
	*ret_known = true;
	return !fake.vf_silent;
}

void td_vfio_pci_counters(struct td_vfio_pci *dev, struct td_vfio_counters *ret_counters)
{
	(void)dev;
	fake.counters.tx_packets += fake.driver == TD_VFIO_DRIVER_UP && !fake.vf_silent;
	*ret_counters = fake.counters;
}

void td_vfio_pci_kick(struct td_vfio_pci *dev, unsigned vector)
{
	(void)dev, (void)vector;
}

bool td_vfio_pci_is_82576(const struct td_vfio_pci *dev)
{
	(void)dev;
	return true;
}

/* ---- lease, PF, packet socket ---- */

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
	assert_false(fake.vf_made);
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
	(void)pf_name, (void)vf_index, (void)vlan;
	return fake_try("vlan", err);
}

int td_sriov_set_link_state(const char *pf_name, unsigned vf_index, enum td_sriov_link state, struct td_err *err)
{
	(void)pf_name, (void)vf_index, (void)state;
	return fake_try("link state", err);
}

int td_sriov_get(const char *pf_name, unsigned vf_index, struct td_sriov_vf_settings *ret_settings, struct td_err *err)
{
	(void)pf_name, (void)vf_index;
	*ret_settings = (struct td_sriov_vf_settings){0};
	return fake_try("settings", err);
}

int td_sriov_pf_link(const char *pf_name, bool *ret_up, bool *ret_carrier, struct td_err *err)
{
	assert_string_equal(pf_name, "pf0");
	*ret_up = fake.pf_up;
	*ret_carrier = fake.carrier && fake.pf_up;
	return fake_try("pf link", err);
}

int td_relay_open(struct td_relay *relay, const char *pf_name, const uint8_t mac[6], uint16_t vlan, struct td_err *err)
{
	int rc = fake_try("relay open", err);

	(void)pf_name, (void)mac, (void)vlan;
	fake.relay_open = rc == 0;
	relay->fd = rc < 0 ? -1 : FAKE_FD;
	return rc;
}

void td_uplink_close(struct td_uplink *uplink)
{
	uplink->watch.fd = -1;
}

void td_relay_close(struct td_relay *relay)
{
	fake.relay_open = false;
	relay->fd = -1;
}

unsigned td_relay_run(struct td_relay *relay, td_relay_take take, void *opaque)
{
	(void)relay;
	return take(opaque, NULL, 0) > 0;
}

int td_relay_send(struct td_relay *relay, const uint8_t *frame, size_t len_bytes)
{
	(void)relay, (void)frame, (void)len_bytes;
	fake.announced = fake.relay_open ? TD_PATH_VF : fake.announced;
	return fake.relay_open ? 0 : -EBADF;
}

void td_catch_close(struct td_catch *catch)
{
	(void)catch;
}

void td_transparent_close(struct td_hybrid *nic)
{
	(void)nic;
}

/* ---- neighbours that a failover NIC never calls ---- */

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"
#define FAKE_UNUSED(declaration)  \
	declaration               \
	{                         \
		fail();           \
		__builtin_trap(); \
	}

const struct td_hybrid_mode td_hybrid_transparent;
FAKE_UNUSED(int td_transparent_open(struct td_hybrid *nic, struct td_err *err))
FAKE_UNUSED(int td_vfio_pci_attach(struct td_vfio_pci *dev, struct td_err *err))
FAKE_UNUSED(uint64_t td_vfio_pci_traps(const struct td_vfio_pci *dev))
FAKE_UNUSED(int td_igbvf_create(struct td_vm *vm, const struct td_igbvf_config *config, struct td_igbvf **ret_dev, struct td_err *err))
FAKE_UNUSED(const char *td_igbvf_tap(const struct td_igbvf *dev))
FAKE_UNUSED(void td_igbvf_counters(struct td_igbvf *dev, struct td_net_counters *ret_counters))
FAKE_UNUSED(void td_igbvf_stats(const struct td_igbvf *dev, struct td_igbvf_stats *ret_stats))
FAKE_UNUSED(int td_igbvf_inject_tx(struct td_igbvf *dev, const uint8_t *frame, size_t len_bytes))
FAKE_UNUSED(void td_igbvf_set_link(struct td_igbvf *dev, bool up))
FAKE_UNUSED(int td_uplink_open(struct td_uplink *uplink, struct td_loop *loop, const char *tap, void (*changed)(void *opaque, bool up),
	void *opaque, struct td_err *err))
FAKE_UNUSED(void td_hw82576_counters(struct td_hw82576 *hw, uint64_t ret_counter[TD_VF82576_COUNTERS]))
#pragma GCC diagnostic pop

#endif
