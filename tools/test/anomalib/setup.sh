#!/usr/bin/env bash
# Installs what the comparisons with anomalib need (requirements.txt beside this) into a Python environment outside the
# sources, VELM_TEST_ANOMALIB. PyTorch as PyPI has it brings libraries of several gigabytes. A second run finds the
# environment in place and returns at once.
#
# With --where it installs nothing and prints the folder of the environment.
#
# Without internet, on a machine that has the packages in DIR:  PIP_NO_INDEX=1 PIP_FIND_LINKS=DIR setup.sh
# PYTHON names the Python to use.
set -euo pipefail
shopt -s inherit_errexit

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
requirements=$here/requirements.txt
venv=${VELM_TEST_ANOMALIB:-${XDG_CACHE_HOME:-$HOME/.cache}/velm/anomalib-2.7.0}

say() { printf 'setup of anomalib: %s\n' "$*"; }

die() {
  printf 'setup of anomalib: error: %s\n' "$*" >&2
  exit 1
}

# attempt WHAT COMMAND...: runs the command; if it fails, one line says why.
attempt() {
  local what=$1 output
  shift
  output=$("$@" 2>&1) || die "cannot $what: $(grep -E 'ERROR|[Ee]rror:' <<<"$output" | tail -n 1 | grep . ||
    tail -n 1 <<<"$output")"
}

case ${1:-} in
  --where) echo "$venv" && exit ;;
  '') ;;
  *) die "usage: setup.sh [--where]" ;;
esac
stamp=$(sha256sum <"$requirements")
[ "$(cat "$venv/.stamp" 2>/dev/null)" != "$stamp" ] || exit 0
say "installing anomalib and PyTorch into $venv: several gigabytes, once"
attempt "create a Python environment" "${PYTHON:-python3}" -m venv --clear "$venv"
attempt "install the packages" "$venv/bin/python" -m pip --disable-pip-version-check --no-input install \
  -r "$requirements"
echo "$stamp" >"$venv/.stamp"
say "ready: $venv"
