#!/usr/bin/env bash
# Installs what the test of the station's page needs: Debian's Chromium (it asks sudo), and Playwright (requirements.txt
# beside this) in a Python environment outside the sources, VELM_TEST_BROWSER. A second run finds them and returns at once.
#
# With --where it installs nothing and prints the folder of the environment.
#
# PYTHON names the Python to use.
set -euo pipefail
shopt -s inherit_errexit

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
requirements=$here/requirements.txt
venv=${VELM_TEST_BROWSER:-${XDG_CACHE_HOME:-$HOME/.cache}/velm/browser}

say() { printf 'setup of the browser: %s\n' "$*"; }

die() {
  printf 'setup of the browser: error: %s\n' "$*" >&2
  exit 1
}

# attempt WHAT COMMAND...: runs the command; if it fails, one line says why.
attempt() {
  local what=$1 output
  shift
  output=$("$@" 2>&1) || die "cannot $what: $(tail -n 1 <<<"$output")"
}

case ${1:-} in
  --where) echo "$venv" && exit ;;
  '') ;;
  *) die "usage: setup.sh [--where]" ;;
esac
if ! command -v chromium >/dev/null; then
  say "installing Chromium"
  sudo=$([ "$(id -u)" = 0 ] || echo sudo)
  # shellcheck disable=SC2086  # no word at all where sudo is not needed
  attempt "update the lists of packages" $sudo apt-get update
  # shellcheck disable=SC2086
  attempt "install Chromium" $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends chromium
fi
stamp=$(sha256sum <"$requirements")
[ "$(cat "$venv/.stamp" 2>/dev/null)" != "$stamp" ] || exit 0
say "installing Playwright into $venv"
attempt "create a Python environment" "${PYTHON:-python3}" -m venv --clear "$venv"
attempt "install the package" "$venv/bin/python" -m pip --disable-pip-version-check --no-input install -r "$requirements"
echo "$stamp" >"$venv/.stamp"
say "ready: $venv"
