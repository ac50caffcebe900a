#!/usr/bin/env bash
# Runs tally on an emulated processor of 2006, which lacks SSE 4.2: it has to say so. And on one of 2008, which has
# all that is needed.
set -euo pipefail
tally=$1
status=0
said=$(qemu-x86_64 -cpu core2duo "$tally" --version 2>&1) || status=$?
if [ "$status" -ne 1 ] || [[ $said != *"this build is for x86-64-v2"*"lacks SSE4.2"* ]]; then
    printf 'on an old processor tally ended with status %s and said: %s\n' "$status" "$said" >&2
    exit 1
fi
printf '%s\n' "$said"
qemu-x86_64 -cpu Nehalem "$tally" --version
