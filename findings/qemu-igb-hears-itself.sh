#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A PF of QEMU's igb hears its own broadcasts once it has VFs.
#
# Version:  QEMU 11.1.3 (Debian 13 backports, 1:11.1.3+ds-1~bpo13+1), Linux 6.12.117's igb.
# Expected: an Ethernet NIC does not hear what it sends. With VFs the card has a switch in it, whose ports are PF and VFs; a switch floods a
#           broadcast to all ports but the one it came by. (Linux's igb leaves DTXSWC.LLE, local loopback, off, which says just that.)
# Seen:     the PF's own frame comes back to it, one for one, though VFs are not even used. So a bridge whose uplink is such a PF learns
#           its own guests' addresses at the uplink at their first broadcast, and IPv6 finds its own address taken.
#               0 VFs: 5 broadcasts sent, 0 heard
#               1 VF:  5 broadcasts sent, 5 heard
# Do:       another NIC as uplink, or drop what comes in with a local source (a tc filter at the PF's ingress).
#
# Runs in a lab host (lab/README.md), as it needs QEMU's igb: half a minute.
set -euo pipefail

if [ "${1:-}" != inside ]; then
	exec "$(dirname "$0")/../lab/host" -- "$(realpath "$0")" inside
fi

cd /sys/class/net/pf1
ip link set pf1 up

# show TEXT: five broadcasts, on a wire with nobody on it who would answer or send.
show() {
	local sent heard limit=$((SECONDS + 20))
	until [ "$(cat operstate)" = up ]; do
		[ $SECONDS -lt $limit ] || { echo "pf1 has no link" >&2 && exit 77; }
		sleep 0.1
	done
	sent=$(cat statistics/tx_packets) heard=$(cat statistics/rx_packets)
	busybox arping -q -c 5 -w 6 -I pf1 -s 0.0.0.0 192.0.2.1 || true
	echo "$1 $(($(cat statistics/tx_packets) - sent)) broadcasts sent, $(($(cat statistics/rx_packets) - heard)) heard"
}

uname -r
seen=$(
	show "0 VFs:"
	echo 0 >device/sriov_drivers_autoprobe
	echo 1 >device/sriov_numvfs
	sleep 1 # the PF is reset: its link goes, and comes back
	show "1 VF: "
)
echo "$seen"
stated=$(sed -n '/^# Seen:/,/^# Do:/s/^#               //p' "$0")
[ "$seen" = "$stated" ] || { echo "CHANGED: this QEMU's igb does not do this" >&2 && exit 1; }
echo "as stated"
