#!/usr/bin/env bash
# atomics.sh SOURCE_TREE: the compiler's atomics appear in base/atomic.h alone (and in base/sanitizer.h), so that every
# operation of lib/ has its order in its name. Comments may speak of them.
set -eu
cd "$1"
bad=0

# FILE: its lines, numbered, without comments.
code() {
    awk '{
        line = $0; out = ""
        while (line != "") {
            if (inside) {
                end = index(line, "*/")
                if (end == 0) { line = "" } else { line = substr(line, end + 2); inside = 0 }
            } else {
                start = index(line, "/*"); slashes = index(line, "//")
                if (slashes > 0 && (start == 0 || slashes < start)) { out = out substr(line, 1, slashes - 1); line = "" }
                else if (start > 0) { out = out substr(line, 1, start - 1); line = substr(line, start + 2); inside = 1 }
                else { out = out line; line = "" }
            }
        }
        print FILENAME ":" FNR ": " out
    }' "$1"
}

for file in lib/*/*.[ch]; do
    case $file in lib/base/atomic.h | lib/base/sanitizer.h | 'lib/*/*.[ch]') continue ;; esac
    if code "$file" | grep -E '\b(__atomic_|__sync_|__c11_atomic_|atomic_(load|store|exchange|compare|fetch|thread|init))|\b_Atomic\b'; then
        bad=1
    fi
done
if [ "$bad" -ne 0 ]; then echo "use the operations of base/atomic.h" >&2; fi
exit "$bad"
