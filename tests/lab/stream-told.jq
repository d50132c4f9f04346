# SPDX-License-Identifier: Apache-2.0
# A stream's report, a line for each direction, with $gaps of its longest gaps.
["to guest", .server], ["from guest", .client]
| .[0] as $direction
| .[1]
| "\($direction): sent \(.udp.peer_sent) lost \(.udp.lost) duplicated \(.udp.duplicated) reordered \(.udp.reordered), " +
	"longest gaps \([.udp.gaps[:$gaps][] | "\(.ms) ms (\(.missing))"] | join(", ")), " +
	"TCP corrupt \(.tcp.corrupt), stall \(.tcp.gaps[0].ms // 0) ms"
