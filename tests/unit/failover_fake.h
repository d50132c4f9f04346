/* SPDX-License-Identifier: Apache-2.0 */
/*
 * failover_fake.h - the world around a failover NIC: that of hybrid_fake.h, with a guest with net_failover and its VF. The guest takes its
 * time for each step, and does none when told so.
 */
#ifndef TD_TESTS_FAILOVER_FAKE_H
#define TD_TESTS_FAILOVER_FAKE_H

#include "hybrid_fake.h"
#include "nic/failover/failover.h"

#define FAKE_SLOT 3U  /* of the VF in the guest */
#define STEP_MS	  20U /* of the guest */

/* What the guest does next. */
enum fake_step { STEP_NONE, STEP_PROBE, STEP_UP, STEP_DOWN, STEP_LET_GO, STEP_EJECT, STEP_BOOT };

/* The guest and its two NICs. */
struct guest {
	struct td_timer timer;
	enum fake_step step, stops_at; /* it never does that */
	struct td_virtio_net_events net_events;
	bool held;	 /* frames to it, by the emulated NIC */
	unsigned in_tap; /* of those */
	bool falls_back; /* its VF has lost its carrier, until it is kicked */
	bool stays_back; /* however often it is */
	unsigned kicks;
	bool stuck;	     /* its VF's queue stands still, until it finds a link that it had lost */
	unsigned looks_past; /* so often it does not come to look before its link is back */
	unsigned lost_link;  /* so often it did */
	bool busy_mail;	     /* its mailbox holds a request of its own */
	bool no_link;	     /* it is shown none */
	enum td_vfio_state vf_state;
	enum td_vfio_driver driver;
	bool vf_silent; /* it does not send by its VF, which has no link */
	struct td_vfio_events vf_events;
	struct td_vfio_counters counters;
};

static struct guest guest;

static const struct td_hybrid_mode *const fake_mode = &td_failover_mode;

/* ---- the guest ---- */

static inline void guest_will(enum fake_step step)
{
	guest.step = step;
	td_loop_arm(NULL, &guest.timer, STEP_MS * 1000000ULL);
}

static inline void guest_ejects(void)
{
	fake.vm.pci.ghosts = 0;
	if (guest.vf_state != TD_VFIO_PLUGGED)
		return;
	guest.vf_state = TD_VFIO_WARM;
	guest.vf_events.ejected(guest.vf_events.opaque);
}

/* net_failover is about to count on the VF: from the guest's opening it on, the standby gives it nothing. */
static inline void guest_opens(enum fake_step step)
{
	if (step == STEP_PROBE)
		guest.vf_events.opening(guest.vf_events.opaque);
	if (td_flip_active(&fake.nic->flip) && fake.nic->flip.to == TD_PATH_VF && fake.nic->flip.phase == TD_FLIP_SWAP)
		assert_true(guest.held);
}

static inline void guest_steps(struct td_timer *timer)
{
	enum fake_step step = guest.step;

	(void)timer;
	if (step == guest.stops_at || fake.vm.state != TD_VM_RUNNING) {
		guest_will(step); /* another time */
		return;
	}
	guest.step = STEP_NONE;
	if (step == STEP_PROBE || step == STEP_DOWN)
		guest.driver = TD_VFIO_DRIVER_BOUND;
	if (step == STEP_PROBE || step == STEP_UP)
		guest_opens(step);
	if (step == STEP_UP)
		guest.driver = TD_VFIO_DRIVER_UP;
	if (step == STEP_LET_GO) {
		guest.driver = TD_VFIO_DRIVER_NONE;
		guest.no_link = false; /* its next probe asks the PF anew */
	}
	if (step == STEP_PROBE || step == STEP_DOWN || step == STEP_LET_GO)
		guest_will(step + 1);
	if (step == STEP_UP)
		guest.vf_events.driver_up(guest.vf_events.opaque);
	if (step == STEP_EJECT)
		guest_ejects();
	if (step == STEP_BOOT)
		guest.net_events.driver(guest.net_events.opaque, true, true);
}

static void fake_guest_resets(void)
{
	guest.driver = TD_VFIO_DRIVER_NONE;
	guest.no_link = false;
	fake.vm.pci.ghosts = 0;
	guest.held = false;
	td_hybrid_guest_reset(fake.nic);
	guest.net_events.driver(guest.net_events.opaque, false, false);
	guest_will(STEP_BOOT);
}

/* ---- the emulated NIC ---- */

int td_virtio_net_create(struct td_vm *vm, const struct td_virtio_net_config *config, struct td_virtio_net **ret_net, struct td_err *err)
{
	(void)vm, (void)err;
	assert_true(config->standby);
	guest.net_events = config->events;
	*ret_net = (struct td_virtio_net *)(void *)&fake;
	return 0;
}

const char *td_virtio_net_tap(const struct td_virtio_net *net)
{
	(void)net;
	return FAKE_TAP;
}

bool td_virtio_net_lost_tap(const struct td_virtio_net *net)
{
	(void)net;
	return fake_lost_tap();
}

int td_virtio_net_renew_tap(struct td_virtio_net *net, struct td_tap *anew)
{
	(void)net;
	return fake_renew_tap(anew);
}

unsigned td_virtio_net_tap_index(const struct td_virtio_net *net)
{
	(void)net;
	return FAKE_TAP_INDEX;
}

bool td_virtio_net_uses_vhost(const struct td_virtio_net *net)
{
	(void)net;
	return false;
}

void td_virtio_net_counters(struct td_virtio_net *net, struct td_net_counters *ret_counters)
{
	static uint64_t sent;

	(void)net;
	sent += guest.falls_back;
	*ret_counters = (struct td_net_counters){.tx_packets = sent};
}

int td_virtio_net_inject_tx(struct td_virtio_net *net, const uint8_t *frame, size_t len_bytes)
{
	(void)net, (void)frame;
	assert_in_range(len_bytes, 14, 1514);
	fake.announced = TD_PATH_EMULATED;
	fake.seen++;
	return 0;
}

int td_virtio_net_hold_rx(struct td_virtio_net *net, bool hold)
{
	(void)net;
	guest.held = hold;
	guest.in_tap = hold ? guest.in_tap : 0;
	return 0;
}

ssize_t td_virtio_net_take_rx(struct td_virtio_net *net, void *frame, size_t room_bytes)
{
	(void)net;
	assert_true(guest.held);
	if (!guest.in_tap)
		return -EAGAIN;
	guest.in_tap--;
	memset(frame, 0, room_bytes);
	memcpy((uint8_t *)frame + TD_VIRTIO_NET_HEADER_BYTES, fake.config.mac, 6);
	return (ssize_t)room_bytes;
}

bool td_virtio_net_guest_announce(struct td_virtio_net *net)
{
	(void)net;
	return true;
}

/* ---- the VF ---- */

static bool fake_vf_hears(void)
{
	return fake.filter && guest.vf_state == TD_VFIO_PLUGGED && guest.driver == TD_VFIO_DRIVER_UP;
}

int td_vfio_pci_create(
	struct td_vm *vm, struct td_iommu *iommu, const struct td_vfio_pci_config *config, struct td_vfio_pci **ret_dev, struct td_err *err)
{
	int rc = fake_try("create", err);

	(void)vm, (void)iommu;
	assert_true(fake.leased && !fake.vf_made);
	if (rc < 0)
		return rc;
	guest.vf_events = config->events;
	fake.vf_made = true;
	guest.vf_state = TD_VFIO_CLOSED;
	*ret_dev = (struct td_vfio_pci *)(void *)&fake;
	return 0;
}

/* As the real one: a guest that goes on has a ghost of it. */
void td_vfio_pci_close(struct td_vfio_pci *dev)
{
	(void)dev;
	if (guest.vf_state == TD_VFIO_PLUGGED && fake.vm.state != TD_VM_STOPPED) {
		fake.vm.pci.ghosts = 1U << FAKE_SLOT;
		if (guest.step != STEP_EJECT)
			guest_will(STEP_LET_GO);
	}
	guest.vf_state = TD_VFIO_CLOSED;
	guest.driver = TD_VFIO_DRIVER_NONE;
	guest.no_link = false;
}

void td_vfio_pci_destroy(struct td_vfio_pci *dev)
{
	td_vfio_pci_close(dev);
	assert_false(fake.device_open);
	fake.vf_made = false;
}

int td_vfio_pci_open_device(struct td_vfio_pci *dev, struct td_err *err)
{
	int rc = fake_try("open", err);

	(void)dev;
	assert_false(fake.device_open);
	assert_int_equal(guest.vf_state, TD_VFIO_CLOSED);
	fake.device_open = true; /* in part, when it fails */
	return rc;
}

void td_vfio_pci_close_device(struct td_vfio_pci *dev)
{
	(void)dev;
	assert_int_equal(guest.vf_state, TD_VFIO_CLOSED);
	fake.device_open = false;
}

int td_vfio_pci_open(struct td_vfio_pci *dev, struct td_err *err)
{
	int rc = fake_try("build", err);

	(void)dev;
	assert_true(fake.device_open);
	assert_int_equal(guest.vf_state, TD_VFIO_CLOSED);
	guest.vf_state = rc < 0 ? TD_VFIO_CLOSED : TD_VFIO_WARM;
	return rc;
}

/* The guest sees one NIC of this MAC beside its emulated one, and only when it knows what to do with it. */
int td_vfio_pci_plug(struct td_vfio_pci *dev, struct td_err *err)
{
	int rc = fake_try("plug", err);

	(void)dev;
	assert_int_equal(guest.vf_state, TD_VFIO_WARM);
	assert_true(fake.nic->standby && fake.filter);
	assert_false(td_pci_has_ghost(&fake.vm.pci));
	if (rc < 0)
		return rc;
	guest.vf_state = TD_VFIO_PLUGGED;
	guest_will(STEP_PROBE);
	return 0;
}

int td_vfio_pci_unplug_request(struct td_vfio_pci *dev)
{
	(void)dev;
	assert_int_equal(guest.vf_state, TD_VFIO_PLUGGED);
	if (guest.step < STEP_DOWN)
		guest_will(guest.driver == TD_VFIO_DRIVER_NONE ? STEP_EJECT : STEP_DOWN);
	return 0;
}

void td_vfio_pci_detach(struct td_vfio_pci *dev)
{
	(void)dev;
	if (guest.vf_state == TD_VFIO_PLUGGED)
		guest.vf_state = TD_VFIO_WARM;
}

enum td_vfio_state td_vfio_pci_state(const struct td_vfio_pci *dev)
{
	(void)dev;
	return guest.vf_state;
}

enum td_vfio_driver td_vfio_pci_driver(struct td_vfio_pci *dev)
{
	(void)dev;
	return guest.vf_state == TD_VFIO_PLUGGED ? guest.driver : TD_VFIO_DRIVER_NONE;
}

bool td_vfio_pci_link_up(struct td_vfio_pci *dev, bool *ret_known)
{
	(void)dev;
	*ret_known = true;
	return !guest.vf_silent;
}

void td_vfio_pci_counters(struct td_vfio_pci *dev, struct td_vfio_counters *ret_counters)
{
	(void)dev;
	guest.counters.tx_packets += guest.driver == TD_VFIO_DRIVER_UP && !guest.vf_silent && !guest.falls_back && !guest.stuck;
	*ret_counters = guest.counters;
}

void td_vfio_pci_told(struct td_vfio_pci *dev, const struct td_vfio_counters *now)
{
	(void)dev, (void)now;
}

void td_vfio_pci_kick(struct td_vfio_pci *dev, unsigned vector)
{
	(void)dev, (void)vector;
	guest.falls_back = guest.stays_back;
	guest.kicks++;
}

bool td_vfio_pci_show_link(struct td_vfio_pci *dev, bool show)
{
	(void)dev;
	if (guest.busy_mail)
		return false;
	assert_int_equal(guest.no_link, show);
	guest.no_link = !show;
	if (!show && !guest.looks_past) {
		guest.falls_back = true;
		guest.lost_link++;
	} else if (show && guest.looks_past) {
		guest.looks_past--;
	} else if (show) {
		guest.falls_back = guest.stuck = false;
	}
	return true;
}

bool td_vfio_pci_is_82576(const struct td_vfio_pci *dev)
{
	(void)dev;
	return true;
}

uint64_t td_vfio_pci_traps(const struct td_vfio_pci *dev)
{
	(void)dev;
	return 0;
}

/* ---- neighbours that a failover NIC never calls ---- */

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"
FAKE_UNUSED(int td_vfio_pci_attach(struct td_vfio_pci *dev, struct td_err *err))
FAKE_UNUSED(int td_igbvf_create(struct td_vm *vm, const struct td_igbvf_config *config, struct td_igbvf **ret_dev, struct td_err *err))
FAKE_UNUSED(const char *td_igbvf_tap(const struct td_igbvf *dev))
FAKE_UNUSED(unsigned td_igbvf_tap_index(const struct td_igbvf *dev))
FAKE_UNUSED(bool td_igbvf_lost_tap(const struct td_igbvf *dev))
FAKE_UNUSED(int td_igbvf_renew_tap(struct td_igbvf *dev, struct td_tap *anew))
FAKE_UNUSED(void td_igbvf_counters(struct td_igbvf *dev, struct td_net_counters *ret_counters))
FAKE_UNUSED(void td_igbvf_stats(const struct td_igbvf *dev, struct td_igbvf_stats *ret_stats))
FAKE_UNUSED(int td_igbvf_inject_tx(struct td_igbvf *dev, const uint8_t *frame, size_t len_bytes))
FAKE_UNUSED(void td_igbvf_set_link(struct td_igbvf *dev, bool up))
#pragma GCC diagnostic pop

#endif
