#!/usr/bin/env bash
# Prints where cargo puts the tally command.
set -euo pipefail
directory=$(cargo metadata --format-version 1 --no-deps --offline | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')
echo "$directory/release/tally"
