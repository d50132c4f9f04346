# SPDX-License-Identifier: Apache-2.0
# What the guest of a transparent NIC noticed of its flips: of their records, of fping's last line ($ping), of its link's story and of what full
# queues had discarded before ($before, $was) and after ($after, $is).
($ping | capture("xmt/rcv/%loss = (?<sent>[0-9]+)/(?<came>[0-9]+)/")) as $pings
| {
	flips_failed: ($flips - ($records | map(select(.ok and .changed)) | length)),
	$lost_by_flips,
	pings: ($pings.sent | tonumber),
	pongs: ($pings.came | tonumber),
	counters_back: $back,
	link: [$before, $after],
	discarded: ($is | with_entries(.value -= $was[.key]))
}
