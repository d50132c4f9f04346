#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A host whose IOMMU does not remap interrupts: a guest could raise any of the host's.
# lab/host options: --append intremap=off
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

network_up 1
guest_image
small_vm
check 'a VF is refused' refused no-interrupt-remapping 'does not remap interrupts' "${VM[@]}" --net mode=vf,pf=pf0
finish
