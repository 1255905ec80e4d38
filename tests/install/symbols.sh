#!/usr/bin/env bash
# The shared library exports exactly what the headers declare VTASK_PUBLIC, each symbol beginning with vtask_. Of the
# archive, a shared object that takes it in exports nothing, and every global name begins with vti_ or vtask_.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/setup.bash"
install_vtask

# The declared symbols: every declaration with default visibility, by its asm label, else by its name.
declared_symbols() {
    printf '#include <vtask.h>\n' |
        "$cc" -x c -std=c11 -E -P -DVTASK_BUILDING_SHARED -I "$prefix/include" - |
        tr '\n' ' ' | tr ';' '\n' | grep 'visibility *( *"default" *)' |
        sed -E 's/" +"//g
                s/.*__asm__ *\( *"([^"]*)" *\).*/\1/
                t
                s/.*visibility *\( *"default" *\) *\) *\)//
                s/.*[ *]([A-Za-z_0-9]+) *\(.*/\1/' | LC_ALL=C sort
}

nm -D --defined-only "$libdir/libvtask.so" | awk '{ print $NF }' | LC_ALL=C sort >"$scratch/exported"
declared_symbols >"$scratch/declared"
[ -s "$scratch/declared" ] || die "the headers declare nothing"

# The preprocessor saw every declaration that the headers' text has.
written=$(cat "$prefix"/include/*.h "$prefix"/include/*/*.h | grep -cE '^[[:space:]]*VTASK_PUBLIC\b')
[ "$written" -eq "$(wc -l <"$scratch/declared")" ] || die "$written declarations, but $(wc -l <"$scratch/declared") found"
if grep -v '^vtask_' "$scratch/declared" "$scratch/exported"; then die "a public symbol without vtask_"; fi
diff "$scratch/declared" "$scratch/exported" || die "declared (<) and exported (>) differ"

"$cc" -shared -o "$scratch/other.so" -Wl,--whole-archive "$libdir/libvtask.a" -Wl,--no-whole-archive -pthread
if nm -D --defined-only "$scratch/other.so" | grep -E ' (vtask_|vti_)'; then die "the archive's symbols are exported"; fi

nm -g --defined-only "$libdir/libvtask.a" | awk 'NF == 3 && $3 !~ /^(vti_|vtask_)/' >"$scratch/stray"
if [ -s "$scratch/stray" ]; then
    cat "$scratch/stray" >&2
    die "internal names with linkage begin with vti_"
fi
