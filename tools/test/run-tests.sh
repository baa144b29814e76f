#!/usr/bin/env bash
# run-tests.sh BUILD...: runs the tests of each build directory; the last line counts their cases.
# What needs a real language model is left to `make test-llm`.
# A case that several builds have is one case: it passes if it passes in all of them.
set -uo pipefail

here=$(cd "$(dirname "$0")" && pwd)
logs=()
status=0
for build in "$@"; do
  log=$build/meson-logs/testlog.json
  rm -f "$log" # an old one would be counted if this run dies
  # The sanitizers slow a test down, by two to four times.
  case $build in *asan*) slower=4 ;; *) slower=1 ;; esac
  # More at a time than there are processors: some tests wait for most of their time.
  "${MESON:-meson}" test -C "$build" --no-suite llm --no-rebuild --print-errorlogs --timeout-multiplier "$slower" \
    --num-processes $(($(nproc) + 2)) || status=1
  logs+=("$log")
done
python3 "$here/count_cases.py" "${logs[@]}" || status=1
exit $status
