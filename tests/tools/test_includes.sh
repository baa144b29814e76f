#!/bin/sh
# Includes point one way: a stage may include only itself and the stages before it. Prints TAP.
set -u
cd "${1:-.}/src" || exit 1
order="core dataset detect mark classify act evaluate serve cli"
echo "1..2"
bad=$(for file in */*.c */*.h; do
  stage=${file%%/*}
  sed -n 's|^#include "\([a-z]*\)/.*|\1|p' "$file" | sort -u | while read -r used; do
    reached=no
    for name in $order; do
      [ "$name" = "$used" ] && reached=yes
      [ "$name" = "$stage" ] && break
    done
    [ "$reached" = yes ] || echo "# $file includes $used/"
  done
done)
if [ -z "$bad" ]; then echo "ok 1 - includes point one way"; else echo "$bad"; echo "not ok 1 - includes point one way"; fi
vague=$(find . -iname '*util*' -o -iname '*common*' -o -iname '*misc*')
if [ -z "$vague" ]; then echo "ok 2 - names say what is in them"; else echo "# $vague"; echo "not ok 2 - names say what is in them"; fi
