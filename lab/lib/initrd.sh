# shellcheck shell=bash
# Makes initrds: directories packed by the tree's busybox, uncompressed (under emulation that boots fastest).
# needs common.sh, tree.sh

# initrd_modules VERSION ROOT ORDER MODULE…: puts modules, and what they need, unpacked into ROOT/modules, and the order
# in which insmod loads them into ROOT/modules/ORDER. Modules the kernel lacks or has built in are left out.
initrd_modules() {
    local version=$1 root=$2 order=$2/modules/$3 module verb file name
    shift 3
    mkdir -p "$root/modules"
    : >"$order"
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
        initrd_drop_signature "$root/modules/$name"
        printf '%s\n' "$name" >>"$order"
    done
}

# initrd_drop_signature FILE: checking signatures takes an emulated machine longer than loading does. The module's end
# is: signature, 12 bytes of which the last 4 are the signature's length, 28 bytes of text (Linux: kernel/module_signature.h).
initrd_drop_signature() {
    local length
    [[ $(tail -c 28 "$1" | tr -d '\0') == '~Module signature appended~' ]] || return 0
    length=$(tail -c 32 "$1" | head -c 4 | od -An -tx1 | tr -d ' \n')
    truncate -s -$((0x$length + 12 + 28)) "$1"
}

# initrd_pack ROOT FILE: packs ROOT; FILE appears whole.
initrd_pack() {
    local made
    made=$(mktemp "$2.XXXXXX")
    (cd "$1" && find . | "$TREE/usr/bin/busybox" cpio -o -H newc -R 0:0 2>/dev/null) >"$made"
    mv "$made" "$2"
}
