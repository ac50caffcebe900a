#!/usr/bin/env bash
# Prints the licences of every crate that the binary is made of, and of the C and C++ libraries in them, from where
# cargo unpacked them: first a line for each crate, then each text once, with the crates that bring it. (Rust's own
# library is not among them; scripts/dist.sh takes what the toolchain says of it.) Fails where it cannot tell a licence.
set -euo pipefail
cd "$(dirname "$0")/.."
export LC_ALL=C
target=$(rustc -vV | sed -n 's/^host: //p')
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
    echo "scripts/licenses.sh: $*" >&2
    exit 1
}

# Files below the top of a crate: with `+` what holds for code that is compiled in, with `-` what does not, and why.
nested='
+ librocksdb-sys rocksdb/LICENSE.Apache
+ librocksdb-sys rocksdb/LICENSE.leveldb
+ librocksdb-sys rocksdb/utilities/transactions/lock/range/range_tree/lib/COPYING.APACHEv2
- librocksdb-sys rocksdb/COPYING: GPL-2.0, in place of which it may be taken under Apache-2.0
- librocksdb-sys rocksdb/utilities/transactions/lock/range/range_tree/lib/COPYING.AGPLv3: the same
- librocksdb-sys rocksdb/utilities/transactions/lock/range/range_tree/lib/COPYING.GPLv2: the same
- librocksdb-sys snappy/COPYING: not compiled
+ lz4-sys liblz4/lib/LICENSE
- lz4-sys liblz4/LICENSE: says only that lib/LICENSE holds for the library
- lz4-sys liblz4/contrib/debian/copyright: not compiled
- lz4-sys liblz4/contrib/djgpp/LICENSE: not compiled
- lz4-sys liblz4/examples/COPYING: not compiled
- lz4-sys liblz4/programs/COPYING: not compiled
- lz4-sys liblz4/tests/COPYING: not compiled
+ ring src/polyfill/once_cell/LICENSE-APACHE
+ ring src/polyfill/once_cell/LICENSE-MIT
+ ring third_party/fiat/LICENSE
+ secp256k1-sys depend/secp256k1/COPYING
+ tracing-core src/spin/LICENSE
+ zstd-sys zstd/LICENSE
- zstd-sys zstd/COPYING: GPL-2.0, in place of which it may be taken under BSD-3-Clause
+ crc-catalog LICENSES/Apache-2.0.txt
+ crc-catalog LICENSES/MIT.txt
'

# NAME-VERSION and the directory of every package that cargo knows here.
cargo metadata --format-version 1 --locked --filter-platform "$target" | grep -o '"manifest_path":"[^"]*/Cargo.toml"' |
    sed 's|^"manifest_path":"\(.*\)/Cargo.toml"$|\1|' >"$work/directories"
declare -A directory_of
while read -r directory; do
    directory_of[${directory##*/}]=$directory
done <"$work/directories"

# The crates that are compiled in, or whose macros wrote what is. Those of the workspace have a path.
cargo tree --workspace --edges normal --target "$target" --locked --prefix none --format '{p}|{l}' |
    sed -e '/^$/d' -e '/ (\//d' -e 's/ (\*)//' -e 's/ (proc-macro)//' | sort -u >"$work/crates"

# Takes a text: the crates that bring it are in FILE.crates.
take() {
    local text=$1 crate=$2 sum
    [ -s "$text" ] || fail "$text of $crate is empty"
    sum=$(sha256sum <"$text")
    sum=${sum%% *}
    [ -e "$work/$sum" ] || { cp "$text" "$work/$sum" && echo "$sum" >>"$work/sums"; }
    echo "$crate" >>"$work/$sum.crates"
}

# The text for a crate that is published without: that of a licence which it offers.
without_text() {
    local crate=$1 offered=$2 directory=$3 authors
    case " $(tr '/' ' ' <<<"$offered") " in
    *" AND "*) fail "$crate has no licence file, and its expression $offered asks for several" ;;
    *" Apache-2.0 "*) take LICENSE-APACHE "$crate" ;;
    *" MIT "*)
        authors=$(awk -F '"' '/^authors = \[/ { inside = 1 }
            inside { for (i = 2; i < NF; i += 2) { printf "%s%s", comma, $i; comma = ", " } }
            inside && /\]/ { exit }' "$directory/Cargo.toml")
        [ -n "$authors" ] || fail "$crate has no licence file, and does not say who its authors are"
        authors=$authors awk '/^Copyright \(c\) / { $0 = "Copyright (c) " ENVIRON["authors"] } { print }' LICENSE-MIT >"$work/mit"
        grep -qF "$authors" "$work/mit" || fail "LICENSE-MIT has no line of copyright to put $authors into"
        take "$work/mit" "$crate"
        ;;
    *) fail "$crate has no licence file, and its expression is '$offered'" ;;
    esac
}

while IFS='|' read -r crate offered; do
    name=${crate%% v*}
    directory=${directory_of[${crate/ v/-}]:-}
    [ -n "$directory" ] || fail "cargo does not tell where $crate is"
    [ -n "$offered" ] || fail "$crate does not say in Cargo.toml under which licence it is"
    find "$directory" -type f \( -iname 'licen[cs]e*' -o -iname 'copying*' -o -iname 'notice*' -o -iname 'unlicense*' \
        -o -iname 'copyright*' -o -ipath '*/licenses/*' \) ! -name '*.rs' | sort >"$work/found"
    taken=0
    while read -r file; do
        inside=${file#"$directory/"}
        case "$inside" in
        */*)
            if grep -qxF -e "+ $name $inside" <<<"$nested"; then
                take "$file" "$crate"
                taken=$((taken + 1))
            elif ! grep -qF -e "- $name $inside: " <<<"$nested"; then
                fail "$crate has $inside: it has to be in the list, as compiled in or not"
            fi
            ;;
        *)
            take "$file" "$crate"
            taken=$((taken + 1))
            ;;
        esac
    done <"$work/found"
    while read -r file; do
        [ -e "$directory/$file" ] || fail "$crate has no $file, as the list says"
    done < <(sed -n "s/^+ $name //p" <<<"$nested")
    [ "$taken" -gt 0 ] || without_text "$crate" "$offered" "$directory"
done <"$work/crates"

cat <<'TEXT'
The binary `tally` contains code of these crates, under these licences. Where there is a choice, it is taken under
MIT or Apache-2.0, or else under the first that is named. The texts follow.

RocksDB (in librocksdb-sys) is taken under Apache-2.0, and Zstandard (in zstd-sys) under BSD-3-Clause. A crate that is
published without a text has the standard one of its licence here, of MIT with its authors as Cargo.toml names them.

TEXT
sed 's/^\(.*\)|\(.*\)$/\1: \2/' "$work/crates"
while read -r sum; do
    printf '\n%s\n' "========================================================================================"
    paste -sd ';' "$work/$sum.crates" | sed 's/;/, /g' | fold -s -w 118 | sed 's/ $//'
    printf '%s\n\n' "----------------------------------------------------------------------------------------"
    tr -d '\r\f' <"$work/$sum"
done <"$work/sums"
