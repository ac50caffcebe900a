#!/usr/bin/env bash
# Installs what makes clients of the server's OpenAPI document for one test: openapi-python-client for Python, as
# tests/clients/requirements.txt pins it, and openapi-typescript with a compiler from npm, as tests/clients/package-lock.json
# does, both with all that they need. Does nothing where they are there already. No script of theirs is run.
set -euo pipefail
cd "$(dirname "$0")/../tests/clients"
if ! cmp -s requirements.txt venv/installed.txt; then
    python3 -m venv --clear venv
    venv/bin/pip install --quiet --disable-pip-version-check --only-binary :all: --no-deps --requirement requirements.txt
    cp requirements.txt venv/installed.txt
fi
installed=node_modules/.package-lock.json
if [ ! -e "$installed" ] || [ package-lock.json -nt "$installed" ]; then
    npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null
    touch "$installed"
fi
