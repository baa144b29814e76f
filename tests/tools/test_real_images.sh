#!/bin/sh
# On real images, where they are at hand: fits and measures the fast backbone on the magnetic tiles. The images are no part of velm: VELM_SHARED
# names the folder that holds data/magnetic_tile (default: ../shared beside the sources). Prints TAP.
set -u
root=${1:-.}
data=${VELM_SHARED:-$root/../shared}/data/magnetic_tile
echo "1..4"
if [ ! -d "$data" ]; then
  for i in 1 2 3 4; do echo "ok $i # SKIP no images in $data"; done
  exit 0
fi
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

result() { # NUMBER NAME CODE
  if [ "$3" -eq 0 ]; then echo "ok $1 - $2"; else echo "not ok $1 - $2"; fi
}

"$VELM_BIN" fit "$data" -o "$work/tile.velm" --backbone lite2 >"$work/fit.log" 2>&1
result 1 "fits to 468 images" $?
"$VELM_BIN" evaluate "$data" -m "$work/tile.velm" --classifier none --json >"$work/figures.json" 2>"$work/evaluate.log"
result 2 "evaluates 441 images" $?
python3 - "$work/figures.json" <<'PY'
import json, sys
figures = json.load(open(sys.argv[1]))["detection"]
least = {"image_auroc": 0.86, "pixel_auroc": 0.84, "pointing": 0.50}
short = {k: figures[k] for k, v in least.items() if figures[k] < v}
print("#", {k: round(figures[k], 3) for k in least})
sys.exit(1 if short else 0)
PY
result 3 "image AUROC, pixel AUROC and pointing as documented" $?
lines=$("$VELM_BIN" inspect -m "$work/tile.velm" --json "$data/test/blowhole" 2>/dev/null | grep -c '"decision"')
[ "$lines" -eq "$(find "$data/test/blowhole" -type f | wc -l)" ]
result 4 "one record an image" $?
