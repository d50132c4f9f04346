# SPDX-License-Identifier: Apache-2.0
# Records of a transparent NIC's flips (slurped): a line for each direction.
def median: sort | .[length / 2 | floor];
def told(f): map(f) | "median \(median) ms, worst \(max) ms";

("vf", "emulated") as $to
| map(select(.to == $to and .ok and .changed))
| "to \($to): \(length) flips, pause \(told(.pause_ms)), own work \(told(.pause_cpu_ms)), at rest worst \(map(.rest_ms) | max) ms, " +
	"sending held back \(told(.tx_held_ms)), request to done \(told(.total_ms))"
