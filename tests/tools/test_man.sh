#!/usr/bin/env bash
# test_man.sh ROOT: tests tools/docs/man.py on the command that VELM_BIN names. Prints TAP.
set -uo pipefail

root=${1:-$(cd "$(dirname "$0")/../.." && pwd)}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
number=0

# check NAME COMMAND...: one case, which passes if the command does.
check() {
  local name=$1 result=ok
  shift
  "$@" || result="not ok"
  number=$((number + 1))
  echo "$result $number - $name"
}

makes_page() { "$root/tools/docs/man.py" "$VELM_BIN" >"$work/velm.1"; }

# has_options COMMAND...: the command's section has every option of its help.
has_options() {
  local option
  sed -n "/^\.SS velm $*\$/,/^\.S/p" "$work/velm.1" | sed 's|\\||g' >"$work/section"
  [ -s "$work/section" ] || { echo "# no section" && return 1; }
  while read -r option; do
    grep -qF -e "$option" "$work/section" || { echo "# $option is missing" && return 1; }
  done < <("$VELM_BIN" "$@" --help | grep -oE '^  +-[^ ]+' | grep -v -e --help -e -h,)
}

# Warnings are errors: groff's -ww knows every one.
is_clean() {
  local said
  said=$(groff -man -Tascii -ww -z "$work/velm.1" 2>&1) && [ -z "$said" ] && return
  echo "# ${said//$'\n'/$'\n'# }"
  return 1
}

check "the page is made" makes_page
for command in $("$VELM_BIN" --help | awk '/^[A-Z].*:$/ { exit } /^  [a-z]/ { print $1 }') 'spec check' 'spec import' 'evaluate compare' 'evaluate predictions' 'dataset audit' 'dataset curate' 'store info' 'store migrate' 'plant init' 'plant publish' 'plant products' 'plant versions' 'plant use' 'plant prune' 'plant llm' 'plant dead'; do
  # shellcheck disable=SC2086 # two words
  check "velm $command has a section with all its options" has_options $command
done
if command -v groff >/dev/null; then
  check "groff has nothing to say" is_clean
else
  echo "ok $((number += 1)) - groff has nothing to say # SKIP no groff"
fi
echo "1..$number"
