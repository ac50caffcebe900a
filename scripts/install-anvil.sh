#!/usr/bin/env bash
# Installs what tests take from npm: an Ethereum node, a Solidity compiler, and OpenZeppelin's Merkle trees, as
# tests/anvil/package-lock.json pins them. Does nothing where they are there already. No script of theirs is run.
#
# The lock file leaves out that the node's package asks for Node.js 20: it holds a binary that needs none, and
# under Debian 12's Node.js 18 npm would silently leave it out. Remove `engines` again after a change.
set -euo pipefail
cd "$(dirname "$0")/../tests/anvil"
installed=node_modules/.package-lock.json
if [ -e "$installed" ] && [ ! package-lock.json -nt "$installed" ]; then
    exit 0
fi
npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null
if ! compgen -G 'node_modules/@foundry-rs/anvil-*/bin/anvil*' >/dev/null; then
    rm -rf node_modules
    echo "npm left out anvil's binary for this machine: does package-lock.json have engines for it?" >&2
    exit 1
fi
touch "$installed"
