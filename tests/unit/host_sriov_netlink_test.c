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
		cmocka_unit_test(test_damaged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
