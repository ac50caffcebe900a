#!/usr/bin/env bash
# Makes the demo's log, where it is not there yet, and serves it: the pages of the pool, and the API, on this machine alone.
set -euo pipefail
tally=$1
recording=${2:-fixtures/pool-a}
log=${DEMO_LOG:-target/demo.log}
mkdir -p "$(dirname "$log")"
"$tally" ingest --recording "$recording" --log "$log"
echo
echo "open http://127.0.0.1:8700/ in a browser; Ctrl-C ends it"
exec "$tally" serve --log "$log" --policy guide --policy locking-pool --policy operators --registry "$recording-names.json"
