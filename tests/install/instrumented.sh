#!/usr/bin/env bash
# A user's program built with ThreadSanitizer, by gcc and by clang, runs clean against the installed release library,
# shared and static, without suppressions. The same program with a race of its own is found out.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/setup.bash"
install_vtask
export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1:exitcode=66

# ThreadSanitizer's fixed map collides with the widest address randomisation of newer kernels.
launcher=()
bits=$(cat /proc/sys/vm/mmap_rnd_bits 2>/dev/null || echo 0)
if [ "$bits" -gt 28 ] && setarch "$(uname -m)" -R true 2>/dev/null; then launcher=(setarch "$(uname -m)" -R); fi

instrument() { # COMPILER OUTPUT ARGUMENT...
    local compiler=$1 output=$2
    shift 2
    "$compiler" -std=c11 -O1 -g -fsanitize=thread -I "$prefix/include" "$here/instrumented.c" "$@" -pthread -o "$output"
}

tried=0
for compiler in gcc clang; do
    if ! command -v "$compiler" >/dev/null; then
        echo "$compiler is not installed: left out"
        continue
    fi
    tried=$((tried + 1))
    instrument "$compiler" "$scratch/shared" -L "$libdir" -lvtask -Wl,-rpath,"$libdir"
    instrument "$compiler" "$scratch/static" "$libdir/libvtask.a"
    instrument "$compiler" "$scratch/racy" -DRACE "$libdir/libvtask.a"
    for kind in shared static; do
        "${launcher[@]}" "$scratch/$kind" || die "$compiler, $kind: not clean ($?)"
    done
    status=0
    "${launcher[@]}" "$scratch/racy" >/dev/null 2>"$scratch/report" || status=$?
    if [ "$status" -ne 66 ] || ! grep -q 'data race' "$scratch/report"; then
        cat "$scratch/report" >&2
        die "$compiler: a race of the user's own is not reported ($status)"
    fi
done
[ "$tried" -gt 0 ] || die "neither gcc nor clang"
