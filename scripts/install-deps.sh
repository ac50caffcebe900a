#!/usr/bin/env bash
# Installs what a fresh Debian lacks to build Tally: a C++ compiler for RocksDB, and libclang, with
# which its bindings are generated. With the argument `tests` also Node.js and npm, which bring the real node
# that one test follows, and Python's venv, for DuckDB, which reads what is exported, and for schemathesis, which asks the
# server, the shells that completions are made for, and PostgreSQL, of which each test that needs it starts its own; with `count` valgrind, which counts instructions; with
# `old-processor` an emulator. Does nothing where they are there already.
set -euo pipefail
missing=()
for package in build-essential libclang-dev; do
    dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
done
# Node.js often comes from elsewhere than Debian's packages, and then npm with it.
if [ "${1:-}" = tests ]; then
    command -v node >/dev/null || missing+=(nodejs)
    command -v npm >/dev/null || missing+=(npm)
    python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
    for shell in fish zsh; do
        command -v "$shell" >/dev/null || missing+=("$shell")
    done
    compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || missing+=(postgresql)
fi
if [ "${1:-}" = count ]; then
    command -v valgrind >/dev/null || missing+=(valgrind)
fi
if [ "${1:-}" = old-processor ]; then
    command -v qemu-x86_64 >/dev/null || missing+=(qemu-user)
fi
if [ ${#missing[@]} -eq 0 ]; then
    exit 0
fi
echo "installing ${missing[*]}"
as_root=()
if [ "$(id -u)" -ne 0 ]; then
    as_root=(sudo)
fi
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
