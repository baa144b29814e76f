#!/usr/bin/env bash
# test_includes.sh ROOT: includes of src/ point one way, without cycles, and names say what is in a file. Prints TAP.
set -uo pipefail

root=${1:-$(cd "$(dirname "$0")/../.." && pwd)}
# A stage may include only itself and the stages before it.
order=(core dataset detect mark classify act evaluate serve plant cli)

# includes TREE: "FILE USED" for each #include "USED" of a file below TREE.
includes() {
  (cd "$1" && find . -name '*.[ch]' | sed 's|^\./||' | sort | xargs -r \
    sed -n -e 's|^[[:space:]]*#[[:space:]]*include[[:space:]]*"\([^"]*\)".*|\1|;T;F;p') | paste -d ' ' - -
}

# rank STAGE: its place in the order; fails where it has none.
rank() {
  local i
  for i in "${!order[@]}"; do
    [ "${order[i]}" != "$1" ] || { echo "$i" && return; }
  done
  return 1
}

# What is wrong with the tree, a line each; nothing where all is well.
wrong_direction() {
  local file used from to
  while read -r file used; do
    [ "$used" != velm.h ] || continue # the public header
    from=$(rank "${file%%/*}") || { echo "$file: its folder is no stage" && continue; }
    to=$(rank "${used%%/*}") || { echo "$file includes $used, which no stage has" && continue; }
    [ "$to" -le "$from" ] || echo "$file includes $used"
  done < <(includes "$1")
}

cycles() {
  { includes "$1" | grep '\.h .*\.h$' | tsort >/dev/null; } 2>&1
}

vague_names() {
  (cd "$1" && find . -iname '*util*' -o -iname '*common*' -o -iname '*misc*')
}

number=0
ok() { number=$((number + 1)) && echo "ok $number - $1"; }
not_ok() { number=$((number + 1)) && echo "not ok $number - $1" && echo "# ${output//$'\n'/$'\n'# }"; }

# nothing NAME CHECK TREE: the check finds nothing wrong.
nothing() {
  output=$("$2" "$3")
  if [ -z "$output" ]; then ok "$1"; else not_ok "$1"; fi
}

# finds NAME CHECK TREE TEXT: the check finds what has TEXT.
finds() {
  output=$("$2" "$3")
  if grep -qF -- "$4" <<<"$output"; then ok "$1"; else not_ok "$1"; fi
}

output=$(includes "$root/src" | wc -l)
if [ "$output" -gt 100 ]; then ok "includes are found"; else not_ok "includes are found"; fi
nothing "includes point one way" wrong_direction "$root/src"
nothing "headers include one another without a cycle" cycles "$root/src"
nothing "names say what is in them" vague_names "$root/src"

# The checks themselves, on a tree that has everything wrong.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/core" "$work/mark" "$work/extra"
printf '#include "velm.h"\n#include "core/b.h"\n#include <vips/vips.h>\n' >"$work/core/a.h"
printf '#include "core/a.h"\n' >"$work/core/b.h"
printf '#pragma once\n  #  include "mark/mark.h"\n' >"$work/core/up.c"
printf '#include "core/a.h"\n#include "near.h"\n' >"$work/mark/mark.c"
printf '#include "core/a.h"\n' >"$work/extra/odd.c"
touch "$work/mark/string_utils.c"
finds "one that points the other way is found" wrong_direction "$work" "core/up.c includes mark/mark.h"
finds "so is one without its stage" wrong_direction "$work" "mark/mark.c includes near.h"
finds "so is a folder that is no stage" wrong_direction "$work" "extra/odd.c: its folder is no stage"
finds "so is a cycle" cycles "$work" "core/a.h"
finds "so is a vague name" vague_names "$work" "string_utils.c"
output=$(wrong_direction "$work" | wc -l)
if [ "$output" = 3 ]; then ok "and nothing else is"; else not_ok "and nothing else is"; fi

echo "1..$number"
