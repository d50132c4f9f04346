# SPDX-License-Identifier: Apache-2.0
# What report.jq makes, as a table.

def round_to($digits): pow(10; $digits) as $scale | (. * $scale | round) / $scale;
def figure: if . == null then "-" else (.taken | if . >= 100 then round_to(0) elif . >= 10 then round_to(1) else round_to(3) end | tostring) end;
def left($width): . + (" " * ([$width - length, 0] | max) // "");
def right($width): (" " * ([$width - length, 0] | max) // "") + .;
def row($a; $b; $c; $d; $e; $e2; $f; $g; $h):
	($a | left(52)) + ($b | left(10)) + ($c | right(10)) + ($d | right(10)) + ($e | right(10)) + ($e2 | right(10)) + ($f | right(8)) + "  " + ($g | left(19)) + $h;

# Of a VM in which traffic stood, samples are missing.
def fewer: if .measure == "net" and (.subjects | map(.samples) | unique | length) > 1
	then " (" + (.subjects | to_entries | map("\(.key) \(.value.samples)") | join(", ")) + " samples)" else "" end;

.environment as $e
| .figures
| "lab host: \($e.accelerator), QEMU \($e.qemu), Linux \($e.host_kernel), \($e.cpus) CPUs outside, load \($e.load | join(" before, ")) after",
"guests: Linux \($e.guest_kernel) where a row names no other, -cpu \($e.guest_cpu), \($e.guest_memory_mib) MiB; medians of \($e.rounds) rounds; tandem \($e.commit)",
"",
row(""; ""; "tandem"; "q35"; "microvm"; "plain"; "ratio"; "goal"; ""),
(.[] | row(.title; .unit; .subjects.tandem | figure; .subjects.q35 | figure; .subjects.microvm | figure; (.subjects.plain // .subjects.before) | figure;
	if .ratio == null then "-" else .ratio | round_to(2) | tostring end; .goal // "";
	(if .ok == null then "" elif .ok then "met" else "MISSED" end) + fewer))
# The two do not say alike when a flip is done: tandem answers its request; QEMU tells of the device deleted, or the tap falls silent.
