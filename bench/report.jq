# SPDX-License-Identifier: Apache-2.0
# Samples (slurped) and figures.json ($figures) to one object a figure: median, lowest, highest and number of samples of each
# subject, which of them counts (taken: the median, but for figures of the worst), tandem's ratio to QEMU q35 (or to what the figure names
# as beside), and whether the goal is met.

def median: sort | if length % 2 == 1 then .[(length - 1) / 2] else (.[length / 2 - 1] + .[length / 2]) / 2 end;
def summary($take): {median: median, min: min, max: max, samples: length} | .taken = .[$take];

def judged:
	(.beside // "q35") as $other
	| if .ratio_max then {goal: "<= \(.ratio_max) x \($other)", ok: (if .ratio == null then null else .ratio <= .ratio_max end)}
	elif .ratio_min then {goal: ">= \(.ratio_min) x \($other)", ok: (if .ratio == null then null else .ratio >= .ratio_min end)}
	elif .max != null then {goal: "<= \(.max)", ok: (if .subjects.tandem == null then null else .subjects.tandem.taken <= .max end)}
	else {goal: null, ok: null} end;

# Figures that are measured in several cases: those of one case after those of another, whose first says which it is.
def each_case:
	if .cases then
		. as $group
		| .cases | to_entries[] as $case
		| $group.figures[]
		| .measure = $group.measure
		| .metric = "\($case.key)_\(.metric)"
		| if .title[:1] == " " then . else .title = "\($case.value): \(.title)" end
	else . end;

[$all[0][] | each_case] as $figures
| . as $samples
| [$figures[]
	| . as $figure
	| [$samples[] | select(.measure == $figure.measure and .metric == $figure.metric)] as $mine
	| select($mine != [])
	| . + {subjects: ($mine | group_by(.subject) | map({key: .[0].subject, value: (map(.value) | summary($figure.take // "median"))}) | from_entries)}
	| . + {ratio: (.subjects[.beside // "q35"].taken as $other
		| if .subjects.tandem != null and ($other // 0) != 0 then .subjects.tandem.taken / $other else null end)}
	| {measure, metric, title, unit, subjects, ratio} + judged]
