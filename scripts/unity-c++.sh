#!/usr/bin/env bash
# Stands for the C++ compiler while librocksdb-sys compiles RocksDB, one call for each source file. Most of the time of
# such a call goes into the same headers and templates again. So a call for the first file of a unit compiles the whole
# unit, as one file that includes the others, and a call for any other file makes an empty object. All other calls go
# to the compiler as they are.
#
# A unit is a run of files in the crate's list that makes up a fixed share of the bytes: the same on each machine, so
# that the archive is the same, too.
set -euo pipefail
units=8
read -ra compiler <<<"${TALLY_CXX:-c++}"
source=${*: -1}
list=rocksdb_lib_sources.txt
if [[ $source != rocksdb/*.cc || ! -e $list ]]; then
    exec "${compiler[@]}" "$@"
fi
flags=()
for flag in "${@:1:$#-1}"; do
    case $flag in
    # About half of the time to compile; benches/RESULTS.md has what it costs when it runs.
    -O3) flags+=(-O1) ;;
    # Warnings are RocksDB's own affair; what is passed to the assembler, the linker and the preprocessor is not one.
    -Wa,* | -Wl,* | -Wp,*) flags+=("$flag") ;;
    -W*) ;;
    *) flags+=("$flag") ;;
    esac
done
sed -e '/util\/build_version\.cc/d' -e 's|^|rocksdb/|' "$list" | xargs stat --format '%s %n' |
    awk -v first="$source" -v units="$units" '
        { size[NR] = $1; file[NR] = $2; all += $1 }
        END {
            unit = -1
            for (i = 1; i <= NR; i++) {
                if (int(before * units / all) != unit) {
                    unit = int(before * units / all)
                    wanted = file[i] == first
                }
                if (wanted) print "#include \"" file[i] "\""
                before += size[i]
            }
        }
    ' | "${compiler[@]}" "${flags[@]}" -w -x c++ -
