/* SPDX-License-Identifier: Apache-2.0 */
/*
 * igbvf_mail.h - the mailbox of the software 82576 VF, and what its PF grants: V2PMAILBOX, VMBMEM, the handshake and the filters are this
 * part's. With the VM's lock.
 */
#ifndef TD_EMUL_IGBVF_MAIL_H
#define TD_EMUL_IGBVF_MAIL_H

#include "core/loop.h"
#include "emul/igbvf_base.h"

/* What the mailbox needs of its device. */
struct td_igbvf_mail_ops {
	/* Around a change of what was granted. Guarantees: between the two no frame is looked at. */
	void (*hold)(void *opaque);
	void (*release)(void *opaque);
	/* Asks the hardware's PF, whose answer comes by td_igbvf_mail_answer(), perhaps before this returns. -errno: it can't be asked. */
	int (*ask)(void *opaque, const uint32_t words[TD_VF_MAIL_WORDS]);
	void (*interrupt)(void *opaque); /* there is something to read */
};

struct td_igbvf_mail {
	struct td_vf82576_state *regs;
	struct td_loop *loop;
	const struct td_igbvf_mail_ops *ops;
	void *opaque;
	const bool *on_hardware; /* its PF is asked, else we are the PF */
	bool pending;		 /* with the hardware's PF */
	bool stale;		 /* the driver reset itself, and does not wait for that answer any more */
	bool again;		 /* another came meanwhile, after a reset */
	uint32_t asked[TD_VF_MAIL_WORDS];
	uint64_t touched_ns; /* when the guest last touched the mailbox */
	bool control_due;    /* a message of the PF's that waits for a quiet moment */
	uint64_t control_since_ns;
	uint32_t control[TD_VF_MAIL_WORDS];
	struct td_timer control_timer;
};

/* All is borrowed. */
void td_igbvf_mail_init(struct td_igbvf_mail *mail, struct td_vf82576_state *regs, struct td_loop *loop, const bool *on_hardware,
	const struct td_igbvf_mail_ops *ops, void *opaque);
void td_igbvf_mail_fini(struct td_igbvf_mail *mail);
void td_igbvf_mail_reset(struct td_igbvf_mail *mail);

/* V2PMAILBOX */
uint32_t td_igbvf_mail_read(struct td_igbvf_mail *mail);
void td_igbvf_mail_write(struct td_igbvf_mail *mail, uint32_t value);

void td_igbvf_mail_answer(struct td_igbvf_mail *mail, const uint32_t words[TD_VF_MAIL_WORDS]); /* of the hardware's PF */
/* The hardware went, and with it who would have answered: the request is looked at anew. */
void td_igbvf_mail_unanswered(struct td_igbvf_mail *mail);
/* A message of the PF's own goes to the guest at the next quiet moment. All zeros: the PF was reset. */
void td_igbvf_mail_control(struct td_igbvf_mail *mail, const uint32_t words[TD_VF_MAIL_WORDS]);
/* The link is not what the guest knows. */
void td_igbvf_mail_link_changed(struct td_igbvf_mail *mail);

#endif
