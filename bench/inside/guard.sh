# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What it costs an emulated NIC's network to drop the frames that come back by its uplink (host/net/host_guard.h): a bridge that bears tandem's
# mark, and is guarded, beside one that does not, and is left alone. And what the filters of 64 VMs cost a frame, beside that of one.
# needs net.sh

# filters: how many stand where frames come in.
filters() { tc filter show dev up0 ingress 2>/dev/null | grep -c src_mac || true; }

# guard_once SUBJECT: tandem (guarded) or plain.
guard_once() {
	local subject=$1 mark='' expected=0
	[[ $subject != tandem ]] || mark=tandem expected=1
	ip link set br0 alias "$mark"
	nic_vm_start tandem 2 vhost
	[[ $(filters) == "$expected" ]] || fail "$subject: $(filters) filters"
	stream up --proto tcp --count 50 >"$WORK/warm.json" || fail "$subject: no traffic"
	net_sample "$subject" guard_tcp_in .server.mbit_per_s up --proto tcp --count 400
	net_sample "$subject" guard_tcp_out .client.mbit_per_s down --proto tcp --count 400
	net_sample "$subject" guard_rtt .client.us.p50 rtt --count 2000
	nic_vm_stop
}

GUARD_PACKETS=50000

# guard_bridge_up: a bridge between two pairs of interfaces; pktgen sends into port9.
guard_bridge_up() {
	local line
	modprobe pktgen
	ip link add br9 type bridge mcast_snooping 0
	ip link add wire9 type veth peer name port9
	ip link add sink9 type veth peer name end9
	for line in port9 sink9; do ip link set $line master br9; done
	for line in br9 wire9 port9 sink9 end9; do ip link set $line up; done
	bridge fdb replace 52:54:02:00:00:01 dev sink9 master static
	bridge link set dev port9 learning off
	tc qdisc add dev port9 clsact
	echo 'add_device wire9' >/proc/net/pktgen/kpktgend_1
	for line in "count $GUARD_PACKETS" 'pkt_size 60' 'delay 0' 'burst 1' 'dst_mac 52:54:02:00:00:01' 'src_mac 52:54:02:00:00:02'; do
		echo "$line" >/proc/net/pktgen/wire9 2>/dev/null || true
	done
}

# guard_frame_once SUBJECT: tandem (the filters of 64 VMs) or plain (that of one), as host/net/host_guard.c makes them.
guard_frame_once() {
	local subject=$1 count=1 number before after start
	[[ $subject != tandem ]] || count=64
	for ((number = 1; number <= count; number++)); do
		printf 'filter add dev port9 ingress prio 31255 protocol all handle %d flower skip_hw src_mac 52:54:01:00:00:%02x action drop\n' \
			"$number" "$number"
	done | tc -batch -
	before=$(cat /sys/class/net/port9/statistics/rx_packets) start=${EPOCHREALTIME/./}
	echo start >/proc/net/pktgen/pgctrl
	after=$(cat /sys/class/net/port9/statistics/rx_packets)
	sample net "$subject" guard_frame "$(((${EPOCHREALTIME/./} - start) * 1000 / (after - before)))"
	tc filter del dev port9 ingress
}

measure_guard() {
	network_up 2
	in_turn 'guarded network' guard_once tandem plain --
	guard_bridge_up
	in_turn 'filters of 64 VMs' guard_frame_once tandem plain --
}
