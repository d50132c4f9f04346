# shellcheck shell=bash disable=SC2034 # used by those who include this
# Initrds of nested guests: a base that is made once for each kernel, and what a test adds, as a second archive behind it.
# needs common.sh, tree.sh, initrd.sh, $SCRATCH

GUEST_MODULES=(virtio_pci virtio_mmio virtio_net net_failover igbvf virtio_blk virtio_rng virtio_console virtio_balloon
    igb e1000e)

# guest_base SERIES: sets GUEST_BASE, the base initrd for that kernel, made once.
guest_base() {
    local version root modules
    version=$(tree_kernel "$1")
    GUEST_BASE=$CACHE/guest-$(key <(echo "$TREE" "$version" "${GUEST_MODULES[@]}") \
        "$LAB_DIR"/lib/{initrd,guest}.sh "$LAB_DIR/inside/guest-init").cpio
    [[ ! -e $GUEST_BASE ]] || return 0
    root=$SCRATCH/guest
    modules=$root/lib/modules/$version
    mkdir -p "$root"/{bin,sbin,etc,proc,sys,dev,tmp,run,root} "$root/lib/modules"
    initrd_modules "$version" "$root" order "${GUEST_MODULES[@]}"
    mv "$root/modules" "$modules"
    cp "$TREE/usr/lib/modules/$version/modules.builtin" "$modules/"
    mv "$modules/order" "$modules/modules.order"
    tree_kmod depmod -b "$root" -m /lib/modules "$version" 2>/dev/null
    cp "$TREE/usr/bin/busybox" "$root/bin/busybox"
    for name in $("$TREE/usr/bin/busybox" --list); do
        [[ $name == busybox ]] || ln -s busybox "$root/bin/$name"
    done
    ln -s ../bin/busybox "$root/sbin/modprobe"
    cp "$LAB_DIR/inside/guest-init" "$root/init"
    initrd_pack "$root" "$GUEST_BASE"
    rm -rf "$root"
}

# guest_add SOURCE DESTINATION ROOT: a file, with the libraries it needs, or a directory.
guest_add() {
    local library
    [[ -e $1 ]] || die "--add: no file $1"
    mkdir -p "$3/$(dirname -- "$2")"
    cp -rL -- "$1" "$3/$2"
    [[ -f $1 && $(head -c 4 "$1" | tr -d '\0') == $'\x7fELF' ]] || return 0
    # A static program has no list.
    { ldd "$1" 2>/dev/null | grep -o '/[^ ]*' || true; } | while read -r library; do
        [[ ! -e $3/$library ]] || continue
        mkdir -p "$3/$(dirname -- "$library")"
        cp -L -- "$library" "$3/$library"
    done
}
