#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tandem run from a file, and the vm commands: each does what it says, and names are free again whatever way a VM ends.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

RSS_LIMIT_KIB=3072 # outside guest RAM

# A guest with what listens to the power button.
button_guest() {
	local drivers modules="$WORK/modules"
	drivers=$(kernel_dir 6.12)/kernel/drivers
	mkdir -p "$modules"
	xz -dc "$drivers/acpi/button.ko.xz" >"$modules/button.ko"
	xz -dc "$drivers/input/evdev.ko.xz" >"$modules/evdev.ko"
	cat >"$WORK/job" <<-'END'
		#!/bin/sh
		stty -echo
		insmod /m/evdev.ko
		insmod /m/button.ko
		mkdir -p /etc/acpi/PWRF /var/run /var/log
		printf '#!/bin/sh\npoweroff -f\n' >/etc/acpi/PWRF/00000080
		chmod +x /etc/acpi/PWRF/00000080
		acpid -f >/dev/null 2>&1 &
		for try in $(seq 100); do # until it listens
			ls -l /proc/$!/fd | grep -q /input/ && break
			sleep 0.1
		done
		echo @up
		while read -r command; do eval "$command"; done
	END
	"$CHECKOUT/lab/guest" --out "$WORK" --add "$modules:/m" --add "$WORK/job:/job"
	cat >"$WORK/web1.yaml" <<-END
		memory: {size: 128M}
		payload: {kernel: $WORK/vmlinuz, initramfs: $WORK/initrd, cmdline: "console=ttyS0 quiet panic=-1 modules="}
		serial: {mode: pty}
	END
}

state_is() { [ "$(tandem vm list --json | jq -r '.[0].state')" = "$1" ]; }

# Ends when the guest's job runs.
guest_up() {
	local reader limit=$((SECONDS + 90))
	tandem vm console web1 </dev/null >"$WORK/console" &
	reader=$!
	until grep -q '^@up' "$WORK/console"; do
		((SECONDS < limit)) || fail 'the guest did not come up'
		sleep 0.2
	done
	kill "$reader"
	wait "$reader" || true
}

start() {
	local limit=$((SECONDS + 20))
	tandem run "$WORK/web1.yaml" 2>>"$WORK/errors" &
	VM_PID=$!
	until state_is running; do
		((SECONDS < limit)) || fail 'the VM does not run'
		sleep 0.1
	done
}

# ended STATUS: the process ends with it within 20 s, and its directory is gone.
ended() {
	local status=0 limit=$((SECONDS + 20))
	while kill -0 "$VM_PID" 2>/dev/null && ((SECONDS < limit)); do sleep 0.1; done
	! kill -0 "$VM_PID" 2>/dev/null || return 1
	wait "$VM_PID" || status=$?
	[ "$status" = "$1" ] && [ ! -e /run/tandem/web1 ]
}

# fails STATUS REASON COMMAND...
fails() {
	local expected=$1 reason=$2 status=0 output
	shift 2
	output=$("$@" 2>&1) || status=$?
	[[ $status = "$expected" && $output == *"[$reason]"*'try: '* ]] || {
		printf '%s\n' "exit $status: $output"
		return 1
	}
}

# says_in_json REASON COMMAND...: it fails, and --json says why on standard output.
says_in_json() {
	local reason=$1
	shift
	! "$@" --json >"$WORK/failure.json" 2>/dev/null &&
		jq -e --arg reason "$reason" '.ok == false and .error.reason == $reason and .error.text != "" and .error.hint != ""' \
			"$WORK/failure.json" >/dev/null
}

console_answers() {
	local output
	output=$({
		sleep 1
		# shellcheck disable=SC2016 # for the guest's shell
		echo 'echo answer $((40 + 2))'
		sleep 2
		printf '\001x'
	} | timeout 20 tandem vm console web1)
	[[ $output == *'answer 42'* ]]
}

# Of a release build: the kernel's count of what the process has in memory, without the mapping as large as guest RAM.
rss_outside_ram() {
	awk '/^Size:/ { ram = $2 >= 100 * 1024 } /^Rss:/ && !ram { sum += $2 } END { print sum }' "/proc/$VM_PID/smaps"
}

button_guest
printf 'memory: {size: 12Q}\n' >"$WORK/bad.yaml"
check 'a bad file is refused' fails 2 config-value tandem run "$WORK/bad.yaml"
check 'a VM that is not there' fails 1 vm-not-found tandem vm info web1
check 'in JSON too' says_in_json vm-not-found tandem vm info web1
check 'and a NIC' says_in_json nic-not-found tandem nic info net0
check '--cold goes with --to emulated' says_in_json usage tandem nic switch net0 --to vf --cold
check 'and a word too many' says_in_json usage tandem vm info a b

start
check 'its name is taken' fails 1 control-socket-in-use tandem run "$WORK/web1.yaml"
guest_up
check 'its console answers' console_answers
rss=$(rss_outside_ram)
check "memory outside guest RAM: $rss KiB of $RSS_LIMIT_KIB" test "$rss" -le "$RSS_LIMIT_KIB"
check 'pause' tandem vm pause web1
check 'it is paused' state_is paused
check 'twice is an error' fails 1 vm-state tandem vm pause
check 'a paused guest hears no button' fails 1 vm-state tandem vm shutdown
check 'resume' tandem vm resume
check 'it runs' state_is running
check 'its console answers again' console_answers
check 'shutdown' tandem vm shutdown web1
check 'the guest powers off' ended 0

start
kill -KILL "$VM_PID"
wait "$VM_PID" || true
check 'killed: it is dead' state_is dead
check 'a dead VM has no info' fails 1 vm-not-found tandem vm info web1
start
check 'its name is free again' state_is running
check 'kill' tandem vm kill
check 'it ends' ended 137

start
kill -STOP "$VM_PID"
check 'a process that does not answer is silent' state_is silent
check 'in the list of NICs too' [ "$(tandem nic list --json | jq -c '[.[] | {vm, state}]')" = '[{"vm":"web1","state":"silent"}]' ]
check 'a switch does not wait for it for ever' fails 1 control-socket timeout 30 tandem nic switch web1/net0 --to vf
check 'and can be killed' tandem vm kill web1
check 'it ends' ended 137

start
guest_up
kill -TERM "$VM_PID"
check 'SIGTERM is the power button' ended 0
start
kill -TERM "$VM_PID"
sleep 0.5
kill -TERM "$VM_PID"
check 'a second SIGTERM does not ask' ended 143
start
tandem vm pause web1
kill -TERM "$VM_PID"
check 'nor does the first of a VM that is paused' ended 143
finish
