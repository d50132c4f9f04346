#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Linux's net_failover sends by the standby when the primary has no carrier, and goes on discarding what the standby receives.
#
# Version:  Linux 6.12.117 (Debian 13, 6.12.117+deb13-amd64), net_failover over virtio_net (VIRTIO_NET_F_STANDBY) and e1000e; QEMU 11.1.3.
# Expected: as with a bond in mode active-backup, a primary that loses its carrier gives its place to the standby, in both directions.
# Seen:     only the sending half does. Frames by the standby are dropped as long as a primary is registered, whatever its carrier: the
#           guest asks, the answers come to its standby, and nobody hears them. They count as received there. Taking the primary away
#           (not down) opens the ear.
#               primary without carrier: 5 asked by the standby, 5 answers came to it, 0 heard
#               primary removed:         5 asked by the standby, 5 answers came to it, 5 heard
# Do:       a VMM or host that wants a guest off its VF has to unplug it; the VF's link state is no lever.
#
# Runs a guest by QEMU in a lab host (lab/README.md), for a kernel that is known: a minute.
set -euo pipefail

lab=$(realpath "$(dirname "$0")/../lab")
if [ "${1:-}" != inside ]; then
	work=$(mktemp -d)
	trap 'rm -rf -- "$work"' EXIT
	cat >"$work/job" <<-'J'
		#!/bin/sh
		echo "GUEST $(uname -r)"
		for dir in /sys/class/net/*; do
			[ -e "$dir/master" ] || [ "${dir##*/}" = lo ] || master=${dir##*/}
			case $(readlink "$dir/device/driver") in
			*/virtio_net) [ ! -e "$dir/master" ] || standby=$dir ;;
			*/e1000e) primary=$dir ;;
			esac
		done
		ip addr add 10.0.2.15/24 dev "$master"
		ip link set "$master" up
		sleep 4 # e1000e takes as long to find a link that is there
		show() {
			sent=$(cat "$standby/statistics/tx_packets") came=$(cat "$standby/statistics/rx_packets")
			heard=$(arping -c 5 -w 6 -I "$master" 10.0.2.2 | sed -n 's/^Received \([0-9]*\).*/\1/p')
			echo "SEEN $1 $(($(cat "$standby/statistics/tx_packets") - sent)) asked by the standby," \
				"$(($(cat "$standby/statistics/rx_packets") - came)) answers came to it, $heard heard"
		}
		[ "$(cat "$primary/carrier")" = 0 ] && [ -e "$primary/master" ] && show "primary without carrier:"
		echo 1 >"$primary/device/remove"
		sleep 1
		show "primary removed:        "
	J
	chmod +x "$work/job"
	"$lab/guest" --add "$work/job:/job" --out "$work"
	"$lab/host" -- "$(realpath "$0")" inside "$work"
	exit
fi

cp "$2/vmlinuz" "$2/initrd" /run
# The outside is QEMU's own user network, which answers ARP for 10.0.2.2. The primary's cable is out from the start.
echo 'set_link primary off' | timeout 120 lab-qemu -M q35 -accel kvm -cpu host -m 256M -nodefaults -display none -monitor stdio \
	-serial file:/run/console -kernel /run/vmlinuz -initrd /run/initrd \
	-append 'console=ttyS0 quiet ipv6.disable=1 modules=virtio_pci,virtio_net,e1000e' \
	-netdev user,id=standby,restrict=on -device virtio-net-pci,netdev=standby,failover=on,mac=52:54:00:00:00:01 \
	-netdev user,id=primary,restrict=on -device e1000e,netdev=primary,mac=52:54:00:00:00:01 >/dev/null
kernel=$(tr -d '\r' </run/console | sed -n 's/^GUEST //p')
seen=$(tr -d '\r' </run/console | sed -n 's/^SEEN //p')
echo "$kernel"
echo "$seen"
stated=$(sed -n '/^# Seen:/,/^# Do:/s/^#               //p' "$0")
[ "$seen" = "$stated" ] || { tail -n 20 /run/console && echo "CHANGED: Linux $kernel does not do this" >&2 && exit 1; }
echo "as stated"
