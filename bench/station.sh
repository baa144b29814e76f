#!/bin/sh
# How many images a second a station takes from 16 clients, against `velm inspect` with the same images and model, in
# one run.
#
#   bench/station.sh VELM MODEL.velm FOLDER [SECONDS]
#
# Needs wrk and curl. FOLDER has JPEG or PNG files.
set -eu
velm=$1 model=$2 folder=$3 seconds=${4:-60}
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'kill "$server" 2>/dev/null || true; wait; rm -rf "$work"' EXIT
find "$folder" -name '*.jpg' -o -name '*.png' | sort | head -n 400 > "$work/images"
export VELM_BENCH_IMAGES="$work/images"

"$velm" serve --product p="$model" --data "$work/data" --listen 127.0.0.1:0 --rate 100000 2> "$work/log" &
server=$!
until grep -q 'p is ' "$work/log"; do sleep 0.2; done
url=$(sed -n 's/^velm: listening at //p' "$work/log")

inspect() {
  start=$(date +%s.%N)
  xargs -a "$work/images" "$velm" inspect -m "$model" --json > "$work/records" || true
  end=$(date +%s.%N)
  # Opening the model is not the images': it is timed by itself.
  head -n 1 "$work/images" | xargs "$velm" inspect -m "$model" --json > /dev/null || true
  opened=$(date +%s.%N)
  awk "BEGIN { n = $(wc -l < "$work/images"); printf \"%.2f\", (n - 1) / ($end - $start - ($opened - $end)) }"
}

serve() {
  wrk -t1 -c16 -d"${seconds}s" --timeout 60s --latency -s "$here/station.lua" \
    "$url/v1/products/p/inspections" > "$work/wrk"
  sed -n 's/^Requests\/sec: *//p' "$work/wrk"
}

for round in 1 2 3; do
  batch=$(inspect)
  served=$(serve)
  p99=$(awk '$1 == "99%" { print $2 }' "$work/wrk")
  errors=$(grep -E 'Non-2xx|Socket errors' "$work/wrk" || echo "no error")
  awk "BEGIN { printf \"inspect %.2f images/s, served %.2f, ratio %.3f, p99 %s; %s\n\", \
    $batch, $served, $served / $batch, \"$p99\", \"$errors\" }"
done
