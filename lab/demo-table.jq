# SPDX-License-Identifier: Apache-2.0
# What demo-figures.jq makes, for a reader: a strip of each flip, a table, and what it means.

def ms: if . >= 10 then round else (. * 10 | round) / 10 end | tostring;

# jq 1.6 repeats a string 0 times as null.
def pad: . // "";
def left($width): . + ((" " * ([$width - length, 0] | max)) | pad);
def right($width): ((" " * ([$width - length, 0] | max)) | pad) + .;

def bar: if . == null then " " elif . == 0 then "\u00b7" else (" ▁▂▃▄▅▆▇█" / "")[[8, (. * 8 / 95 | ceil)] | min] end;
def strip: [.packets_per_100ms[] | bar] | (.[:10] | join("")) + "|" + (.[10:] | join(""));
def path: if . == "vf" then "VF" else "emulated" end;
def ways: if .to == "vf" then "emulated -> VF" else "VF -> emulated" end;

def phases: [(.vmm.phases // {}) | to_entries[] | select(.value >= 0.5) | "\(.key) \(.value | ms)"] | join(", ");
def row($cells): ($cells[0] | left(22)) + ([$cells[1:][] | right(9)] | join(""));
def counts: [.lost, .duplicated, .reordered] | map(tostring);

"",
"Mode \(.mode).",
"",
"Packets that arrived in each 100 ms, from 1 s before each request to 3 s after it (█ all 100, · none):",
(.flips[] |
	"",
	"  flip \(.number): \(ways), asked for at \(.requested_at * 10 | round / 10) s, done after \(.request_to_done_ms | ms) ms (\(phases))",
	"    to the guest    \(.to_guest | strip)",
	"    from the guest  \(.from_guest | strip)"),
"",
"                        request       ------- to the guest -------------     ------ from the guest ------------",
row(["flip", "to done", "blackout", "lost", "twice", "late", "blackout", "lost", "twice", "late"]),
row(["", "ms", "ms", "", "", "", "ms", "", "", ""]),
(.flips[] | row(["\(.number)  \(ways)", (.request_to_done_ms | ms), (.to_guest.blackout_ms | ms)] + (.to_guest | counts)
	+ [.from_guest.blackout_ms | ms] + (.from_guest | counts))),
row(["whole stream", "", ""] + (.to_guest | counts) + [""] + (.from_guest | counts)),
"",
"request to done: from `tandem nic switch` to its answer. blackout: the longest silence after the request, less the stream's own",
"1 ms. lost, twice, late: packets of \(.to_guest.sent) and \(.from_guest.sent) sent that never came, came twice, came after a later one.",
(.tcp | "TCP: \(.to_guest.blocks) and \(.from_guest.blocks) blocks of 4 KiB, "
	+ (if .to_guest.corrupt + .from_guest.corrupt == 0 then "every byte right" else "\(.to_guest.corrupt + .from_guest.corrupt) WRONG" end)
	+ (if .to_guest.broken or .from_guest.broken then ", the connection BROKE" else ", the connection never broke" end)
	+ "; longest stall \(.to_guest.longest_stall_ms | ms) and \(.from_guest.longest_stall_ms | ms) ms."),
(([.to_guest, .from_guest | .pace_percent] | min) as $pace
	| if $pace < 95 then "NOTE: this machine was too busy: a sender kept \($pace | round) % of its pace. The figures above show that, too." else empty end),
(if .mode == "transparent" then
	"The guest has one NIC, an Intel 82576 VF in its eyes; it was stopped for " + ([.flips[].vmm.pause_ms] | "\(min | ms) to \(max | ms) ms a flip, and was told nothing."),
	"" else empty end),
"On the VF path the guest reaches the NIC's hardware itself; on the emulated path its packets go through a tap and bridge br0, where",
"a host can filter, team and migrate. The guest's network interface, address and connections stayed the same all along."
