#!/usr/bin/env bash
# Installs psycopg and PyYAML for Python, as tests/payer/requirements.txt pins them with all that they need, into an environment
# of their own: with them tests run the example of a service that pays what a policy owes, and read YAML. Does nothing where they
# are there already.
set -euo pipefail
cd "$(dirname "$0")/../tests/payer"
if cmp -s requirements.txt venv/installed.txt; then
    exit 0
fi
python3 -m venv --clear venv
venv/bin/pip install --quiet --disable-pip-version-check --only-binary :all: --no-deps --requirement requirements.txt
cp requirements.txt venv/installed.txt
