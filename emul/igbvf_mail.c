/* SPDX-License-Identifier: Apache-2.0 */
/*
 * igbvf_mail.c - the mailbox between VF and PF (Intel 82576EB datasheet §7.10.2.9, §8.14), and the PF's part in it as Linux's igb plays it
 * for a VF whose MAC the administrator has set. In front of hardware the same checks are made, then the real PF is asked.
 *
 * Theory of operation. VMBMEM belongs to one side at a time (VFU, PFU). A request is answered at once: acknowledged and answered in one,
 * which the driver finds when it looks; no interrupt is sent for that. What the PF says by itself (its link changed) would overwrite an
 * answer that the driver has not read yet, so it waits until the driver has left the mailbox alone for a while.
 */
#include "emul/igbvf_mail.h"

#include <string.h>

#define READ_TO_CLEAR	  (TD_VF_MAIL_PFSTS | TD_VF_MAIL_PFACK | TD_VF_MAIL_RSTD)
#define REQUEST_MASK	  0xffffU
#define INFO_MASK	  0x00ff0000U
#define MAC_FILTER_CLEAR  (1U << TD_VF_MAIL_COUNT_SHIFT)
#define PROMISC_MULTICAST (2U << TD_VF_MAIL_COUNT_SHIFT)
#define VLAN_IDS	  4096U
#define QUIET_NS	  20000000ULL
#define PATIENCE_NS	  1000000000ULL /* with a driver that never leaves the mailbox alone */

static unsigned count_of(uint32_t word)
{
	return (word & INFO_MASK) >> TD_VF_MAIL_COUNT_SHIFT;
}

static void put_answer(struct td_igbvf_mail *mail, const uint32_t *words, unsigned count)
{
	memcpy(mail->regs->mail, words, count * sizeof(*words));
	mail->regs->mailbox |= TD_VF_MAIL_PFSTS | TD_VF_MAIL_PFACK;
}

/* ---- what the PF does ---- */

static void forget_filters(struct td_vf82576_state *state)
{
	state->hash_count = 0;
	memset(state->hash, 0, sizeof(state->hash));
	memset(state->vlan, 0, sizeof(state->vlan));
	state->frame_max_bytes = TD_VF82576_FRAME_BYTES;
	state->promisc = 0;
}

static bool is_own_mac(const struct td_igbvf_mail *mail, const uint32_t *words)
{
	return !memcmp(&words[1], mail->regs->mac, sizeof(mail->regs->mac));
}

/* Would a PF agree? Only the request and what it carries are looked at. */
static bool mail_check(const struct td_igbvf_mail *mail, const uint32_t *words)
{
	unsigned count = count_of(words[0]);

	switch (words[0] & REQUEST_MASK) {
	case TD_VF_MAIL_RESET:
		return true;
	case TD_VF_MAIL_SET_MAC: /* more MACs than one: not for a VF whose MAC the administrator has set, but that there are none is fine */
		return count ? (words[0] & INFO_MASK) == MAC_FILTER_CLEAR : is_own_mac(mail, words);
	case TD_VF_MAIL_SET_MULTICAST:
		return count <= TD_VF82576_HASHES_MAX;
	case TD_VF_MAIL_SET_VLAN:
		return words[1] < VLAN_IDS;
	case TD_VF_MAIL_SET_LPE:
		return words[1] >= TD_IGBVF_FRAME_MIN && words[1] <= TD_IGBVF_FRAME_MAX;
	case TD_VF_MAIL_SET_PROMISC: /* of other VFs' unicast it would hear */
		return !(words[0] & INFO_MASK & ~PROMISC_MULTICAST);
	default:
		return false;
	}
}

static void set_vlan(struct td_vf82576_state *state, uint32_t id, bool add)
{
	uint32_t *word = &state->vlan[id / 32], bit = 1U << id % 32;

	*word = add ? *word | bit : *word & ~bit;
}

/* A message that was agreed to. The I/O thread reads the filters, so it is parked. */
static void mail_apply(struct td_igbvf_mail *mail, const uint32_t *words)
{
	struct td_vf82576_state *state = mail->regs;

	mail->ops->hold(mail->opaque);
	switch (words[0] & REQUEST_MASK) {
	case TD_VF_MAIL_RESET:
		forget_filters(state);
		state->handshaken = true;
		break;
	case TD_VF_MAIL_SET_MULTICAST:
		state->hash_count = count_of(words[0]);
		memset(state->hash, 0, sizeof(state->hash));
		memcpy(state->hash, &words[1], state->hash_count * sizeof(state->hash[0]));
		break;
	case TD_VF_MAIL_SET_VLAN:
		set_vlan(state, words[1], count_of(words[0]) != 0);
		break;
	case TD_VF_MAIL_SET_LPE:
		state->frame_max_bytes = words[1];
		break;
	case TD_VF_MAIL_SET_PROMISC:
		state->promisc = words[0];
		break;
	}
	mail->ops->release(mail->opaque);
}

/* ---- requests ---- */

static void answer_nack(struct td_igbvf_mail *mail, const uint32_t *words)
{
	uint32_t word = words[0] | TD_VF_MAIL_ANSWER_NACK | (mail->regs->handshaken ? TD_VF_MAIL_ANSWER_CTS : 0);

	put_answer(mail, &word, 1);
}

/* As the PF of the software path. A successful RESET carries no CTS: the driver compares the whole word. */
static void answer_ack(struct td_igbvf_mail *mail, const uint32_t *words)
{
	uint32_t answer[3] = {words[0] | TD_VF_MAIL_ANSWER_ACK};

	if ((words[0] & REQUEST_MASK) == TD_VF_MAIL_RESET) {
		answer[0] = TD_VF_MAIL_RESET | TD_VF_MAIL_ANSWER_ACK;
		memcpy(&answer[1], mail->regs->mac, sizeof(mail->regs->mac));
		put_answer(mail, answer, TD_COUNT(answer));
	} else {
		answer[0] |= TD_VF_MAIL_ANSWER_CTS;
		put_answer(mail, answer, 1);
	}
}

static void mail_ask_hardware(struct td_igbvf_mail *mail)
{
	memcpy(mail->asked, mail->regs->mail, sizeof(mail->asked));
	mail->pending = true;
	if (mail->ops->ask(mail->opaque, mail->asked) >= 0)
		return;
	mail->pending = false;
	answer_nack(mail, mail->asked);
}

static void mail_request(struct td_igbvf_mail *mail)
{
	uint32_t *words = mail->regs->mail;
	bool reset = (words[0] & REQUEST_MASK) == TD_VF_MAIL_RESET;

	if (mail->pending) {
		mail->again = true;
		return;
	}
	if (!mail_check(mail, words) || (!reset && !mail->regs->handshaken)) {
		answer_nack(mail, words);
		return;
	}
	if (*mail->on_hardware) {
		mail_ask_hardware(mail);
		return;
	}
	mail_apply(mail, words);
	answer_ack(mail, words);
}

void td_igbvf_mail_unanswered(struct td_igbvf_mail *mail)
{
	if (!mail->pending)
		return;
	bool due = mail->again || !mail->stale;

	mail->pending = mail->again = mail->stale = false;
	if (due)
		mail_request(mail);
}

void td_igbvf_mail_answer(struct td_igbvf_mail *mail, const uint32_t words[TD_VF_MAIL_WORDS])
{
	if (!mail->pending)
		return;
	if (mail->again || mail->stale) { /* the driver reset itself meanwhile, and no longer waits for this one */
		td_igbvf_mail_unanswered(mail);
		return;
	}
	mail->pending = false;
	if (words[0] & TD_VF_MAIL_ANSWER_ACK && !(words[0] & TD_VF_MAIL_ANSWER_NACK))
		mail_apply(mail, mail->asked);
	put_answer(mail, words, TD_VF_MAIL_WORDS);
}

/* ---- registers ---- */

uint32_t td_igbvf_mail_read(struct td_igbvf_mail *mail)
{
	uint32_t value = mail->regs->mailbox;

	mail->regs->mailbox &= ~READ_TO_CLEAR;
	mail->touched_ns = td_now_ns();
	return value;
}

void td_igbvf_mail_write(struct td_igbvf_mail *mail, uint32_t value)
{
	mail->touched_ns = td_now_ns();
	/* Without VFU the buffer is given back; while the PF reads it, it is not to be had. */
	if (!(value & TD_VF_MAIL_VFU))
		mail->regs->mailbox &= ~TD_VF_MAIL_VFU;
	else if (!mail->pending)
		mail->regs->mailbox |= TD_VF_MAIL_VFU;
	if (value & TD_VF_MAIL_REQ)
		mail_request(mail);
}

/* ---- what the PF says by itself ---- */

static bool may_speak(const struct td_igbvf_mail *mail, uint64_t now)
{
	if (now - mail->control_since_ns > PATIENCE_NS)
		return !mail->pending;
	return !mail->pending && !(mail->regs->mailbox & TD_VF_MAIL_VFU) && now - mail->touched_ns >= QUIET_NS;
}

static void mail_speak(struct td_igbvf_mail *mail)
{
	if (!mail->control_due)
		return;
	if (!may_speak(mail, td_now_ns())) {
		td_loop_arm(mail->loop, &mail->control_timer, QUIET_NS);
		return;
	}
	mail->control_due = false;
	memcpy(mail->regs->mail, mail->control, sizeof(mail->control));
	mail->regs->mailbox |= TD_VF_MAIL_PFSTS;
	mail->ops->interrupt(mail->opaque);
}

static void speak_later(struct td_timer *timer)
{
	mail_speak(TD_CONTAINER_OF(timer, struct td_igbvf_mail, control_timer));
}

void td_igbvf_mail_control(struct td_igbvf_mail *mail, const uint32_t words[TD_VF_MAIL_WORDS])
{
	if (!words[0]) { /* the PF was reset: it knows nothing of us */
		mail->regs->mailbox |= TD_VF_MAIL_RSTD;
		mail->regs->handshaken = false;
	}
	memcpy(mail->control, words, sizeof(mail->control));
	if (!mail->control_due)
		mail->control_since_ns = td_now_ns();
	mail->control_due = true;
	mail_speak(mail);
}

void td_igbvf_mail_link_changed(struct td_igbvf_mail *mail)
{
	uint32_t words[TD_VF_MAIL_WORDS] = {TD_VF_MAIL_PF_CONTROL | TD_VF_MAIL_ANSWER_CTS};

	if (mail->regs->handshaken)
		td_igbvf_mail_control(mail, words);
}

/* ---- life ---- */

void td_igbvf_mail_init(struct td_igbvf_mail *mail, struct td_vf82576_state *regs, struct td_loop *loop, const bool *on_hardware,
	const struct td_igbvf_mail_ops *ops, void *opaque)
{
	*mail = (struct td_igbvf_mail){.regs = regs, .loop = loop, .on_hardware = on_hardware, .ops = ops, .opaque = opaque};
	mail->control_timer.expired = speak_later;
	forget_filters(regs);
}

void td_igbvf_mail_fini(struct td_igbvf_mail *mail)
{
	td_loop_disarm(mail->loop, &mail->control_timer);
}

/* Also on a vCPU's thread, so the timer is let run: it finds nothing due. */
void td_igbvf_mail_reset(struct td_igbvf_mail *mail)
{
	mail->regs->mailbox = 0;
	memset(mail->regs->mail, 0, sizeof(mail->regs->mail));
	mail->regs->handshaken = false;
	mail->control_due = false;
	mail->again = false;
	mail->stale = mail->pending;
	forget_filters(mail->regs);
}
