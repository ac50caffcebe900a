#!/usr/bin/env bash
# Puts a server of the log of fixtures/pool-a under load, on this machine, and prints what it bears: requests with wrk
# and h2load (apt-get install wrk nghttp2-client), alone, over HTTP/2, and beside 1,000 readers of the feed and 1,000 of the
# states; its memory over many requests; 10,000 connections on which nothing is asked; 1,000 whose headers never end; and what
# is no proper request.
#
# Usage: load.sh TALLY [REQUESTS]      (REQUESTS: over how many to watch the memory, 2,000,000 by default)
# Exit status: 0 everybody else was answered all the while; 1 not so.
set -euo pipefail
cd "$(dirname "$0")/.."
tally=$1
requests=${2:-2000000}
secs=10
readers=2000
slow=1000
idle=10000
# Both ends of each connection are files, in two processes.
files=$((idle + 1000))
if [ "$(ulimit -n)" != unlimited ] && [ "$(ulimit -n)" -lt "$files" ]; then
    if ! ulimit -n "$files"; then
        idle=$(($(ulimit -n) - 1000))
        echo "only $(ulimit -n) files may be open, so there are $idle idle connections"
    fi
fi

work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; wait; rm -rf "$work"' EXIT
"$tally" ingest --recording fixtures/pool-a --log "$work/log" >/dev/null 2>&1
"$tally" serve --log "$work/log" --listen 127.0.0.1:0 --requests-per-sec 0 --streams-max 2500 --h2c 2>"$work/told" &
server=$!
address=
for _ in $(seq 300); do
    address=$(sed -n 's|^listening at http://||p' "$work/told")
    [ -z "$address" ] || break
    sleep 0.1
done
python3 scripts/load.py ask "$address" 1 >/dev/null

say() { printf '%-28s %s\n' "$1:" "$2"; }
memory_kib() { sed -n 's/^VmRSS:[[:space:]]*\([0-9]*\) kB/\1/p' "/proc/$server/status"; }

# Keeps 64 connections busy, and sets `made` and `line`.
busy() {
    wrk -t1 -c64 -d"${secs}s" --latency "http://$address/v1/sequencers/1" >"$work/wrk"
    if grep -E 'Non-2xx|Socket errors' "$work/wrk"; then
        say "$1" "not everybody was answered"
        exit 1
    fi
    made=$(awk '/ requests in / { print $1 }' "$work/wrk")
    line=$(awk '
        $1 == "50%" || $1 == "99%" { at = at ", " $1 " within " $2 }
        $1 == "Requests/sec:" { print $2 " requests/s" at }
    ' "$work/wrk")
}

# Opens connections of a kind, and runs the rest of its arguments while they are there.
beside() {
    local kind=$1 count=$2
    shift 2
    coproc HOLD { exec python3 scripts/load.py "$kind" "$address" "$count"; }
    local hold=$HOLD_PID said
    # Bash forgets the ends of the pipes when the process is gone.
    exec {from}<&"${HOLD[0]}" {to}>&"${HOLD[1]}" {HOLD[0]}<&- {HOLD[1]}>&-
    read -r said <&"$from"
    say "$kind" "$said, $(memory_kib) KiB"
    "$@"
    exec {to}>&-
    read -r said <&"$from"
    say "$kind, in the end" "$said"
    wait "$hold"
    exec {from}<&-
}

asked() {
    line=$(python3 scripts/load.py ask "$address" 500)
    say "asked meanwhile" "$line"
}
asked_for() {
    asked
    sleep "$1"
    asked
}
busy_beside() {
    busy readers
    say "requests meanwhile" "$line"
}

say "memory at the start" "$(memory_kib) KiB"
busy requests
say "requests" "$line"
# As many requests are under way, over 8 connections.
h2load -t1 -c8 -m8 -D"$secs" "http://$address/v1/sequencers/1" >"$work/h2load"
if ! grep -qE '^status codes: [1-9][0-9]* 2xx, 0 3xx, 0 4xx, 0 5xx' "$work/h2load"; then
    say "requests over HTTP/2" "not everybody was answered"
    exit 1
fi
line=$(sed -n 's/^finished in [^,]*, \([^,]*\),.*/\1/p; s/^status codes: \(.*\)/\1/p' "$work/h2load" | paste -sd' ')
say "requests over HTTP/2" "$line"
beside readers "$readers" busy_beside
beside idle "$idle" asked
# Headers have to be there within 10 s.
beside slow "$slow" asked_for 12
line=$(python3 scripts/load.py bad "$address") || status=$?
say "improper requests" "$line"
[ "${status:-0}" -eq 0 ] || exit 1

total=0
middle=
before=$(memory_kib)
while [ "$total" -lt "$requests" ]; do
    busy memory
    total=$((total + made))
    if [ -z "$middle" ] && [ $((2 * total)) -ge "$requests" ]; then
        middle="$(memory_kib) KiB after $total requests"
    fi
done
say "memory" "$before KiB, $middle, $(memory_kib) KiB after $total"
line=$(sed '/^listening at /d' "$work/told")
[ -z "$line" ] || say "the server said" "$line"
