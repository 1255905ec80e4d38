#!/usr/bin/env bash
# consumer.sh COMPILER INCLUDE LIBRARIES: a C++17 program compiles, links and runs.
set -eu
compiler=$1 include=$2 libraries=$3
here=$(cd "$(dirname "$0")" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

"$compiler" -std=c++17 -Wall -Wextra -Wpedantic -Wconversion -Werror -I "$include" "$here/consumer.cpp" \
    -L "$libraries" -lvtask -Wl,-rpath,"$libraries" -o "$scratch/consumer"
"$scratch/consumer"
