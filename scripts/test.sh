#!/usr/bin/env bash
# Runs all tests, or those whose names hold the text that is given, and says which took longest. None is skipped: a tool
# that is missing is a failure.
set -euo pipefail
if [ "${1:-}" = --runner ]; then
    # Cargo starts each test binary by this. libtest tells times only where it takes the compiler for a nightly one; the
    # compiler itself must not, or everything would be compiled anew. The benchmarks are not of libtest, and no text
    # picks some of them.
    shift
    if [ "$CARGO_PKG_NAME" = tally-benches ]; then
        [ $# -gt 1 ] || exec "$1"
        exit 0
    fi
    exec env RUSTC_BOOTSTRAP=1 "$@" -Zunstable-options --report-time
fi
cd "$(dirname "$0")/.."
export TALLY_TEST_ALL=1
# Many tests wait for a node, a pause or another process.
export RUST_TEST_THREADS="${RUST_TEST_THREADS:-$((4 * $(getconf _NPROCESSORS_ONLN)))}"
host=$(rustc --version --verbose | sed -n 's/^host: //p')
told=$(mktemp)
trap 'rm -f "$told"' EXIT
status=0
cargo test --release --workspace --locked --tests \
    --config "target.$host.runner = ['$PWD/scripts/test.sh', '--runner']" -- "$@" | tee "$told" || status=$?
if [ "$status" = 0 ]; then
    cargo test --release --workspace --locked --doc -- "$@" || status=$?
fi
echo "the slowest tests, in seconds:"
sed -nE 's/^test (.*) \.\.\. .*<([0-9.]+)s>$/\2 \1/p' "$told" | sort -rn | sed -n 1,15p
exit "$status"
