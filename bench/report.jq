# SPDX-License-Identifier: Apache-2.0
# Samples (slurped) and figures.json ($figures) to one object a figure: median, lowest, highest and number of samples of each
# subject, tandem's ratio to QEMU q35 (or to what the figure names as beside), and whether the goal is met.

def median: sort | if length % 2 == 1 then .[(length - 1) / 2] else (.[length / 2 - 1] + .[length / 2]) / 2 end;
def summary: {median: median, min: min, max: max, samples: length};

def judged:
	(.beside // "q35") as $other
	| if .ratio_max then {goal: "<= \(.ratio_max) x \($other)", ok: (if .ratio == null then null else .ratio <= .ratio_max end)}
	elif .ratio_min then {goal: ">= \(.ratio_min) x \($other)", ok: (if .ratio == null then null else .ratio >= .ratio_min end)}
	elif .max != null then {goal: "<= \(.max)", ok: (if .subjects.tandem == null then null else .subjects.tandem.median <= .max end)}
	else {goal: null, ok: null} end;

# Figures that are measured in several cases, a row each.
def each_case: if .cases then . as $all | .cases | to_entries[] | . as $case
	| $all.figures[] | {measure: $all.measure, metric: "\($case.key)_\(.metric)", title: (if .title[:2] == "  " then .title else "\($case.value): \(.title)" end)} + del(.metric, .title)
	else . end;

[$all[0][] | each_case] as $figures
| . as $samples
| [$figures[]
	| . as $figure
	| [$samples[] | select(.measure == $figure.measure and .metric == $figure.metric)] as $mine
	| select($mine != [])
	| . + {subjects: ($mine | group_by(.subject) | map({key: .[0].subject, value: (map(.value) | summary)}) | from_entries)}
	| . + {ratio: (.subjects[.beside // "q35"].median as $other
		| if .subjects.tandem != null and ($other // 0) != 0 then .subjects.tandem.median / $other else null end)}
	| {measure, metric, title, unit, subjects, ratio} + judged]
