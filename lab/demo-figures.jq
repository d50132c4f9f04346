# SPDX-License-Identifier: Apache-2.0
# The stream's report ($stream) and the flips ($events) to one object: what each flip did to each direction. A flip's share is what
# was sent from its request to the next one's.
include "stream";

def tcp: {blocks: .received, corrupt, broken: (.receive_error != 0 or .send_error != 0), longest_stall_ms: (.gaps[0].ms // 0)};
def total: {sent: .peer_sent, received, lost, duplicated, reordered, pace_percent: pace};

$stream[0] as $s
| ($s | to_guest) as $in
| ($s | from_guest) as $out
| [$events[].requested_at, infinite] as $moments
| def flip($i): $events[$i] | {
		number,
		to: .record.to,
		requested_at: (.requested_at - $in.first_at),
		request_to_done_ms,
		vmm: .record,
		to_guest: ($in | share($moments[$i]; $moments[$i + 1]) + {packets_per_100ms: arrivals($moments[$i]; 10; 30)}),
		from_guest: ($out | share($moments[$i]; $moments[$i + 1]) + {packets_per_100ms: arrivals($moments[$i]; 10; 30)})
	};
{
	mode: $mode,
	flips: [range($events | length) | flip(.)],
	to_guest: ($in | total),
	from_guest: ($out | total),
	tcp: {to_guest: ($s.server.tcp | tcp), from_guest: ($s.client.tcp | tcp)}
}
| .ok = ((.flips | length) == 6 and ([.flips[].vmm.ok] | all) and ([.tcp[] | .corrupt == 0 and (.broken | not)] | all)
	and .to_guest.received > 0 and .from_guest.received > 0)
