#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tandem host doctor on a real host: it finds what is true, each thing that is made wrong with its reason, nothing when all is well; a record
# yields the same.
# lab/host options: --no-acs pf1
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

PF0=/sys/class/net/pf0/device

# findings [COMMAND...]: "reason object" of all that is not fine, one a line. What the lab itself is like is left out: its emulated CPU.
findings() {
	local lab='["no-posted-interrupts", "slow-kicks", "vf-mac-unset"]'
	"$@" tandem host doctor --json 2>"$WORK/doctor-errors" >"$WORK/json" || true
	jq -r --argjson lab "$lab" '.findings[] | select(.severity != "ok" and (.reason | IN($lab[]) | not)) | "\(.reason) \(.object)"' "$WORK/json"
}

# found EXPECTED [COMMAND...]: exactly these, in any order, separated by commas, and the bridge above pf1.
found() {
	local want=$1 got
	shift
	got=$(findings "$@" | sort | paste -sd ,)
	want=$(tr , '\n' <<<"$want,$PF1_BRIDGES" | sort | sed '/^$/d' | paste -sd ,)
	[ "$got" = "$want" ] || {
		printf 'found %s, not %s\n' "$got" "$want"
		cat "$WORK/doctor-errors"
		return 1
	}
}

status_of() { local status=0; "$@" >/dev/null 2>&1 || status=$?; printf %s "$status"; }

# links NIC STATE: until the link is seen.
link_is() {
	local limit=$((SECONDS + 10))
	until [ "$(cat "/sys/class/net/$1/carrier" 2>/dev/null)" = "$2" ]; do
		((SECONDS < limit)) || fail "$1 has carrier $(cat "/sys/class/net/$1/carrier"), not $2"
		sleep 0.2
	done
}

# pf1 hangs below a switch without ACS: so much is found of it always.
PF1_GROUP=$(basename "$(readlink /sys/class/net/pf1/device/iommu_group)")
PF1_BRIDGES=$(for d in "/sys/kernel/iommu_groups/$PF1_GROUP/devices"/*; do
	d=${d##*/}
	[[ $(cat "/sys/bus/pci/devices/$d/class") != 0x0604* ]] || printf 'no-acs %s\n' "$d"
done | paste -sd ,)

case_fresh() {
	check 'a host without VFs: exit 1' [ "$(status_of tandem host doctor)" = 1 ]
	check 'no-vfs' found 'no-vfs pf0'
}

case_good() {
	network_up 2
	check 'VFs, links: nothing stops' found ''
	check 'exit 0' [ "$(status_of tandem host doctor)" = 0 ]
	check 'VFs are counted' jq -e '.findings[] | select(.check == "sriov" and .seen == "VFs made: pf0 2 of 7, pf1 0 of 7")' "$WORK/json"
	check 'groups are seen' jq -e '.findings[] | select(.check == "groups" and (.seen | startswith("2 VFs, each in")))' "$WORK/json"
	check 'interrupt remapping is seen' jq -e '.findings[] | select(.check == "interrupts" and .severity == "ok")' "$WORK/json"
	check 'VFs without MAC are seen' jq -e '.findings[] | select(.reason == "vf-mac-unset" and (.seen | endswith(": 0, 1")))' "$WORK/json"
	ip link set pf0 vf 0 mac 52:54:00:00:00:01
	ip link set pf0 vf 1 mac 52:54:00:00:00:02
	findings >/dev/null
	check 'and VFs with MAC' jq -e '[.findings[] | select(.reason == "vf-mac-unset")] == []' "$WORK/json"
}

case_links() {
	ip link set pf0 down
	check 'PF down' found 'pf-down pf0'
	ip link set pf0 up
	lab-link pf0 off
	link_is pf0 0
	check 'no carrier' found 'pf-no-carrier pf0'
	lab-link pf0 on
	link_is pf0 1
}

case_grabbed() {
	local bdf netdev
	echo 1 >"$PF0/sriov_drivers_autoprobe"
	check 'autoprobe, but nobody who grabs' found ''
	modprobe igbvf
	bdf=$(basename "$(readlink "$PF0/virtfn1")")
	check 'igbvf' found 'vf-autoprobe pf0'
	echo "$bdf" >/sys/bus/pci/drivers_probe
	netdev=$(ls "/sys/bus/pci/devices/$bdf/net")
	ip link set "$netdev" up
	check 'a VF in use' found 'vf-autoprobe pf0,vf-in-host-use pf0'
	ip link set "$netdev" down
	check 'one that is down is free' found 'vf-autoprobe pf0'
	echo "$bdf" >/sys/bus/pci/drivers/igbvf/unbind
	rmmod igbvf
	echo 0 >"$PF0/sriov_drivers_autoprobe"
}

case_bridge() {
	ip link set pf0 master br0
	check 'a PF with VFs as uplink' found 'uplink-returns-frames pf0,uplink-is-vf-pool pf0'
	ip link set pf0 nomaster
	ip link add bond9 type bond mode active-backup
	ip link set pf0 down
	ip link set pf0 master bond9
	ip link set bond9 master br0
	ip link set bond9 up
	link_is pf0 1
	check 'in a team, too' found 'uplink-returns-frames pf0,uplink-is-vf-pool pf0'
	ip link del bond9
	ip link set pf0 up
	link_is pf0 1
	modprobe br_netfilter
	check 'a firewall on bridges' found 'bridge-netfilter host'
	rmmod br_netfilter
}

case_modules() {
	rmmod vfio_pci
	check 'vfio-pci is not loaded' found 'vfio-driver host'
	modprobe vfio-pci
	rmmod vhost_net
	rm -f /dev/vhost-net
	check 'vhost-net is not loaded' found 'no-vhost-net /dev/vhost-net'
	check 'asking has loaded nothing' [ ! -e /sys/module/vhost_net ]
	modprobe vhost_net
	kill "$(cat /run/lab/kvm-holder)"
	timeout 10 sh -c 'until rmmod kvm_amd 2>/dev/null; do sleep 0.1; done'
	rm -f /dev/kvm
	check 'KVM is not loaded' found 'no-kvm /dev/kvm'
	check 'asking has loaded nothing' [ ! -e /sys/module/kvm_amd ]
	modprobe kvm_amd npt=0
	check 'nested paging is off' found 'no-nested-paging kvm_amd'
	rmmod kvm_amd
	modprobe kvm_amd
	check 'all loaded again' found ''
}

case_settings() {
	local group bdf
	echo hpet >/sys/devices/system/clocksource/clocksource0/current_clocksource
	check 'the clock' found 'clock-not-tsc host'
	echo tsc >/sys/devices/system/clocksource/clocksource0/current_clocksource
	echo deny >/sys/kernel/mm/transparent_hugepage/shmem_enabled
	check 'no huge pages' found 'no-huge-pages host'
	echo never >/sys/kernel/mm/transparent_hugepage/shmem_enabled
	mkdir -p /sys/fs/cgroup/a/b
	echo '+memory +pids' >/sys/fs/cgroup/cgroup.subtree_control
	echo 40 >/sys/fs/cgroup/a/pids.max
	echo 1G >/sys/fs/cgroup/a/memory.max
	check "a cgroup's limits" found 'cgroup-memory host,cgroup-tasks host' \
		sh -c 'echo 0 >/sys/fs/cgroup/a/b/cgroup.procs; exec "$@"' sh
	bdf=$(basename "$(readlink "$PF0/virtfn0")")
	group=$(basename "$(readlink "$PF0/virtfn0/iommu_group")")
	echo vfio-pci >"/sys/bus/pci/devices/$bdf/driver_override"
	echo "$bdf" >/sys/bus/pci/drivers_probe
	PF1_BRIDGES='' check 'another user (who does not see ACS)' found "kvm-access /dev/kvm,vfio-access /dev/vfio/$group,memlock-too-low host,no-huge-pages host,no-net-admin host,\
tun-access /dev/net/tun,vhost-access /dev/vhost-net,not-root host" prlimit --memlock=8388608 setpriv --reuid=1000 --regid=1000 --clear-groups
	check 'a VF held by vfio-pci is fine for root' found ''
	check 'exit 1 for the other user' [ "$(status_of setpriv --reuid=1000 --regid=1000 --clear-groups tandem host doctor)" = 1 ]
	echo "$bdf" >/sys/bus/pci/drivers/vfio-pci/unbind
	echo >"/sys/bus/pci/devices/$bdf/driver_override"
}

# pf1's VFs are in one group with their PF.
case_groups() {
	[ -n "$PF1_BRIDGES" ] || {
		say 'pf1 is not below a switch without ACS: lab/host --no-acs pf1'
		return
	}
	ip link set pf1 up
	echo 0 >/sys/class/net/pf1/device/sriov_drivers_autoprobe
	echo 2 >/sys/class/net/pf1/device/sriov_numvfs
	link_is pf1 1
	check 'a group with a PF and its VFs' found "group-not-viable group $PF1_GROUP"
	echo 0 >/sys/class/net/pf1/device/sriov_numvfs
	ip link set pf1 down
}

case_record() {
	local mac status=0
	tandem host doctor --record "$WORK/record.tar" >"$WORK/live" || status=$?
	check 'a record is made' [ "$status" = 0 ]
	tandem host doctor --root "$WORK/record.tar" >"$WORK/again"
	check 'it yields the same' diff "$WORK/live" "$WORK/again"
	mkdir "$WORK/unpacked"
	tar xf "$WORK/record.tar" -C "$WORK/unpacked"
	tandem host doctor --root "$WORK/unpacked" >"$WORK/again"
	check 'unpacked, too' diff "$WORK/live" "$WORK/again"
	rm -rf "$WORK/tree"
	tandem host doctor --record "$WORK/tree/" >/dev/null
	tandem host doctor --root "$WORK/tree" >"$WORK/again"
	check 'and recorded as a directory' diff "$WORK/live" "$WORK/again"
	for mac in /sys/class/net/*/address; do
		mac=$(cat "$mac")
		[ "$mac" = 00:00:00:00:00:00 ] || ! grep -aqi -e "$mac" -e "${mac//:/}" "$WORK/record.tar" || fail "the record holds $mac"
	done
	check 'no MAC of this host is in it' true
	printf 'record: %s bytes; ' "$(stat -c %s "$WORK/record.tar")"
}

case_time() {
	local start=${EPOCHREALTIME/./} ms
	tandem host doctor >/dev/null
	ms=$(((${EPOCHREALTIME/./} - start) / 1000))
	printf 'one look takes %s ms here\n' "$ms"
	check 'it takes less than 3 s' [ "$ms" -lt 3000 ]
}

export TANDEM_RUN_DIR=$WORK/run
modprobe vfio-pci
modprobe vhost_net
for name in ${ONLY:-fresh good links grabbed bridge modules settings groups record time}; do
	printf -- '-- %s\n' "$name"
	"case_$name"
done
finish
