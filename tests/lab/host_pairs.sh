#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Pairs of random host.yaml on real PFs, bonds and bridges: apply(a), apply(b), apply(a) ends as apply(a) did, and {} as all was at
# first; compared by a dump that owes nothing to tandem. What the kernel refuses must be undone.
# Environment: PAIRS (2), SEED (1)
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/host-tools"

PAIRS=${PAIRS:-2}
RANDOM=${SEED:-1}

# one_of WORD...: sets WORD.
one_of() {
	local words=("$@")
	WORD=${words[RANDOM % $#]}
}

pool() {
	local vf='' key
	for key in 'trust: on' 'trust: off' 'spoofchk: off' 'vlan: 3' 'vlan: 0'; do
		((RANDOM % 3)) || [[ $vf == *"${key%%:*}"* ]] || vf+="${vf:+, }$key"
	done
	one_of 0 1 2 3
	printf -- '- {resourceName: p, nicSelector: {pfNames: [%s]}, numVfs: %s, ' "$1" "$WORD"
	one_of vfio-pci vfio-pci netdevice
	printf 'deviceType: %s, ' "$WORD"
	one_of '' '' 'mtu: 1600, ' 'mtu: 2000, '
	printf '%svf: {%s}}\n' "$WORD" "$vf"
}

team() {
	local mode members
	one_of active-backup 802.3ad '802.3ad, lacpRate: fast' 'balance-xor, xmitHashPolicy: layer3+4' balance-xor
	mode=$WORD
	one_of up0 up1 'up0, up1' 'up1, up0'
	members=$WORD
	printf -- '- {name: %s, mode: %s, members: [%s], ' "$1" "$mode" "$members"
	one_of 1500 1700
	printf 'mtu: %s' "$WORD"
	[[ $mode != active-backup ]] || ((RANDOM % 2)) || printf ', primary: %s' "${members%%,*}"
	printf '}\n'
}

network() {
	one_of b b b t
	printf -- '- {name: %s%s, ' "$WORD" "$1"
	one_of up0 up1 t0 t1 pf0 pf1 't0, pf1' ''
	printf 'uplinks: [%s]' "$WORD"
	one_of '' '' '' ', vlan: 1' ', vlan: 2'
	printf '%s' "$WORD"
	one_of '' '' ', vlanFiltering: on, vlans: [5, 10-14]' ', vlanFiltering: on, vlans: [5, 7]'
	printf '%s' "$WORD"
	one_of '' '' ', isolated: on' ', mcastSnooping: on' ', mtu: 1400'
	printf '%s}\n' "$WORD"
}

any_file() {
	local lines number
	lines=$( ((RANDOM % 3)) && pool pf0 || true; ((RANDOM % 3)) && pool pf1 || true)
	[ -z "$lines" ] || printf 'pools:\n%s\n' "$lines"
	lines=$( ((RANDOM % 3)) && team t0 || true; ((RANDOM % 2)) || team t1)
	[ -z "$lines" ] || printf 'teams:\n%s\n' "$lines"
	lines=$(for number in 0 1 2; do ((RANDOM % 3)) && network $number || true; done)
	[ -z "$lines" ] || printf 'networks:\n%s\n' "$lines"
	printf 'hugepages: [{count: %d}]\n' $((RANDOM % 4))
}

# random_file FILE: one that reads well and fits this machine. (plan refuses what it can tell.)
random_file() {
	local status
	while :; do
		RANDOM=$((RANDOM + 1)) # any_file's rolls are a subshell's
		any_file >"$1"
		status=0
		tandem host plan "$1" >"$WORK/answer" 2>&1 || status=$?
		((status == 1)) || return 0
		grep -q -e 'config-value' -e 'link-missing' "$WORK/answer" || {
			cat "$WORK/answer" "$1" >&2
			fail 'a file that reads well was refused'
		}
	done
}

# apply FILE: false when the kernel refuses something; then all must be as before.
apply() {
	local status=0
	host_picture >"$WORK/before"
	tandem host apply "$1" >"$WORK/answer" 2>&1 || status=$?
	((status)) || return 0
	grep -q '; undone \[' "$WORK/answer" && same_picture "$WORK/before" 'not undone' || {
		cat "$WORK/answer" "$1" >&2
		fail "$1: neither applied nor undone"
	}
	tail -n 2 "$WORK/answer" | head -n 1
	return 1
}

show_pair() {
	head -n 100 "$WORK/a.yaml" "$WORK/b.yaml" >&2
	fail "$1"
}

main() {
	local pair done=0 refused=0
	modprobe igbvf
	host_picture >"$WORK/fresh"
	echo '{}' >"$WORK/nothing.yaml"
	for ((pair = 1; done < PAIRS; pair++)); do
		random_file "$WORK/a.yaml"
		random_file "$WORK/b.yaml"
		if ! apply "$WORK/a.yaml"; then
			refused=$((refused + 1))
			continue
		fi
		host_picture >"$WORK/a"
		apply "$WORK/b.yaml" || refused=$((refused + 1))
		apply "$WORK/a.yaml" || show_pair "pair $pair: a once more was refused"
		same_picture "$WORK/a" "pair $pair" || show_pair "pair $pair: apply(a), apply(b), apply(a) is not apply(a)"
		status_of 0 tandem host status "$WORK/a.yaml" || show_pair "pair $pair: not in sync"
		apply "$WORK/nothing.yaml" || show_pair "pair $pair: nothing was refused"
		same_picture "$WORK/fresh" "pair $pair" || show_pair "pair $pair: a file that wants nothing leaves something behind"
		done=$((done + 1))
		((done % 10)) || printf '%d pairs are done\n' "$done"
	done
	printf '%d pairs, %d files that the kernel refused\n' "$done" "$refused"
	check "apply(a), apply(b), apply(a) is apply(a), for $done pairs of files" test "$done" = "$PAIRS"
	finish
}

main
