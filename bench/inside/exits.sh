# shellcheck shell=bash disable=SC2034 # used by those who include this
# SPDX-License-Identifier: Apache-2.0
# Counts KVM exits by reason, and exits to user space, with histograms of the kernel's tracepoints kvm:kvm_exit and kvm:kvm_userspace_exit.
# They count all VMs of the host: there is one. Counting slows the guest, so nothing is timed meanwhile.

EXIT_EVENTS=/sys/kernel/tracing/events/kvm

exits_start() {
	echo 'hist:keys=exit_reason' >"$EXIT_EVENTS/kvm_exit/trigger"
	echo 'hist:keys=reason' >"$EXIT_EVENTS/kvm_userspace_exit/trigger"
}

# exits_stop: sets KVM_EXITS and USER_EXITS.
exits_stop() {
	KVM_EXITS=$(exits_total kvm_exit)
	USER_EXITS=$(exits_total kvm_userspace_exit)
	cat "$EXIT_EVENTS"/{kvm_exit,kvm_userspace_exit}/hist >>"$LAB_OUT/exits"
	echo '!hist:keys=exit_reason' >"$EXIT_EVENTS/kvm_exit/trigger"
	echo '!hist:keys=reason' >"$EXIT_EVENTS/kvm_userspace_exit/trigger"
}

exits_total() { awk '/^ *Hits:/ { print $2 }' "$EXIT_EVENTS/$1/hist"; }
