#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# With sriov_drivers_autoprobe 0 a VF cannot be bound by hand either.
#
# Version:  Linux 6.12.117 (Debian 13, 6.12.117+deb13-amd64), igb, igbvf and vfio-pci, on QEMU 11.1's igb.
# Expected: sriov_drivers_autoprobe is "used to control automatic probing" (Documentation/ABI/testing/sysfs-bus-pci): with 0 no driver takes
#           a new VF by itself. Who writes the VF's address to a driver's `bind` asks for it, and gets it.
# Seen:     the core refuses *every* driver that the VF is not reserved for, also by `bind`, also after `new_id`, with ENODEV, the word
#           for a driver that does not know the device. It is the same check. driver_override is what lets one in.
#               autoprobe 0, bind to igbvf: No such device
#               autoprobe 0, new_id and bind to vfio-pci: No such device
#               autoprobe 0, driver_override igbvf, bind to igbvf: bound
#               autoprobe 1, bind to igbvf: bound
# Do:       autoprobe 0, then driver_override and drivers_probe.
#
# Runs in a lab host (lab/README.md), as it needs a PF: half a minute.
set -euo pipefail

if [ "${1:-}" != inside ]; then
	exec "$(dirname "$0")/../lab/host" -- "$(realpath "$0")" inside
fi

modprobe igbvf
modprobe vfio-pci
ip link set pf0 up
cd /sys/class/net/pf0/device
echo 0 >sriov_drivers_autoprobe
echo 1 >sriov_numvfs
vf=$(basename "$(readlink virtfn0)")

# bind DRIVER: what comes of writing the VF's address to it.
bind() {
	local why
	if why=$( (echo "$vf" >"/sys/bus/pci/drivers/$1/bind") 2>&1); then
		[ "$(basename "$(readlink "virtfn0/driver")")" = "$1" ] && echo bound
		echo "$vf" >"/sys/bus/pci/drivers/$1/unbind"
	else
		echo "${why##*: }"
	fi
}

uname -r
seen=$(
	echo "autoprobe 0, bind to igbvf: $(bind igbvf)"
	echo 8086 10ca >/sys/bus/pci/drivers/vfio-pci/new_id
	echo "autoprobe 0, new_id and bind to vfio-pci: $(bind vfio-pci)"
	echo igbvf >virtfn0/driver_override
	echo "autoprobe 0, driver_override igbvf, bind to igbvf: $(bind igbvf)"
	echo >virtfn0/driver_override
	echo 1 >sriov_drivers_autoprobe
	echo "autoprobe 1, bind to igbvf: $(bind igbvf)"
)
echo "$seen"
stated=$(sed -n '/^# Seen:/,/^# Do:/s/^#               //p' "$0")
[ "$seen" = "$stated" ] || { echo "CHANGED: Linux $(uname -r) does not do this" >&2 && exit 1; }
echo "as stated"
