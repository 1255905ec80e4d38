#!/usr/bin/env bash
# smoke.sh PROGRAM: runs every variant once, small, on one worker and on two; each checks its own result.
set -eu
program=$1
case $(basename "$program") in
bench-fib*) size=12 ;;
bench-nqueens* | bench-stranded*) size=8 ;;
bench-uts*) size=5 ;;
bench-integrate*) size=1 ;;
bench-matmul*) size=64 ;;
bench-latency*) size=20 ;;
bench-idle*) size=20 ;;
*) size=2000 ;;
esac
variants=$("$program" --list)
[ -n "$variants" ] || { echo "no variants" >&2; exit 1; }
for variant in $variants; do
    for workers in 1 2; do
        "$program" --variant "$variant" --workers "$workers" --size "$size"
    done
done
