#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tandem host doctor on a host whose IOMMU the kernel leaves alone, and what `tandem run` says there: the same reason, as doctor.md has it.
# lab/host options: --append intel_iommu=off
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

! ls /sys/class/iommu/* >/dev/null 2>&1 || skip 'the IOMMU is on: lab/host --append intel_iommu=off'

status=0
network_up 1
tandem host doctor >"$WORK/text" || status=$?
check 'exit 1' [ "$status" = 1 ]
cat "$WORK/text"
check 'the first line says so' grep -q '^stops  iommu: .*(ACPI table DMAR), the kernel does not use it: it was booted with intel_iommu=off \[iommu-not-on\]$' \
	<(head -n 1 "$WORK/text")
check 'and the third what to do' grep -q 'try: Replace intel_iommu=off by intel_iommu=on iommu=pt in GRUB_CMDLINE_LINUX' <(sed -n 3p "$WORK/text")
check 'no consequences beside it' [ "$(grep -c '^stops' "$WORK/text")" = 1 ]
"$CHECKOUT/lab/guest" --kernel 6.12 --out "$WORK"
status=0
tandem run --name off --memory size=128M --kernel "$WORK/vmlinuz" --initramfs "$WORK/initrd" --serial off --net id=net0,mode=vf,pf=pf0 \
	</dev/null 2>"$WORK/errors-of-run" || status=$?
cat "$WORK/errors-of-run"
check 'tandem run says no-iommu' grep -q '\[no-iommu\]' "$WORK/errors-of-run"
check 'so does doctor.md' grep -q '^| `iommu-not-on` |.*| no-iommu |$' "$CHECKOUT/docs/doctor.md"
finish
