#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The hardware half of a transparent NIC on a real VF, without a guest: rings given to it and taken back under sequenced frames.
# lab/host -- env CYCLES=200 tests/lab/hw82576.sh: more than 20 cycles
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

try=$(dirname "$(command -v tandem)")/tests/hw82576_try
[ -x "$try" ] || skip "no $try: build with TANDEM_TESTS=ON"
network_up 2
check 'frames, rings, mailbox' "$try" pf0 "${CYCLES:-20}"
finish
