# shellcheck shell=bash disable=SC2034 # used by those who include this
# SPDX-License-Identifier: Apache-2.0
# Counts KVM exits by reason, and exits to user space, with histograms of the kernel's tracepoints kvm:kvm_exit and kvm:kvm_userspace_exit.
# They count all VMs of the host: there is one. Counting slows the guest, so nothing is timed meanwhile.

EXIT_EVENTS=/sys/kernel/tracing/events/kvm

exits_start() {
	echo 'hist:keys=exit_reason' >"$EXIT_EVENTS/kvm_exit/trigger"
	echo 'hist:keys=reason' >"$EXIT_EVENTS/kvm_userspace_exit/trigger"
}

# exits_off: for a measurement that was broken off. Harmless when nothing is counted.
exits_off() {
	echo '!hist:keys=exit_reason' 2>/dev/null >"$EXIT_EVENTS/kvm_exit/trigger" || true
	echo '!hist:keys=reason' 2>/dev/null >"$EXIT_EVENTS/kvm_userspace_exit/trigger" || true
}

# exits_stop: sets KVM_EXITS and USER_EXITS.
exits_stop() {
	KVM_EXITS=$(exits_total kvm_exit)
	USER_EXITS=$(exits_total kvm_userspace_exit)
	cat "$EXIT_EVENTS"/{kvm_exit,kvm_userspace_exit}/hist >>"$LAB_OUT/exits"
	exits_off
}

exits_total() { awk '/^ *Hits:/ { print $2 }' "$EXIT_EVENTS/$1/hist"; }
