#!/usr/bin/env bash
# Compiles RocksDB, from the sources that cargo unpacks with librocksdb-sys, in a few large units instead of 343 files
# one by one, keeps the archive in the target directory, and tells cargo where it is. Does nothing where that is done
# already, or where somebody else provides RocksDB (ROCKSDB_LIB_DIR) or wants the crate's own build (ROCKSDB_COMPILE).
#
# The sources, the flags and the definitions are those of the crate's own build script: this runs it, with
# scripts/unity-c++.sh for a compiler. That compiler needs GCC or Clang on Linux; elsewhere the crate compiles RocksDB
# as usual.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ -n "${ROCKSDB_LIB_DIR:-}${ROCKSDB_COMPILE:-}" ] || [ "$(uname -s)" != Linux ]; then
    exit 0
fi
crate=librocksdb-sys
# The lines of Cargo.lock that say which version of a crate is used, and what its archive's digest is.
locked() { sed -n "/^name = \"$1\"\$/,/^checksum/p" Cargo.lock; }
version=$(locked "$crate" | sed -n 's/^version = "\(.*\)"/\1/p')
note=.cargo/$crate-$version.toml
if ! grep -qF "\"$crate-$version.toml\"" .cargo/config.toml; then
    echo ".cargo/config.toml has to include $crate-$version.toml: that is the version in Cargo.lock" >&2
    exit 1
fi
target=$(./scripts/target-dir.sh)
host=$(rustc -vV | sed -n 's/^host: //p')
compiler=${CXX:-c++}
# Another compiler, other flags or other sources make another archive.
key=$({
    locked "$crate"
    locked zstd-sys
    locked lz4-sys
    grep '^rocksdb = ' Cargo.toml
    grep '^rustflags' .cargo/config.toml
    cat scripts/unity-c++.sh
    # In words, as the variable may hold arguments.
    # shellcheck disable=SC2086
    $compiler --version
    echo "$host ${RUSTFLAGS-} ${CXXFLAGS-}"
} | sha256sum | cut -c1-16)
directory=$target/rocksdb/$key
if [ ! -e "$directory/librocksdb.a" ]; then
    echo "compiling RocksDB, which takes a few minutes"
    mkdir -p "$directory"
    # In the directory of the key, so that cargo sees another compiler when the key changes.
    install -m 755 scripts/unity-c++.sh "$directory/c++"
    built=$(env "CXX_${host//-/_}=$directory/c++" "TALLY_CXX=$compiler" ROCKSDB_COMPILE=1 \
        cargo build --release --locked --package "$crate" --message-format json-render-diagnostics |
        sed -n "s/.*\"build-script-executed\".*$crate@.*\"out_dir\":\"\([^\"]*\)\".*/\1/p")
    # Whoever finds the archive finds all of it.
    cp "$built/librocksdb.a" "$directory/librocksdb.a.part"
    mv "$directory/librocksdb.a.part" "$directory/librocksdb.a"
fi
cat >"$directory/cargo.toml" <<END
# Written by scripts/rocksdb.sh.
[env]
ROCKSDB_LIB_DIR = "$directory"
ROCKSDB_STATIC = "1"
END
ln -sfn "$directory/cargo.toml" "$note"
