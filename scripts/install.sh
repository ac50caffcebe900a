#!/usr/bin/env bash
# Puts what `make dist` left in target/dist below a directory, or takes it away again.
#
# Usage: install.sh install|remove DIRECTORY
set -euo pipefail
cd "$(dirname "$0")/.."
action=$1
to=$2
trees=(target/dist/tally-*/)
if [ ${#trees[@]} -ne 1 ] || [ ! -d "${trees[0]}" ]; then
    echo "There is nothing to $action: run \`make dist\` first, as the user who builds." >&2
    exit 1
fi
tree=${trees[0]%/}
while read -r file; do
    case "$action" in
    install)
        mode=644
        [ ! -x "$tree/$file" ] || mode=755
        install -D -m "$mode" "$tree/$file" "$to/$file"
        ;;
    remove) rm -f "$to/$file" ;;
    *)
        echo "neither install nor remove: $action" >&2
        exit 2
        ;;
    esac
done < <(cd "$tree" && find . -type f -printf '%P\n')
if [ "$action" = remove ] && [ -d "$to/share/doc/tally" ]; then
    find "$to/share/doc/tally" -depth -type d -empty -delete
fi
echo "$action: $(cd "$tree" && find . -type f | wc -l) files in $to"
