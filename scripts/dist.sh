#!/usr/bin/env bash
# Packs what `make build` built, to be handed out, into target/dist: a directory that lies as it is installed (bin,
# share), the same as an archive, and the checksum of that. The same commit gives the same bytes, wherever it is and
# cargo's home and target directory are: with the same compilers, strip, tar and gzip.
#
# Usage: dist.sh TALLY
set -euo pipefail
umask 022
export LC_ALL=C
cd "$(dirname "$0")/.."
binary=$1
target=$(dirname "$(dirname "$binary")")
dist=target/dist
host=$(rustc -vV | sed -n 's/^host: //p')
version=$(env -i "$binary" --version)
version=${version#tally }
name=tally-$version-$host
tree=$dist/$name
# Sources without git have to say of when they are.
time=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}

rm -rf "$dist"
share=$tree/share
doc=$share/doc/tally
mkdir -p "$tree/bin" "$share/bash-completion/completions" "$share/zsh/site-functions" \
    "$share/fish/vendor_completions.d" "$doc"
# Not in the profile, which would take the names out of every backtrace of those who build for themselves.
# The linker's build id is a digest of what is stripped, too: of paths in the debug information of ring's C code.
strip --strip-all --remove-section=.note.gnu.build-id -o "$tree/bin/tally" "$binary"
# Without the environment, whose variables would be taken for flags.
env -i "$binary" completions bash >"$share/bash-completion/completions/tally"
env -i "$binary" completions zsh >"$share/zsh/site-functions/_tally"
env -i "$binary" completions fish >"$share/fish/vendor_completions.d/tally.fish"
env -i "$binary" man "$share/man/man1" >/dev/null
# Each at the place that the others name it by.
cp -R --parents README.md CHANGELOG.md ARCHITECTURE.md DESIGN.md LICENSE-APACHE LICENSE-MIT docs benches/RESULTS.md \
    fixtures/README.md "$doc"
./scripts/licenses.sh >"$doc/LICENSES-CRATES.txt"
cp "$(rustc --print sysroot)/share/doc/rust/COPYRIGHT-library.html" "$doc/LICENSES-RUST.html"

# What is handed out says nothing of where it was built.
paths=(-e /registry/src/ -e "$target/release/" -e "$(rustc --print sysroot)/")
for member in */Cargo.toml; do
    paths+=(-e "$PWD/${member%/Cargo.toml}/")
done
if grep -rlaF "${paths[@]}" "$tree" >&2; then
    echo "These files hold paths of this machine. Was something compiled without scripts/rustc.sh, as before it was" \
        "there, or with another RUSTC_WRAPPER? Then \`cargo clean --release\` has to come first." >&2
    exit 1
fi

tar --create --directory "$dist" --format=ustar --sort=name --owner=0 --group=0 --numeric-owner \
    --mode=u=rwX,go=rX --mtime="@$time" "$name" | gzip -9 -n >"$tree.tar.gz"
cd "$dist"
sha256sum "$name.tar.gz" >SHA256SUMS
libc=$(objdump -T "$name/bin/tally" | grep -o 'GLIBC_[0-9.]*' | sort -uV | tail -n 1)
libstdcxx=$(objdump -T "$name/bin/tally" | grep -o 'GLIBCXX_[0-9.]*' | sort -uV | tail -n 1)
echo "$dist/$name.tar.gz: $(stat -c %s "$name.tar.gz") bytes; it needs ${libc/_/ } and ${libstdcxx/_/ } or later"
cat SHA256SUMS
if [ -n "$(git -C ../.. status --porcelain 2>/dev/null)" ]; then
    echo "It has changes that are in no commit." >&2
fi
