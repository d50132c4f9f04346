/* SPDX-License-Identifier: Apache-2.0 */
/* host_netlink.c - requests, acknowledgements and dumps over libnl's socket. */
#include "host/sys/host_netlink.h"

#include <errno.h>
#include <linux/netlink.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <string.h>
#include <sys/socket.h>

#ifndef SOL_NETLINK
#define SOL_NETLINK 270
#endif

struct answer {
	void (*each)(struct nlmsghdr *header, void *opaque);
	void *opaque;
	int errnum;
	char said[128]; /* the kernel's words */
};

static int on_valid(struct nl_msg *msg, void *opaque)
{
	struct answer *answer = opaque;
	if (answer->each)
		answer->each(nlmsg_hdr(msg), answer->opaque);
	return NL_OK;
}

/* The words stand behind the error, and behind the request's copy unless that was left out (NLM_F_CAPPED). */
static int on_error(struct sockaddr_nl *from, struct nlmsgerr *message, void *opaque)
{
	struct answer *answer = opaque;
	struct nlmsghdr *header = (struct nlmsghdr *)(void *)((char *)message - NLMSG_HDRLEN);
	struct nlattr *attr[NLMSGERR_ATTR_MAX + 1];
	size_t skip = sizeof(*message);
	(void)from;
	answer->errnum = -message->error;
	if (!(header->nlmsg_flags & NLM_F_ACK_TLVS))
		return NL_STOP;
	if (!(header->nlmsg_flags & NLM_F_CAPPED))
		skip += message->msg.nlmsg_len - NLMSG_HDRLEN;
	if (skip <= (size_t)nlmsg_datalen(header) && nlmsg_parse(header, (int)skip, attr, NLMSGERR_ATTR_MAX, NULL) == 0 &&
		attr[NLMSGERR_ATTR_MSG])
		nla_strlcpy(answer->said, attr[NLMSGERR_ATTR_MSG], sizeof(answer->said));
	return NL_STOP;
}

int td_host_netlink_open(struct td_host_netlink *netlink, struct td_err *err)
{
	int on = 1;
	netlink->sock = nl_socket_alloc();
	int r = netlink->sock ? nl_connect(netlink->sock, NETLINK_ROUTE) : -NLE_NOMEM;
	if (r < 0) {
		td_host_netlink_close(netlink);
		return td_err_set(err, EIO, TD_REASON_NETLINK, "rtnetlink: %s", nl_geterror(r));
	}
	(void)setsockopt(nl_socket_get_fd(netlink->sock), SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
	nl_socket_disable_seq_check(netlink->sock); /* it loses count where an answer has no acknowledgement */
	nl_socket_enable_msg_peek(netlink->sock);   /* links with many VFs need large messages */
	return 0;
}

void td_host_netlink_close(struct td_host_netlink *netlink)
{
	nl_socket_free(netlink->sock);
	netlink->sock = NULL;
}

static int exchange(struct td_host_netlink *netlink, struct nl_msg *msg, struct answer *answer, const char *what, struct td_err *err)
{
	if (!msg)
		return td_err_set(err, ENOMEM, TD_REASON_SYSTEM, "%s: out of memory", what);
	nl_socket_modify_cb(netlink->sock, NL_CB_VALID, NL_CB_CUSTOM, on_valid, answer);
	nl_socket_modify_err_cb(netlink->sock, NL_CB_CUSTOM, on_error, answer);
	int r = nl_send_auto(netlink->sock, msg);
	if (r >= 0)
		r = nl_recvmsgs_default(netlink->sock);
	nlmsg_free(msg);
	/* libnl's own calls on this socket must not find the answer, which is gone. */
	nl_socket_modify_cb(netlink->sock, NL_CB_VALID, NL_CB_DEFAULT, NULL, NULL);
	nl_socket_modify_err_cb(netlink->sock, NL_CB_DEFAULT, NULL, NULL);
	if (answer->errnum && answer->said[0])
		return td_err_sys(err, answer->errnum, TD_REASON_NETLINK, "%s: %s", what, answer->said);
	if (answer->errnum)
		return td_err_sys(err, answer->errnum, TD_REASON_NETLINK, "%s", what);
	if (r == -NLE_DUMP_INTR)
		return td_err_set(err, EAGAIN, TD_REASON_NETLINK, "%s: changed while it was read", what);
	return r < 0 ? td_err_set(err, EIO, TD_REASON_NETLINK, "%s: rtnetlink: %s", what, nl_geterror(r)) : 0;
}

int td_host_netlink_change(struct td_host_netlink *netlink, struct nl_msg *msg, const char *what, struct td_err *err)
{
	struct answer answer = {0};
	return exchange(netlink, msg, &answer, what, err);
}

int td_host_netlink_read(struct td_host_netlink *netlink, struct nl_msg *msg, void (*each)(struct nlmsghdr *header, void *opaque),
	void *opaque, const char *what, struct td_err *err)
{
	struct answer answer = {.each = each, .opaque = opaque};
	nl_socket_disable_auto_ack(netlink->sock); /* the answer ends the exchange */
	int r = exchange(netlink, msg, &answer, what, err);
	nl_socket_enable_auto_ack(netlink->sock);
	return r;
}
