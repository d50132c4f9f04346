/* SPDX-License-Identifier: Apache-2.0 */
/* host_kernel_bond.c - options of bonds by rtnetlink. The kernel refuses some while the bond is up, also to what they are: so it is asked.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/msg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/provision/host_kernel.h"
#include "host/provision/host_words.h"

/* sysfs shows "active-backup 1", "100", "up0". */
static bool is_already(const char *bond, const char *option, const char *to)
{
	char path[80], text[64];
	snprintf(path, sizeof(path), "/sys/class/net/%.15s/bonding/%s", bond, option);
	td_auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (len < 0)
		return false;
	text[len] = '\0';
	text[strcspn(text, " \n")] = '\0';
	return !strcmp(text, to);
}

struct option {
	const char *name; /* in sysfs */
	int attribute, bytes;
	int value; /* -1: no such word */
};

static struct option find_option(enum td_host_attr attr, const char *to)
{
	switch (attr) {
	case TD_HOST_ATTR_MODE:
		return (struct option){"mode", IFLA_BOND_MODE, 1, TD_HOST_WORDS_FIND(td_host_words_mode, to)};
	case TD_HOST_ATTR_LACP_RATE:
		return (struct option){"lacp_rate", IFLA_BOND_AD_LACP_RATE, 1, TD_HOST_WORDS_FIND(td_host_words_lacp_rate, to)};
	case TD_HOST_ATTR_HASH:
		return (struct option){"xmit_hash_policy", IFLA_BOND_XMIT_HASH_POLICY, 1, TD_HOST_WORDS_FIND(td_host_words_hash, to)};
	case TD_HOST_ATTR_PRIMARY: /* by number; 0: none */
		return (struct option){"primary", IFLA_BOND_PRIMARY, 4, *to ? (int)if_nametoindex(to) : 0};
	default:
		return (struct option){"miimon", IFLA_BOND_MIIMON, 4, atoi(to)};
	}
}

static struct nl_msg *option_message(int index, const struct option *option)
{
	struct ifinfomsg info = {.ifi_index = index};
	struct nl_msg *msg = nlmsg_alloc_simple(RTM_NEWLINK, NLM_F_REQUEST | NLM_F_ACK);
	struct nlattr *outer = NULL, *inner = NULL;
	bool good = msg && nlmsg_append(msg, &info, sizeof(info), NLMSG_ALIGNTO) == 0 && (outer = nla_nest_start(msg, IFLA_LINKINFO)) &&
		    nla_put_string(msg, IFLA_INFO_KIND, "bond") == 0 && (inner = nla_nest_start(msg, IFLA_INFO_DATA));
	if (good && option->bytes == 1)
		good = nla_put_u8(msg, option->attribute, (uint8_t)option->value) == 0;
	else if (good)
		good = nla_put_u32(msg, option->attribute, (uint32_t)option->value) == 0;
	if (good) {
		nla_nest_end(msg, inner);
		nla_nest_end(msg, outer);
		return msg;
	}
	nlmsg_free(msg);
	return NULL;
}

int td_host_kernel_bond(struct td_host_kernel *kernel, const char *bond, enum td_host_attr attr, const char *to, struct td_err *err)
{
	char what[96];
	struct option option = find_option(attr, to);
	int index = (int)if_nametoindex(bond);
	snprintf(what, sizeof(what), "%s: %s %s", bond, td_host_state_attr_name(attr), to);
	if (!index)
		return td_err_set(err, ENODEV, TD_REASON_LINK_MISSING, "%s: no such network interface", bond);
	if (option.value < 0 || (attr == TD_HOST_ATTR_PRIMARY && *to && !option.value))
		return td_err_set(err, EINVAL, TD_REASON_LINK_MISSING, "%s: no such thing", what);
	if (is_already(bond, option.name, to))
		return 0;
	return td_host_netlink_change(&kernel->netlink, option_message(index, &option), what, err);
}
