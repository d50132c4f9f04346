# shellcheck shell=bash disable=SC2034 # used by those who include this
# SPDX-License-Identifier: Apache-2.0
# The same NIC for each VMM: a VM with one that answers, and changes of its path.
# needs tests/lab/lib.sh, clock.sh, qmp.sh, vmm.sh, exits.sh, ROUNDS

NIC_TAP=tap0 NIC_VF=0

# vf_bdf NUMBER: of pf0
vf_bdf() { basename "$(readlink "/sys/class/net/pf0/device/virtfn$1")"; }

# qemu_host_side: what tandem does by itself: the VF's MAC and driver, the tap on the bridge.
qemu_host_side() {
	local bdf
	bdf=$(vf_bdf "$NIC_VF")
	ip link set pf0 vf "$NIC_VF" mac "$GUEST_MAC"
	echo vfio-pci >"/sys/bus/pci/devices/$bdf/driver_override"
	echo "$bdf" >/sys/bus/pci/drivers_probe
	ip tuntap add dev "$NIC_TAP" mode tap vnet_hdr
	ip link set "$NIC_TAP" master br0
	ip link set "$NIC_TAP" up
}

qemu_host_side_undo() {
	local bdf
	bdf=$(vf_bdf "$NIC_VF")
	ip link delete "$NIC_TAP"
	echo "$bdf" >"/sys/bus/pci/devices/$bdf/driver/unbind"
	echo >"/sys/bus/pci/devices/$bdf/driver_override"
	ip link set pf0 vf "$NIC_VF" mac 00:00:00:00:00:00
}

# qemu_nic MODE: vf, vhost, user (virtio in user space), model (its igb, emulated) or failover. A failover NIC's VF is plugged into the
# root port.
qemu_nic() {
	local tap="tap,id=host0,ifname=$NIC_TAP,script=no,downscript=no" virtio="virtio-net-pci,id=net0,netdev=host0,mac=$GUEST_MAC" vf
	vf="vfio-pci,id=vf0,host=$(vf_bdf "$NIC_VF")"
	case $1 in
	vf) printf '%s\n' -device "$vf" ;;
	vhost) printf '%s\n' -netdev "$tap,vhost=on" -device "$virtio" ;;
	user) printf '%s\n' -netdev "$tap,vhost=off" -device "$virtio" ;;
	model) printf '%s\n' -netdev "$tap,vhost=off" -device "igb,id=net0,netdev=host0,mac=$GUEST_MAC" ;;
	failover)
		printf '%s\n' -netdev "$tap,vhost=on" -device "$virtio,failover=on,bus=pcie.0,addr=4" \
			-device pcie-root-port,id=port0,chassis=1,slot=1,addr=5 -device "$vf,bus=port0,failover_pair_id=net0"
		;;
	esac
}

tandem_nic() {
	local nic="id=net0,mac=$GUEST_MAC"
	case $1 in
	vf) printf '%s\n' --net "$nic,mode=vf,pf=pf0" ;;
	vhost) printf '%s\n' --net "$nic,mode=emulated,bridge=br0,vhost=on" ;;
	user) printf '%s\n' --net "$nic,mode=emulated,bridge=br0,vhost=off" ;;
	model) printf '%s\n' --net "$nic,mode=emulated,bridge=br0,model=igbvf" ;;
	transparent) printf '%s\n' --net "$nic,mode=transparent,bridge=br0,pf=pf0,path=vf" ;;
	failover) printf '%s\n' --net "$nic,mode=failover,bridge=br0,vhost=on,pf=pf0,path=vf,unplug_timeout=20s" ;; # beside one that waits for ever
	esac
}

ping_guest() { in_peer /run/lab/bin/busybox ping -q -c 2 -i 0.2 -W 1 "$GUEST_ADDRESS" >/dev/null 2>&1; }

# nic_vm_start KIND CPUS MODE: starts a guest with that NIC and waits until traffic reaches it.
nic_vm_start() {
	local kind=$1 cpus=$2 mode=$3 arguments limit
	if [[ $kind == tandem ]]; then mapfile -t arguments < <(tandem_nic "$mode"); else
		qemu_host_side
		mapfile -t arguments < <(qemu_nic "$mode")
	fi
	vmm_start "$kind" "$cpus" "${arguments[@]}"
	[[ $kind == tandem ]] || qmp qmp_capabilities
	console_wait '@up' 180
	# The last VM had the same MAC elsewhere, and nobody outside knows yet: asking anew tells the switch.
	in_peer ip neigh flush dev wire0
	limit=$((SECONDS + 30))
	until ping_guest; do
		((SECONDS < limit)) || fail "$kind, $mode: the guest does not answer"
	done
	case $mode in
	failover | transparent) nic_wait_path vf 30 ;;
	esac
}

nic_vm_stop() {
	if [[ $VMM_KIND == tandem ]]; then vm_stop; else
		vmm_kill
		qemu_host_side_undo
	fi
}

# nic_vm_sampled KIND FUNCTION MODE: FUNCTION KIND MODE measures a VM of that KIND with such a NIC. A VM beside tandem's in which traffic stands
# (with QEMU's igb TCP does now and then) costs the samples that it still owed; more than one a round cost the part.
VMS_STOOD=0
nic_vm_sampled() {
	local kind=$1 function=$2 mode=$3
	nic_vm_start "$kind" 2 "$mode"
	if [[ $kind == tandem ]]; then "$function" "$kind" "$mode"; else
		( # in the background, where set -e holds
			trap exits_off EXIT
			"$function" "$kind" "$mode"
		) &
		wait $! || {
			printf '%s, %s: its traffic stood; it has fewer samples\n' "$kind" "$mode" >&2
			((++VMS_STOOD <= ROUNDS)) || fail "$kind, $mode: traffic stood in $VMS_STOOD VMs"
		}
	fi
	nic_vm_stop
}

# tap_packets: what the guest sent by QEMU's emulated path.
tap_packets() { cat "/sys/class/net/$NIC_TAP/statistics/rx_packets"; }

# nic_wait_path PATH SECONDS: until the guest uses that path. QEMU does not say: pings through the tap, or not.
nic_wait_path() {
	local limit=$((SECONDS + $2)) before now=''
	if [[ $VMM_KIND == tandem ]]; then
		nic_wait .path "$1" "$2"
		nic_wait .state idle "$2"
		return
	fi
	while ((SECONDS < limit)); do
		before=$(tap_packets)
		ping_guest || continue
		if (($(tap_packets) - before >= 2)); then now=emulated; else now=vf; fi
		[[ $now != "$1" ]] || return 0
	done
	fail "$VMM_KIND: the guest does not use its $1 path"
}

# nic_switch PATH: asks for it, under traffic. Sets SWITCH_REQUESTED_US and SWITCH_DONE_US; tandem's record is in $WORK/switch.json.
# Done: tandem says so. QEMU to the emulated path: DEVICE_DELETED; to the VF: when the guest's packets leave the tap.
nic_switch() {
	SWITCH_REQUESTED_US=$(now_us)
	case $VMM_KIND:$1 in
	tandem:*)
		tandem nic switch "$VM_NAME/net0" --to "$1" --json >"$WORK/switch.json" || fail "no flip to $1"
		SWITCH_DONE_US=$(now_us)
		;;
	*:emulated)
		qmp device_del '{"id":"vf0"}'
		qmp_wait '*"DEVICE_DELETED"*"device": "vf0"*' 20 || fail "QEMU's guest did not give the VF up"
		SWITCH_DONE_US=$QMP_US
		;;
	*:vf)
		qmp device_add "{\"driver\":\"vfio-pci\",\"id\":\"vf0\",\"host\":\"$(vf_bdf "$NIC_VF")\",\"bus\":\"port0\",\"failover_pair_id\":\"net0\"}"
		wait_tap_quiet 10
		;;
	esac
}

# wait_tap_quiet SECONDS: sets SWITCH_DONE_US to when the tap's count stood still for the first time of five in a row, 20 ms apart.
wait_tap_quiet() {
	local limit=$((SECONDS + $1)) before='' now quiet=0
	while ((quiet < 5)); do
		((SECONDS < limit)) || fail "QEMU's guest still sends by its virtio-net"
		now=$(tap_packets)
		if [[ $now != "$before" ]]; then quiet=0; else
			((quiet++)) || SWITCH_DONE_US=$(now_us)
		fi
		before=$now
		sleep 0.02
	done
}
