#!/usr/bin/env bash
# test_install.sh ROOT: installs the built tree into a folder and uses it from there alone, as a program outside this
# tree would: the command, the weights, the header, the library and its pkg-config file. Prints TAP.
set -uo pipefail

root=${1:-$(cd "$(dirname "$0")/../.." && pwd)}
: "${VELM_BIN:?names the built command}"
build=$(dirname "$VELM_BIN")
meson=${MESON:-meson}
number=0

for tool in "$meson" pkg-config cc awk readelf python3; do
  if ! command -v "$tool" >/dev/null; then
    echo "1..0 # SKIP there is no $tool"
    exit 0
  fi
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# check NAME COMMAND...: one test; COMMAND's output is shown where it fails.
check() {
  local name=$1 output
  shift
  number=$((number + 1))
  if output=$("$@" 2>&1); then
    echo "ok $number - $name"
  else
    echo "not ok $number - $name"
    echo "# ${output//$'\n'/$'\n'# }"
  fi
}

# option NAME: what the build was configured with.
option() {
  "$meson" introspect "$build" --buildoptions |
    python3 -c 'import json, sys; print(*[o["value"] for o in json.load(sys.stdin) if o["name"] == sys.argv[1]])' "$1"
}

prefix=$(option prefix)
stage=$work/root$prefix
lib=$stage/$(option libdir)

install() { DESTDIR=$work/root "$meson" install -C "$build" --no-rebuild --quiet; }

files() {
  local file
  for file in "$stage/bin/velm" "$stage/include/velm.h" "$lib/libvelm.so" "$lib/pkgconfig/velm.pc" \
    "$stage/share/velm/models/lite2.onnx" "$stage/share/velm/models/dinov2s.onnx" \
    "$stage/lib/systemd/system/velm.service" "$stage/lib/systemd/system/velm-worker@.service" \
    "$stage/lib/systemd/system/velm-plant.target" "$stage/share/velm/plant/nats-server.conf" \
    "$stage/share/doc/velm/LICENSE" "$stage/share/doc/velm/NOTICE"; do
    [ -s "$file" ] || { echo "$file is missing" && return 1; }
  done
}

# An OpenVINO that velm brings along is found where it will be, and nothing is looked for in the source tree.
run_paths() {
  local file paths
  for file in "$stage/bin/velm" "$lib/libvelm.so"; do
    paths=$(readelf -d "$file" | grep -E 'R(UN)?PATH')
    echo "$file: $paths"
    ! grep -qF -e "$root" -e "$build" <<<"$paths" || return 1
    [ ! -d "$lib/velm/openvino" ] || grep -qF "$prefix/${lib#"$stage/"}/velm/openvino" <<<"$paths" || return 1
  done
}

# Functions that programs can call are those that the header declares.
symbols() {
  local symbols symbol
  symbols=$(readelf --dyn-syms -W "$lib/libvelm.so" |
    awk '$4 == "FUNC" && $5 == "GLOBAL" && $7 != "UND" { sub(/@.*/, "", $8); print $8 }')
  [[ $symbols == *velm_inspector_inspect* ]] || return 1
  for symbol in $symbols; do
    grep -qE "\b$symbol\(" "$stage/include/velm.h" || { echo "$symbol is exported" && return 1; }
  done
}

# The staged files are not where their .pc says: it is told.
relocate() { sed -i "s|^prefix=.*|prefix=$stage|" "$lib/pkgconfig/velm.pc"; }

# flags OPTION...: of pkg-config, for the staged library.
flags() { PKG_CONFIG_PATH=$lib/pkgconfig pkg-config "$@" velm; }

compile() {
  local cflags libs
  relocate && cflags=$(flags --cflags) && libs=$(flags --libs) || return 1
  # shellcheck disable=SC2086 # several words
  cc -std=c17 -Wall -Wextra -Werror -o "$work/inspect" "$root/examples/inspect.c" $cflags $libs
}

cxx() {
  echo '#include <velm.h>' >"$work/header.cc"
  # shellcheck disable=SC2046 # several words
  c++ -fsyntax-only -Wall -Wextra -Werror $(flags --cflags) "$work/header.cc"
}

version() { [ "velm $(flags --modversion)" = "$("$stage/bin/velm" --version)" ]; }

# make_image FILE SEED LEVEL: a grey wedge with some noise; LEVEL darkens its middle.
make_image() {
  awk -v seed="$2" -v level="$3" 'BEGIN {
    srand(seed); print "P2\n64 64\n255"
    for (y = 0; y < 64; y++) for (x = 0; x < 64; x++)
      print int(80 + 2 * x + 8 * rand()) - (x > 20 && x < 44 && y > 20 && y < 44 ? level : 0)
  }' >"$1"
}

make_images() {
  local i
  mkdir "$work/good"
  for i in {1..8}; do make_image "$work/good/$i.pgm" "$i" 0 || return 1; done
  make_image "$work/same.pgm" 20 0 && make_image "$work/other.pgm" 21 75
}

fit() { make_images && "$stage/bin/velm" fit "$work/good" -o "$work/model.velm" --backbone lite2 --size 64; }

run_example() {
  local output
  output=$("$work/inspect" "$work/model.velm" "$work/good/1.pgm" "$work/other.pgm") || return 1
  echo "$output"
  [ "$output" = "$work/good/1.pgm: normal, not classified -> pass
$work/other.pgm: defect, not classified -> reject" ]
}

fail_example() {
  local output
  output=$("$work/inspect" "$work/model.velm" "$work/absent.pgm" 2>&1) && return 1
  echo "$output"
  [ "$output" = "$work/absent.pgm: no such file" ]
}

check 'everything installs' install
check 'what a user needs is there' files
check 'the installed files do not look into the source tree' run_paths
check 'nothing is exported but what the header declares' symbols
# Staged libraries are found by this; installed ones by the run path.
export LD_LIBRARY_PATH=$lib:$lib/velm/openvino VELM_MODELS=$stage/share/velm/models
check 'a program outside compiles by pkg-config' compile
if command -v c++ >/dev/null; then
  check 'the header is C++ too' cxx
fi
check 'the versions agree' version
check 'the installed command fits a model' fit
check 'the program inspects with it' run_example
check 'and says what failed' fail_example
echo "1..$number"
