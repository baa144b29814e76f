#!/usr/bin/env bash
# A plant on one machine: what starts runs, what runs is not started again, and nothing is left in the end.
#   test_plant.sh SOURCE_ROOT
set -u

root=$1
number=0
export VELM=$VELM_BIN VELM_PLANT_STORE=sqlite VELM_PLANT_STATION=no

if ! command -v nats-server >/dev/null && [ ! -x /usr/sbin/nats-server ]; then
  echo "1..0 # SKIP there is no nats-server"
  exit 0
fi

work=$(mktemp -d)
plant() { "$root/tools/plant/plant.sh" "$@"; }
trap 'plant down --dir "$work/plant" >/dev/null; rm -rf "$work"' EXIT

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

VELM_PLANT_NATS_PORT=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
export VELM_PLANT_NATS_PORT
nats=nats://127.0.0.1:$VELM_PLANT_NATS_PORT

# make_image FILE SEED: a grey wedge with some noise.
make_image() {
  awk -v seed="$2" 'BEGIN {
    srand(seed); print "P2\n64 64\n255"
    for (y = 0; y < 64; y++) for (x = 0; x < 64; x++) print int(80 + 2 * x + 8 * rand())
  }' >"$1"
}

fit() {
  local i
  mkdir "$work/good"
  for i in {1..6}; do make_image "$work/good/$i.pgm" "$i"; done
  "$VELM" fit "$work/good" -o "$work/a part.velm" --backbone lite2 --size 64
}

up() {
  local output
  output=$(plant up --dir "$work/plant" --workers "$1" "$work/a part.velm") || return 1
  echo "$output"
  [ "$output" = "$2plant: ready: broker $nats, $1 workers of a_part" ]
}

jobs_are_done() {
  local i
  "$VELM" submit --nats "$nats" --product a_part "$work/good" || return 1
  for i in {1..100}; do
    "$VELM" top --nats "$nats" --once --json --interval 0 | grep -q '"stages":\[{"stage":"detect","jobs":0,' && return
    sleep 0.1
  done
  return 1
}

status_is() {
  local output code=0
  output=$(plant status --dir "$work/plant") || code=1
  echo "$output"
  [[ $output == *"worker-1: $1"* ]] && [ "$code" = "$2" ]
}

# kill_worker: as a fault would, which takes a moment.
kill_worker() {
  local pid i
  read -r pid _ <"$work/plant/run/worker-1.pid" && kill -KILL "$pid"
  for i in {1..100}; do
    [[ ! -e /proc/$pid/stat || $(cat "/proc/$pid/stat") == *') Z '* ]] && return
    sleep 0.1
  done
  return 1
}

down() {
  local pids
  pids=$(cut -d ' ' -f 1 "$work"/plant/run/*.pid)
  plant down --dir "$work/plant" || return 1
  for pid in $pids; do
    [[ ! -e /proc/$pid/stat || $(cat "/proc/$pid/stat") == *') Z '* ]] || return 1
  done
  plant down --dir "$work/plant"
}

refuses() {
  local output
  output=$(plant up --dir "$work/plant" "$work/absent.velm" 2>&1) && return 1
  [ "$output" = "plant: $work/absent.velm: no such model" ]
}

check 'a model' fit
check 'a plant starts' up 1 $'plant: started nats\nplant: started worker-1\n'
check 'what runs is left alone' up 1 ''
check 'its jobs are done' jobs_are_done
check 'it has another worker' up 2 $'plant: started worker-2\n'
check 'and one less' up 1 $'plant: stopped worker-2\n'
check 'its state is told' status_is runs 0
check 'a worker is killed' kill_worker
check 'which is told' status_is 'has ended' 1
check 'and it is started again' up 1 $'plant: started worker-1\n'
check 'it stops, and again' down
check 'a model that is not there is refused' refuses
echo "1..$number"
