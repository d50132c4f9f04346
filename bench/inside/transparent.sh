# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What it costs to be switchable: a transparent NIC on its VF beside the same VF given to the guest as a whole (mode vf).
# needs net.sh

# transparent_once SUBJECT: tandem (mode transparent) or plain (mode vf).
transparent_once() {
	local subject=$1 mode=transparent
	[[ $subject == tandem ]] || mode=vf
	nic_vm_start tandem 2 "$mode"
	stream up --proto tcp --count 50 >"$WORK/warm.json" || fail "$subject: no traffic"
	net_sample "$subject" transparent_tcp_in .server.mbit_per_s up --proto tcp --count 1200
	net_sample "$subject" transparent_tcp_out .client.mbit_per_s down --proto tcp --count 1200
	net_sample "$subject" transparent_rtt .client.us.p50 rtt --count 2000
	net_exits "$subject" transparent
	nic_vm_stop
}

measure_transparent() {
	network_up 2
	# VMs of one kind differ by a quarter under emulation, whatever is done in one: two of each a round.
	in_turn 'transparent NIC' transparent_once tandem plain plain tandem --
}
