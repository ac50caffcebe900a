#!/usr/bin/env bash
# Simulates runs from SEED on for MINUTES: both chains from odd nodes, with reorgs, kills, full disks and a reader of the
# feed. Without SEED they are those of make test.
set -euo pipefail
cd "$(dirname "$0")/.."
export TALLY_SOAK_SEED="${SEED:-}" TALLY_SOAK_MINUTES="${MINUTES:-5}"
exec cargo test --release --locked --package tally-tests --test it soak:: -- --nocapture
