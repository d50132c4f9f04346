/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hw82576_prepare.c - from an open VF to one that only lacks its rings: reset, handshake with the PF, and all that the guest has told the
 * PF by mail, told again; registers that are no rings. And the way back's first step, which takes the multicast hashes away again.
 */
#include <errno.h>
#include <string.h>

#include "core/log.h"
#include "core/vm.h"
#include "vfio/hw82576_parts.h"

#define PREPARE_NS 1000000000ULL
#define QUIET_NS   300000000ULL
#define OFF_NS	   20000000ULL
#define PAUSE_NS   1000000ULL /* a reset that has just been asked for */

static int refuse(const struct td_hw82576 *hw, struct td_err *err, const char *what)
{
	return td_err_set(err, EOPNOTSUPP, TD_REASON_DRIVER_UNKNOWN, "vf %s: the guest's driver uses %s", hw->open.bdf, what);
}

int td_hw82576_check(const struct td_hw82576 *hw, const struct td_vf82576_state *state, struct td_err *err)
{
	if ((state->rx[1].control | state->tx[1].control) & TD_VF_QUEUE_ENABLE)
		return refuse(hw, err, "the second pair of queues");
	if (state->tx[0].control & TD_VF_QUEUE_ENABLE && state->tx[0].writeback & 1)
		return refuse(hw, err, "write-back of the transmit head");
	for (unsigned i = 0; i < 4; i++) {
		uint32_t vector = state->ivar0 >> (8 * i) & 0xff;

		if (vector & TD_VF_IVAR_VALID && (vector & ~TD_VF_IVAR_VALID) >= TD_HW82576_OURS)
			return refuse(hw, err, "the mailbox's vector for a queue");
	}
	return state->hash_count > TD_VF82576_HASHES_MAX ? refuse(hw, err, "more multicast hashes than there can be") : 0;
}

/* ---- what the PF is told ---- */

static int fail(struct td_hw82576 *hw, struct td_err *err, int errnum, const char *what)
{
	return td_err_sys(
		err, errnum, errnum == ENODEV ? TD_REASON_VF_LOST : TD_REASON_PF_MAILBOX, "vf %s: its PF: %s", hw->open.bdf, what);
}

/* *ret_taken: the PF said yes. */
static int tell(struct td_hw82576 *hw, const uint32_t *words, unsigned count, uint64_t deadline_ns, bool *ret_taken, const char *what,
	struct td_err *err)
{
	uint32_t answer;
	int rc = td_hw82576_mail_ask(hw, words, count, deadline_ns, &answer);

	if (rc < 0)
		return fail(hw, err, -rc, what);
	*ret_taken = !(answer & TD_VF_MAIL_ANSWER_NACK);
	return 0;
}

static int refused_by_pf(struct td_hw82576 *hw, struct td_err *err, const char *what, uint32_t value)
{
	return td_err_set(err, EOPNOTSUPP, TD_REASON_PF_MAILBOX, "vf %s: its PF refuses %s %u", hw->open.bdf, what, value);
}

static int tell_multicast(struct td_hw82576 *hw, const uint16_t *hash, uint32_t count, uint64_t deadline_ns, struct td_err *err)
{
	uint32_t words[TD_VF_MAIL_WORDS] = {TD_VF_MAIL_SET_MULTICAST | count << TD_VF_MAIL_COUNT_SHIFT};
	bool taken = false;

	for (unsigned i = 0; i < count; i++)
		words[1 + i / 2] |= (uint32_t)hash[i] << (16 * (i % 2));
	int rc = tell(hw, words, TD_VF_MAIL_WORDS, deadline_ns, &taken, "multicast hashes", err);
	return rc == 0 && !taken ? refused_by_pf(hw, err, "multicast hashes, count", count) : rc;
}

/* VLAN 0 is every driver's, frames without a tag are there anyway; a PF that gives the VF a VLAN of its own refuses even that one. */
static int tell_vlans(struct td_hw82576 *hw, const struct td_vf82576_state *state, uint64_t deadline_ns, struct td_err *err)
{
	for (uint32_t id = 0; id < 32 * TD_VF82576_VLAN_WORDS; id++) {
		const uint32_t words[] = {TD_VF_MAIL_SET_VLAN | 1U << TD_VF_MAIL_COUNT_SHIFT, id};
		bool taken = false;

		if (!(state->vlan[id / 32] & 1U << id % 32))
			continue;
		int rc = tell(hw, words, TD_COUNT(words), deadline_ns, &taken, "a VLAN", err);
		if (rc < 0)
			return rc;
		if (!taken && id)
			return refused_by_pf(hw, err, "VLAN", id);
	}
	return 0;
}

/* A PF may refuse promiscuity (trust is off): then the VF hears its own, as it would had the guest asked this PF. */
static int tell_promisc(struct td_hw82576 *hw, const struct td_vf82576_state *state, uint64_t deadline_ns, struct td_err *err)
{
	bool taken = true;

	if (state->promisc >> TD_VF_MAIL_COUNT_SHIFT == 0)
		return 0;
	const uint32_t word = TD_VF_MAIL_SET_PROMISC | (state->promisc & 0x00ff0000U);
	int rc = tell(hw, &word, 1, deadline_ns, &taken, "promiscuity", err);
	if (rc == 0 && !taken)
		td_info("%s: the VF's PF refuses promiscuity", hw->name);
	return rc;
}

static int tell_frame_max(struct td_hw82576 *hw, const struct td_vf82576_state *state, uint64_t deadline_ns, struct td_err *err)
{
	const uint32_t words[] = {TD_VF_MAIL_SET_LPE, state->frame_max_bytes};
	bool taken = false;

	if (!state->frame_max_bytes || state->frame_max_bytes == TD_VF82576_FRAME_BYTES)
		return 0;
	int rc = tell(hw, words, TD_COUNT(words), deadline_ns, &taken, "the largest frame", err);
	return rc == 0 && !taken ? refused_by_pf(hw, err, "frames of bytes:", state->frame_max_bytes) : rc;
}

/* The PF's own reset has to be over. Its mark stays set until then. */
static int await_pf(struct td_hw82576 *hw, uint64_t deadline_ns, struct td_err *err)
{
	for (unsigned round = 0;; round++) {
		uint32_t now = td_hw82576_get(hw, TD_VF_V2PMAILBOX);

		if (now == TD_HW82576_GONE)
			return fail(hw, err, ENODEV, "does not answer");
		if (!(now & TD_VF_MAIL_RSTI))
			return 0;
		if (td_hw82576_late(round, deadline_ns))
			return fail(hw, err, ETIMEDOUT, "is in reset");
		td_hw82576_nap(round);
	}
}

/* A PF that knows no MAC for the VF answers with NACK, and serves it all the same: who moves the filter sets it later. */
static int shake_hands(struct td_hw82576 *hw, uint64_t deadline_ns, struct td_err *err)
{
	const uint32_t word = TD_VF_MAIL_RESET;
	bool taken = false;

	td_hw82576_put(hw, TD_VF_CTRL, TD_VF_CTRL_RST);
	(void)td_hw82576_get(hw, TD_VF_STATUS); /* the write has reached the card */
	for (uint64_t until = td_now_ns() + PAUSE_NS; td_now_ns() < until;)
		td_hw82576_nap(UINT32_MAX);
	int rc = await_pf(hw, deadline_ns, err);
	if (rc < 0)
		return rc;
	td_hw82576_put(hw, TD_VF_EIMC, TD_HW82576_ALL_VECTORS);
	if (!td_hw82576_queues_off(hw, OFF_NS))
		return td_hw82576_stuck(hw, err, "has a queue on after a reset");
	td_hw82576_mail_forget(hw);
	return tell(hw, &word, 1, deadline_ns, &taken, "the handshake", err);
}

static int tell_all(struct td_hw82576 *hw, const struct td_vf82576_state *state, struct td_err *err)
{
	uint64_t deadline_ns = td_now_ns() + PREPARE_NS;
	int rc = shake_hands(hw, deadline_ns, err);

	if (rc == 0 && state->hash_count)
		rc = tell_multicast(hw, state->hash, state->hash_count, deadline_ns, err);
	if (rc == 0)
		rc = tell_vlans(hw, state, deadline_ns, err);
	if (rc == 0)
		rc = tell_promisc(hw, state, deadline_ns, err);
	return rc == 0 ? tell_frame_max(hw, state, deadline_ns, err) : rc;
}

/* ---- registers ---- */

void td_hw82576_set_registers(struct td_hw82576 *hw, const struct td_vf82576_state *state, const struct td_vf82576_state *old)
{
	if (!old || old->psrtype != state->psrtype)
		td_hw82576_put(hw, TD_VF_PSRTYPE, state->psrtype);
	for (unsigned i = 0; i < TD_HW82576_OURS; i++)
		if (!old || old->eitr[i] != state->eitr[i])
			td_hw82576_put(hw, TD_VF_EITR0 + 4 * i, state->eitr[i]);
	if (!old || old->ivar0 != state->ivar0)
		td_hw82576_put(hw, TD_VF_IVAR0, state->ivar0);
	if (old && old->eiac == state->eiac && old->eiam == state->eiam)
		return;
	hw->eiac = state->eiac & TD_HW82576_GUEST_VECTORS;
	hw->eiam = state->eiam & TD_HW82576_GUEST_VECTORS;
	td_hw82576_put(hw, TD_VF_EITR0 + 4 * TD_HW82576_OURS, 0);
	td_hw82576_own_vector(hw, false);
}

static const uint32_t control_reg[] = {TD_VF_RXDCTL, TD_VF_TXDCTL, TD_HW82576_QUEUE(TD_VF_RXDCTL, 1), TD_HW82576_QUEUE(TD_VF_TXDCTL, 1)};

bool td_hw82576_queues_off(struct td_hw82576 *hw, uint64_t limit_ns)
{
	uint64_t deadline_ns = td_now_ns() + limit_ns;

	for (unsigned i = 0; i < TD_COUNT(control_reg); i++) {
		uint32_t control = td_hw82576_get(hw, control_reg[i]);

		if (control & TD_VF_QUEUE_ENABLE)
			td_hw82576_put(hw, control_reg[i], control & ~TD_VF_QUEUE_ENABLE);
	}
	for (unsigned i = 0; i < TD_COUNT(control_reg); i++)
		for (unsigned round = 0; td_hw82576_get(hw, control_reg[i]) & TD_VF_QUEUE_ENABLE; round++) {
			if (td_hw82576_late(round, deadline_ns))
				return false;
			td_hw82576_nap(round);
		}
	return true;
}

/*
 * A reset leaves heads at 0 (datasheet §4.2.1). Where it does not, as in QEMU's igb, 0 is written between reset and enable, as every
 * driver does: that is no writing of heads that a card might not take, for there it is 0 already.
 */
static int check_heads(struct td_hw82576 *hw, struct td_err *err)
{
	static const uint32_t head[] = {TD_VF_RDH, TD_VF_TDH};

	/* Those of before, which no reset clears everywhere: a queue that is switched on must find nothing to do. */
	td_hw82576_put(hw, TD_VF_RDT, 0);
	td_hw82576_put(hw, TD_VF_TDT, 0);
	for (unsigned i = 0; i < TD_COUNT(head); i++) {
		if (td_hw82576_get(hw, head[i]) != 0)
			td_hw82576_put(hw, head[i], 0);
		if (td_hw82576_get(hw, head[i]) != 0)
			return td_hw82576_stuck(
				hw, err, i ? "keeps its transmit head over a reset" : "keeps its receive head over a reset");
	}
	return 0;
}

/* ---- the calls ---- */

static int check_phase(struct td_hw82576 *hw, const struct td_vf82576_state *state, struct td_err *err)
{
	if (hw->phase != TD_HW82576_OPEN && hw->phase != TD_HW82576_PREPARED)
		return td_err_set(err, EBUSY, TD_REASON_INTERNAL, "vf %s: is closed, or runs", hw->open.bdf);
	if (hw->open.lost || hw->open.wanted_back)
		return td_err_set(err, ENODEV, TD_REASON_VF_LOST, "vf %s: the host has taken it away", hw->open.bdf);
	return td_hw82576_check(hw, state, err);
}

int td_hw82576_prepare(struct td_hw82576 *hw, const struct td_vf82576_state *state, struct td_err *err)
{
	int rc = check_phase(hw, state, err);

	if (rc < 0)
		return rc;
	hw->times.began_ns = td_now_ns();
	hw->phase = TD_HW82576_OPEN;
	td_hw82576_reset_now(hw);
	hw->told = *state; /* the guest goes on changing its own */
	hw->mail.busy = hw->mail.ours = true;
	return 0;
}

int td_hw82576_prepare_wait(struct td_hw82576 *hw, struct td_err *err)
{
	td_vfio_reset_wait(&hw->open);
	return tell_all(hw, &hw->told, err);
}

int td_hw82576_prepare_end(struct td_hw82576 *hw, int waited, struct td_err *err)
{
	hw->mail.busy = hw->mail.ours = false;
	hw->times.prepare_wait_ns = td_now_ns() - hw->times.began_ns;
	int rc = waited < 0 ? waited : check_heads(hw, err);
	if (rc < 0)
		return rc;
	td_vfio_open_set_bus_master(&hw->open, true);
	td_hw82576_set_registers(hw, &hw->told, NULL);
	td_hw82576_baseline(hw);
	hw->phase = TD_HW82576_PREPARED;
	hw->times.prepare_ns = td_now_ns() - hw->times.began_ns;
	return 0;
}

void td_hw82576_unprepare(struct td_hw82576 *hw)
{
	if (hw->phase == TD_HW82576_PREPARED)
		td_hw82576_let_go(hw, true);
}

static int begin_telling(struct td_hw82576 *hw, const uint16_t *hash, uint32_t count, struct td_err *err)
{
	if (hw->phase != TD_HW82576_RUNNING)
		return td_err_set(err, EINVAL, TD_REASON_INTERNAL, "vf %s: does not run", hw->open.bdf);
	if (hw->open.lost)
		return td_err_set(err, ENODEV, TD_REASON_VF_LOST, "vf %s: does not answer", hw->open.bdf);
	if (hw->mail.busy)
		return td_err_set(err, EBUSY, TD_REASON_FLIP_BUSY, "vf %s: a message to its PF is on its way", hw->open.bdf);
	if (count > TD_VF82576_HASHES_MAX)
		return td_err_set(err, EINVAL, TD_REASON_INTERNAL, "vf %s: too many multicast hashes", hw->open.bdf);
	hw->times.began_ns = td_now_ns();
	memcpy(hw->hash, hash, count * sizeof(*hash)); /* the guest goes on changing its own */
	hw->hash_count = count;
	hw->mail.busy = hw->mail.ours = true;
	return 0;
}

int td_hw82576_quiet(struct td_hw82576 *hw, struct td_err *err)
{
	return begin_telling(hw, hw->hash, 0, err);
}

int td_hw82576_unquiet(struct td_hw82576 *hw, const struct td_vf82576_state *state, struct td_err *err)
{
	return begin_telling(hw, state->hash, state->hash_count, err);
}

int td_hw82576_quiet_wait(struct td_hw82576 *hw, struct td_err *err)
{
	return tell_multicast(hw, hw->hash, hw->hash_count, hw->times.began_ns + QUIET_NS, err);
}

void td_hw82576_quiet_end(struct td_hw82576 *hw)
{
	hw->mail.busy = hw->mail.ours = false;
	/* Not at once: a flip that goes on from here ends with the software path, which answers the guest by itself. */
	td_loop_post(&hw->vm->loop, &hw->mail.work);
	hw->times.quiet_ns = td_now_ns() - hw->times.began_ns;
}
