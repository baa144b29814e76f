#!/usr/bin/env bash
# overview.sh DEMO OUT.png: draws the README's picture from what `velm demo --out DEMO` made: some parts, each as
# image, heatmap, red contour and verdict. Needs ImageMagick.
set -euo pipefail

[ $# = 2 ] || { echo "usage: overview.sh DEMO OUT.png" >&2; exit 2; }
demo=$1 out=$2
side=172
parts=(good/part030_view0 scratch/part042_view0 dent/part048_view0 missing_hole/part069_view0 stain/part056_view0 dust/part072_view0)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# record PART: the line of the report with its record as JSON, and its pictures in base 64: contour, heatmap.
record() {
  grep -F "\"name\":\"${1##*/}.png\"" "$demo/report/report.html" || {
    echo "overview.sh: $demo/report/report.html has no record of $1" >&2
    exit 1
  }
}

# field NAME: the value of a string member of the record on standard input; nothing where it is null.
field() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"; }

heatmap() { sed 's/.*<script type="text\/plain">[^ ]* \([^<]*\)<.*/\1/' | base64 -d; }

for part in "${parts[@]}"; do
  name=$work/${part##*/}
  record "$part" >"$name.record"
  heatmap <"$name.record" >"$name.jpg"
  overlay=$demo/report/${part%/*}_${part##*/}.png_overlay.png
  class=$(field class <"$name.record")
  decision=$(field decision <"$name.record")
  action=$(field action <"$name.record")
  convert \( "$demo/parts/test/$part.png" "$name.jpg" "$overlay" -resize "${side}x$side!" -append \) \
    \( -size "${side}x58" -background white -gravity center -font DejaVu-Sans -pointsize 15 \
    "label:${class//_/ }\n$decision: $action" \) -append "$name.column.png"
  columns+=("$name.column.png")
done

# A palette without dithering: a third of the bytes, and nobody sees it.
convert "${columns[@]}" -background white -bordercolor white -splice 4x0 +append -chop 4x0 \
  +dither -colors 200 -define png:compression-level=9 -strip "PNG8:$out"
