# shellcheck shell=bash
# The private tree: QEMU, the switch, busybox and kernels from Debian's archive, unpacked in the cache and run in place.
# Nothing is installed on the machine and no privilege is needed: apt works on a state of its own, dpkg-deb unpacks.
# needs common.sh

# shellcheck source=mend.sh
. "$LAB_DIR/lib/mend.sh"

TREE_FORMAT=4 # raised when what tree_make() makes changes
TREE_PACKAGES=(qemu-system-x86/trixie-backports qemu-system-common/trixie-backports qemu-system-data/trixie-backports
    seabios/trixie-backports vde2/trixie busybox-static/trixie kmod/trixie zstd/trixie)
TREE_KERNELS=(6.1 6.12 7.3) # Debian 12's, Debian 13's, its backports'
TREE_UNUSED=(usr/share/{bug,doc,man,locale,icons,info,lintian,perl,perl5,bash-completion,zsh,fish,mime})
TREE_UNUSED_MODULES=(sound drivers/{gpu,hid,iio,isdn,media,mfd,mmc,mtd,platform,staging,usb,video} drivers/net/{can,wan,wireless})

# archive_uris: where this machine gets Debian from, best guess first. apt itself reads both forms of its
# configuration. Third-party archives may carry Debian's suite names: a path ending in /debian goes first.
archive_uris() {
    if [[ -n ${TANDEM_LAB_MIRROR:-} ]]; then
        printf '%s\n' "$TANDEM_LAB_MIRROR"
        return
    fi
    local suites='(old)*stable|testing|unstable|sid|bullseye|bookworm|trixie|forky|duke'
    # 'URI/dists/SUITE/InRelease' FILE …; needs no lists to have been fetched.
    apt-get update --print-uris 2>/dev/null |
        sed -nE "s,^'(.*)/dists/($suites)/InRelease'.*,\\1,p" |
        awk '!seen[$1]++ { print (/\/debian\/?$/ ? 0 : 1), $1 }' | sort -s -k1,1n | cut -d' ' -f2
}

# tree_apt DIR COMMAND…: apt-get or apt-cache on the private state in DIR.
tree_apt() {
    local dir=$1 command=$2
    shift 2
    "$command" -qq -o "Dir::State=$dir/state" -o Dir::State::status=/dev/null -o "Dir::Cache=$dir/cache" \
        -o "Dir::Etc::SourceList=$dir/sources.list" -o Dir::Etc::SourceParts=/dev/null \
        -o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts=/dev/null \
        -o APT::Architecture=amd64 -o APT::Architectures::=amd64 -o APT::Install-Recommends=false \
        -o APT::Sandbox::User= -o Acquire::Languages=none -o Debug::NoLocking=true "$@"
}

# tree_update DIR: fetches the lists of the first archive that has what is needed.
tree_update() {
    local dir=$1 keyring options='' uri
    for keyring in "${TANDEM_LAB_KEYRING:-}" /usr/share/keyrings/debian-archive-keyring.{pgp,gpg}; do
        [[ -n $keyring && -r $keyring ]] || continue
        options="[signed-by=$keyring] "
        break
    done
    mkdir -p "$dir"/{state/lists/partial,cache/archives/partial}
    while read -r uri; do
        printf "deb $options$uri %s main\n" trixie trixie-backports bookworm >"$dir/sources.list"
        tree_apt "$dir" apt-get update >"$dir/update.log" 2>&1 || continue
        [[ $(tree_apt "$dir" apt-cache show qemu-system-x86) == *~bpo13* ]] && return
    done < <(archive_uris)
    [[ ! -s $dir/update.log ]] || sed 's/^/lab:   apt: /' "$dir/update.log" >&2
    die "no archive with Debian 13 and its backports in apt's configuration: set TANDEM_LAB_MIRROR=URI"
}

# tree_unpack DEBS INTO: unpacks all packages in DEBS.
tree_unpack() {
    mkdir -p "$2"
    find "$1" -name '*.deb' -print0 | xargs -0 -r -P2 -I{} dpkg-deb -x {} "$2"
}

# tree_add_kernel APT INTO SERIES: adds the archive's newest kernel of a series, as of 7.2 Debian lays it out: vmlinuz, config and modules in
# usr/lib/modules/VERSION. From there on linux-image-VERSION is empty, and depends on three packages that hold these.
tree_add_kernel() {
    local apt=$1 work=$1/kernel-$3 modules=usr/lib/modules version part packages
    version=$(tree_apt "$apt" apt-cache pkgnames "linux-image-$3." |
        sed -nE 's/^linux-image-([0-9.]+(-[0-9]+)?(\+[a-z0-9]+)?-amd64)$/\1/p' | sort -V | tail -n 1)
    if [[ -z $version ]]; then
        say "the archive has no kernel $3: the lab goes without"
        return
    fi
    mapfile -t packages < <(for part in image binary base modules; do
        tree_apt "$apt" apt-cache pkgnames "linux-$part-$version" | grep -xF "linux-$part-$version"
    done)
    mkdir "$work"
    (cd "$work" && tree_apt "$apt" apt-get download "${packages[@]}")
    tree_unpack "$work" "$work/root"
    mkdir -p "$2/$modules"
    [[ ! -d $work/root/lib/modules ]] || mv "$work/root/lib/modules/$version" "$2/$modules/" # Debian 12's
    [[ ! -d $work/root/$modules ]] || mv "$work/root/$modules/$version" "$2/$modules/"
    for part in vmlinuz config; do
        [[ ! -e $work/root/boot/$part-$version ]] || mv "$work/root/boot/$part-$version" "$2/$modules/$version/$part"
    done
    [[ -e $2/$modules/$version/vmlinuz ]] || die "no vmlinuz in Debian's packages ${packages[*]}"
    (cd "$2/$modules/$version/kernel" && rm -rf "${TREE_UNUSED_MODULES[@]}")
}

# tree_unpack_kernel VMLINUZ INTO: the ELF file inside, if zstd packed it (Debian 12's is packed by xz, and is no lab host's); an emulated
# machine that needn't unpack its kernel starts 1 s sooner. Where it is: Linux, Documentation/arch/x86/boot.rst, setup_sects, payload_offset, payload_length. The last
# four bytes of the payload are the unpacked length.
tree_unpack_kernel() {
    local lib=$TREE/usr/lib/x86_64-linux-gnu sectors offset length
    sectors=$(od -An -tu1 -j 497 -N 1 "$1")
    offset=$(od -An -tu4 -j 584 -N 4 "$1")
    length=$(od -An -tu4 -j 588 -N 4 "$1")
    dd if="$1" bs=1M iflag=skip_bytes,count_bytes status=none skip=$(((sectors + 1) * 512 + offset)) \
        count=$((length - 4)) |
        "$lib/ld-linux-x86-64.so.2" --library-path "$lib" "$TREE/usr/bin/zstd" -dcq >"$2" ||
        die "the kernel $1 is packed in an unexpected way"
    [[ $(head -c 4 "$2") == $'\x7fELF' ]] || die "the kernel $1 holds no ELF file"
}

# tree_make INTO: makes the tree, whole or not at all.
tree_make() {
    local into=$1 work version series
    need apt-get apt
    need dpkg-deb dpkg
    need xz xz-utils
    need objdump binutils
    [[ $(uname -m) == x86_64 ]] || die "the lab runs on x86-64 machines only"
    say "unpacking QEMU and kernels to $into (once, in a minute or less)"
    work=$(mktemp -d "$CACHE/making.XXXXXX")
    # shellcheck disable=SC2064 # now, not later
    trap "rm -rf -- '$work'" EXIT
    tree_update "$work/apt"
    tree_apt "$work/apt" apt-get install --yes --download-only "${TREE_PACKAGES[@]}" >/dev/null ||
        die "apt could not fetch the tree's packages (above)"
    tree_unpack "$work/apt/cache/archives" "$work/tree"
    for series in "${TREE_KERNELS[@]}"; do tree_add_kernel "$work/apt" "$work/tree" "$series"; done
    (cd "$work/tree" && rm -rf "${TREE_UNUSED[@]}")
    TREE=$work/tree
    for version in "$TREE"/usr/lib/modules/*; do
        tree_kmod depmod -b "$TREE/usr" -m /lib/modules "${version##*/}"
        [[ $version == */6.1.* ]] || tree_unpack_kernel "$version/vmlinuz" "$version/vmlinux"
    done
    if mend_qemu "$TREE/usr/bin/qemu-system-x86_64"; then
        : >"$TREE/mended"
    else
        say "this QEMU's VMRUN is not the one lib/mend.sh knows: nested guests may hang where it is emulated"
    fi
    mv -T "$work/tree" "$into"
    rm -rf -- "$work"
    trap - EXIT
}

# tree_kmod NAME ARGUMENT…: modprobe, depmod …: one program with many names, told apart by argv[0].
tree_kmod() {
    local lib=$TREE/usr/lib/x86_64-linux-gnu name=$1
    shift
    "$lib/ld-linux-x86-64.so.2" --library-path "$lib" --argv0 "$name" "$TREE/usr/bin/kmod" "$@"
}

# tree_kernel SERIES: the version of the tree's kernel of that series (7.3).
tree_kernel() {
    local found there
    for found in "$TREE/usr/lib/modules/$1".*; do
        [[ $1 =~ ^[0-9]+\.[0-9]+$ && -d $found ]] && break
        there=$(cd "$TREE/usr/lib/modules" && printf '%s\n' * | sort -V | sed -E 's/^([0-9]+\.[0-9]+).*/\1/' | paste -sd ' ')
        die "no kernel $1: there are ${there// /, }"
    done
    printf '%s\n' "${found##*/}"
}

# tree_find: sets TREE, making it if need be. Two first runs at once are fine.
tree_find() {
    local lock
    TREE=$CACHE/tree-$(key <(echo "$TREE_FORMAT" "${TREE_PACKAGES[@]}" "${TREE_KERNELS[@]}"))
    [[ -d $TREE ]] && return 0
    mkdir -p "$CACHE" || die "no writable cache directory: set TANDEM_LAB_CACHE"
    exec {lock}>"$CACHE/lock"
    flock "$lock"
    if [[ ! -d $TREE ]]; then
        rm -rf "$CACHE"/making.*
        (tree_make "$TREE") || exit "$EXIT_LAB_FAILED"
    fi
    exec {lock}>&-
}
