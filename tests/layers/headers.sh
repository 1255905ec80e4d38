#!/usr/bin/env bash
# headers.sh SOURCE_TREE COMPILER: every header of lib/ compiles alone.
set -eu
cd "$1"
compiler=$2 bad=0

for header in lib/*/*.h; do
    [ -e "$header" ] || continue
    name=${header#lib/}
    if ! printf '#include "%s"\n#include "%s"\nint unused_by_nobody;\n' "$name" "$name" |
        "$compiler" -x c -std=gnu11 -D_GNU_SOURCE= -Wall -Wextra -Werror -I include -I lib -c -o /dev/null -; then
        echo "$header does not compile alone" >&2
        bad=1
    fi
done
exit "$bad"
