# shellcheck shell=bash disable=SC2034 # used by those who include this
# SPDX-License-Identifier: Apache-2.0
# Writes down what was measured, one JSON object a line, and keeps the order of measuring fair.
# needs ROUNDS; tests/lab/lib.sh for fail

# sample MEASURE SUBJECT METRIC NUMBER
sample() {
	jq -cn --arg measure "$1" --arg subject "$2" --arg metric "$3" --arg value "$4" \
		'{$measure, $subject, $metric, value: ($value | tonumber)}' >>"$LAB_OUT/samples" ||
		fail "$2: $3 of $1 is '$4', no number"
}

# samples MEASURE SUBJECT PREFIX: of the lines "METRIC NUMBER" that it reads.
samples() {
	jq -Rc --arg measure "$1" --arg subject "$2" --arg prefix "$3" \
		'split(" ") | {$measure, $subject, metric: ($prefix + .[0]), value: (.[1] | tonumber)}' >>"$LAB_OUT/samples" ||
		fail "$2: what $1 measured is no number"
}

# in_turn TITLE FUNCTION SUBJECT... -- ARGUMENT...: calls FUNCTION SUBJECT ARGUMENT... for each subject, ROUNDS times, there and
# back (A B B A ...; a subject may be named twice), so that what slows the machine for a while slows all alike.
in_turn() {
	local title=$1 function=$2 round subject number
	local -a subjects=() order
	shift 2
	while [[ $1 != -- ]]; do
		subjects+=("$1")
		shift
	done
	shift
	for ((round = 1; round <= ROUNDS; round++)); do
		order=("${subjects[@]}")
		if ((round % 2 == 0)); then
			order=()
			for ((number = ${#subjects[@]} - 1; number >= 0; number--)); do order+=("${subjects[number]}"); done
		fi
		for subject in "${order[@]}"; do
			printf '%s: round %d of %d, %s\n' "$title" "$round" "$ROUNDS" "$subject" >&2
			"$function" "$subject" "$@"
		done
	done
}
