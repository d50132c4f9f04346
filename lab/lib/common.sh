# shellcheck shell=bash disable=SC2034 # used by those who include this
# What every script of the lab shares: messages, places, scratch directories, running programs of the private tree.
# Not here: how the tree is made (tree.sh), what a lab host looks like (machine.sh).

LAB_DIR=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
CHECKOUT=$(dirname -- "$LAB_DIR")
CACHE=${TANDEM_LAB_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/tandem-lab}
EXIT_LAB_FAILED=125 # the lab's own failures, as `docker run` and `env` have it

say() { printf 'lab: %s\n' "$*" >&2; }

# die TEXT: one line saying what is wrong and what to do.
die() {
    say "$*"
    exit "$EXIT_LAB_FAILED"
}

# usage FILE: prints the comment block at the top of a script, which is its manual.
usage() {
    sed -n '2,/^[^#]/{/^#/!d;s/^# \{0,1\}//;p}' "$1"
}

# need COMMAND PACKAGE: stops unless COMMAND is there.
need() {
    command -v "$1" >/dev/null || die "$1 is missing: install Debian's package $2 (as root: lab/setup does)"
}

# key FILE…: a short name for these contents.
key() { cat -- "$@" | sha256sum | cut -c1-12; }

# make_scratch: a directory of this run in $SCRATCH, held by a lock that ends with this process. What runs that were
# killed outright left behind goes first.
make_scratch() {
    local old
    for old in "${TMPDIR:-/tmp}"/tandem-lab.*; do
        [[ -O $old && -e $old/lock ]] || continue
        flock -n "$old/lock" rm -rf -- "$old" || true
    done
    SCRATCH=$(mktemp -d "${TMPDIR:-/tmp}/tandem-lab.XXXXXX")
    exec {SCRATCH_LOCK}>"$SCRATCH/lock"
    flock "$SCRATCH_LOCK"
}

# tree_run PROGRAM ARGUMENT…: runs a program of the private tree by the tree's own loader and libraries. Replaces the
# process; call it in a subshell.
tree_run() {
    local lib=$TREE/usr/lib/x86_64-linux-gnu program=$TREE/$1
    shift
    QEMU_MODULE_DIR=$lib/qemu exec "$lib/ld-linux-x86-64.so.2" \
        --library-path "$lib:$TREE/usr/lib" --argv0 "${program##*/}" "$program" "$@"
}
