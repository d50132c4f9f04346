# SPDX-License-Identifier: Apache-2.0
# The stream's report ($stream) and the flips ($events) to one object: what each flip did to each direction. A flip's share is what
# was sent from its request to the next one's. All moments are of the lab host's clock; the guest's own are taken there by the least
# transit seen, which is some tenths of a millisecond too little.

def direction($udp; $sender_behind; $receiver_behind):
	($udp.udp // $udp) | {
		rate, peer_sent, received, lost, duplicated, reordered,
		gaps: [.gaps[] | {ms, at: (.sent_at + $sender_behind)}],
		losses: [.losses[] | {count, at: (.sent_at + $sender_behind)}],
		duplicates: [.duplicates[] | .sent_at + $sender_behind],
		reorders: [.reorders[] | .sent_at + $sender_behind],
		arrivals: (.arrivals | {first_at: (.first_at + $receiver_behind), bucket_ms, counts})
	};

# One second before the flip's request to three after it, a bucket of 100 ms an element.
def strip($at): .arrivals as $a
	| ((($at - $a.first_at) * 1000 / $a.bucket_ms) | floor) as $zero
	| [range(-10; 30) | $zero + . | if . < 0 then null else $a.counts[.] end];

def share($from; $to): def mine: . >= $from and . < $to;
	{
		lost: ([.losses[] | select(.at | mine) | .count] | add // 0),
		duplicated: ([.duplicates[] | select(mine)] | length),
		reordered: ([.reorders[] | select(mine)] | length),
		blackout_ms: ([.gaps[] | select(.at | mine) | .ms - 1] | max // 0),
		packets_per_100ms: strip($from)
	};

$stream[0] as $s
| direction($s.server.udp; 0; -$s.server.udp.arrivals.delay_min) as $to_guest
| direction($s.client.udp; $s.client.udp.arrivals.delay_min; 0) as $from_guest
| [$events[].requested_at, infinite] as $moments
| {
	started_at: $to_guest.arrivals.first_at,
	flips: [range($events | length) as $i | $events[$i] | {
		number, to: (if .number % 2 == 1 then "emulated" else "vf" end), requested_at: (.requested_at - $to_guest.arrivals.first_at),
		request_to_done_ms, vmm: .record,
		to_guest: ($to_guest | share($moments[$i]; $moments[$i + 1])),
		from_guest: ($from_guest | share($moments[$i]; $moments[$i + 1]))
	}],
	seconds: ($s.server.udp.last_sent_at - $s.server.udp.first_sent_at),
	to_guest: ($to_guest | {sent: .peer_sent, received, lost, duplicated, reordered}),
	from_guest: ($from_guest | {sent: .peer_sent, received, lost, duplicated, reordered}),
	tcp: {
		to_guest: ($s.server.tcp | {blocks: .received, corrupt, broken: (.receive_error != 0 or .send_error != 0), longest_stall_ms: (.gaps[0].ms // 0)}),
		from_guest: ($s.client.tcp | {blocks: .received, corrupt, broken: (.receive_error != 0 or .send_error != 0), longest_stall_ms: (.gaps[0].ms // 0)})
	}
}
| .ok = ((.flips | length) == 6 and ([.flips[].vmm.ok] | all) and ([.tcp[] | .corrupt == 0 and (.broken | not)] | all)
	and .to_guest.received > 0 and .from_guest.received > 0)
