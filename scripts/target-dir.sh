#!/usr/bin/env bash
# Prints cargo's target directory.
set -euo pipefail
cargo metadata --format-version 1 --no-deps --offline | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p'
