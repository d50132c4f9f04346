#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Debian's kernel for virtual machines has no driver for the VFs of Intel's 1G and 40/100G cards.
#
# Version:  linux-image-6.1.0-50-cloud-amd64 6.1.176-1 beside linux-image-6.1.0-50-amd64 6.1.176-1 (Debian 12).
# Expected: the cloud kernel is a kernel for guests, cut down to what guests meet. A VF is something that only guests meet, and VFs of
#           ixgbe, Mellanox and Amazon are there: so those of igb (igbvf) and of i40e and ice (iavf) are as well.
# Seen:     they are not. A guest made from a cloud image sees its VF on the PCI bus, and no interface comes of it.
#               driver        cloud  amd64
#               igbvf         no     yes
#               iavf          no     yes
#               ixgbevf       yes    yes
#               mlx5_core     yes    yes
#               ena           yes    yes
#               virtio_net    yes    yes
#               net_failover  yes    yes
# Do:       install linux-image-amd64 in such guests. (6.12.117's cloud kernel is the same in this.)
#
# Needs apt, dpkg, no privilege; fetches 95 MB.
set -euo pipefail

KERNEL=6.1.0-50 VERSION=6.1.176-1
work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT

# fetch SUITE PACKAGE…: Debian packages of that suite into $work/debs, from where this machine gets Debian.
fetch() {
	local uri keyring suite=$1
	shift
	uri=$(apt-get update --print-uris 2>/dev/null | sed -nE "s,^'(.*/debian/?)/dists/.*/InRelease'.*,\1,p" | head -n 1)
	for keyring in /usr/share/keyrings/debian-archive-keyring.{pgp,gpg}; do [ ! -r "$keyring" ] || break; done
	mkdir -p "$work"/{state/lists/partial,cache/archives/partial,debs}
	echo "deb [signed-by=$keyring] $uri $suite main" >"$work/sources.list"
	local options=(-qq -o "Dir::State=$work/state" -o "Dir::Cache=$work/cache" -o "Dir::Etc::SourceList=$work/sources.list"
		-o Dir::State::status=/dev/null -o Dir::Etc::SourceParts=/dev/null -o APT::Architecture=amd64 -o APT::Sandbox::User=)
	apt-get "${options[@]}" update && (cd "$work/debs" && apt-get "${options[@]}" download "$@") ||
		{ echo "not shown: $suite has no $* here" >&2 && exit 77; }
}
fetch bookworm "linux-image-$KERNEL-cloud-amd64=$VERSION" "linux-image-$KERNEL-amd64=$VERSION"

# has FLAVOUR MODULE: yes or no.
for flavour in cloud-amd64 amd64; do
	dpkg-deb -c "$work/debs/linux-image-$KERNEL-${flavour}_${VERSION}_amd64.deb" >"$work/$flavour"
done
has() {
	if grep -q "/kernel/drivers/net/.*/$2\.ko\|/kernel/drivers/net/$2\.ko" "$work/$1"; then echo yes; else echo no; fi
}
seen=$(
	printf '%-13s %-6s %s\n' driver cloud amd64
	for driver in igbvf iavf ixgbevf mlx5_core ena virtio_net net_failover; do
		printf '%-13s %-6s %s\n' "$driver" "$(has cloud-amd64 "$driver")" "$(has amd64 "$driver")"
	done
)
echo "$seen"
stated=$(sed -n '/^# Seen:/,/^# Do:/s/^#               //p' "$0")
[ "$seen" = "$stated" ] || { echo "CHANGED: these kernels have other drivers than stated" >&2 && exit 1; }
echo "as stated"
