#!/usr/bin/env bash
# includes.sh SOURCE_TREE: a file of lib/ includes its own layer and lower ones; only lib/os speaks to the system; only
# lib/ds knows ConcurrencyKit; the public headers know neither.
set -eu
cd "$1"

layers=(base os ds sched task)
system='(pthread|threads|semaphore|unistd|sched|time|signal|fcntl|poll|ucontext|dlfcn|syscall)\.h|(sys|linux|asm)/.*'
bad=0

complain() {
    echo "$*" >&2
    bad=1
}

# includes FILE: what it includes, one a line: <name> or "name".
includes() {
    sed -nE 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*([<"][^>"]*[>"]).*/\1/p' "$1"
}

rank() { # LAYER: its place from the bottom, or nothing
    local i
    for i in "${!layers[@]}"; do
        if [ "${layers[i]}" = "$1" ]; then echo "$i"; fi
    done
}

for layer in "${layers[@]}"; do
    own=$(rank "$layer")
    for file in lib/"$layer"/*.[ch]; do
        [ -e "$file" ] || continue
        while read -r include; do
            name=${include:1:${#include}-2}
            if [[ $include == \"* ]]; then
                theirs=$(rank "${name%%/*}")
                if [[ $name != */* || -z $theirs ]]; then
                    complain "$file: $include: an own header is included as \"layer/file.h\""
                elif [ "$theirs" -gt "$own" ]; then
                    complain "$file: $include: $layer is below ${layers[theirs]}"
                elif [ ! -e "lib/$name" ]; then
                    complain "$file: $include: there is no such file"
                fi
            elif [[ $layer != os && $name =~ ^($system)$ ]]; then
                complain "$file: $include: only lib/os calls the system"
            elif [[ $layer != ds && $name =~ ^ck_ ]]; then
                complain "$file: $include: only lib/ds knows ConcurrencyKit"
            elif [[ $name == stdatomic.h && $file != lib/base/atomic.h ]]; then
                complain "$file: $include: atomics are those of base/atomic.h"
            elif [[ -e lib/$name ]]; then
                complain "$file: $include: an own header is included with quotes"
            fi
        done < <(includes "$file")
    done
done

stray=$(find lib -name '*.[ch]' | grep -Ev "^lib/($(IFS='|' && echo "${layers[*]}"))/[^/]+$" || true)
if [ -n "$stray" ]; then complain "outside of the layers: $stray"; fi

for file in include/*.h include/*/*.h; do
    while read -r include; do
        name=${include:1:${#include}-2}
        if [[ $include == \"* ]]; then
            complain "$file: $include: public headers include with <>"
        elif [[ $name == stdatomic.h || $name =~ ^ck_ || $name =~ ^(base|os|ds|sched|task)/ ]]; then
            complain "$file: $include: not in a public header"
        elif [[ $name =~ ^vtask ]] && [ ! -e "include/$name" ]; then
            complain "$file: $include: there is no such file"
        fi
    done < <(includes "$file")
done
exit "$bad"
