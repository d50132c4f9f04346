/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hw82576_mail.c - the VF's end of the mailbox it shares with its PF: one message at a time, by looking at V2PMAILBOX and, while a guest
 * runs on the VF, by vector 2.
 *
 * Theory of operation. One buffer serves both directions; who wants to use it takes it first (VFU, PFU). The PF's driver answers each
 * message with one whose low half is the same and that says ACK or NACK. It also sends messages nobody asked for, which may overwrite
 * a request that it has not read yet, and it forgets a request when the buffer is taken for longer than it likes to wait: then ours is
 * sent again; all are such that twice does no harm. PFSTS, PFACK and RSTD are cleared by reading the register, so every look
 * at it adds to `seen`. Nothing interrupts when the PF resets the card, so while a guest runs on the VF the mailbox is looked at twice a
 * second anyway. Source: Intel 82576EB datasheet §7.10.2.9 (mailbox), §8.26; protocol: what igb and igbvf exchange.
 */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "core/log.h"
#include "core/vm.h"
#include "vfio/hw82576_parts.h"

#define KEPT	      (TD_VF_MAIL_PFSTS | TD_VF_MAIL_PFACK | TD_VF_MAIL_RSTD)
#define ANSWER_FLAGS  (TD_VF_MAIL_ANSWER_ACK | TD_VF_MAIL_ANSWER_NACK)
#define REQUEST_MASK  0xffffU
#define GUEST_WAIT_NS 500000000ULL /* igbvf itself gives up after a second */
#define POLL_NS	      1000000ULL   /* a message is on its way */
#define IDLE_NS	      500000000ULL
#define UNREAD_NS     20000000ULL /* the PF has not read the message: it waits at most 10 ms for the buffer, then forgets the request */
#define SAMPLE_TICKS  20U	  /* idle looks between samples of the counters: those of octets wrap after 34 s */

enum { ANSWERED = 1 };

/* The register, with the bits that an earlier look has cleared. */
static uint32_t look(struct td_hw82576 *hw)
{
	uint32_t now = td_hw82576_get(hw, TD_VF_V2PMAILBOX);

	if (now == TD_HW82576_GONE)
		return now;
	hw->mail.seen |= now & KEPT;
	return now | hw->mail.seen;
}

static bool take_buffer(struct td_hw82576 *hw)
{
	uint32_t now;

	td_hw82576_put(hw, TD_VF_V2PMAILBOX, TD_VF_MAIL_VFU);
	now = look(hw);
	return now != TD_HW82576_GONE && now & TD_VF_MAIL_VFU;
}

/* The PF writes the whole of its message before it says so, and nothing while the buffer is ours. */
static bool read_message(struct td_hw82576 *hw, uint32_t words[TD_VF_MAIL_WORDS])
{
	if (!take_buffer(hw))
		return false;
	for (unsigned i = 0; i < TD_VF_MAIL_WORDS; i++)
		words[i] = td_hw82576_get(hw, TD_VF_MBMEM + 4 * i);
	hw->mail.seen &= ~(uint32_t)TD_VF_MAIL_PFSTS;
	td_hw82576_put(hw, TD_VF_V2PMAILBOX, TD_VF_MAIL_ACK);
	return true;
}

static bool send_request(struct td_hw82576 *hw)
{
	if (!take_buffer(hw))
		return false;
	for (unsigned i = 0; i < TD_VF_MAIL_WORDS; i++)
		td_hw82576_put(hw, TD_VF_MBMEM + 4 * i, hw->mail.request[i]);
	hw->mail.seen &= ~(uint32_t)TD_VF_MAIL_PFACK;
	td_hw82576_put(hw, TD_VF_V2PMAILBOX, TD_VF_MAIL_REQ);
	hw->mail.sent_ns = td_now_ns();
	hw->mail.sends++;
	return true;
}

static bool is_answer(const struct td_hw82576_mailbox *mail, const uint32_t *words)
{
	return mail->step == TD_HW82576_MAIL_WAIT && words[0] & ANSWER_FLAGS &&
	       (words[0] & REQUEST_MASK) == (mail->request[0] & REQUEST_MASK);
}

/* An answer that came too late is nobody's; a NACK of nothing says that the PF wants the handshake again. */
static void note_message(struct td_hw82576_mailbox *mail, const uint32_t *words)
{
	if (words[0] & ANSWER_FLAGS && words[0] & REQUEST_MASK)
		return;
	memcpy(mail->message, words, sizeof(mail->message));
	mail->message_waits = true;
}

/* RSTI lasts as long as the PF's reset does, RSTD says once that it is over; a short one shows RSTD alone. True: no mail now. */
static bool see_reset(struct td_hw82576_mailbox *mail, uint32_t now)
{
	static const uint32_t none[TD_VF_MAIL_WORDS];

	if (now & TD_VF_MAIL_RSTI) {
		mail->pf_resets = true;
		mail->seen &= ~(uint32_t)TD_VF_MAIL_RSTD;
		return true;
	}
	if (!mail->pf_resets && !(mail->seen & TD_VF_MAIL_RSTD))
		return false;
	mail->pf_resets = false;
	mail->seen &= ~(uint32_t)TD_VF_MAIL_RSTD;
	note_message(mail, none);
	return true;
}

/* Ours was overwritten by a message of the PF's, or it could not have the buffer in time. */
static bool send_again(const struct td_hw82576_mailbox *mail, uint64_t now_ns)
{
	return mail->step == TD_HW82576_MAIL_WAIT && !(mail->seen & TD_VF_MAIL_PFACK) && now_ns - mail->sent_ns > UNREAD_NS;
}

/* ANSWERED, 0 (go on), or -errno. */
static int step(struct td_hw82576 *hw)
{
	struct td_hw82576_mailbox *mail = &hw->mail;
	uint32_t words[TD_VF_MAIL_WORDS], now = look(hw);

	if (now == TD_HW82576_GONE)
		return -ENODEV;
	if (see_reset(mail, now))
		return -ECONNRESET;
	if (mail->seen & TD_VF_MAIL_PFSTS && read_message(hw, words)) {
		if (is_answer(mail, words)) {
			memcpy(mail->answer, words, sizeof(words));
			return ANSWERED;
		}
		note_message(mail, words);
		if (mail->step == TD_HW82576_MAIL_WAIT)
			mail->step = TD_HW82576_MAIL_SEND;
	}
	if (send_again(mail, td_now_ns()))
		mail->step = TD_HW82576_MAIL_SEND;
	if (mail->step == TD_HW82576_MAIL_SEND && !(mail->seen & TD_VF_MAIL_PFSTS) && send_request(hw))
		mail->step = TD_HW82576_MAIL_WAIT;
	return mail->step != TD_HW82576_MAIL_IDLE && td_hw82576_late(mail->looks++, mail->deadline_ns) ? -ETIMEDOUT : 0;
}

void td_hw82576_mail_forget(struct td_hw82576 *hw)
{
	(void)look(hw);
	hw->mail.seen = 0;
	hw->mail.pf_resets = hw->mail.message_waits = false;
}

/* ---- ours, waited for, in a job ---- */

int td_hw82576_mail_ask(struct td_hw82576 *hw, const uint32_t *words, unsigned count, uint64_t deadline_ns, uint32_t *ret_first)
{
	struct td_hw82576_mailbox *mail = &hw->mail;
	int rc = 0;

	memset(mail->request, 0, sizeof(mail->request));
	memcpy(mail->request, words, count * sizeof(*words));
	mail->deadline_ns = deadline_ns;
	mail->sends = mail->looks = 0;
	mail->step = TD_HW82576_MAIL_SEND;
	for (unsigned round = 0; rc == 0; round++) {
		rc = step(hw);
		if (rc == 0)
			td_hw82576_nap(round);
	}
	mail->step = TD_HW82576_MAIL_IDLE;
	if (rc < 0)
		td_info("%s: message 0x%x to the PF, sent %u times: %s; V2PMAILBOX 0x%x", hw->name, words[0], mail->sends, strerror(-rc),
			look(hw));
	if (rc < 0)
		return rc;
	*ret_first = mail->answer[0];
	return 0;
}

/* ---- the guest's, and the PF's own, on the main loop ---- */

static void finish(struct td_hw82576 *hw, const uint32_t *answer)
{
	uint32_t words[TD_VF_MAIL_WORDS];

	hw->mail.step = TD_HW82576_MAIL_IDLE;
	hw->mail.busy = hw->mail.guest_waits = false;
	if (answer)
		memcpy(words, answer, sizeof(words)); /* who hears it may send the next one */
	if (hw->events.answer)
		hw->events.answer(hw->events.opaque, answer ? words : NULL);
}

static void tell_message(struct td_hw82576 *hw)
{
	uint32_t words[TD_VF_MAIL_WORDS];

	if (!hw->mail.message_waits)
		return;
	hw->mail.message_waits = false;
	memcpy(words, hw->mail.message, sizeof(words));
	if (hw->phase == TD_HW82576_RUNNING && hw->events.pf_message)
		hw->events.pf_message(hw->events.opaque, words);
}

static void tick(struct td_hw82576 *hw)
{
	if (hw->mail.ticks++ % SAMPLE_TICKS == 0)
		td_hw82576_sample(hw);
	td_hw82576_put(hw, TD_VF_EIMS, TD_HW82576_OUR_BIT); /* the guest may have masked it */
	td_hw82576_note_rings(hw);
}

static void start_guest(struct td_hw82576_mailbox *mail, const uint32_t words[TD_VF_MAIL_WORDS])
{
	memcpy(mail->request, words, sizeof(mail->request));
	mail->busy = true;
	mail->step = TD_HW82576_MAIL_SEND;
	mail->deadline_ns = td_now_ns() + GUEST_WAIT_NS;
	mail->looks = 0;
}

/* Each of the calls out may close the VF, or set it going anew. While a job has the mailbox, it is looked at when that ends. */
static void pump(struct td_hw82576 *hw)
{
	int rc;

	if (hw->mail.ours) {
		if (!hw->mail.timer.armed)
			td_loop_arm(&hw->vm->loop, &hw->mail.timer, hw->mail.deaf ? POLL_NS : IDLE_NS);
		return;
	}
	if (hw->phase != TD_HW82576_RUNNING || hw->open.lost) {
		if (hw->mail.busy || hw->mail.guest_waits)
			finish(hw, NULL);
		return;
	}
	if (hw->mail.guest_waits && !hw->mail.busy) {
		hw->mail.guest_waits = false;
		start_guest(&hw->mail, hw->mail.guest);
	}
	rc = step(hw);
	if (hw->mail.deaf || (hw->mail.busy && rc == 0))
		td_loop_arm(&hw->vm->loop, &hw->mail.timer, POLL_NS);
	else if (!hw->mail.timer.armed) /* who raises our vector again and again does not put the tick off */
		td_loop_arm(&hw->vm->loop, &hw->mail.timer, IDLE_NS);
	if (rc == -ENODEV) {
		td_hw82576_found_gone(hw);
		return;
	}
	if (hw->mail.busy && rc != 0)
		finish(hw, rc == ANSWERED ? hw->mail.answer : NULL);
	tell_message(hw);
}

/* A guest may raise our vector as often as it likes (hw82576.h): then it is heard at the next tick. */
static void be_deaf(struct td_hw82576 *hw, bool deaf)
{
	if (hw->mail.deaf != deaf)
		(void)td_loop_modify(&hw->vm->loop, &hw->mail_watch, deaf ? 0 : EPOLLIN);
	hw->mail.deaf = deaf;
}

static void timer_expired(struct td_timer *timer)
{
	struct td_hw82576 *hw = TD_CONTAINER_OF(timer, struct td_hw82576, mail.timer);

	be_deaf(hw, false);
	if (hw->phase == TD_HW82576_RUNNING && !hw->open.lost && !hw->mail.busy)
		tick(hw);
	pump(hw);
}

static void work_run(struct td_work *work)
{
	pump(TD_CONTAINER_OF(work, struct td_hw82576, mail.work));
}

void td_hw82576_mail_ready(struct td_watch *watch, uint32_t events)
{
	struct td_hw82576 *hw = TD_CONTAINER_OF(watch, struct td_hw82576, mail_watch);
	uint64_t now_ns = td_now_ns();
	eventfd_t count;

	(void)events;
	if (eventfd_read(watch->fd, &count) < 0 || hw->phase != TD_HW82576_RUNNING || hw->open.lost)
		return;
	/* EIAM has masked it, unless the guest did something about that. Before the look: what comes after it interrupts again. */
	td_hw82576_put(hw, TD_VF_EICR, TD_HW82576_OUR_BIT);
	td_hw82576_put(hw, TD_VF_EIMS, TD_HW82576_OUR_BIT);
	be_deaf(hw, now_ns - hw->mail.heard_ns < POLL_NS);
	hw->mail.heard_ns = now_ns;
	pump(hw);
}

void td_hw82576_mail_init(struct td_hw82576 *hw)
{
	hw->mail.work.run = work_run;
	hw->mail.timer.expired = timer_expired;
}

void td_hw82576_mail_start(struct td_hw82576 *hw)
{
	be_deaf(hw, false);
	td_loop_arm(&hw->vm->loop, &hw->mail.timer, IDLE_NS);
}

void td_hw82576_mail_stop(struct td_hw82576 *hw)
{
	td_loop_disarm(&hw->vm->loop, &hw->mail.timer);
	hw->mail.message_waits = false;
	if (hw->mail.busy || hw->mail.guest_waits)
		td_loop_post(&hw->vm->loop, &hw->mail.work);
}

int td_hw82576_mail(struct td_hw82576 *hw, const uint32_t words[TD_VF_MAIL_WORDS])
{
	struct td_hw82576_mailbox *mail = &hw->mail;

	if (hw->phase != TD_HW82576_RUNNING || hw->open.lost)
		return -ENODEV;
	if (mail->guest_waits || (mail->busy && !mail->ours))
		return -EBUSY;
	if (mail->busy) { /* who sends ours goes on with this one */
		memcpy(mail->guest, words, sizeof(mail->guest));
		mail->guest_waits = true;
		return 0;
	}
	start_guest(mail, words);
	td_loop_post(&hw->vm->loop, &mail->work); /* timers are the main loop's */
	return 0;
}
