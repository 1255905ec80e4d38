# shellcheck shell=bash disable=SC2034
# setup.bash: sourced by the scripts beside it, whose arguments are SOURCE_TREE BUILD_TREE COMPILER.
# Gives $source, $build, $cc, $here, an empty directory $scratch that goes with the script, and, after install_vtask,
# $prefix and $libdir.
set -eu
source=$1 build=$2 cc=$3
here=$source/tests/install
scratch=$(mktemp -d)
# Projects are made with the generator that is known to work here.
CMAKE_GENERATOR=$(sed -n 's/^CMAKE_GENERATOR:INTERNAL=//p' "$build/CMakeCache.txt")
export CMAKE_GENERATOR
trap 'rm -rf "$scratch"' EXIT

die() {
    echo "$*" >&2
    exit 1
}

install_vtask() {
    prefix=$scratch/prefix
    cmake --install "$build" --prefix "$prefix" >"$scratch/install.log" || { cat "$scratch/install.log"; exit 1; }
    libdir=$(dirname "$(find "$prefix" -name libvtask.so)")
    [ -e "$libdir/libvtask.a" ] || die "no libvtask.a beside libvtask.so"
    [ -e "$prefix/include/vtask.h" ] || die "no include/vtask.h"
}

# run_consumer PROGRAM: it says what it should.
run_consumer() {
    local said
    said=$("$@") || die "$* failed with $?: $said"
    [ "$said" = "42" ] || die "$* said '$said'"
}
