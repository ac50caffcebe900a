#!/usr/bin/env bash
# Measures what the sink takes, on this machine, with a PostgreSQL of its own in its default settings, and prints it: the ledger by
# block of a made-up log against COPY FROM of a ready binary file of the same rows, in turn; facts in a second, from a log and
# from a server; how long after a server told it a fact is in the tables; and the most memory that a sink had.
#
# Usage: sink-speed.sh TALLY [BLOCKS [CHANGES [ROUNDS]]]      (22,000,000 blocks, 200,000 facts and 3 rounds by default)
# It needs PostgreSQL and what scripts/install-payer.sh installs. Run it as root or as a user other than root; PostgreSQL runs as
# `postgres` then, or as that user.
set -euo pipefail
cd "$(dirname "$0")/.."
tally=$(realpath "$1")
blocks=${2:-22000000}
changes=${3:-200000}
rounds=${4:-3}
bin=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -1)

work=$(mktemp -d /tmp/tally-speed-XXXXXX)
as=()
if [ "$(id -u)" -eq 0 ]; then
    as=(setpriv --reuid postgres --regid postgres --clear-groups)
    chown postgres:postgres "$work"
fi
chmod 755 "$work"
server=
trap '[ -z "$server" ] || kill -INT "$server" 2>/dev/null || true; wait; rm -rf "$work"' EXIT
(cd "$work" && "${as[@]}" "$bin/initdb" -D "$work/data" -A trust -U postgres -E UTF8 --locale=C >"$work/initdb" 2>&1)
(cd "$work" && exec "${as[@]}" "$bin/postgres" -D "$work/data" -c listen_addresses= -k "$work" 2>"$work/postgres" >/dev/null) &
server=$!
database="host=$work user=postgres dbname=postgres"
sql() { psql -X -q -A -t -v ON_ERROR_STOP=1 -d "$database" "$@"; }
for _ in $(seq 300); do
    sql -c 'SELECT 1' >/dev/null 2>&1 && break
    sleep 0.1
done
say() { printf '%-44s %s\n' "$1:" "$2"; }
say "PostgreSQL" "$(sql -c 'SHOW server_version')"

"$tally" synth --blocks "$blocks" --stake-changes 300 --log "$work/log" >/dev/null
peak=0
# Runs a command, and sets `secs` and, in KiB, the most memory of all so far.
timed() {
    local start end
    start=$(date +%s%N)
    python3 - "$work/peak" "$@" <<'PY'
import resource, subprocess, sys
status = subprocess.run(sys.argv[2:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode
open(sys.argv[1], "w").write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(status)
PY
    end=$(date +%s%N)
    secs=$(awk -v ns=$((end - start)) 'BEGIN { printf "%.2f", ns / 1e9 }')
    [ "$(cat "$work/peak")" -le "$peak" ] || peak=$(cat "$work/peak")
}

columns="block, time, span, sequencer, effective_stake_wei, reward_wei, running_total_wei, unrewarded, policy, entry"
for round in $(seq "$rounds"); do
    sql -c 'DROP SCHEMA IF EXISTS tally CASCADE; DROP SCHEMA IF EXISTS copied CASCADE' -c CHECKPOINT 2>/dev/null
    timed "$tally" sink postgres --database "$database" --log "$work/log" --blocks --compare-secs 0 --level error
    sunk=$secs
    rows=$(sql -c 'SELECT sum(blocks) FROM tally.ledger_epoch')
    [ -f "$work/rows" ] || sql -c "COPY (SELECT $columns FROM tally.ledger ORDER BY entry, block) TO '$work/rows' (FORMAT binary)"
    sql -c CHECKPOINT
    cat "$work/rows" >/dev/null
    timed psql -X -q -v ON_ERROR_STOP=1 -d "$database" -c "BEGIN; CREATE SCHEMA copied;
        CREATE TABLE copied.ledger (LIKE tally.ledger);
        COPY copied.ledger ($columns) FROM '$work/rows' (FORMAT binary, FREEZE);
        CREATE INDEX ON copied.ledger USING brin (block) WITH (pages_per_range = 16); COMMIT"
    say "round $round, $rows rows" "sink $sunk s, COPY FROM a file $secs s, $(awk -v a="$secs" -v b="$sunk" 'BEGIN { printf "%.2f", a / b }') of its speed"
done
say "most memory of a sink, ledger by block" "$peak KiB"
sql -c 'DROP SCHEMA tally CASCADE; DROP SCHEMA copied CASCADE' 2>/dev/null
rm -f "$work/rows"

"$tally" synth --blocks 1000000 --stake-changes "$changes" --log "$work/facts" >/dev/null
peak=0
timed "$tally" sink postgres --database "$database" --log "$work/facts" --compare-secs 0 --level error
facts=$(sql -c 'SELECT facts FROM tally.feed')
say "$facts facts from a log" "$secs s, $(awk -v n="$facts" -v s="$secs" 'BEGIN { printf "%d", n / s }') facts/s, $peak KiB"
sql -c 'DROP SCHEMA tally CASCADE' 2>/dev/null
tests/payer/venv/bin/python scripts/sink-speed.py "$tally" "$work" "$database"
