#!/bin/sh
# The compiler, as cargo runs it (.cargo/config.toml): its first argument is rustc. Every panic says in which file it
# lies, and for a crate from the registry that is a path in the home of whoever builds. Here it begins with the crate's
# name and version instead, so that the same sources give the same bytes wherever they, cargo's home and the target
# directory are. It is no flag of cargo's, for cargo would compile everything anew for other flags, and knows none that
# depends on the crate.
if [ -n "$CARGO_MANIFEST_DIR" ]; then
    set -- "$@" "--remap-path-prefix=$CARGO_MANIFEST_DIR=$CARGO_PKG_NAME-$CARGO_PKG_VERSION"
fi
# What a build script wrote.
if [ -n "$OUT_DIR" ]; then
    set -- "$@" "--remap-path-prefix=$OUT_DIR=$CARGO_PKG_NAME-$CARGO_PKG_VERSION/out"
fi
exec "$@"
