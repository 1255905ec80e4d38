#!/usr/bin/env bash
# A CMake project finds the installed package, builds and runs against both libraries; another version is refused.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/setup.bash"
install_vtask

version=$(sed -nE 's/^#define VTASK_VERSION_STRING "(.*)"/\1/p' "$prefix/include/vtask/config.h")
cmake -S "$here/consumer" -B "$scratch/build" -DCMAKE_C_COMPILER="$cc" -DCMAKE_PREFIX_PATH="$prefix" \
    -DEXPECTED_VERSION="$version" >"$scratch/log" || { cat "$scratch/log"; die "configuration fails"; }
cmake --build "$scratch/build" >"$scratch/log" || { cat "$scratch/log"; die "build fails"; }
run_consumer "$scratch/build/consumer_shared"
run_consumer "$scratch/build/consumer_static"
readelf -d "$scratch/build/consumer_shared" | grep -q 'NEEDED.*\[libvtask\.so\.0\]' || die "no libvtask.so.0 needed"
if readelf -d "$scratch/build/consumer_static" | grep -q 'libvtask'; then die "the static one needs libvtask.so"; fi

mkdir "$scratch/newer"
printf '%s\n' 'cmake_minimum_required(VERSION 3.20)' 'project(newer LANGUAGES C)' 'find_package(vtask 99 REQUIRED)' \
    >"$scratch/newer/CMakeLists.txt"
if cmake -S "$scratch/newer" -B "$scratch/newer/build" -DCMAKE_PREFIX_PATH="$prefix" >/dev/null 2>&1; then
    die "version 99 was found"
fi
