#!/usr/bin/env bash
# Installs schemathesis for Python, as tests/contract/requirements.txt pins it with all that it needs, into an environment
# of its own: one test asks the server with it. Does nothing where it is there already.
set -euo pipefail
cd "$(dirname "$0")/../tests/contract"
if cmp -s requirements.txt venv/installed.txt; then
    exit 0
fi
python3 -m venv --clear venv
venv/bin/pip install --quiet --disable-pip-version-check --only-binary :all: --no-deps --requirement requirements.txt
cp requirements.txt venv/installed.txt
