# shellcheck shell=bash
# Makes initrds: directories packed by the tree's busybox, uncompressed (under emulation that boots fastest).
# needs common.sh, tree.sh

# initrd_modules VERSION ROOT MODULE…: puts modules, and what they need, unpacked into ROOT/modules, and the order in
# which insmod loads them into ROOT/modules/order. Modules the kernel lacks or has built in are left out.
initrd_modules() {
    local version=$1 root=$2 module verb file name
    shift 2
    mkdir -p "$root/modules"
    for module; do
        tree_kmod modprobe -d "$TREE/usr" -S "$version" --show-depends "$module" 2>/dev/null || true
    done | while read -r verb file _; do
        [[ $verb == insmod ]] || continue
        name=$(basename "${file%%.ko*}").ko
        [[ ! -e $root/modules/$name ]] || continue
        case $file in
        *.xz) xz -dc "$file" >"$root/modules/$name" ;;
        *) cp "$file" "$root/modules/$name" ;;
        esac
        printf '%s\n' "$name" >>"$root/modules/order"
    done
}

# initrd_pack ROOT FILE: packs ROOT; FILE appears whole.
initrd_pack() {
    local made
    made=$(mktemp "$2.XXXXXX")
    (cd "$1" && find . | "$TREE/usr/bin/busybox" cpio -o -H newc -R 0:0 2>/dev/null) >"$made"
    mv "$made" "$2"
}
