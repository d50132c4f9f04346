#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# libnl writes a VF's 802.1ad VLAN in the wrong byte order, so that what it reads cannot be written back.
#
# Version:  libnl-route-3 3.7.0-0.2+b1 (Debian 12).
# Expected: struct ifla_vf_vlan_info.vlan_proto is big-endian (uapi/linux/if_link.h). libnl turns it into host order when it reads
#           IFLA_VF_VLAN_LIST, so one expects that it turns it back when it writes: reading a VF and writing it changes nothing.
# Seen:     reading does, writing does not. On x86 an 802.1ad tag (88 a8) goes out as a8 88, which no kernel takes
#           (EPROTONOSUPPORT, or EINVAL). With 802.1Q nothing is seen of it, as that goes by another attribute without a protocol.
#               read from the kernel's message: vlan 100 protocol 0x88a8
#               in the message to the kernel:   vlan 100 protocol bytes a8 88
# Do:       lay out the VF part of such messages by hand.
#
# Needs apt, dpkg, gcc, no privilege, and nothing of the kernel: the messages are only built and read.
set -euo pipefail

VERSION=3.7.0-0.2+b1
work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT

# fetch SUITE PACKAGE…: unpacks Debian packages of that suite in $work/root, from where this machine gets Debian.
fetch() {
	local uri keyring suite=$1
	shift
	uri=$(apt-get update --print-uris 2>/dev/null | sed -nE "s,^'(.*/debian/?)/dists/.*/InRelease'.*,\1,p" | head -n 1)
	for keyring in /usr/share/keyrings/debian-archive-keyring.{pgp,gpg}; do [ ! -r "$keyring" ] || break; done
	mkdir -p "$work"/{state/lists/partial,cache/archives/partial,debs,root}
	echo "deb [signed-by=$keyring] $uri $suite main" >"$work/sources.list"
	local options=(-qq -o "Dir::State=$work/state" -o "Dir::Cache=$work/cache" -o "Dir::Etc::SourceList=$work/sources.list"
		-o Dir::State::status=/dev/null -o Dir::Etc::SourceParts=/dev/null -o APT::Architecture=amd64 -o APT::Sandbox::User=)
	apt-get "${options[@]}" update && (cd "$work/debs" && apt-get "${options[@]}" download "$@") ||
		{ echo "not shown: $suite has no $* here" >&2 && exit 77; }
	for deb in "$work"/debs/*.deb; do dpkg-deb -x "$deb" "$work/root"; done
}
fetch bookworm {libnl-3-200,libnl-3-dev,libnl-route-3-200,libnl-route-3-dev}="$VERSION"

cat >"$work/show.c" <<'C'
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <netlink/msg.h>
#include <netlink/route/link.h>
#include <netlink/route/link/sriov.h>
#include <stdio.h>
#include <string.h>

static struct rtnl_link *read_link;

static void keep(struct nl_object *object, void *opaque)
{
	(void)opaque;
	nl_object_get(object);
	read_link = (struct rtnl_link *)object;
}

/* What a kernel says of PF 5: one VF, with VLAN 100 by 802.1ad. */
static struct nl_msg *kernels_message(void)
{
	struct ifinfomsg info = {.ifi_index = 5, .ifi_type = 1};
	struct ifla_vf_mac mac = {.vf = 0, .mac = {0x52, 0x54, 0, 0, 0, 1}};
	struct ifla_vf_vlan_info vlan = {.vf = 0, .vlan = 100};
	struct nl_msg *msg = nlmsg_alloc_simple(RTM_NEWLINK, 0);
	struct nlattr *list, *vf, *vlans;

	memcpy(&vlan.vlan_proto, (const unsigned char[]){0x88, 0xa8}, 2);
	nlmsg_append(msg, &info, sizeof(info), NLMSG_ALIGNTO);
	nla_put_string(msg, IFLA_IFNAME, "pf0");
	nla_put_u32(msg, IFLA_NUM_VF, 1);
	list = nla_nest_start(msg, IFLA_VFINFO_LIST);
	vf = nla_nest_start(msg, IFLA_VF_INFO);
	nla_put(msg, IFLA_VF_MAC, sizeof(mac), &mac);
	vlans = nla_nest_start(msg, IFLA_VF_VLAN_LIST);
	nla_put(msg, IFLA_VF_VLAN_INFO, sizeof(vlan), &vlan);
	nla_nest_end(msg, vlans);
	nla_nest_end(msg, vf);
	nla_nest_end(msg, list);
	nlmsg_set_proto(msg, NETLINK_ROUTE);
	return msg;
}

int main(void)
{
	struct rtnl_link *before = rtnl_link_alloc(), *change = rtnl_link_alloc();
	struct rtnl_link_vf *vf = rtnl_link_vf_alloc();
	struct nlattr *list, *info, *attr;
	struct nl_msg *request;
	nl_vf_vlans_t *vlans;
	unsigned char bytes[2];
	int rest;

	if (nl_msg_parse(kernels_message(), keep, NULL) < 0 || rtnl_link_vf_get_vlans(rtnl_link_vf_get(read_link, 0), &vlans) < 0)
		return 1;
	printf("read from the kernel's message: vlan %u protocol %#x\n", vlans->vlans[0].vf_vlan, vlans->vlans[0].vf_vlan_proto);

	rtnl_link_set_ifindex(before, 5);
	rtnl_link_set_ifindex(change, 5);
	rtnl_link_vf_set_index(vf, 0);
	rtnl_link_vf_set_vlans(vf, vlans); /* as it was read */
	if (rtnl_link_vf_add(change, vf) < 0 || rtnl_link_build_change_request(before, change, 0, &request) < 0)
		return 1;
	list = nlmsg_find_attr(nlmsg_hdr(request), sizeof(struct ifinfomsg), IFLA_VFINFO_LIST);
	info = nla_data(list);
	nla_for_each_nested(attr, info, rest) {
		struct ifla_vf_vlan_info *vlan;

		if (nla_type(attr) != IFLA_VF_VLAN_LIST)
			continue;
		vlan = nla_data((struct nlattr *)nla_data(attr));
		memcpy(bytes, &vlan->vlan_proto, 2);
		printf("in the message to the kernel:   vlan %u protocol bytes %02x %02x\n", vlan->vlan, bytes[0], bytes[1]);
	}
	return 0;
}
C
lib=$work/root/usr/lib/x86_64-linux-gnu
libs=("$work"/root{,/usr}/lib/x86_64-linux-gnu)
gcc -o "$work/show" -I"$work/root/usr/include/libnl3" "$work/show.c" "${libs[@]/#/-L}" -Wl,-rpath-link,"${libs[0]}" \
	"$(find "$work/root" -name 'libnl-route-3.so.200*' | head -n 1)" "$(find "$work/root" -name 'libnl-3.so.200*' | head -n 1)"
seen=$(LD_LIBRARY_PATH=${libs[0]}:$lib "$work/show")
echo "$seen"
[[ $seen == *'read from the kernel'*'vlan 100 protocol 0x88a8'*'to the kernel:   vlan 100 protocol bytes a8 88' ]] ||
	{ echo "CHANGED: libnl-route-3 $VERSION does not do this" >&2 && exit 1; }
echo "as stated"
