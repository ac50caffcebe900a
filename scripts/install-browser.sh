#!/usr/bin/env bash
# Installs what tests the pages in a real browser: Debian's Chromium, and from npm what drives it and what looks for barriers
# in pages, as tests/browser/package-lock.json pins them. Does nothing where they are there already. No script of theirs is
# run, and no browser of theirs is brought along.
set -euo pipefail
cd "$(dirname "$0")/../tests/browser"
if ! command -v chromium >/dev/null; then
    as_root=()
    [ "$(id -u)" -eq 0 ] || as_root=(sudo)
    "${as_root[@]}" apt-get update -qq
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium
fi
installed=node_modules/.package-lock.json
if [ ! -e "$installed" ] || [ package-lock.json -nt "$installed" ]; then
    npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null
    touch "$installed"
fi
