#!/usr/bin/env bash
# Installs DuckDB for Python, as tests/duckdb/requirements.txt pins it, into an environment of its own: one test reads
# exported Parquet files with it. Does nothing where it is there already.
set -euo pipefail
cd "$(dirname "$0")/../tests/duckdb"
if cmp -s requirements.txt venv/installed.txt; then
    exit 0
fi
python3 -m venv --clear venv
venv/bin/pip install --quiet --disable-pip-version-check --only-binary :all: --no-deps --requirement requirements.txt
cp requirements.txt venv/installed.txt
