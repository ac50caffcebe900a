#!/usr/bin/env bash
# Counts the instructions that each kernel of benches/kernels.rs needs, under callgrind, and fails where one needs
# 5 % more than benches/callgrind/baseline.txt says. With the argument `bless` it writes the baseline anew.
set -euo pipefail
cd "$(dirname "$0")/.."
baseline=benches/callgrind/baseline.txt
target=$(./scripts/target-dir.sh)
# The runner has to be of the library's version. Without optimisation it is built in half the time.
version=$(sed -n 's/^gungraun = "=\(.*\)"/\1/p' Cargo.toml)
cargo install --quiet --locked --debug "gungraun-runner@$version" --root "$target/tools"
# What an earlier run left there would be compared with this one.
rm -rf "$target/gungraun"
counted=$(mktemp)
trap 'rm -f "$counted"' EXIT
# One line of JSON for each kernel. The whole workspace, so that crates are built with the features that they
# have for the tests, too. Where things lie in memory makes no difference to the counts, and containers seldom
# allow it to be fixed.
PATH="$target/tools/bin:$PATH" cargo bench --workspace --features tally-benches/count --bench kernels --locked -- \
    --home "$target/gungraun" --allow-aslr=yes --output-format=json |
    sed -E 's/.*"function_name":"([^"]*)".*"id":"([^"]*)".*"total":\{"metrics":\{"Ir":\{"values":\{"new":([0-9]+)\}.*/\1::\2 \3/' |
    LC_ALL=C sort >"$counted"
if [ "${1:-}" = bless ]; then
    cp "$counted" "$baseline"
    echo "wrote $baseline"
    exit 0
fi
awk -v profiles="$target/gungraun" '
    NF != 2 || $2 !~ /^[0-9]+$/ { print "not a count: " $0; bad = 1; next }
    NR == FNR { expected[$1] = $2; next }
    !($1 in expected) { print $1 ": " $2 " instructions, and none in the baseline"; bad = 1; next }
    {
        change = 100 * ($2 / expected[$1] - 1)
        regressed = $2 * 100 >= expected[$1] * 105
        printf "%-45s %9d instructions, %9d in the baseline, %+6.2f %%%s\n", $1, $2, expected[$1], change,
            regressed ? ": too many" : ""
        if (regressed) bad = 1
        delete expected[$1]
    }
    END {
        for (kernel in expected) { print kernel ": is in the baseline, but was not counted"; bad = 1 }
        if (bad) {
            print "Where they are spent: callgrind_annotate FILE, with a callgrind.*.out in " profiles "."
            print "If that is as it should be, `make bless-counts` writes the baseline anew."
            exit 1
        }
    }
' "$baseline" "$counted"
