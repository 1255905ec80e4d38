#!/usr/bin/env bash
# headers.sh COMPILER INCLUDE LANGUAGE STANDARD: every public header compiles on its own, strictly, without a warning;
# so do all of them in one file.
set -eu
compiler=$1 include=$2 language=$3 standard=$4

compile() { # reads a source
    "$compiler" -x "$language" "-std=$standard" -Wall -Wextra -Wpedantic -Wconversion -Werror -I "$include" \
        -c -o /dev/null -
}

cd "$include"
headers=$(find . -name '*.h' | sed 's|^\./||' | LC_ALL=C sort)
[ -n "$headers" ] || { echo "no headers in $include" >&2; exit 1; }
for header in $headers; do
    echo "$header"
    printf '#include <%s>\n#include <%s>\nint unused_by_nobody;\n' "$header" "$header" | compile
done
# shellcheck disable=SC2086
{ printf '#include <%s>\n' $headers; echo 'int unused_by_nobody;'; } | compile
