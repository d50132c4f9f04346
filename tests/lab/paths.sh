#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# An emulated path that does not work: each way that links can ail it is seen at once, shown by `nic list`, `nic info` and `host status`, and no
# flip leads there unless somebody insists; a port that will forward soon is waited for; a PF without link is not left for it; and it is
# announced when it works again, for 20 VMs (VMS) at once. How long after a change it is seen is shown, with what an idle VM costs.
# Alone: it compares times
# lab/host -- env ONLY="CASE…" tests/lab/paths.sh: some of the cases: ails forced waits lesser_evil seen_soon idle_cost announced
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/nic-tools"

VMS=${VMS:-20}

health() { nic_get .emulated.health; }
is_health() { [ "$(health)" = "$1" ]; }

listed() { tandem nic list | awk -v nic=net0 -v word="$1" '$2 == nic { found = $NF == word } END { exit !found }'; }

# ails REASON TEXT COMMAND MENDS: on the VF.
ails() {
	local reason=$1 text=$2
	eval "$3"
	check "$3: $reason" soon 5 is_health "$reason"
	check '  in words' [[ "$(nic_get .emulated.text)" == "$text" ]]
	check '  nic list says it' listed "$reason"
	check '  the flip there is refused' switch_fails emulated "$reason"
	check '  and the NIC is on its VF' [ "$(nic_get '"\(.path) \(.wanted) \(.state)"')" = 'vf vf idle' ]
	eval "$4"
	check "$4: mended" soon 5 is_health ok
}

tap() { nic_get .tap; }

# What takes the tap away for good is not here: that is made anew (networks.sh).
case_ails() {
	local tap
	nic_vm unplug_timeout=20s,plug_timeout=30s # a busy machine's guest is slow
	on_vf
	tap=$(tap)
	check 'all is well' is_health ok
	ails bridge-down 'bridge br0 is down' 'ip link set br0 down' 'ip link set br0 up'
	ails no-port "tap $tap is no port of br0" "ip link set $tap nomaster" "ip link set $tap master br0"
	ip link add br9 type bridge
	ails no-port "tap $tap is a port of br9, not of br0" "ip link set $tap master br9" "ip link set $tap master br0"
	ip link del br9
	ails port-not-forwarding "tap $tap is down" "ip link set $tap down" "ip link set $tap up"
	ails no-carrier 'br0 has no uplink any more' 'ip link set up0 nomaster' 'ip link set up0 master br0'
	ails no-carrier 'uplink up0 of br0 has no link' 'ip link set up0 down' 'ip link set up0 up'
	ails no-carrier 'uplink up0 of br0 has no link' 'lab-link up0 off' 'lab-link up0 on'
	ails vlan-missing "port $tap of br0 takes no untagged frames" \
		"ip link set br0 type bridge vlan_filtering 1; bridge vlan del dev $tap vid 1" "bridge vlan add dev $tap vid 1 pvid untagged"
	ails vlan-missing 'uplink up0 of br0 does not take VLAN 1 untagged, as the VF sends it' 'bridge vlan add dev up0 vid 1 pvid' \
		'bridge vlan add dev up0 vid 1 pvid untagged; ip link set br0 type bridge vlan_filtering 0'
	ails mtu-too-small 'br0 takes packets of 1400 bytes, the guest sends up to 1500' 'ip link set br0 mtu 1400' 'ip link set br0 mtu 1500'
	echo '{}' >"$WORK/nothing.yaml"
	ip link set br0 down
	soon 5 is_health bridge-down || true
	tandem host status "$WORK/nothing.yaml" >"$WORK/status" && status=0 || status=$?
	check 'host status says it, and exits with 2' grep -q 'nic net0: emulated path: bridge br0 is down \[bridge-down\]' "$WORK/status"
	check '  status 2' [ "$status" = 2 ]
	ip link set br0 up
	soon 5 is_health ok || true
	switch_nic emulated
	check 'a flip there is proven' [ "$(nic_get '.flips[-1].proof')" = announcement-seen ]
	ip link set br0 down
	soon 5 is_health bridge-down || true
	check 'on that path it is the reason, too' [ "$(nic_get '"\(.path) \(.reason) \(.reason_text)"')" = 'emulated bridge-down bridge br0 is down' ]
	ip link set br0 up
	soon 5 is_health ok || true
	check 'and is none when it works' [ "$(nic_get .reason)" = none ]
	check 'the guest answers' answers
	switch_nic vf
}

case_forced() {
	nic_vm unplug_timeout=20s,plug_timeout=30s # a busy machine's guest is slow
	on_vf
	ip link set br0 down
	soon 5 is_health bridge-down || true
	check '--force insists' tandem nic switch faults/net0 --to emulated --force
	nic_wait .state idle 20
	check 'and is unproven' [ "$(nic_get '.flips[-1] | "\(.ok) \(.forced) \(.proof)"')" = 'true true unproven' ]
	ip link set br0 up
	soon 5 is_health ok || true
	check 'the guest answers by it' answers
	switch_nic vf
	lab-link up0 off
	soon 5 is_health no-carrier || true
	check '--force, where the uplink has no link' tandem nic switch faults/net0 --to emulated --force
	nic_wait .state idle 20
	check '  is unproven, too' [ "$(nic_get '.flips[-1] | "\(.ok) \(.proof)"')" = 'true unproven' ]
	lab-link up0 on
	soon 5 is_health ok || true
	in_peer ping -q -i 0.05 "$GUEST_ADDRESS" >/dev/null &
	switch_nic vf
	check 'on its VF it is proven by a counter' soon 5 proven counter
	kill $!
}

proven() { [ "$(nic_get '.flips[-1].proof')" = "$1" ]; }

# Spanning tree: 4 s of listening and 4 of learning.
case_waits() {
	local tap before
	nic_vm unplug_timeout=20s,plug_timeout=30s # a busy machine's guest is slow
	on_vf
	tap=$(tap)
	ip link set br0 type bridge stp_state 1 forward_delay 400
	soon 20 is_health ok || fail 'the ports of br0 do not forward'
	ip link set "$tap" nomaster
	ip link set "$tap" master br0
	check 'the port is about to forward' soon 3 is_health port-not-forwarding
	before=$(nic_get .flips_total)
	tandem nic switch faults/net0 --to emulated >"$WORK/switch" 2>&1 &
	soon 2 in_phase reserve || true
	check 'the flip waits' in_phase reserve
	check '  and the guest keeps its VF' [ "$(nic_get '"\(.path) \(.vf.state)"')" = 'vf plugged' ]
	check '  and is reached' answers
	wait $! || cat "$WORK/switch"
	check 'it is made when the port forwards' [ "$(nic_get '"\(.path) \(.emulated.health) \(.flips[-1].ok)"')" = 'emulated ok true' ]
	check 'once' [ "$(nic_get .flips_total)" = $((before + 1)) ]
	check 'the guest answers' answers
	ip link set br0 type bridge stp_state 0
	soon 20 is_health ok || fail 'the ports of br0 do not forward'
	switch_nic vf
}

in_phase() { [ "$(nic_get .state)" = "$1" ]; }

case_lesser_evil() {
	nic_vm unplug_timeout=20s,plug_timeout=30s # a busy machine's guest is slow
	on_vf
	ip link set br0 down
	soon 5 is_health bridge-down || true
	ip link set pf0 down
	check 'neither works: it says so' soon 10 reason_is pf-down
	check '  by both names' [[ "$(nic_get .reason_text)" == 'pf pf0 has no link, and its emulated path does not work either: bridge br0 is down' ]]
	check '  and stays' [ "$(nic_get '"\(.path) \(.state)"')" = 'vf idle' ]
	ip link set br0 up
	check 'it leaves when the other path works' soon 20 on_path emulated
	check 'the guest answers' answers
	ip link set pf0 up
	on_vf
	check 'the guest answers on its VF' answers
}

reason_is() { [ "$(nic_get .reason)" = "$1" ]; }
on_path() { [ "$(nic_get .path)" = "$1" ]; }

# seen_us HEALTH COMMAND...: after how long it is seen, from when the kernel told of it first. Nothing, where that was not heard here.
seen_us() {
	local health=$1 monitor from since
	shift
	stdbuf -oL ip -timestamp monitor link >"$WORK/monitor" &
	monitor=$!
	sleep 1 # until it listens
	"$@"
	soon 10 is_health "$health" || return 1
	kill "$monitor"
	grep -q ^Timestamp: "$WORK/monitor" || return 0
	from=$(awk '$1 == "Timestamp:" { print $3, $4, $6, $5, $7; exit }' "$WORK/monitor")
	since=$(nic_get '.emulated.since_monotonic_s * 1e6 | floor')
	echo $((since + OFFSET_US - $(date -d "${from% *}" +%s) * 1000000 - ${from##* }))
}

# OFFSET_US: what CLOCK_MONOTONIC is behind EPOCHREALTIME.
compare_clocks() {
	local now at ns
	while read -r now at ns _; do [[ $now != now ]] || break; done </proc/timer_list
	OFFSET_US=$((${EPOCHREALTIME/./} - ns / 1000))
}

case_seen_soon() {
	local round us tap all=() median
	nic_vm unplug_timeout=20s,plug_timeout=30s # a busy machine's guest is slow
	on_vf
	tap=$(tap)
	compare_clocks
	ip link set br0 type bridge vlan_filtering 1
	for ((round = 0; round < 3; round++)); do
		while read -r health command; do
			# shellcheck disable=SC2086 # words are wanted
			us=$(seen_us "$health" $command) || fail "$command: it is not seen"
			all+=(${us:+"$us"})
		done <<-END
			bridge-down ip link set br0 down
			ok ip link set br0 up
			no-port ip link set $tap nomaster
			ok ip link set $tap master br0
			vlan-missing bridge vlan del dev $tap vid 1
			ok bridge vlan add dev $tap vid 1 pvid untagged
			no-carrier ip link set up0 down
			ok ip link set up0 up
			no-carrier ip link set up0 nomaster
			ok ip link set up0 master br0
		END
	done
	ip link set br0 type bridge vlan_filtering 0
	check 'most changes were measured' [ ${#all[@]} -ge 20 ]
	median=$(printf '%s\n' "${all[@]}" | sort -n | sed -n "$((${#all[@]} / 2))p")
	printf 'from when the kernel tells of a change to what is shown: median %s us of %s\n' "$median" "${all[*]}"
	check 'it is seen soon (50 ms in the median, on a machine at rest)' [ "$median" -le 150000 ]
}

# What the VM's process asks of the kernel while nothing happens. A host that has just booted has links that still come up, and each wakes
# who listens: so it is looked for ten quiet seconds. One that polls has none.
case_idle_cost() {
	local before after try
	vm_reused none || true # its VM is ended
	idle_vm idle0 bridge=br0
	for try in 1 2 3 4; do
		before=$(switches idle0) && sleep 10 && after=$(switches idle0)
		((after - before > 2)) || break
	done
	printf 'a VM with an emulated NIC, at rest: its main loop and jobs woke %s times in 10 s (try %s)\n' $((after - before)) "$try"
	check 'nothing is looked at' [ $((after - before)) -le 2 ]
	tandem vm kill idle0
	wait
}

# switches VM: how often its threads but the vCPUs slept, which each call that waits ends in.
switches() {
	local pid
	pid=$(tandem vm info "$1" --json | jq .pid)
	grep -L vcpu "/proc/$pid"/task/*/comm | while read -r comm; do grep ^voluntary "${comm%comm}status"; done | awk '{ sum += $2 } END { print sum }'
}

# br9, whose uplink ends in br8: what is announced on the one is learned by the other.
make_br9() {
	ip link add br9 type bridge mcast_snooping 0
	ip link add link cable9 name up9 type macvlan mode passthru
	ip link set up9 master br9
	ip link set up9 up
}

learned() { bridge fdb show br br8 dev wire9 | grep -c '^52:54:00:99' || true; }

case_announced() {
	local number from at
	vm_reused none || true
	ip link add cable9 type veth peer name wire9
	ip link add br8 type bridge mcast_snooping 0
	ip link set wire9 master br8
	ip link set cable9 up
	ip link set wire9 up
	ip link set br8 up
	make_br9
	ip link set br9 up
	for ((number = 0; number < VMS; number++)); do
		idle_vm "away$number" "bridge=br9,mac=$(printf '52:54:00:99:00:%02x' "$number")"
	done
	ip link del up9
	ip link del br9
	soon 10 all_say bridge-down || true
	echo 1 >/sys/class/net/wire9/brport/flush
	check 'nothing is known of them outside' [ "$(learned)" = 0 ]
	make_br9
	stdbuf -oL bridge -timestamp monitor fdb >"$WORK/fdb" &
	local monitor=$!
	sleep 1
	from=$(date +%s%6N)
	ip link set br9 up
	soon 20 all_learned || true
	kill "$monitor"
	check "$VMS VMs are announced on the bridge that was made anew" [ "$(learned)" = "$VMS" ]
	mapfile -t at < <(when_learned)
	check 'when is known of each' [ "${#at[@]}" = "$VMS" ]
	printf 'learned outside after the bridge came up: first %s ms, last %s ms\n' $(((${at[0]:-0} - from) / 1000)) $(((${at[-1]:-0} - from) / 1000))
	check 'soon (0.5 s on a machine at rest)' [ $((${at[-1]:-0} - from)) -le 2000000 ]
	for ((number = 0; number < VMS; number++)); do tandem vm kill "away$number"; done
	wait
}

all_learned() { [ "$(learned)" = "$VMS" ]; }
all_say() { [ "$(tandem nic list --json | jq --arg word "$1" '[.[] | select(.emulated.health == $word)] | length')" = "$VMS" ]; }

# The first time of each address, in microseconds since 1970, in their order.
when_learned() {
	awk '$1 == "Timestamp:" { at = $3 " " $4 " " $6 " " $5; us = $7 } /^52:54:00:99.* dev wire9 / && !seen[$1]++ { print us, at }' "$WORK/fdb" |
		while read -r us at; do echo $(($(date -d "$at" +%s) * 1000000 + us)); done | sort -n
}

guest_image
network_up 2
for name in ${ONLY:-ails forced waits lesser_evil seen_soon idle_cost announced}; do
	say "case $name"
	"case_$name"
done
finish
