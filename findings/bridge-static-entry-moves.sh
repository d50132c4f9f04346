#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A static entry of a Linux bridge's FDB follows whoever sends with its address.
#
# Version:  Linux 6.12.117 (Debian 13, 6.12.117+deb13-amd64), iproute2 6.1.0.
# Expected: "static" is the opposite of learned: an entry that an administrator made stands where it was put, as on any switch, and a
#           frame that comes in with its address by another port changes nothing.
# Seen:     static only keeps it from ageing. One frame with that source by another port moves it there, and it is still called static:
#           what is sent to the address goes to the other port from then on, for good. Only `sticky` (Linux 4.20) makes it stay.
#               static          at port a; after a frame from port b: at port b, static
#               static sticky   at port a; after a frame from port b: at port a, static
# Do:       bridge fdb add MAC dev PORT master static sticky. A frame that comes in elsewhere is forwarded all the same.
#
# Runs in a lab host (lab/README.md), for a kernel that is known: half a minute.
set -euo pipefail

if [ "${1:-}" != inside ]; then
	exec "$(dirname "$0")/../lab/host" -- "$(realpath "$0")" inside
fi

ip link add br0 type bridge
ip link set br0 up
for port in a b; do
	ip netns add "$port"
	ip link add "port-$port" type veth peer name eth0 netns "$port"
	ip link set "port-$port" master br0 up
	ip -n "$port" link set eth0 up
done

# entry MAC: where it is, and what it is called.
entry() {
	bridge fdb show br br0 | awk -v mac="$1" '$1 == mac && $4 != "vlan" {
		print "at port " substr($3, 6) ($NF == "static" ? ", static" : ", " $NF) }'
}

# show MAC FLAG…: enters it at port a; then a station behind port b sends one frame with that source.
show() {
	local mac=$1 before
	shift
	bridge fdb add "$mac" dev port-a master "$@"
	before=$(entry "$mac")
	ip -n b link set eth0 down
	ip -n b link set eth0 address "$mac"
	ip -n b link set eth0 up
	ip netns exec b busybox arping -q -c 1 -w 1 -I eth0 -s 0.0.0.0 192.0.2.1 || true # nobody answers
	printf '%-15s %s; after a frame from port b: %s\n' "$*" "${before%%,*}" "$(entry "$mac")"
}

uname -r
seen=$(
	show 52:54:00:00:00:01 static
	show 52:54:00:00:00:02 static sticky
)
echo "$seen"
stated=$(sed -n '/^# Seen:/,/^# Do:/s/^#               //p' "$0")
[ "$seen" = "$stated" ] || { echo "CHANGED: Linux $(uname -r) does not do this" >&2 && exit 1; }
echo "as stated"
