#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The guest's side of README.md: its interface goes up. A failover NIC has three: its virtio and its VF have a master, the one without is
# the guest's.
for dir in /sys/class/net/*; do
	name=${dir##*/}
	if [ "$name" = lo ] || [ -e "$dir/master" ]; then continue; fi
	ip addr add 10.1.0.2/24 dev "$name"
	ip link set "$name" up
done
