#!/usr/bin/env bash
# Ingests a recorded run of the pool's contracts into a log, replays it, and compares what the log
# says of the contracts with what they themselves said.
set -euo pipefail
tally=$1
recording=${2:-fixtures/pool-a}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
step() { printf '\n$ tally %s\n' "$*"; "$tally" "$@"; }
step ingest --recording "$recording" --log "$work/log"
step replay --log "$work/log"
step log verify --log "$work/log"
step state --log "$work/log" --expect "$recording/expected.json"
echo
echo "make serve-demo serves this log: open http://127.0.0.1:8700/ in a browser"
