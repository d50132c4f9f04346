# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Shared by the scenarios, which run in a lab host: networks, a guest image, a VM with its console, and how a scenario ends.
# Scenarios begin with: . "$(dirname "$0")/lib.sh"

SCENARIO=$(basename "$0" .sh)
CHECKOUT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
WORK=/run/scenario
PEER_ADDRESS=10.1.0.1 GUEST_ADDRESS=10.1.0.2 GUEST_MAC=52:54:00:12:34:56
FAILURES=0

say() { printf '%s: %s\n' "$SCENARIO" "$*" >&2; }

# fail TEXT: ends the scenario at once, with what the VM said last.
fail() {
	say "FAILED: $*"
	vm_show
	exit 1
}

skip() {
	printf '%s\n' "$*"
	exit 77
}

# check TEXT CONDITION...: one line; the scenario goes on, and fails at its end.
check() {
	local text=$1
	shift
	if "$@"; then
		printf 'ok    %s\n' "$text"
	else
		printf 'FAIL  %s\n' "$text"
		FAILURES=$((FAILURES + 1))
	fi
}

# The last line of a scenario.
finish() {
	((FAILURES == 0)) || fail "$FAILURES checks"
}

# soon SECONDS CONDITION...: until it holds.
soon() {
	local limit=$((SECONDS + $1))
	shift
	until "$@"; do
		((SECONDS < limit)) || return 1
		sleep 0.2
	done
}

in_peer() { ip netns exec peer "$@"; }

[ -n "${LAB_SHARED:-}" ] || skip "runs in a lab host: lab/host -- $0"
mkdir -p "$WORK"
# Packets that are counted are lost by the network or not at all: fq_codel, the default, drops some that a slow machine let wait. Before any
# interface comes up; guest-job does the same in guests.
sysctl -qw net.core.default_qdisc=pfifo_fast
# Only the interface that has an address answers for it: on the same switch as br0's up0 is pf0, which would, too, and a guest that believed
# its answer would send to the bridge's address through both, and lose what is longer than pf0 takes.
sysctl -qw net.ipv4.conf.all.arp_ignore=1

# ---- the host

# peer_up: PEER_ADDRESS outside; no IPv6 there nor here.
peer_up() {
	sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1 || true
	in_peer sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1 || true
	ip -n peer address add "$PEER_ADDRESS/24" dev wire0
	ip -n peer link set wire0 up
}

# network_up [VFS]: bridge br0 on up0, PEER_ADDRESS outside, VFs on pf0.
network_up() {
	local limit=$((SECONDS + 20))
	peer_up
	ip link add br0 type bridge mcast_snooping 0
	ip link set up0 master br0
	ip link set up0 up
	ip link set br0 up
	ip link set pf0 up
	echo 0 >/sys/class/net/pf0/device/sriov_drivers_autoprobe
	echo "${1:-2}" >/sys/class/net/pf0/device/sriov_numvfs
	modprobe vfio-pci
	modprobe vhost_net
	until [ "$(cat /sys/class/net/pf0/carrier 2>/dev/null)" = 1 ] && [ "$(cat /sys/class/net/up0/carrier)" = 1 ]; do
		((SECONDS < limit)) || fail "pf0 or up0 has no link"
		sleep 0.2
	done
}

# guest_image [KERNEL [OPTION...]]: WORK/vmlinuz and WORK/initrd, with tandem-stream and guest-job; OPTIONs of lab/guest.
guest_image() {
	"$CHECKOUT/lab/guest" --kernel "${1:-6.12}" "${@:2}" --out "$WORK" --add "$(command -v tandem-stream):/bin/tandem-stream" \
		--add "$CHECKOUT/tests/lab/guest-job:/job"
}

# kernel_dir SERIES: where the lab's kernel of that series is: vmlinuz, vmlinux (6.12 and later), kernel/.
kernel_dir() (
	. "$CHECKOUT/lab/lib/common.sh"
	. "$CHECKOUT/lab/lib/tree.sh"
	tree_find
	version=$(tree_kernel "$1") && printf '%s\n' "$TREE/usr/lib/modules/$version"
)

# All that a VM takes from a host: VFs' drivers and settings, interfaces, bridge ports, groups, run directories, huge pages.
host_state() {
	ls -go --time-style=+ /sys/bus/pci/devices/*/driver
	cat /sys/bus/pci/devices/*/driver_override /sys/kernel/mm/hugepages/*/free_hugepages
	ip -o link show | sed -E 's/^[0-9]+: //; s/<[^>]*>//; s/ (state|qdisc) [a-z_A-Z]+//g'
	ls -A /dev/vfio
	find /run/tandem -mindepth 1 ! -name 'vf-*.lock' ! -name 'mac-*.lock' 2>/dev/null || true
}

# ---- a VM

# small_vm: VM is a command whose VM would run, were it not for the flags that a case adds.
small_vm() {
	cat >"$WORK/small.yaml" <<-END
		memory: {size: 128M}
		payload: {kernel: $WORK/vmlinuz, initramfs: $WORK/initrd}
		serial: {mode: off}
	END
	VM=(tandem run "$WORK/small.yaml")
}

# refused REASON PATTERN COMMAND...: it ends with exit status 1 or 2, one line that matches the glob and says the reason, one that says what
# to do, and the host is as before.
refused() {
	local reason=$1 pattern=$2 status=0 before after lines
	shift 2
	before=$(host_state)
	timeout -s QUIT -k 5 20 "$@" </dev/null >"$WORK/output" 2>&1 || status=$?
	after=$(host_state)
	mapfile -t lines <"$WORK/output"
	# shellcheck disable=SC2053 # a glob is wanted
	if [[ $status = [12] && ${#lines[@]} = 2 && ${lines[0]} == tandem:*$pattern*"[$reason]" && ${lines[1]} == '  try: '* &&
		$after = "$before" ]]; then
		printf '      %s\n' "${lines[0]}"
		return 0
	fi
	printf 'exit status %s\n' "$status"
	cat "$WORK/output"
	diff <(printf '%s\n' "$before") <(printf '%s\n' "$after") || true
	return 1
}

# vm_start NAME ARGUMENT...: tandem run in the background, with WORK's kernel and initrd. Its console: console_wait, guest.
vm_start() {
	VM_NAME=$1
	shift
	vm_launch tandem run --name "$VM_NAME" --memory "size=${VM_MEMORY:-256M}" --kernel "$WORK/vmlinuz" --initramfs "$WORK/initrd" --serial tty \
		--log-level "${LOG_LEVEL:-info}" --cmdline "$VM_CMDLINE ${GUEST_CMDLINE:-modules=virtio_pci,virtio_net,igbvf}" "$@"
}

VM_CMDLINE="console=ttyS0 quiet panic=-1 ipv6.disable=1 mitigations=off address=$GUEST_ADDRESS/24"

# vm_launch COMMAND...: runs any VMM whose console is its standard input and output. Sets VM_PID, and VM_STARTED_US just before exec.
vm_launch() {
	rm -f "$WORK/in" "$WORK/out"
	mkfifo "$WORK/in" "$WORK/out"
	: >"$WORK/console"
	CONSOLE_BEGUN=
	exec {VM_IN}<>"$WORK/in" {VM_OUT}<>"$WORK/out"
	VM_STARTED_US=${EPOCHREALTIME/./}
	"$@" <&"$VM_IN" >&"$VM_OUT" 2>"$WORK/errors" &
	VM_PID=$!
}

vm_show() {
	[ -e "$WORK/errors" ] || return 0
	printf '%s\n' '--- the VM'"'"'s messages and console ---' >&2
	tail -n 30 "$WORK/errors" >&2
	tail -n 30 "$WORK/console" >&2
}

# console_wait PATTERN SECONDS: reads the console up to the first line that begins with PATTERN (a glob); it is CONSOLE_LINE then,
# and CONSOLE_US when it came.
console_wait() {
	local pattern=$1 limit=$((SECONDS + $2)) line
	while ((SECONDS < limit)); do
		if ! IFS= read -r -t 1 -u "$VM_OUT" line; then
			CONSOLE_BEGUN+=$line # of a line that a busy machine is not through with
			kill -0 "$VM_PID" 2>/dev/null || break
			continue
		fi
		CONSOLE_US=${EPOCHREALTIME/./}
		line=$CONSOLE_BEGUN$line CONSOLE_BEGUN=
		CONSOLE_LINE=${line%$'\r'}
		printf '%s %s\n' "$CONSOLE_US" "$CONSOLE_LINE" >>"$WORK/console"
		# shellcheck disable=SC2053 # a glob is wanted
		[[ $CONSOLE_LINE != $pattern* ]] || return 0
	done
	fail "no line '$pattern' on the guest's console within $2 s"
}

# guest COMMAND...: a shell command in the guest; output in GUEST_OUTPUT, status returned.
guest() {
	GUEST_OUTPUT=''
	printf '%s\n' "$*" >&"$VM_IN"
	while :; do
		console_wait '' 60
		[[ $CONSOLE_LINE != '@done '* ]] || break
		GUEST_OUTPUT+=$CONSOLE_LINE$'\n'
	done
	return "${CONSOLE_LINE#@done }"
}

# guest_repeats COMMAND, guest_stops: in the guest, again and again, beside what else it is told; stopped after a whole turn, however long.
guest_repeats() { guest "(while [ ! -e /tmp/enough ]; do $1; done) >/dev/null 2>&1 & loop=\$!"; }
guest_stops() { guest 'touch /tmp/enough; wait $loop; rm -f /tmp/enough'; }

# carrier WANTED SECONDS: of the guest's eth0. With one its kernel may discard what it sends for up to a second still, until it has noticed,
# which operstate shows.
carrier() {
	local limit=$((SECONDS + $2)) state
	((!$1)) && state=0 || state=1$'\n'up
	until guest 'cat /sys/class/net/eth0/carrier /sys/class/net/eth0/operstate' && [[ $GUEST_OUTPUT == "$state"* ]]; do
		((SECONDS < limit)) || return 1
		sleep 0.3
	done
}

vm_runs() { [ -n "${VM_PID:-}" ] && kill -0 "$VM_PID" 2>/dev/null; }

# vm_reused WAY: does a VM run that was started this way? One that was started another way is ended.
VM_WAY=
vm_reused() {
	if vm_runs; then
		[ "$1" != "$VM_WAY" ] || return 0
		vm_stop
	fi
	VM_WAY=$1
	return 1
}

# to_vf: net0 of a VM that is used again, as it was at its start.
to_vf() {
	nic_wait .state idle 20
	[ "$(nic_get .path)" = vf ] || tandem nic switch "$VM_NAME/net0" --to vf >/dev/null || fail 'net0 is not back on its VF for the next case'
}

vm_stop() {
	kill -TERM "$VM_PID" 2>/dev/null || true
	sleep 0.5
	kill -TERM "$VM_PID" 2>/dev/null || true
	wait "$VM_PID" 2>/dev/null || true
	exec {VM_IN}>&- {VM_OUT}>&-
}

# An image that does nothing: hlt; jmp.
idle_image() {
	local word
	for word in 0x1badb002 0x10000 0xe4514ffe 0x100000 0x100000 0 0 0x100020; do
		word=$((word))
		# shellcheck disable=SC2059 # the escapes are wanted
		printf "$(printf '\\x%02x\\x%02x\\x%02x\\x%02x' $((word & 255)) $((word >> 8 & 255)) $((word >> 16 & 255)) $((word >> 24 & 255)))"
	done
	printf '\xf4\xeb\xfd'
	head -c 64 /dev/zero
}

# idle_vm NAME KEY=VALUE,...: a VM that does nothing, in the background, with a NIC of mode emulated, and up when this returns.
idle_vm() {
	[ -e "$WORK/idle" ] || idle_image >"$WORK/idle"
	tandem run --name "$1" --memory size=32M --serial off --kernel "$WORK/idle" --net "id=net0,mode=emulated,vhost=off,$2" \
		</dev/null 2>"$WORK/errors.$1" &
	soon 60 tandem vm info "$1" >/dev/null 2>&1 || fail "VM $1 does not start: $(cat "$WORK/errors.$1")"
}

# nic_get FILTER [NIC]: a field of the NIC's info, by jq.
nic_get() { tandem nic info "$VM_NAME/${2:-net0}" --json | jq -r "$1"; }

# nic_wait FILTER VALUE SECONDS [NIC]
nic_wait() {
	local limit=$((SECONDS + $3))
	until [ "$(nic_get "$1" "${4:-net0}")" = "$2" ]; do
		((SECONDS < limit)) || {
			tandem nic info "$VM_NAME/${4:-net0}" --json >&2 || true
			fail "$1 is not $2 within $3 s"
		}
		sleep 0.2
	done
}

# flip_nic TO [FLAG]...: a flip of net0; false: it was not done. Its record is in WORK/flip.json, and at the end of WORK/flips.json; of one that
# was not done the error, with the record as .flip.
flip_nic() {
	local to=$1 status=0
	shift
	tandem nic switch "$VM_NAME/net0" --to "$to" "$@" --json >"$WORK/flip.json" || status=1
	printf '%s\n' "$(<"$WORK/flip.json")" >>"$WORK/flips.json" # no process: each takes tenths of a second here
	return "$status"
}

# switch_nic TO [FLAG]...: a flip that must be done.
switch_nic() {
	flip_nic "$@" || {
		cat "$WORK/flip.json" >&2
		fail "flip to $1"
	}
}

answers() {
	in_peer ping -c 3 -i 0.3 -W 3 "${1:-$GUEST_ADDRESS}" >"$WORK/ping" 2>&1 && return
	cat "$WORK/ping"
	in_peer ip neigh
	return 1
}

# stream_start SECONDS: 1,000 packets/s each way between peer and guest, and a checked TCP stream.
stream_start() {
	ip netns exec peer tandem-stream --connect "$GUEST_ADDRESS" flow --rate "${RATE:-1000}" --tcp "${TCP:-25}" --duration "$1" >"$WORK/stream.json" &
	STREAM_PID=$!
}

# stream_check [N]: ends it; what any flips may do to it: of N packets (10) one may be lost.
stream_check() {
	local lost
	kill -TERM "$STREAM_PID"
	wait "$STREAM_PID" || fail "the stream did not end well"
	check 'no packet came twice' both_ways '.udp.duplicated == 0'
	check 'TCP content is intact' both_ways '.tcp.corrupt == 0'
	lost=$(jq -r '"\(.server.udp.lost) of \(.server.udp.peer_sent) to the guest, \(.client.udp.lost) of \(.client.udp.peer_sent) from it"' \
		"$WORK/stream.json")
	check "few were lost, on a machine that may be busy: $lost" both_ways ".udp.lost * ${1:-10} <= .udp.peer_sent"
}

# lost_by_flips: packets of the ended stream that the flips of WORK/flips.json lost (bench/stream.jq). A busy lab host loses some at any time.
lost_by_flips() {
	jq -L "$CHECKOUT/bench" --slurpfile flips "$WORK/flips.json" 'include "stream"; lost_by($flips)' "$WORK/stream.json"
}

both_ways() { jq -e "[.server, .client] | all($1)" "$WORK/stream.json" >/dev/null; }
