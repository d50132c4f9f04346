# SPDX-License-Identifier: Apache-2.0
# Of a stream's report: "METRIC NUMBER" lines of the flip that was requested at $requested, microseconds of CLOCK_MONOTONIC, until the
# stream's end; before it, what the machine does by itself.
include "stream";

($requested / 1e6) as $at
| [to_guest, from_guest] as $ways
| [$ways[] | share($at; infinite)] as $after
| "lost \($after | map(.lost) | add)",
"from_lost \($after[1].lost)",
"duplicated \($after | map(.duplicated) | add)",
"reordered \($after | map(.reordered) | add)",
"blackout \($after | map(.blackout_ms) | max)",
"before_lost \([$ways[] | share(0; $at).lost] | add)",
"before_blackout \([$ways[] | share(0; $at).blackout_ms] | max)",
"pace \([$ways[] | pace] | min)"
