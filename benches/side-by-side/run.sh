#!/usr/bin/env bash
# Compares Tally with DuckDB, Polars and NumPy on this machine, and prints what came of it. `run.sh report`
# and `run.sh plot` read what it wrote. Installs the pinned packages into an environment of its own first.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
venv="${CARGO_TARGET_DIR:-$root/target}/side-by-side-venv"
if ! cmp -s "$here/requirements.txt" "$venv/installed.txt"; then
    python3 -m venv --clear "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: --no-deps \
        --requirement "$here/requirements.txt"
    cp "$here/requirements.txt" "$venv/installed.txt"
fi
script=compare
case "${1:-}" in
    report | plot | export)
        script=$1
        shift
        ;;
esac
exec "$venv/bin/python" "$here/$script.py" "$@"
