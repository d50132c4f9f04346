/* SPDX-License-Identifier: Apache-2.0 */
/* transparent_fake_hw.h - the other half of transparent_fake.h: the hardware VF. Not to be included otherwise. */
#ifndef TD_TESTS_TRANSPARENT_FAKE_HW_H
#define TD_TESTS_TRANSPARENT_FAKE_HW_H

static bool fake_vf_hears(void)
{
	return fake.filter && card.phase == TD_HW82576_RUNNING;
}

int td_hw82576_create(
	struct td_vm *vm, struct td_iommu *iommu, const struct td_hw82576_config *config, struct td_hw82576 **ret_hw, struct td_err *err)
{
	(void)vm, (void)iommu, (void)err;
	assert_true(fake.leased);
	assert_false(fake.vf_made);
	card.events = config->events;
	fake.vf_made = true;
	card.phase = TD_HW82576_CLOSED;
	*ret_hw = (struct td_hw82576 *)(void *)&fake;
	return 0;
}

void td_hw82576_close(struct td_hw82576 *hw)
{
	(void)hw;
	assert_true(fake.vf_made);
	assert_false(card.asking);
	card.connected = false;
	card.phase = TD_HW82576_CLOSED;
}

void td_hw82576_close_device(struct td_hw82576 *hw)
{
	(void)hw;
	assert_int_equal(card.phase, TD_HW82576_CLOSED);
	fake.device_open = false;
}

void td_hw82576_destroy(struct td_hw82576 *hw)
{
	td_hw82576_close(hw);
	assert_false(fake.device_open);
	fake.vf_made = false;
}

int td_hw82576_open_device(struct td_hw82576 *hw, struct td_err *err)
{
	int rc = fake_try("open", err);

	(void)hw;
	assert_false(fake.device_open);
	assert_int_equal(card.phase, TD_HW82576_CLOSED);
	fake.device_open = true; /* in part, when it fails */
	return rc;
}

int td_hw82576_open(struct td_hw82576 *hw, struct td_err *err)
{
	int rc = fake_try("build", err);

	(void)hw;
	assert_true(fake.device_open);
	assert_int_equal(card.phase, TD_HW82576_CLOSED);
	card.phase = rc < 0 ? TD_HW82576_CLOSED : TD_HW82576_OPEN;
	return rc;
}

enum td_hw82576_phase td_hw82576_phase(const struct td_hw82576 *hw)
{
	(void)hw;
	return card.phase;
}

int td_hw82576_prepare(struct td_hw82576 *hw, const struct td_vf82576_state *state, struct td_err *err)
{
	(void)hw, (void)err;
	assert_true(card.phase == TD_HW82576_OPEN || card.phase == TD_HW82576_PREPARED);
	assert_false(card.asking);
	card.prepared = *state;
	card.connected = false;
	card.phase = TD_HW82576_OPEN;
	card.asking = true;
	return 0;
}

int td_hw82576_prepare_wait(struct td_hw82576 *hw, struct td_err *err)
{
	(void)hw;
	assert_true(card.asking);
	assert_int_equal(guest.model, FAKE_GOES); /* it takes long: the guest must be served */
	assert_false(guest.parked && !fake.reset_wanted);
	return fake_try("prepare", err);
}

int td_hw82576_prepare_end(struct td_hw82576 *hw, int waited, struct td_err *err)
{
	(void)hw, (void)err;
	assert_true(card.asking);
	card.asking = false;
	card.phase = waited < 0 ? TD_HW82576_OPEN : TD_HW82576_PREPARED;
	return waited;
}

void td_hw82576_unprepare(struct td_hw82576 *hw)
{
	(void)hw;
	assert_true(fake.vf_made);
	fake_note("unprepare");
	if (card.phase != TD_HW82576_PREPARED)
		return;
	card.connected = false;
	card.phase = TD_HW82576_OPEN;
}

int td_hw82576_connect(struct td_hw82576 *hw, const int fds[2], struct td_err *err)
{
	int rc = fake_try("connect", err);

	(void)hw;
	assert_true(card.asking);
	assert_int_equal(fds[0], FAKE_FD + 1);
	assert_int_equal(fds[1], FAKE_FD + 2);
	card.connected = rc == 0;
	return rc;
}

int td_hw82576_restore(struct td_hw82576 *hw, const struct td_vf82576_state *state, struct td_err *err)
{
	int rc;

	(void)hw;
	assert_int_equal(card.phase, TD_HW82576_PREPARED);
	assert_true(card.connected && guest.parked && fake_model_is_still());
	assert_int_equal(state->rx[0].head, 0);
	assert_int_equal(state->hash_count, card.prepared.hash_count);
	assert_int_equal(state->tx[0].tail, state->tx[0].head); /* nothing is sent by a VF whose MAC the PF does not know */
	rc = fake_try("restore", err);
	card.phase = rc < 0 ? TD_HW82576_OPEN : TD_HW82576_RUNNING;
	if (rc < 0)
		return rc;
	card.rx = state->rx[0];
	card.tx = state->tx[0];
	return 0;
}

static inline int fake_begin_telling(bool quiet)
{
	assert_int_equal(card.phase, TD_HW82576_RUNNING);
	assert_false(card.asking);
	card.asking = true;
	card.asked_quiet = quiet;
	return 0;
}

int td_hw82576_quiet(struct td_hw82576 *hw, struct td_err *err)
{
	(void)hw, (void)err;
	return fake_begin_telling(true);
}

int td_hw82576_unquiet(struct td_hw82576 *hw, const struct td_vf82576_state *state, struct td_err *err)
{
	(void)hw, (void)err;
	assert_ptr_equal(state, &guest.state);
	return fake_begin_telling(false);
}

int td_hw82576_quiet_wait(struct td_hw82576 *hw, struct td_err *err)
{
	int rc = fake_try(card.asked_quiet ? "quiet" : "unquiet", err);

	(void)hw;
	assert_true(card.asking);
	if (rc == 0 && card.phase == TD_HW82576_RUNNING) /* a guest that is reset meanwhile has none to hear */
		card.quiet = card.asked_quiet;
	return rc;
}

void td_hw82576_quiet_end(struct td_hw82576 *hw)
{
	(void)hw;
	assert_true(card.asking);
	card.asking = false;
}

bool td_hw82576_drained(struct td_hw82576 *hw, bool last)
{
	(void)hw, (void)last;
	assert_int_equal(card.phase, TD_HW82576_RUNNING);
	fake_note("drain");
	return true;
}

int td_hw82576_capture(struct td_hw82576 *hw, struct td_vf82576_state *ret_rings, bool *ret_lost, struct td_err *err)
{
	(void)hw, (void)err;
	assert_int_equal(card.phase, TD_HW82576_RUNNING);
	assert_true(guest.parked);
	fake_note("capture");
	if (card.rx.len_bytes)
		card.rx.head = 5;
	ret_rings->rx[0] = card.rx;
	ret_rings->tx[0] = card.tx;
	memset(ret_rings->counter, 0, sizeof(ret_rings->counter));
	*ret_lost = card.capture_loses;
	card.phase = TD_HW82576_OPEN;
	card.quiet = false;
	return 0;
}

void td_hw82576_write(struct td_hw82576 *hw, uint32_t reg, uint32_t value)
{
	(void)hw, (void)reg, (void)value;
	fail_msg("only the guest writes to registers");
}

uint32_t td_hw82576_read(struct td_hw82576 *hw, uint32_t reg)
{
	(void)hw;
	if (reg == TD_VF_STATUS)
		return card.gone ? 0 : 0x83;
	if (!card.posted)
		return 0;
	return reg == TD_VF_RDLEN ? 4096 : reg == TD_VF_RDT ? card.posted : fake.relayed;
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

void *td_hw82576_guest_pages(struct td_hw82576 *hw)
{
	(void)hw;
	return NULL;
}

bool td_hw82576_link_up(struct td_hw82576 *hw)
{
	(void)hw;
	assert_int_equal(card.phase, TD_HW82576_RUNNING);
	return card.link;
}

void td_hw82576_counters(struct td_hw82576 *hw, uint64_t ret_counter[TD_VF82576_COUNTERS])
{
	(void)hw;
	assert_true(fake.vf_made);
	memset(ret_counter, 0, TD_VF82576_COUNTERS * sizeof(*ret_counter));
}

/* ---- neighbours that a transparent NIC never calls ---- */

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"
FAKE_UNUSED(int td_virtio_net_create(
	struct td_vm *vm, const struct td_virtio_net_config *config, struct td_virtio_net **ret_net, struct td_err *err))
FAKE_UNUSED(const char *td_virtio_net_tap(const struct td_virtio_net *net))
FAKE_UNUSED(unsigned td_virtio_net_tap_index(const struct td_virtio_net *net))
FAKE_UNUSED(bool td_virtio_net_lost_tap(const struct td_virtio_net *net))
FAKE_UNUSED(int td_virtio_net_renew_tap(struct td_virtio_net *net, struct td_tap *anew))
FAKE_UNUSED(bool td_virtio_net_uses_vhost(const struct td_virtio_net *net))
FAKE_UNUSED(void td_virtio_net_counters(struct td_virtio_net *net, struct td_net_counters *ret_counters))
FAKE_UNUSED(int td_virtio_net_inject_tx(struct td_virtio_net *net, const uint8_t *frame, size_t len_bytes))
FAKE_UNUSED(int td_vfio_pci_create(struct td_vm *vm, struct td_iommu *iommu, const struct td_vfio_pci_config *config,
	struct td_vfio_pci **ret_dev, struct td_err *err))
FAKE_UNUSED(void td_vfio_pci_destroy(struct td_vfio_pci *dev))
FAKE_UNUSED(int td_vfio_pci_open_device(struct td_vfio_pci *dev, struct td_err *err))
FAKE_UNUSED(void td_vfio_pci_close_device(struct td_vfio_pci *dev))
FAKE_UNUSED(bool td_vfio_pci_is_82576(const struct td_vfio_pci *dev))
FAKE_UNUSED(void td_vfio_pci_told(struct td_vfio_pci *dev, const struct td_vfio_counters *now))
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
