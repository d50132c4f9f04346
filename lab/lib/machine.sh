# shellcheck shell=bash
# What a lab host is: its initrd, its QEMU command line, the switch its NICs hang on.
# needs common.sh, tree.sh, initrd.sh, $SCRATCH

HOST_KERNELS=(6.12 7.3) # that tests use; the first is the default
HOST_MODULES=(9p 9pnet_virtio overlay kvm-amd kvm-intel vfio-pci vfio_iommu_type1 tun vhost_net bridge)
HOST_NIC_MODULES=(igb e1000e virtio_net)

# Names are given by the MAC's last byte: inside/boot.
HOST_NICS=(pf0:igb:01 pf1:igb:02 up0:e1000e:03 up1:e1000e:04 wire0:e1000e:05)

# machine_accel: kvm where nested virtualisation is offered, else tcg.
machine_accel() {
    if [[ -n ${TANDEM_LAB_ACCEL:-} ]]; then
        printf '%s\n' "$TANDEM_LAB_ACCEL"
    elif [[ -r /dev/kvm && -w /dev/kvm ]] && grep -qwE 'svm|vmx' /proc/cpuinfo; then
        echo kvm
    else
        echo tcg
    fi
}

# machine_initrd VERSION: sets INITRD of a lab host with that kernel, made once for these inputs.
machine_initrd() {
    local version=$1 root
    INITRD=$CACHE/host-$(key <(echo "$TREE" "$version" "${HOST_MODULES[@]}" "${HOST_NIC_MODULES[@]}") \
        "$LAB_DIR"/lib/initrd.sh "$LAB_DIR"/inside/*).cpio
    [[ ! -e $INITRD ]] || return 0
    root=$SCRATCH/initrd
    mkdir -p "$root/lab"
    initrd_modules "$version" "$root" nics "${HOST_NIC_MODULES[@]}"
    initrd_modules "$version" "$root" others "${HOST_MODULES[@]}"
    cp "$TREE/usr/bin/busybox" "$root/busybox"
    cp "$LAB_DIR/inside/init" "$root/init"
    cp "$LAB_DIR"/inside/{boot,lab-*} "$root/lab/"
    initrd_pack "$root" "$INITRD"
    rm -rf "$root"
}

# switch_rules: commands for the switch.
switch_rules() {
    local port vlan
    # A MAC that shows up on another port is believed at once, as switches of hardware do. (vde_switch would wait 3 s;
    # with 0 up to 1 s, as it counts in whole seconds.)
    echo hash/setminper -1
    # It passes frames with a tag on by VLAN and port: these go everywhere.
    for vlan in {100..103}; do echo "vlan/create $vlan"; done
    for ((port = 1; port <= ${#HOST_NICS[@]} * HOSTS; port++)); do
        printf '%s\n' "port/create $port" "port/allocatable $port 1"
        for vlan in {100..103}; do echo "vlan/addport $vlan $port"; done
    done
}

# switch_start NAME: a learning switch at $SCRATCH/NAME.switch. It ends when the write end of its input closes, which
# this process holds: with this process, however that ends.
switch_start() {
    local fifo=$SCRATCH/$1.hold hold
    [[ -e $SCRATCH/switch.rc ]] || switch_rules >"$SCRATCH/switch.rc"
    mkfifo "$fifo"
    # The open for reading alone waits for a writer: the one for both doesn't.
    exec {hold}<>"$fifo"
    (
        exec <"$fifo" {hold}>&- >"$SCRATCH/$1.switch.log" 2>&1
        let_go
        tree_run usr/bin/vde_switch -f "$SCRATCH/switch.rc" -s "$SCRATCH/$1.switch" -M "$SCRATCH/$1.mgmt" -m 700
    ) &
    PROCESSES+=($!)
    HELD+=("$hold")
    until [[ -S $SCRATCH/$1.switch/ctl ]]; do
        kill -0 $! 2>/dev/null || die "the switch did not start: $(tail -n1 "$SCRATCH/$1.switch.log")"
        sleep 0.01
    done
}

# machine_arguments NUMBER CPUS MEMORY APPEND: fills ARGUMENTS for lab host NUMBER, whose files are in $SCRATCH/hostNUMBER.
machine_arguments() {
    local number=$1 cpus=$2 memory=$3 append=$4 dir=$SCRATCH/host$1 kernel accel cmdline nic name model byte
    NIC_COUNT=0
    kernel=$TREE/usr/lib/modules/$HOST_VERSION/vmlinux
    [[ -e $kernel ]] || kernel=${kernel%ux}uz
    accel=$(machine_accel)
    cmdline="console=ttyS0 quiet loglevel=5 panic=-1 intel_iommu=on iommu=pt mitigations=off ipv6.disable_ipv6=1 bonding.max_bonds=0"
    cmdline+=" cryptomgr.notests apparmor=0"
    ARGUMENTS=(-nodefaults -no-user-config -display none -no-reboot -run-with exit-with-parent=on
        -msg timestamp=on -D "$dir/io/trace" # for lab-trace
        -L "$TREE/usr/share/qemu" -L "$TREE/usr/share/seabios" -name "lab$number")
    if [[ $accel == tcg ]]; then
        # No vCPU of a nested guest may run on CPU 0 of an emulated host: there is one more, and it is set apart.
        ARGUMENTS+=(-accel "tcg,thread=multi" -cpu "max,+svm" -smp $((cpus + 1)))
        # On a busy machine an emulated one gets too few ticks for the kernel to trust its timer or TSC: it must.
        cmdline+=" isolcpus=0 no_timer_check tsc=nowatchdog"
    else
        ARGUMENTS+=(-accel kvm -cpu host -smp "$cpus")
    fi
    ARGUMENTS+=(-m "$memory" -M q35,kernel-irqchip=split,sata=off,smbus=off,usb=off,vmport=off
        -global ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off # less AML to run: 0.5 s of boot
        -device intel-iommu,intremap=on
        -kernel "$kernel" -initrd "$INITRD" -append "$cmdline$append"
        -serial "file:$dir/console"
        -virtfs "local,path=/,mount_tag=root,security_model=none,readonly=on,multidevs=remap"
        -virtfs "local,path=$dir/io,mount_tag=io,security_model=none,multidevs=remap"
        -virtfs "local,path=$SCRATCH/shared,mount_tag=shared,security_model=none,multidevs=remap"
        # The QEMU monitor is a port of the machine itself: a link goes down by a command inside.
        -chardev "socket,id=monitor,path=$dir/monitor,server=on,wait=off" -object monitor-qmp,id=qmp,chardev=monitor
        -chardev "socket,id=monitor-port,path=$dir/monitor"
        -device virtio-serial-pci,max_ports=4
        -device virtserialport,chardev=monitor-port,name=lab.monitor,nr=1)
    for nic in "${HOST_NICS[@]}"; do
        IFS=: read -r name model byte <<<"$nic"
        machine_add_nic "$name" "$model" "52:54:00:1a:$(printf %02x "$number"):$byte" rack
    done
    if ((HOSTS > 1)); then
        machine_add_nic mgmt0 virtio-net-pci "52:54:00:1a:$(printf %02x "$number"):06" mgmt
    fi
}

# machine_add_nic NAME MODEL MAC SWITCH: each behind a root port of its own, NO_ACS's with a PCIe switch between.
machine_add_nic() {
    local bus=port-$1
    NIC_COUNT=$((NIC_COUNT + 1))
    ARGUMENTS+=(-device "pcie-root-port,id=port-$1,chassis=$NIC_COUNT,slot=$NIC_COUNT")
    if [[ $1 == "$NO_ACS" ]]; then
        bus=down-$1
        ARGUMENTS+=(-device "x3130-upstream,id=up-$1,bus=port-$1"
            -device "xio3130-downstream,id=$bus,bus=up-$1,chassis=100,slot=100")
    fi
    ARGUMENTS+=(-netdev "vde,id=net-$1,sock=$SCRATCH/$4.switch"
        -device "$2,id=$1,netdev=net-$1,mac=$3,bus=$bus,romfile=")
}
