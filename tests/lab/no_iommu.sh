#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A host whose IOMMU is off.
# lab/host options: --append intel_iommu=off
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

network_up 1
guest_image
small_vm
check 'a VF is refused' refused no-iommu 'has no IOMMU group' "${VM[@]}" --net mode=vf,pf=pf0
check 'for a failover NIC too' refused no-iommu 'has no IOMMU group' "${VM[@]}" --net mode=failover,pf=pf0,bridge=br0
finish
