#!/usr/bin/env bash
# refuse.sh COMPILER INCLUDE LANGUAGE STANDARD COMBINATOR: given value-tasks, the combinator does not compile, and the
# compiler's own text names vt_as_task. The same file over tasks does compile, so that it fails for no other reason.
set -eu
compiler=$1 include=$2 language=$3 standard=$4 combinator=$5
here=$(cd "$(dirname "$0")" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

compile() { # OPTION...: to an object, since some compilers refuse only once they make code
    "$compiler" -x "$language" "-std=$standard" -Wall -Wextra -Wpedantic -Wconversion -Werror -I "$include" \
        "-DUSE_$combinator" "$@" -c -o "$scratch/object.o" "$here/combinator.c"
}

for level in -O0 -O2; do
    compile "$level" || { echo "$combinator over tasks does not compile ($level)" >&2; exit 1; }
    for refused in VALUE_TASK ARRAY; do
        if compile "$level" "-DREFUSED=$refused" 2>"$scratch/text"; then
            echo "$combinator over value-tasks compiles ($level, $refused)" >&2
            exit 1
        fi
        # The source line that the compiler quotes does not count: the advice is in its message or its notes.
        if ! grep -E '(error|note|warning):' "$scratch/text" | grep -q 'vt_as_task'; then
            echo "the compiler's text does not say vt_as_task ($level, $refused):" >&2
            cat "$scratch/text" >&2
            exit 1
        fi
    done
done
