# shellcheck shell=bash disable=SC2034 # used by those who include this
# SPDX-License-Identifier: Apache-2.0
# Moments in microseconds.

now_us() { printf '%s' "${EPOCHREALTIME/./}"; }

# monotonic_offset_us: what CLOCK_MONOTONIC is behind now_us(); constant in a lab host, where nothing sets the clock.
monotonic_offset_us() {
	local ns
	ns=$(awk '/^now at/ { print $3; exit }' /proc/timer_list)
	printf '%s' $(($(now_us) - ns / 1000))
}
