# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What it costs an emulated NIC's network to drop the frames that come back by its uplink (host/host_guard.h): a bridge that bears tandem's
# mark, and is guarded, beside one that does not, and is left alone.
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

measure_guard() {
	network_up 2
	in_turn 'guarded network' guard_once tandem plain --
}
