# SPDX-License-Identifier: Apache-2.0
# Of a VM's flips ($records), its stream's report ($stream) and what it noticed ($noticed): "METRIC NUMBER" lines.
include "stream";

$noticed[0] as $n
| ($stream[0] | [to_guest, from_guest]) as $ways
| ($records | map(select(.ok and .changed))) as $done
| ($done[] | "pause_\(.to) \(.pause_ms)", "work_\(.to) \(.pause_cpu_ms)", "total_\(.to) \(.total_ms)"),
($done[] | select(.to == "vf") | "rest_vf \(.rest_ms)"),
"flips \($done | length)",
"failed \($n.flips_failed)",
"sent \($ways | map(.peer_sent) | add)",
"near_lost \($n.lost_by_flips)",
"to_lost \($ways[0].lost)",
"from_lost \($ways[1].lost)",
"discarded \($n.discarded | del(.tap, .vf) | add)",
"tap_dropped \($n.discarded.tap)",
"ring_full \($n.discarded.vf)",
"duplicated \($ways | map(.duplicated) | add)",
"reordered \(($ways | map(.reordered) | max) / ([$done | length, 1] | max))",
"corrupt \($stream[0] | [.server, .client] | map(.tcp.corrupt) | add)",
"pings_lost \($n.pings - $n.pongs)",
"noticed \(if $n.link[0] == $n.link[1] then 0 else 1 end)",
"back \($n.counters_back)",
"to_pace \($ways[0] | pace)",
"from_pace \($ways[1] | pace)"
