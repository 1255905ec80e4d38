# shellcheck shell=bash
# tools/lib.sh: sourced by the commands beside it, in bash. Finds what is missing and installs it, and tells of progress.

# elapsed SINCE: seconds since then, as "12 s".
elapsed() {
    echo "$((SECONDS - $1)) s"
}

die() {
    echo "${0##*/}: $*" >&2
    exit 1
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

# has_header HEADER LANGUAGE: the compiler finds it.
has_header() {
    local compiler=gcc
    if [ "$2" = c++ ]; then compiler=g++; fi
    printf '#include <%s>\n' "$1" | "$compiler" -x "$2" -M - >/dev/null 2>&1
}

# is_there PACKAGE: what the project wants of this Debian package is there, whoever put it there.
is_there() {
    case $1 in
    ninja-build) command -v ninja >/dev/null ;;
    libc6-dev) has_header stdio.h c ;;
    libck-dev) has_header ck_ring.h c ;;
    relacy-dev) [ -e /usr/include/relacy/relacy.hpp ] || [ -e /usr/local/include/relacy/relacy.hpp ] ;;
    libssl-dev) pkg-config --exists libcrypto 2>/dev/null ;;
    gnuplot-nox) command -v gnuplot >/dev/null ;;
    check) pkg-config --exists check 2>/dev/null ;;
    *) command -v "$1" >/dev/null ;;
    esac
}

# install_packages LOG PACKAGE...: through apt-get, with one line of progress.
install_packages() {
    local log=$1 since=$SECONDS
    shift
    command -v apt-get >/dev/null || die "missing: $* (Debian's names; there is no apt-get here to install them)"
    if [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null; then
        die "missing: $*. As root: apt-get install $*"
    fi
    printf 'installing %s ... ' "$*"
    if [ -z "${apt_updated:-}" ]; then
        as_root apt-get update >>"$log" 2>&1 || echo "apt-get update failed" >>"$log"
        apt_updated=yes
    fi
    if ! as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@" >>"$log" 2>&1; then
        echo failed
        tail -n 15 "$log" >&2
        die "apt-get install failed; the whole log is in $log"
    fi
    elapsed "$since"
}

# need LOG PACKAGE...: installs those of which nothing is there yet.
need() {
    local log=$1 package missing=()
    shift
    for package in "$@"; do
        if ! is_there "$package"; then missing+=("$package"); fi
    done
    if [ ${#missing[@]} -gt 0 ]; then install_packages "$log" "${missing[@]}"; fi
}

# need_clang_runtime LOG: clang's sanitizers are a package of their own, whose name depends on clang's version.
need_clang_runtime() {
    local major
    if echo 'int main(void) { return 0; }' | clang -x c -fsanitize=thread -o /dev/null - >/dev/null 2>&1; then return; fi
    major=$(clang -dumpversion | cut -d. -f1)
    if apt-cache show "libclang-rt-$major-dev" >/dev/null 2>&1; then
        install_packages "$1" "libclang-rt-$major-dev"
    else
        install_packages "$1" "libclang-common-$major-dev"
    fi
}
