/* SPDX-License-Identifier: Apache-2.0 */
/* What is read out of RTM_NEWLINK messages: the VF asked for, and nothing out of malformed ones. */
#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <netlink/msg.h>

#include "host/sriov/sriov_netlink.h"

static void put_vf(struct nl_msg *msg, unsigned index)
{
	struct nlattr *vf = nla_nest_start(msg, IFLA_VF_INFO);
	struct ifla_vf_mac mac = {.vf = index, .mac = {2, 0, 0, 0, 0, (uint8_t)index}};
	struct ifla_vf_vlan vlan = {.vf = index, .vlan = 100 + index};
	struct ifla_vf_spoofchk spoofchk = {.vf = index, .setting = 1};
	struct ifla_vf_trust trust = {.vf = index, .setting = index == 2 ? UINT32_MAX : 1};
	struct ifla_vf_link_state link = {.vf = index, .link_state = IFLA_VF_LINK_STATE_DISABLE};

	nla_put(msg, IFLA_VF_MAC, sizeof(mac), &mac);
	nla_put(msg, IFLA_VF_VLAN, sizeof(vlan), &vlan);
	nla_put(msg, IFLA_VF_SPOOFCHK, sizeof(spoofchk), &spoofchk);
	nla_put(msg, IFLA_VF_TRUST, sizeof(trust), &trust);
	nla_put(msg, IFLA_VF_LINK_STATE, sizeof(link), &link);
	if (index == 1) {
		struct nlattr *stats = nla_nest_start(msg, IFLA_VF_STATS);

		nla_put_u64(msg, IFLA_VF_STATS_RX_PACKETS, 11);
		nla_put_u64(msg, IFLA_VF_STATS_TX_BYTES, 1ULL << 40);
		nla_put_u32(msg, IFLA_VF_STATS_TX_PACKETS, 9); /* too short: not read */
		nla_nest_end(msg, stats);
	}
	nla_nest_end(msg, vf);
}

static struct nl_msg *make_link(unsigned vf_count)
{
	struct ifinfomsg info = {0};
	struct nl_msg *msg = nlmsg_alloc_simple(RTM_NEWLINK, 0);

	nlmsg_append(msg, &info, sizeof(info), NLMSG_ALIGNTO);
	struct nlattr *list = nla_nest_start(msg, IFLA_VFINFO_LIST);
	for (unsigned i = 0; i < vf_count; i++)
		put_vf(msg, i);
	nla_nest_end(msg, list);
	return msg;
}

static void test_settings(void **state)
{
	struct td_sriov_vf_settings settings = {0};
	struct td_sriov_stats stats = {0};
	struct nl_msg *msg = make_link(3);

	(void)state;
	assert_int_equal(td_sriov_netlink_parse(nlmsg_hdr(msg), 1, &settings, &stats), 0);
	assert_int_equal(settings.mac[5], 1);
	assert_int_equal(settings.vlan, 101);
	assert_true(settings.spoofchk && settings.trust);
	assert_int_equal(settings.link_state, TD_SRIOV_LINK_DISABLE);
	assert_true(stats.known);
	assert_int_equal(stats.rx_packets, 11);
	assert_int_equal(stats.tx_bytes, 1ULL << 40);
	assert_int_equal(stats.tx_packets, 0);
	assert_int_equal(td_sriov_netlink_parse(nlmsg_hdr(msg), 2, &settings, &stats), 0);
	assert_false(settings.trust); /* the driver does not tell */
	assert_false(stats.known);
	assert_int_equal(td_sriov_netlink_parse(nlmsg_hdr(msg), 3, &settings, &stats), -ENOENT);
	nlmsg_free(msg);
	msg = make_link(0);
	assert_int_equal(td_sriov_netlink_parse(nlmsg_hdr(msg), 0, &settings, &stats), -ENOENT);
	nlmsg_free(msg);
}

/* ---- lists as the kernel makes them: one behind the other, and the length cut to 16 bits at the end */

#define VF_BYTES 296U /* so 221 VFs fit into an attribute */

struct message {
	struct nlmsghdr *header;
	size_t room;
};

static void *put_attr(struct message *message, int type, size_t len, const void *data)
{
	char *at = (char *)message->header + message->header->nlmsg_len;
	struct nlattr *attr = (struct nlattr *)(void *)at;
	uint32_t total = (uint32_t)nla_total_size((int)len);

	assert_true(message->header->nlmsg_len + total <= message->room);
	memset(attr, 0, total);
	attr->nla_type = (uint16_t)type;
	attr->nla_len = (uint16_t)nla_attr_size((int)len);
	if (data)
		memcpy(nla_data(attr), data, len);
	message->header->nlmsg_len += total;
	return attr;
}

static void end_nest(const struct message *message, struct nlattr *nest)
{
	nest->nla_len = (uint16_t)((char *)message->header + message->header->nlmsg_len - (char *)nest);
}

/* What fills a VF up looks like attributes of a link, for who reads on where a list that wrapped seems to end. */
static void put_large_vf(struct message *message, unsigned index)
{
	struct nlattr *vf = put_attr(message, IFLA_VF_INFO, 0, NULL);
	struct ifla_vf_mac mac = {.vf = index, .mac = {2, 0, 0, 0, (uint8_t)(index >> 8), (uint8_t)index}};
	uint32_t trap[(VF_BYTES - 8 - sizeof(mac) - 12 - 4) / 4];

	for (unsigned i = 0; i < TD_COUNT(trap); i++)
		trap[i] = IFLA_MTU << 16 | 8;
	put_attr(message, IFLA_VF_MAC, sizeof(mac), &mac);
	struct nlattr *stats = put_attr(message, IFLA_VF_STATS, 0, NULL);
	put_attr(message, IFLA_VF_STATS_MAX + 1, sizeof(trap), trap);
	end_nest(message, stats);
	end_nest(message, vf);
}

static struct message make_large(unsigned told, unsigned there, bool tells)
{
	struct message message = {.room = 128 + there * VF_BYTES};
	uint32_t mtu = 1500;

	message.header = calloc(1, message.room);
	*message.header = (struct nlmsghdr){.nlmsg_type = RTM_NEWLINK, .nlmsg_len = NLMSG_SPACE(sizeof(struct ifinfomsg))};
	if (tells)
		put_attr(&message, IFLA_NUM_VF, sizeof(told), &told);
	struct nlattr *list = put_attr(&message, IFLA_VFINFO_LIST, 0, NULL);
	for (unsigned i = 0; i < there; i++)
		put_large_vf(&message, i);
	end_nest(&message, list);
	put_attr(&message, IFLA_MTU, sizeof(mtu), &mtu);
	return message;
}

static void count_vf(unsigned index, struct nlattr **field, void *opaque)
{
	unsigned *count = opaque;

	assert_non_null(field[IFLA_VF_MAC]);
	assert_int_equal(index, *count);
	++*count;
}

static void test_many(void **state)
{
	static const unsigned counts[] = {1, 128, 221, 222, 256, 1000};
	struct td_sriov_vf_settings settings;
	struct td_sriov_stats stats;

	(void)state;
	for (unsigned i = 0; i < TD_COUNT(counts); i++) {
		struct message message = make_large(counts[i], counts[i], true);
		struct nlattr *attr[IFLA_MAX + 1];
		unsigned found = 0, last = counts[i] - 1;

		assert_int_equal(td_sriov_netlink_link(message.header, attr, count_vf, &found), 0);
		assert_int_equal(found, counts[i]);
		assert_int_equal(nla_get_u32(attr[IFLA_MTU]), 1500);
		assert_null(attr[IFLA_MASTER]);
		assert_int_equal(td_sriov_netlink_parse(message.header, last, &settings, &stats), 0);
		assert_int_equal(settings.mac[5], last & 0xff);
		assert_int_equal(settings.mac[4], last >> 8);
		assert_int_equal(td_sriov_netlink_parse(message.header, counts[i], &settings, &stats), -ENOENT);
		free(message.header);
	}
}

/* Fewer than the kernel tells: what is there is read, and what is not is not "no such VF". */
static void test_cut(void **state)
{
	struct td_sriov_vf_settings settings;
	struct td_sriov_stats stats;
	struct message message = make_large(256, 221, true);

	(void)state;
	assert_int_equal(td_sriov_netlink_parse(message.header, 220, &settings, &stats), 0);
	assert_int_equal(td_sriov_netlink_parse(message.header, 221, &settings, &stats), -EOVERFLOW);
	free(message.header);
	message = make_large(0, 3, false); /* it tells no number: the list's length holds */
	assert_int_equal(td_sriov_netlink_parse(message.header, 2, &settings, &stats), 0);
	assert_int_equal(td_sriov_netlink_parse(message.header, 3, &settings, &stats), -ENOENT);
	free(message.header);
}

static void test_damaged(void **state)
{
	struct nl_msg *msg = make_link(3);
	struct nlmsghdr *header = nlmsg_hdr(msg);
	uint32_t len = header->nlmsg_len;

	(void)state;
	srandom(1);
	for (unsigned n = 0; n < 20000; n++) {
		/* A copy of the very size, so that the sanitizer sees a read beyond it. */
		uint8_t *copy = malloc(len);
		struct td_sriov_vf_settings settings = {0};
		struct td_sriov_stats stats = {0};

		memcpy(copy, header, len);
		for (unsigned i = 0; i < 4; i++)
			copy[16 + (unsigned)random() % (len - 16)] = (uint8_t)random();
		if (td_sriov_netlink_parse((struct nlmsghdr *)(void *)copy, 1, &settings, &stats) == 0)
			assert_true(settings.link_state <= TD_SRIOV_LINK_DISABLE);
		free(copy);
	}
	nlmsg_free(msg);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_settings),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_damaged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
