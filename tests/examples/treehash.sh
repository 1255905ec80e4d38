#!/bin/bash
# treehash promises the output of find | sort | sha256sum, byte for byte, on any tree. Compares them on /usr/include and
# on a tree made here of what trees can hold, and --check with sha256sum's. $1: the directory of the built examples.
set -u -o pipefail
export LC_ALL=C

treehash=$(realpath "${1:?usage: treehash.sh DIRECTORY-OF-EXAMPLES}/treehash") || exit 1
work=$(mktemp -d) || exit 1
trap 'kill $(jobs -p) 2>/dev/null; chmod -R u+rwx "$work"; rm -rf "$work"' EXIT
cd "$work" || exit 1
failures=0
passes=0
drop=() # a command prefix that takes away root's right to read everything

pass() { passes=$((passes + 1)); }
fail() { failures=$((failures + 1)); echo "FAILED: $*"; }
same() { if cmp "$2" "$3"; then pass; else fail "$1"; fi; }
is() { if [ "$2" = "$3" ]; then pass; else fail "$1: expected '$3', got '$2'"; fi; }

# Runs treehash; then ./out, ./err and $status are what came of it. A hang is a failure like any other.
run() { "${drop[@]}" timeout 120 "$treehash" "$@" >out 2>err </dev/null; status=$?; }
reference() { "${drop[@]}" find "$@" -type f -print0 | sort -z | "${drop[@]}" xargs -0 sha256sum; }
summary() { sed -n "s/^treehash: \(.*, \)\?$1: \([0-9]*\).*/\2/p" err; }

# compare LABEL UNREADABLE DIR...: the same lines; that many files and directories named as unreadable.
compare() {
    local label=$1 unreadable=$2 jobs
    shift 2
    reference "$@" >expected 2>/dev/null
    for jobs in 1 2 16; do
        run --jobs "$jobs" "$@"
        same "$label, --jobs $jobs" expected out
        is "$label: exit status" "$status" "$((unreadable > 0))"
        is "$label: files" "$(summary files)" "$(wc -l <expected)"
        is "$label: unreadable" "$(summary 'could not be read')" "${unreadable/#0/}"
        if grep -q $'[\r\033]' err; then fail "$label: a bar, though stderr is no terminal"; else pass; fi
    done
}

make_odd_names() {
    mkdir "$1"
    local name
    for name in $'new\nline' 'back\slash' $'carriage\rreturn' $'all\n\\\r three' '\' $'\n' ' ' ' leading and trailing ' \
        '-' '-n' '--check' '*' '?' '$HOME' '"' "'" '#' $'tab\t' $'escape\033[31m' $'\xff\xfe\x80' 'ünïcode' '...' '.hidden' \
        "$(printf '%0255d' 0)"; do
        printf '%s' "$name" >"$1/$name"
    done
    mkdir "$1/"$'a\ndirectory' "$1/-d" "$1/ "d
    echo 1 >"$1/"$'a\ndirectory/f'
    echo 2 >"$1/-d/-f"
    # Order: bytes, so '/' sorts between '.' and '0', and A before a.
    mkdir "$1/b" && touch "$1/b.c" "$1/b/c" "$1/b0" "$1/B" "$1/b-"
}

make_deep() {
    (
        mkdir "$1" && cd "$1" || exit 1
        for level in $(seq 100); do
            echo "$level" >file
            mkdir "level_$level" && cd "level_$level" || exit 1
        done
        echo bottom >file
    )
}

make_links() {
    mkdir "$1" "$1/dir"
    echo original >"$1/original"
    ln -s original "$1/to_file"
    ln -s dir "$1/to_dir"
    ln -s . "$1/loop"
    ln -s nowhere "$1/dangling"
    ln -s self "$1/self"
    echo inside >"$1/dir/file"
}

# 400 names for one inode of 200 kB, 20 for another, in 20 directories: 418 answers come from the cache.
make_hard_links() {
    local d l
    mkdir "$1"
    head -c 200000 /dev/zero >"$1/big"
    echo small >"$1/small"
    for d in $(seq 20); do
        mkdir "$1/$d"
        ln "$1/small" "$1/$d/small"
        for l in $(seq 20); do ln "$1/big" "$1/$d/$l"; done
    done
    rm "$1/20/20" "$1/20/small"
}

make_tree() {
    mkdir tree && make_odd_names tree/odd && make_deep tree/deep && make_links tree/links && make_hard_links tree/hard
    mkdir -p tree/empty/empty/empty
    touch tree/empty_file tree/empty/empty/file
    for size in 1 55 56 63 64 65 65535 65536 65537 200000; do head -c "$size" /dev/urandom >"tree/size_$size"; done
    mkdir tree/many && (cd tree/many && seq 1500 | split -l 1 -a 4)
    mkfifo tree/fifo
    perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Local => "tree/socket", Listen => 1) or exit 1' ||
        echo "skipped: a socket in the tree (no perl to make one)"
    truncate -s 3000000 tree/sparse
}

trees() {
    # Blocks in open() until somebody reads the FIFO, which nobody may.
    (: >tree/fifo && echo opened >fifo_was_opened) 2>/dev/null &
    local writer=$!
    compare 'the whole tree' 0 tree
    if [ -e fifo_was_opened ]; then fail 'the FIFO was opened'; else pass; fi
    kill "$writer"
    wait "$writer" 2>/dev/null
    compare 'a trailing slash' 0 tree/
    compare 'three slashes and a dot' 0 ./tree///
    compare 'an absolute path' 0 "$work/tree/odd"
    compare 'several directories' 0 tree/odd tree/empty tree/deep/ tree/hard/3
    compare 'the same directory twice, and a part of it' 0 tree/links tree/links tree/links/dir
    compare 'a file' 0 tree/size_55
    compare 'files and directories' 0 tree/size_55 tree/odd tree/empty_file
    compare 'a link to a directory, with a slash' 0 tree/links/to_dir/
    compare '/usr/include' 0 /usr/include
    for nothing in tree/links/to_dir tree/links/to_file tree/links/dangling tree/fifo tree/empty/empty/empty; do
        run "$nothing"
        is "$nothing has no files" "$status/$(wc -c <out)" 0/0
    done
}

hard_links() {
    run --jobs 1 tree/hard
    is 'one worker: files' "$(summary files)" 420
    is 'one worker: hits' "$(summary 'cache hits')" 418
    is 'one worker: all hits complete synchronously' "$(summary 'completed synchronously')" 418
    is 'each inode is read once' "$(summary 'bytes read')" 200006
    run --jobs 16 tree/hard
    is '16 workers: hits, complete or pending' "$(summary 'cache hits')" 418
    is '16 workers: each inode is read once' "$(summary 'bytes read')" 200006
    is 'steals of 16 workers' "$(sed -n 's/^treehash: steals.*by worker: //p' err | wc -w)" 16
}

unreadable() {
    # Regular, may be opened, and reading it from its beginning fails: for root, too.
    if [ -e /proc/self/mem ]; then
        compare 'a file that cannot be read' 1 tree/odd /proc/self/mem tree/empty
        is 'it is named' "$(grep -c '^treehash: /proc/self/mem: ' err)" 1
    fi
    compare 'a directory that is not there' 1 tree/links not_there
    compare 'a file with a slash' 1 tree/size_55/ tree/empty
    compare 'an empty name' 1 '' tree/empty

    mkdir closed closed/directory closed/names_only
    echo secret >closed/file
    echo open >closed/open
    ln closed/file closed/link
    echo 1 >closed/directory/file
    echo 2 >closed/names_only/file
    chmod 0 closed/file closed/directory
    chmod 444 closed/names_only
    if cat closed/file >out 2>&1; then
        drop=(setpriv '--bounding-set=-dac_override,-dac_read_search' '--inh-caps=-dac_override,-dac_read_search')
        if ! "${drop[@]}" true 2>/dev/null || "${drop[@]}" cat closed/file >out 2>&1; then
            echo "skipped: files without read permission (root reads them, and setpriv could not take that away)"
            drop=()
            return
        fi
    fi
    compare 'no permission' 4 closed tree/empty
    is 'each is named' "$(grep -c '^treehash: closed/.*: Permission denied$' err)" 4
    drop=()
}

# check_like LIST: what sha256sum says of it, and its exit status.
check_like() {
    sha256sum --check "$1" >expected 2>/dev/null
    local expected_status=$?
    run --check "$1"
    same "--check $1" expected out
    is "--check $1: exit status" "$status" "$expected_status"
}

check() {
    run tree
    cp out list
    check_like list
    is '--check list: files' "$(summary files)" "$(wc -l <list)"
    "$treehash" --jobs 2 --check - <list 2>/dev/null | cmp - expected || fail '--check -'
    sha256sum --tag tree/odd/* 2>/dev/null >tagged
    check_like tagged
    { echo '# a comment'; echo; sed 's/  / */' list; printf '  '; tail -n 1 list | tr a-f A-F; } >variants
    check_like variants
    sed 's/$/\r/' list | grep -v '^\\' >dos
    check_like dos

    { cat list; echo 'no such line'; printf '%064d  not there\n' 0; printf '\\%064d  not\\nthere\n' 0; } >bad
    echo changed >>tree/size_64
    rm tree/size_65
    check_like bad
    is 'a changed file' "$(grep -c '^tree/size_64: FAILED$' out)" 1
    is 'a missing file' "$(grep -c '^tree/size_65: FAILED open or read$' out)" 1
    is 'everything else is OK' "$(grep -c ': OK$' out)" $(($(wc -l <list) - 2))
    is 'mismatches' "$(grep -c 'WARNING: 1 computed checksum did NOT match' err)" 1
    is 'missing' "$(grep -c 'WARNING: 3 listed files could not be read' err)" 1
    is 'malformed' "$(grep -c 'WARNING: 1 line is improperly formatted' err)" 1
    for line in 'not a list' "$(printf '%063d  short' 0)" "$(printf '%065d  long' 0)" "$(printf '\\%064d  a\\xb' 0)" \
        "$(printf '\\%064d  a\\' 0)" 'SHA256 (a = 0' ''; do
        printf '%s\n' "$line" >broken
        check_like broken
        is "a list of '$line' is none" "$status/$(grep -c 'no properly formatted' err)" 1/1
    done
    run --check not_there list
    is 'a list that is not there' "$status/$(grep -c '^treehash: not_there: ' err)" 1/1
    is 'the other list is checked' "$(wc -l <out)" "$(wc -l <list)"
    run --check tree
    is 'a directory is no list' "$status" 1
}

usage() {
    for arguments in '' '--jobs' '--jobs 0 tree' '--jobs 1025 tree' '--jobs x tree' '--jobs -1 tree' '--jobs 1x tree' \
        '--jobs= tree' '--jobs 99999999999999999999 tree' '--unknown tree' '-x tree' '--check' '--jobs 2' '--check=1 list'; do
        # shellcheck disable=SC2086 # these are words
        run $arguments
        is "treehash $arguments" "$status/$(wc -c <out)/$(grep -c 'treehash --help' err)" 2/0/1
    done
    run --help
    is '--help' "$status/$(grep -c -- '--jobs N' out)/$(wc -c <err)" 0/3/0
    run --jobs=3 -- tree/empty
    is '--jobs=3 --' "$status" 0
    if [ -e /dev/full ]; then
        "$treehash" tree >/dev/full 2>err
        is 'a full disk' "$?/$(grep -c 'standard output' err)" 1/1
    fi
    (ulimit -n 24; "$treehash" --jobs 64 tree) >out 2>err
    is 'few files may be open' "$?" 0
}

bar() {
    if ! script -qec true /dev/null >/dev/null 2>&1; then
        echo "skipped: the bar (no script to make a terminal)"
        return
    fi
    "$treehash" tree >expected 2>err
    script -qec "'$treehash' tree >out" typescript >/dev/null 2>&1
    same 'with a bar on stderr' expected out
    is 'there is a bar' "$(grep -c '\[=* *\].*%.*files.*MB/s.*left' typescript)" 1
    script -qec "'$treehash' tree/many" typescript >/dev/null 2>&1
    is 'the bar is gone before the first line' "$(grep -c '^[0-9a-f]\{64\}  tree/many/' typescript)" 1499
}

make_tree
trees
hard_links
unreadable
check
usage
bar
echo "$passes passed, $failures failed"
[ "$failures" -eq 0 ]
