# shellcheck shell=bash disable=SC2034 # used by those who include this
# SPDX-License-Identifier: Apache-2.0
# QEMU's monitor (QMP) over a pair of FIFOs: commands that wait for their answer or for an event.
# needs clock.sh, tests/lab/lib.sh; vmm.sh starts QEMU with the FIFOs $WORK/qmp.in and .out

qmp_open() {
	rm -f "$WORK"/qmp.{in,out}
	mkfifo "$WORK"/qmp.{in,out}
	exec {QMP_IN}<>"$WORK/qmp.in" {QMP_OUT}<>"$WORK/qmp.out"
	: >"$WORK/qmp.log"
}

qmp_close() { exec {QMP_IN}>&- {QMP_OUT}>&-; }

# qmp_wait PATTERN SECONDS: up to the first line that matches PATTERN (a glob). Sets QMP_LINE and QMP_US, when it came.
qmp_wait() {
	local pattern=$1 limit=$((SECONDS + $2))
	while ((SECONDS < limit)); do
		IFS= read -r -t 1 -u "$QMP_OUT" QMP_LINE || continue
		QMP_US=$(now_us)
		printf '%s %s\n' "$QMP_US" "$QMP_LINE" >>"$WORK/qmp.log"
		# shellcheck disable=SC2053 # a glob is wanted
		[[ $QMP_LINE != $pattern ]] || return 0
	done
	tail -n 20 "$WORK/qmp.log" >&2
	return 1
}

# qmp COMMAND [ARGUMENTS-AS-JSON]: fails when the answer is an error.
qmp() {
	printf '{"execute":"%s","arguments":%s}\n' "$1" "${2:-{\}}" >&"$QMP_IN"
	qmp_wait '{"@(return|error)"*' 10 || fail "QEMU did not answer $1"
	[[ $QMP_LINE == '{"return"'* ]] || fail "QEMU refused $1: $QMP_LINE"
}
