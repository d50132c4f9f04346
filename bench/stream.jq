# SPDX-License-Identifier: Apache-2.0
# Reads reports of `tandem-stream … flow` whose client ran on the VM's host: what happened in each direction after a moment. All moments
# are of the host's CLOCK_MONOTONIC, in seconds; the guest's own are taken there by the least transit seen, which is some tenths of a
# millisecond too little.

def direction($udp; $sender_behind; $receiver_behind): $udp | {
	rate, burst, peer_sent, received, lost, duplicated, reordered,
	first_at: (.first_sent_at + $sender_behind),
	seconds: (.last_sent_at - .first_sent_at),
	gaps: [.gaps[] | {ms, at: (.sent_at + $sender_behind)}],
	losses: [.losses[] | {count, at: (.sent_at + $sender_behind)}],
	duplicates: [.duplicates[] | .sent_at + $sender_behind],
	reorders: [.reorders[] | .sent_at + $sender_behind],
	arrivals: (.arrivals | {first_at: (.first_at + $receiver_behind), bucket_ms, counts})
};

def to_guest: direction(.server.udp; 0; -.server.udp.arrivals.delay_min);
def from_guest: direction(.client.udp; .client.udp.arrivals.delay_min; 0);

# Of a direction: what became of the packets sent in [$from, $to). The blackout is the longest silence less the sender's pause.
def share($from; $to):
	def mine: . >= $from and . < $to;
	(1000 * .burst / .rate) as $interval_ms
	| {
		lost: ([.losses[] | select(.at | mine) | .count] | add // 0),
		duplicated: ([.duplicates[] | select(mine)] | length),
		reordered: ([.reorders[] | select(mine)] | length),
		blackout_ms: ([.gaps[] | select(.at | mine) | .ms - $interval_ms] | max // 0)
	};

# Packets of a direction that arrived in each bucket from $before buckets before a moment to $after behind it; null: no stream then.
def arrivals($at; $before; $after): .arrivals as $a
	| ((($at - $a.first_at) * 1000 / $a.bucket_ms) | floor) as $zero
	| [range(-$before; $after) | $zero + . | if . < 0 then null else $a.counts[.] end];

# How much of its pace a direction's sender kept, in per cent: less than 100 on a machine that is too busy.
def pace: if .seconds > 0 then .peer_sent * 100 / (.rate * .seconds) else 0 end;

# Packets lost, both ways, from the request of a flip of $records (as of `tandem nic switch --json`) until 0.3 s after its end, whereby the last
# one that had begun decides.
def lost_by($records):
	[$records[] | .flip // . | select(.monotonic_s)] as $flips
	| [$flips[].monotonic_s] as $begun
	| def near: . as $at
		| ($begun | bsearch($at) | if . < 0 then -2 - . else . end) as $last
		| $last >= 0 and $at < ($flips[$last] | .monotonic_s + .total_ms / 1000 + 0.3);
	[to_guest, from_guest | .losses[] | select(.at | near) | .count] | add // 0;
