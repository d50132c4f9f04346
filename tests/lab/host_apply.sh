#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tandem host plan, apply and status on two real PFs with seven VFs each, a team and two networks: applied, applied again, drift, what is
# refused, faults and death at steps, two at once, VFs that a VM holds.
# Environment: STEP (19: every so many-th step is one at which apply is killed or fails; 1: each), ONLY="CASE..." (some of them)
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/host-tools"

STEP=${STEP:-19}
CONF=$WORK/host.yaml
faulty=$(dirname "$(command -v tandem)")/tests/tandem_fault # tandem with faults: TANDEM_HOST_FAULT

write_rack() {
	cat >"$CONF" <<-'EOF'
		pools:
		- resourceName: fast
		  nicSelector: {pfNames: [pf0, pf1]}
		  numVfs: 7
		  deviceType: vfio-pci
		  vf: {trust: on, spoofchk: off}
		networks:
		- {name: br0, uplinks: [team0], vlanFiltering: on, vlans: [10, 20-29]}
		- {name: br1, uplinks: [team0], vlan: 7}
		teams:
		- {name: team0, members: [up0, up1], primary: up0}
		hugepages: [{count: 16}]
		modules: [vhost_net, vfio-pci]
	EOF
}

# What the same takes by ip and sysfs, in milliseconds.
by_hand_ms() {
	local start=${EPOCHREALTIME/./} pf vf
	modprobe bonding
	modprobe 8021q
	echo 16 >/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages
	for pf in pf0 pf1; do
		echo 0 >/sys/class/net/$pf/device/sriov_drivers_autoprobe
		echo 7 >/sys/class/net/$pf/device/sriov_numvfs
	done
	ip link add team0 type bond mode active-backup miimon 50
	ip link set up0 master team0
	ip link set up1 master team0
	ip link add link team0 name team0.7 type vlan id 7
	ip link add br0 type bridge mcast_snooping 0 vlan_filtering 1
	ip link add br1 type bridge mcast_snooping 0
	ip link set team0 master br0
	ip link set team0.7 master br1
	ip link set team0 type bond primary up0
	bridge vlan add dev team0 vid 10
	bridge vlan add dev team0 vid 20-29
	ip link set pf0 up
	ip link set pf1 up
	for pf in team0 team0.7 br0 br1; do ip link set $pf up; done
	for pf in pf0 pf1; do
		for vf in 0 1 2 3 4 5 6; do
			ip link set $pf vf $vf trust on
			ip link set $pf vf $vf spoofchk off
			echo vfio-pci >/sys/class/net/$pf/device/virtfn$vf/driver_override
			basename "$(readlink /sys/class/net/$pf/device/virtfn$vf)" >/sys/bus/pci/drivers_probe
		done
	done
	echo $(((${EPOCHREALTIME/./} - start) / 1000))
}

undo_by_hand() {
	local pf
	for pf in br0 br1 team0.7 team0; do ip link del $pf; done
	for pf in pf0 pf1; do
		for vf in /sys/class/net/$pf/device/virtfn*; do
			basename "$(readlink "$vf")" >/sys/bus/pci/drivers/vfio-pci/unbind
		done
		echo 0 >/sys/class/net/$pf/device/sriov_numvfs
	done
	for pf in pf0 pf1 up0 up1; do ip link set $pf down; done
	echo 0 >/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages
}

# milliseconds COMMAND...: how long it takes; its exit status is not looked at.
milliseconds() {
	local start=${EPOCHREALTIME/./}
	"$@" >/dev/null 2>&1 || true
	echo $(((${EPOCHREALTIME/./} - start) / 1000))
}

# The machine does other things too.
best_of_five() {
	for _ in 1 2 3 4 5; do milliseconds "$@"; done | sort -n | head -n 1
}

apply_and_apply_again() {
	local hand apply again plan
	by_hand_ms >/dev/null # modules are loaded, programs are in memory
	undo_by_hand
	sleep 3 # links of PFs whose VFs went
	hand=$(by_hand_ms)
	host_picture >"$WORK/hand"
	undo_by_hand
	sleep 3 # links of PFs whose VFs went
	check 'plan: there is something to do' status_of 2 tandem host plan "$CONF"
	plan=$(best_of_five tandem host plan "$CONF")
	apply=$(milliseconds tandem host apply "$CONF")
	host_picture >"$WORK/rack"
	check 'apply is what ip and sysfs do by hand' diff <(sed 's/ alias .*//' "$WORK/hand") <(sed 's/ alias .*//' "$WORK/rack")
	again=$(best_of_five tandem host apply "$CONF")
	check 'status: in sync' status_of 0 tandem host status "$CONF"
	check 'plan: nothing to do' status_of 0 tandem host plan "$CONF"
	check 'apply again: nothing to do' status_of 0 tandem host apply "$CONF"
	check '  and says so' says '^Nothing to do'
	check 'apply again changed nothing' same_picture "$WORK/rack" 'apply again'
	printf 'by ip and sysfs %d ms, apply %d ms, apply again %d ms, plan %d ms\n' "$hand" "$apply" "$again" "$plan"
	check 'apply takes at most 3 s beyond ip and sysfs' test "$apply" -le $((hand + 3000))
	check 'a second apply takes at most 0.3 s' test "$again" -le 300
	check 'a plan takes at most 0.3 s' test "$plan" -le 300
}

drift() {
	ip link set up1 nomaster
	ip link set pf0 vf 3 trust off
	ip link set br1 type bridge mcast_snooping 1
	bridge vlan del dev team0 vid 25
	echo 3 >/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages
	check 'drift: status sees it' status_of 2 tandem host status "$CONF"
	for pattern in 'up1 .*differs.*put into team0' 'pf0/3 .*trust no -> yes' 'br1 .*mcastSnooping yes -> no' 'team0 .*vlans' '2M .*count 3 -> 16'; do
		check "drift: status says $pattern" says "$pattern"
	done
	check 'drift: in JSON' test "$(tandem host status "$CONF" --json | jq '[.objects[] | select(.in_sync | not)] | length')" = 5
	check 'drift: apply mends it' status_of 0 tandem host apply "$CONF"
	check 'drift: all is as it was' same_picture "$WORK/rack" drift
	ip link del br1
	ip link del team0
	check 'links that somebody took away come back' status_of 0 tandem host apply "$CONF"
	check 'all is as it was' same_picture "$WORK/rack" 'links taken away'
}

bad_files() {
	local bad=$WORK/bad.yaml
	one() {
		printf '%s\n' "$4" >"$bad"
		host_refused "$1" "$2" "$3" tandem host apply "$bad"
	}
	one 'a PF that is not there' pf-missing 'bad.yaml:1:9: pools.0. \(a\): pf pf9: no such network interface; PFs here: pf0, pf1' \
		'pools: [{resourceName: a, numVfs: 1, nicSelector: {pfNames: [pf9]}}]'
	one 'a NIC without SR-IOV' no-sriov 'pf up0: its device has no SR-IOV' 'pools: [{resourceName: a, numVfs: 1, nicSelector: {pfNames: [up0]}}]'
	one 'more VFs than the card has' config-value 'numVfs 8: pf0 has at most 7' 'pools: [{resourceName: a, numVfs: 8, nicSelector: {pfNames: [pf0]}}]'
	one 'an uplink that is not there' link-missing 'up9: no such network interface' 'networks: [{name: x, uplinks: [up9]}]'
	one 'not YAML' config-syntax 'not YAML' 'pools: ['
	one 'nothing but a comment' config-syntax 'is empty; \{\} says that nothing is wanted' '# pools:'
	one 'an unknown key' config-key "did you mean 'networks'" 'network: []'
	ip link add br9 type bridge
	one 'a name that another bridge has' not-ours 'br9: a link of this name \(bridge\) is there, and tandem did not make it' 'networks: [{name: br9}]'
	one 'a name that a NIC has' not-ours 'up1: a link of this name' 'networks: [{name: up1}]'
	ip link set pf1 master br9
	one 'an uplink that another bridge has' not-ours 'pf1: is a port of br9' 'networks: [{name: x, uplinks: [pf1]}]'
	ip link del br9
	check 'a file that is not there' status_of 1 tandem host apply "$WORK/none.yaml"
	one 'more huge pages than memory' hugepages 'huge pages: [0-9]+ MiB more are needed, and the host has [0-9]+ MiB available' \
		'hugepages: [{count: 900000}]'
	check '  plan says so' status_of 2 tandem host plan "$bad"
	check '  and why' says 'apply would refuse: huge pages: .*\[hugepages\]'
	one 'a module that does not exist' module 'module nosuch: this kernel has none of this name' \
		'{modules: [vhost_net, nosuch], hugepages: [{count: 4}]}'
	check '  plan says so' status_of 2 tandem host plan "$bad"
	check '  and why' says 'apply would refuse: module nosuch: .*\[module\]'
	ip link property add dev up1 altname lan1
	one 'another name of a NIC' not-ours 'lan1: is another name of up1' 'networks: [{name: lan1}]'
	ip link property del dev up1 altname lan1
	ip link add link up1 name office type vlan id 9
	one 'a VLAN that somebody has' not-ours 'up1.9: office has this VLAN' 'networks: [{name: x, uplinks: [up1], vlan: 9}]'
	ip link del office
	ip link add link up1 name mv0 type macvlan
	one 'a NIC below a macvlan' not-ours 'up1: mv0 \(macvlan up1\) has what comes in by it' 'networks: [{name: x, uplinks: [up1]}]'
	ip link del mv0
}

unload_bonding() {
	! grep -q '^bonding ' /proc/modules || rmmod bonding
}

# A bond is ours by its mark, not by its name: what the module makes by itself is not, nor what somebody makes where apply failed.
bonds_of_others() {
	local file=$WORK/bond.yaml options=/lib/modprobe.d/systemd.conf # has max_bonds=0, where there is a systemd
	nothing
	unload_bonding
	[ ! -e $options ] || mount --bind /dev/null $options
	sed 's/bonding[^ ]*//' /proc/cmdline >"$WORK/cmdline" # modprobe looks there too
	mount --bind "$WORK/cmdline" /proc/cmdline
	printf 'teams: [{name: bond7, members: [up0]}]\n' >"$file"
	ip -d -o monitor link >"$WORK/seen" &
	local monitor=$!
	until [ -s "$WORK/seen" ]; do
		ip link add probe0 type bridge
		ip link del probe0
	done
	check 'a team, and the module of bonds is not loaded' status_of 0 tandem host apply "$file"
	check '  no bond0 came with it' test ! -e /sys/class/net/bond0
	until grep -q ' bond7: .*alias' "$WORK/seen"; do sleep 0.05; done
	kill "$monitor"
	grep -m 1 ' bond7: ' "$WORK/seen" >"$WORK/first" || true
	check '  the bond was marked from its first moment' grep -q 'group 1952736621 ' "$WORK/first" # TD_HOST_MAKING_GROUP
	check '  and only until it had its alias' test "$(cat /sys/class/net/bond7/netdev_group /sys/class/net/bond7/ifalias)" = $'0\ntandem'
	nothing
	check '  nothing is left in the record' nothing_recorded
	unload_bonding
	echo 'modules: [bonding]' >"$WORK/module.yaml"
	check 'the module alone, by the file' status_of 0 tandem host apply "$WORK/module.yaml"
	check '  no bond0 came with it' test ! -e /sys/class/net/bond0
	status_of 1 env TANDEM_HOST_FAULT=fail-after:1 "$faulty" host apply "$file" || fail 'fail-after:1'
	check 'a bond that was made in vain is gone' test ! -e /sys/class/net/bond7
	check '  from the record too' nothing_recorded
	ip link add bond7 type bond mode balance-xor
	ip link set up0 down
	ip link set up0 master bond7
	host_refused 'a bond that somebody made since' not-ours 'bond7: a link of this name \(bond\) is there' tandem host apply "$file"
	host_picture >"$WORK/before"
	nothing
	check 'apply of nothing leaves it alone' same_picture "$WORK/before" 'a bond of others'
	ip link del bond7
	ip link set up0 down
	unload_bonding
	modprobe bonding
	umount /proc/cmdline
	[ ! -e $options ] || umount $options
	check 'the module makes a bond0 for others' test -e /sys/class/net/bond0
	host_picture >"$WORK/before"
	printf 'teams: [{name: bond0, members: [up0]}]\n' >"$WORK/bond0.yaml"
	host_refused '  it is not ours' not-ours 'bond0: a link of this name' tandem host apply "$WORK/bond0.yaml"
	check '  another team is made beside it' status_of 0 tandem host apply "$file"
	nothing
	check '  and taken away: bond0 stays' same_picture "$WORK/before" 'the bond0 of the module'
	ip link del bond0
}

json_says() {
	jq -e "$1" "$WORK/answer" >/dev/null
}

# The record is lost: what looks like ours is told, and left alone unless the file has it.
record_lost() {
	local record=/run/tandem/host-state.json
	write_small
	nothing
	tandem host apply "$WORK/small.yaml" >/dev/null
	host_picture >"$WORK/small"
	mv "$record" "$WORK/record"
	nothing
	check 'the record is lost, and nothing is wanted: all is left alone' same_picture "$WORK/small" 'record lost'
	check '  and told' says "^team0: looks like tandem's .* it is left alone"
	check '  by plan too' status_of 0 tandem host plan "$WORK/nothing.yaml" --json
	check '  with each' json_says '[.strays[] | select(.taken | not) | .name] | sort == ["br0", "br1", "team0", "up1.7"]'
	check 'what the file has is taken over' status_of 0 tandem host apply "$WORK/small.yaml"
	check '  and told' says "^br0: looks like tandem's .* apply takes it over"
	check '  once' status_of 0 tandem host status "$WORK/small.yaml" --json
	check '  and then it is known' json_says '.strays == []'
	mv "$WORK/record" "$record"
	nothing
}

nothing_recorded() {
	jq -e '.before == [] and .journal == []' /run/tandem/host-state.json >/dev/null
}

own_route() {
	local bad=$WORK/bad.yaml vf
	printf 'pools: [{resourceName: a, numVfs: 2, nicSelector: {pfNames: [pf0]}}]\nnetworks: [{name: x, uplinks: [up0]}]\n' >"$bad"
	ip address add 10.7.0.1/24 dev up0
	ip link set up0 up
	host_refused 'a NIC with an address' would-disconnect 'up0: put into x: its address 10.7.0.1/24 is no longer reached' tandem host apply "$bad"
	ip route add default via 10.7.0.2 dev up0
	host_refused 'the default route' would-disconnect 'up0: put into x: the default route goes over it' tandem host apply "$bad"
	check 'plan says that apply would refuse' status_of 2 tandem host plan "$bad"
	check '  and why' says 'apply would refuse: up0: .*would-disconnect'
	ip route del default
	ip link add link pf0 name pf0.9 type vlan id 9
	ip address add 10.8.0.1/24 dev pf0.9
	ip link set pf0 up
	ip link set pf0.9 up
	host_refused 'a PF that the SSH session comes over' would-disconnect 'pf0: numVfs 0 -> 2: the SSH session from 10.8.0.5 goes over it' \
		env SSH_CONNECTION='10.8.0.5 1 10.8.0.1 22' tandem host apply "$bad"
	check '--allow-disconnect does it' status_of 0 env SSH_CONNECTION='10.8.0.5 1 10.8.0.1 22' tandem host apply "$bad" --allow-disconnect
	ip link del pf0.9
	ip address flush dev up0
	vf=$(basename /sys/class/net/pf0/device/virtfn1/net/*)
	ip address add 10.9.0.1/24 dev "$vf"
	host_refused 'a VF that the host uses' vf-busy "the host itself \($vf: 10.9.0.1/24\) has VF 1" tandem host apply "$WORK/nothing.yaml"
	ip address flush dev "$vf"
	ip link set "$vf" netns peer
	host_refused 'a VF that a container has' vf-busy 'a container or another program has it' tandem host apply "$WORK/nothing.yaml" --force
	ip -n peer link set "$vf" netns 1
	nothing
	# apply found them up, and left them so.
	ip link set pf0 down
	ip link set up0 down
}

nothing() {
	tandem host apply "$WORK/nothing.yaml" >"$WORK/answer" 2>&1 || {
		cat "$WORK/answer" >&2
		fail 'apply of nothing'
	}
}

# A smaller host than the rack, and another to go to.
write_small() {
	cat >"$WORK/small.yaml" <<-'EOF'
		pools: [{resourceName: a, nicSelector: {pfNames: [pf0]}, numVfs: 2, deviceType: vfio-pci, mtu: 1600, vf: {trust: on}}]
		networks: [{name: br0, uplinks: [team0]}, {name: br1, uplinks: [up1], vlan: 7, isolated: on}]
		teams: [{name: team0, members: [up0]}]
	EOF
	cat >"$WORK/next.yaml" <<-'EOF'
		pools: [{resourceName: a, nicSelector: {pfNames: [pf0]}, numVfs: 1, deviceType: vfio-pci, vf: {vlan: 4}}]
		networks: [{name: br0, uplinks: [up0], mtu: 1400}, {name: br2, uplinks: [team0], vlanFiltering: on, vlans: [5]}]
		teams: [{name: team0, mode: 802.3ad, members: [up1], lacpRate: fast}]
	EOF
}

# At every STEPth step: fault KIND, then nothing is half-done, or the next apply mends it.
faults() {
	local count at kind
	write_small
	nothing
	tandem host apply "$WORK/next.yaml" >/dev/null
	host_picture >"$WORK/next"
	nothing
	tandem host apply "$WORK/small.yaml" >/dev/null
	host_picture >"$WORK/small"
	count=$({ tandem host plan "$WORK/next.yaml" --json || true; } | jq '.changes | length')
	printf 'from one file to the other: %d steps\n' "$count"
	TANDEM_HOST_FAULT=fail:3 "$faulty" host apply "$WORK/next.yaml" --json >"$WORK/failed.json" 2>/dev/null || true
	check 'JSON of a failure: the reason, what was done, and that it was undone' jq -e '
		.ok == false and .error.reason == "internal" and (.changes | length) == 2 and .failed.name and (.undone | length) == 3' "$WORK/failed.json"
	for ((at = 1; at <= count; at += STEP)); do
		for kind in fail fail-after; do
			status_of 1 env TANDEM_HOST_FAULT=$kind:$at "$faulty" host apply "$WORK/next.yaml" || fail "$kind:$at"
			says '; undone \[internal\]$' || fail "$kind:$at"
			same_picture "$WORK/small" "$kind:$at" || fail "$kind:$at is not undone"
		done
		for kind in kill-before kill-after; do
			status_of 137 env TANDEM_HOST_FAULT=$kind:$at "$faulty" host apply "$WORK/next.yaml" || fail "$kind:$at"
			status_of 2 tandem host plan "$WORK/next.yaml" || fail "$kind:$at: plan"
			# The next one finishes, or fails as well and then all is as it was before the first. After the last step nothing can fail.
			if ((at / STEP % 2 || at == count)); then
				status_of 0 tandem host apply "$WORK/next.yaml" || fail "$kind:$at: the next apply"
				same_picture "$WORK/next" "$kind:$at" || fail "$kind:$at is not finished"
				status_of 0 tandem host apply "$WORK/small.yaml" || fail "$kind:$at: back"
			else
				status_of 1 env TANDEM_HOST_FAULT=fail:1 "$faulty" host apply "$WORK/next.yaml" || fail "$kind:$at: the next apply"
			fi
			same_picture "$WORK/small" "$kind:$at" || fail "$kind:$at is not undone"
		done
	done
	check "faults and death at every ${STEP}th step: undone, or finished by the next apply" true
}

two_at_once() {
	local other
	nothing
	tandem host apply "$CONF" >"$WORK/first" 2>&1 &
	other=$!
	until [ -s /run/tandem/host.lock ] && grep -qx "$other" /run/tandem/host.lock; do sleep 0.02; done
	check 'two at once: the second is refused' status_of 1 tandem host apply "$CONF"
	check '  and says who' says "another tandem host apply runs, as process $other \[host-busy\]"
	check 'two at once: the first goes on' wait "$other"
	check 'two at once: all is as it shall be' status_of 0 tandem host status "$CONF"
}

file_changes() {
	nothing
	cp "$CONF" "$WORK/moving.yaml"
	tandem host apply "$WORK/moving.yaml" >"$WORK/moving.out" 2>&1 &
	local pid=$! status=0
	sleep 1.5
	echo '# changed' >>"$WORK/moving.yaml"
	wait "$pid" || status=$?
	check 'a file that changes meanwhile: apply says so' grep -q 'changed meanwhile.*\[file-changed\]' "$WORK/moving.out"
	check '  and fails' test "$status" = 1
}

held() {
	local bdf lock
	tandem host apply "$CONF" >/dev/null
	host_picture >"$WORK/rack"
	guest_image
	vm_start web1 --net "id=net0,mode=failover,mac=$GUEST_MAC,bridge=br0,pf=pf0,path=vf,plug_timeout=30s,unplug_timeout=20s"
	console_wait '@up' 90
	nic_wait .path vf 60
	nic_wait .state idle 30
	bdf=$(nic_get .vf.bdf)
	check 'a VM has a VF and a port: still in sync' status_of 0 tandem host status "$CONF"
	check '  and status says who has it' says 'VM web1'
	sed 's/numVfs: 7/numVfs: 5/' "$CONF" >"$WORK/fewer.yaml"
	check 'plan names the VM that loses its VF' status_of 2 tandem host plan "$WORK/fewer.yaml"
	check '  with its VF' says "VM web1 loses VF . \($bdf\)"
	host_refused 'fewer VFs while a VM holds one' vf-busy "pf0: numVfs 7 -> 5 .*VM web1 has VF . \($bdf\)" tandem host apply "$WORK/fewer.yaml"
	host_refused 'a network goes while a VM is in it' vf-busy 'web1/net0' tandem host apply "$WORK/nothing.yaml"
	nic_wait .path vf 5
	check '--force: the VM goes to its emulated path, and the VFs are made anew' status_of 0 tandem host apply "$WORK/fewer.yaml" --force
	check '  the VM runs on its emulated path' test "$(nic_get .path)" = emulated
	check '  without a VF' test "$(nic_get '.vf.bdf // ""')" = ''
	check '  pf0 has five VFs' test "$(cat /sys/class/net/pf0/device/sriov_numvfs)" = 5
	# It was sent away, so it does not come back by itself.
	switch_nic vf
	check '  and may have one of them' test "$(nic_get .path)" = vf
	vm_stop
	# Another program than tandem.
	lock=$(basename "$(readlink /sys/class/net/pf1/device/virtfn2/iommu_group)")
	exec {HELD}<>"/dev/vfio/$lock"
	host_refused 'another program has a VF' vf-busy 'another program than tandem has VF 2' tandem host apply "$WORK/nothing.yaml"
	exec {HELD}>&-
	check 'nothing holds them any more' status_of 0 tandem host apply "$WORK/nothing.yaml"
}

# A VM takes a VF after apply has looked, and before the VF goes.
raced() {
	local bdf pid status=0
	tandem host apply "$CONF" >/dev/null
	host_picture >"$WORK/before"
	bdf=$(basename "$(readlink /sys/class/net/pf1/device/virtfn2)")
	TANDEM_HOST_FAULT=stop-before:1 "$faulty" host apply "$WORK/nothing.yaml" >"$WORK/answer" 2>&1 &
	pid=$!
	until grep -q '^State:.T' "/proc/$pid/status"; do sleep 0.02; done
	exec {HELD}<>"/run/tandem/vf-$bdf.lock"
	flock -n "$HELD"
	truncate -s 0 "/run/tandem/vf-$bdf.lock"
	printf web9 >"/run/tandem/vf-$bdf.lock"
	kill -CONT "$pid"
	wait "$pid" || status=$?
	check 'a VM is faster than apply: it keeps its VF' test "$status" = 1
	check '  and all is as before' says "vf $bdf: held by VM web9; undone \\[vf-busy\\]"
	exec {HELD}>&-
	check '  all of it' same_picture "$WORK/before" raced
	nothing
}

wants_nothing() {
	nothing
	check 'a file that wants nothing: all is as it was at first' same_picture "$WORK/fresh" nothing
}

main() {
	local name
	write_rack
	echo '{}' >"$WORK/nothing.yaml"
	host_picture >"$WORK/fresh"
	for name in ${ONLY:-apply_and_apply_again drift wants_nothing bad_files bonds_of_others record_lost own_route faults two_at_once \
		file_changes held raced}; do
		printf -- '-- %s (%s s)\n' "$name" $SECONDS
		"$name"
	done
	check 'at the end all is as it was at first' same_picture "$WORK/fresh" end
	finish
}

main
