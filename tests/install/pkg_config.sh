#!/usr/bin/env bash
# A program built by hand with pkg-config's flags runs: shared, and --static. The installed tree can be moved.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/setup.bash"
install_vtask
mv "$prefix" "$scratch/moved"
libdir=$scratch/moved${libdir#"$prefix"}
prefix=$scratch/moved
export PKG_CONFIG_PATH=$libdir/pkgconfig

version=$(sed -nE 's/^#define VTASK_VERSION_STRING "(.*)"/\1/p' "$prefix/include/vtask/config.h")
[ "$(pkg-config --modversion vtask)" = "$version" ] || die "pkg-config gives another version than the header"

# shellcheck disable=SC2046
"$cc" -std=c11 "$here/consumer/main.c" $(pkg-config --cflags --libs vtask) -o "$scratch/shared"
LD_LIBRARY_PATH=$libdir run_consumer "$scratch/shared"

# Everything static, the C library included.
# shellcheck disable=SC2046
"$cc" -std=c11 -static "$here/consumer/main.c" $(pkg-config --static --cflags --libs vtask) -o "$scratch/static"
run_consumer "$scratch/static"

# Only libvtask static.
# shellcheck disable=SC2046
"$cc" -std=c11 "$here/consumer/main.c" $(pkg-config --cflags vtask) "$libdir/libvtask.a" -pthread -o "$scratch/archive"
run_consumer "$scratch/archive"
