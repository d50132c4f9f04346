#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A team (active-backup) below a VM's emulated NIC loses the link of its active member, again and again, under traffic both ways: how long
# nothing comes through; and a VM that is silent is found by the new way, as it is announced. No MAC address is lost on the way.
# Environment: FLAPS (10), LIMIT_MS (250: what a flap may cost on a slow machine, on the average; on one of its own: 100)
# Alone: it measures silences
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/host-tools"

FLAPS=${FLAPS:-10} LIMIT_MS=${LIMIT_MS:-250}

hosts_up() {
	peer_up
	cat >"$WORK/host.yaml" <<-'EOF'
		teams: [{name: team0, members: [up0, up1]}]
		networks: [{name: br0, uplinks: [team0]}]
		modules: [vhost_net]
	EOF
	tandem host apply "$WORK/host.yaml" >/dev/null
	wait_for_links
}

has_link() { [ "$(cat "/sys/class/net/$1/carrier")" = 1 ]; }
active() { cat /sys/class/net/team0/bonding/active_slave; }

wait_for_links() {
	local limit=$((SECONDS + 20))
	until has_link up0 && has_link up1 && grep -c '^MII Status: up' /proc/net/bonding/team0 | grep -qx 3; do
		((SECONDS < limit)) || fail 'the team has not both links'
		sleep 0.05
	done
}

# All MAC addresses that the host has, and where the bridge looks for the VM's.
macs() {
	ip -j link show | jq -r '.[] | select(.ifname | test("^(up|team|br)")) | "\(.ifname) \(.address)"'
	cat /sys/class/net/team0/bonding/slaves
	bridge fdb show br br0 | grep "^$GUEST_MAC "
}

flap() {
	local member
	member=$(active)
	lab-link "$member" off
	sleep 0.4
	[ "$(active)" != "$member" ] || fail "the team stays on $member"
	lab-link "$member" on
	wait_for_links
	sleep 0.1
}

# show TEXT SIDE: what the flaps cost that side. Packets that were lost, as time: holes also come from a busy lab host, and then lose nothing.
show() {
	LOST_MS=$(jq ".$2.udp | .lost / .peer_sent * (.last_sent_at - .first_sent_at) * 1000 / $FLAPS | round" "$WORK/stream.json")
	jq -r --arg text "$1" --arg ms "$LOST_MS" --arg flaps "$FLAPS" ".$2.udp | \"\\(\$text): \\(.lost) of \\(.peer_sent) packets were lost, \" +
		\"those of \\(\$ms) ms at each of \\(\$flaps) flaps; the longest hole that lost any: \\([.gaps[] | select(.missing > 0).ms] | max) ms\"" \
		"$WORK/stream.json"
}

under_traffic() {
	local number
	macs >"$WORK/macs"
	RATE=1000 TCP=5 stream_start 300
	sleep 1
	for ((number = 0; number < FLAPS; number++)); do flap; done
	sleep 0.5
	kill -TERM "$STREAM_PID"
	wait "$STREAM_PID" || fail 'the stream did not end well'
	show 'to the guest' server
	check "traffic to the guest goes on within $LIMIT_MS ms of a lost link" test "$LOST_MS" -le "$LIMIT_MS"
	show 'from the guest' client
	check "traffic from the guest goes on within $LIMIT_MS ms of a lost link" test "$LOST_MS" -le "$LIMIT_MS"
	check 'TCP content is intact' both_ways '.tcp.corrupt == 0'
	check "$FLAPS flaps lose no MAC address" diff "$WORK/macs" <(macs)
}

# Nothing but the announcement tells the outside: the peer does not ask, and the guest sends nothing.
silent() {
	local member
	ip -n peer neigh replace "$GUEST_ADDRESS" lladdr "$GUEST_MAC" dev wire0 nud permanent
	check 'the peer reaches the guest' answers
	sleep 1
	member=$(active)
	lab-link "$member" off
	sleep 0.5
	check 'a silent VM is found by the other member' in_peer ping -c 1 -W 1 "$GUEST_ADDRESS"
	check '  the VM has said so' grep -q 'goes on by another way' "$WORK/errors"
	lab-link "$member" on
}

main() {
	hosts_up
	guest_image 6.12
	vm_start web1 --net "id=net0,mode=emulated,mac=$GUEST_MAC,bridge=br0"
	console_wait '@up' 90
	answers || fail 'the guest does not answer'
	under_traffic
	silent
	vm_stop
	finish
}

main
