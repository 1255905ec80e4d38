#!/usr/bin/env bash
# A CMake project takes the source tree in with add_subdirectory(), builds and runs; nothing of vtask's own leaks.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/setup.bash"

cmake -S "$here/consumer" -B "$scratch/build" -DCMAKE_C_COMPILER="$cc" -DVTASK_SOURCE="$source" >"$scratch/log" ||
    { cat "$scratch/log"; die "configuration fails"; }
cmake --build "$scratch/build" -j2 >"$scratch/log" || { cat "$scratch/log"; die "build fails"; }
run_consumer "$scratch/build/consumer_shared"
run_consumer "$scratch/build/consumer_static"
cmake --install "$scratch/build" --prefix "$scratch/prefix" >/dev/null
if [ -n "$(find "$scratch/prefix" -name '*vtask*' 2>/dev/null)" ]; then die "installing the user installs vtask"; fi
