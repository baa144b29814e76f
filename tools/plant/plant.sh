#!/usr/bin/env bash
# A plant on one machine: a broker, a database, workers and a station in front of them.
#
#   tools/plant/plant.sh up [--dir DIR] [--workers N] MODEL.velm [SPEC.yaml]
#   tools/plant/plant.sh status|down [--dir DIR]
#
# `up` starts what does not run, starts anew what is to run otherwise, stops workers that are too many, and returns when
# all is ready. `down` stops everything, once what is in hand is done; DIR (./plant) keeps the data. What it starts
# listens on this machine alone.
#
# Environment:
#   VELM                      the command (default: that of PATH, or of the build folder)
#   VELM_PLANT_STORE          postgresql (default), or sqlite: each worker keeps records of its own, and the station too
#   VELM_PLANT_STATION        no: no station
#   VELM_PLANT_PORT           of the station (default 8080)
#   VELM_PLANT_NATS_PORT      of the broker (default 4222)
#   VELM_PLANT_POSTGRES_PORT  of the database (default 54320)
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
readonly root
readonly wait_s=60

store=${VELM_PLANT_STORE:-postgresql}
station=${VELM_PLANT_STATION:-yes}
port=${VELM_PLANT_PORT:-8080}
nats_port=${VELM_PLANT_NATS_PORT:-4222}
postgres_port=${VELM_PLANT_POSTGRES_PORT:-54320}
dir=plant
workers=2

fail() {
  echo "plant: $*" >&2
  exit 1
}

usage() {
  echo "usage: plant.sh up [--dir DIR] [--workers N] MODEL.velm [SPEC.yaml], plant.sh status|down [--dir DIR]" >&2
  exit 2
}

# ---- programs --------------------------------------------------------------------------------------

# find_program NAME PLACE...: where it is, on PATH or in a place.
find_program() {
  local name=$1 place
  shift
  command -v "$name" && return
  for place; do
    [ -x "$place/$name" ] && echo "$place/$name" && return
  done
  fail "there is no $name"
}

find_velm() {
  if [ -n "${VELM:-}" ]; then
    echo "$VELM"
  else
    find_program velm "$root/build"
  fi
}

# The folder of PostgreSQL's programs, which Debian keeps from PATH: the newest there, else what is on PATH.
find_postgres() {
  local newest
  newest=$(find /usr/lib/postgresql -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -1)
  if [ -n "$newest" ]; then
    echo "$newest"
  else
    dirname "$(realpath "$(find_program initdb)")"
  fi
}

# ---- processes -------------------------------------------------------------------------------------
# run/NAME.pid has the number of a process and when it started, so that another with its number is not taken for it;
# run/NAME.command is what it was started by.

# start_of PID: in ticks since the machine's start; nothing where there is no such process, or it has ended (Z) and only
# nobody has asked how.
start_of() { awk '{ sub(/.*\) /, ""); if ($1 != "Z") print $20 }' "/proc/$1/stat" 2>/dev/null; }

# pid_of NAME: its number, where it runs.
pid_of() {
  local pid start
  { read -r pid start <"$dir/run/$1.pid"; } 2>/dev/null || return 1
  [ -n "$start" ] && [ "$(start_of "$pid")" = "$start" ] && echo "$pid"
}

# start NAME COMMAND...: in the background, unless it runs already.
start() {
  local name=$1 pid command
  shift
  command=$(printf '%q ' "$@")
  if pid_of "$name" >/dev/null; then
    [ "$command" = "$(cat "$dir/run/$name.command")" ] && return
    stop "$name"
  fi
  echo "$command" >"$dir/run/$name.command"
  setsid "$@" </dev/null >>"$dir/log/$name.log" 2>&1 9>&- &
  pid=$!
  echo "$pid $(start_of "$pid")" >"$dir/run/$name.pid"
  echo "plant: started $name"
}

# ask_to_end NAME: as its kind is asked.
ask_to_end() {
  local pid signal=TERM
  [ "$1" != postgres ] || signal=INT
  pid=$(pid_of "$1") && kill "-$signal" "$pid" 2>/dev/null
}

# stop NAME: waits until it has ended.
stop() {
  local name=$1 end=$((SECONDS + wait_s))
  [ -e "$dir/run/$name.pid" ] || return 0
  ask_to_end "$name" || true
  while pid_of "$name" >/dev/null; do
    if ((SECONDS > end)); then
      echo "plant: $name does not end, and is killed" >&2
      kill -KILL "$(pid_of "$name")" 2>/dev/null || true
      end=$((SECONDS + wait_s))
    fi
    sleep 0.1
  done
  rm -f "$dir/run/$name.pid" "$dir/run/$name.command"
  echo "plant: stopped $name"
}

# wait_for NAME COMMAND...: until COMMAND succeeds, as long as NAME runs.
wait_for() {
  local name=$1 end=$((SECONDS + wait_s))
  shift
  until "$@" >/dev/null 2>&1; do
    if ! pid_of "$name" >/dev/null || ((SECONDS > end)); then
      tail -n 5 "$dir/log/$name.log" >&2
      fail "$name is not ready; see $dir/log/$name.log"
    fi
    sleep 0.1
  done
}

# names: of all that were started, those in front first.
names() {
  local file
  for file in "$dir"/run/station.pid "$dir"/run/worker-*.pid "$dir"/run/postgres.pid "$dir"/run/nats.pid; do
    [ ! -e "$file" ] || basename "$file" .pid
  done
}

# ---- the broker ------------------------------------------------------------------------------------

# The settings of a plant's broker, with the places of this one.
write_broker_settings() {
  LISTEN=127.0.0.1:$nats_port STORE=$dir/nats awk '
    /^listen:/ { print "listen: \"" ENVIRON["LISTEN"] "\""; next }
    /^ *store_dir:/ { print "  store_dir: \"" ENVIRON["STORE"] "\""; next }
    { print }' "$root/data/plant/nats-server.conf" >"$dir/nats-$nats_port.conf"
}

start_broker() {
  local program
  program=$(find_program nats-server /usr/sbin /usr/local/sbin)
  write_broker_settings
  start nats "$program" -c "$dir/nats-$nats_port.conf"
  wait_for nats look
}

look() { "$velm" top --nats "$nats" --once --json --interval 0; }

# ---- the database ----------------------------------------------------------------------------------

# as_postgres COMMAND...: PostgreSQL refuses to run as root.
as_postgres() {
  if [ "$(id -u)" = 0 ]; then
    setpriv --reuid="$postgres_user" --regid="$(id -g "$postgres_user")" --clear-groups "$@"
  else
    "$@"
  fi
}

# The password is for other users of this machine to lack; libpq finds it in pgpass.
make_database() {
  local password
  [ ! -e "$dir/postgres/PG_VERSION" ] || return 0
  password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
  (umask 077 && echo "127.0.0.1:*:*:velm:$password" >"$dir/pgpass")
  rm -rf "$dir/postgres"
  mkdir -m 700 "$dir/postgres"
  echo "$password" >"$dir/postgres.password"
  if [ "$(id -u)" = 0 ]; then
    chown "$postgres_user" "$dir/postgres" "$dir/postgres.password"
    as_postgres test -x "$dir/postgres" || fail "the user $postgres_user cannot reach $dir: choose another --dir"
  fi
  as_postgres "$postgres_bin/initdb" -D "$dir/postgres" -U velm -A scram-sha-256 --pwfile "$dir/postgres.password" \
    -E UTF8 --locale C.UTF-8 >"$dir/log/initdb.log" 2>&1 || fail "PostgreSQL's cluster cannot be made; see $dir/log/initdb.log"
  rm "$dir/postgres.password"
}

is_database_ready() {
  "$postgres_bin/pg_isready" -q -h 127.0.0.1 -p "$postgres_port" -U velm -d postgres
}

start_database() {
  local settings=(-c listen_addresses=127.0.0.1 -c "port=$postgres_port" -c unix_socket_directories=)
  postgres_bin=$(find_postgres)
  postgres_user=$(id -un postgres 2>/dev/null || echo nobody)
  make_database
  export PGPASSFILE=$dir/pgpass
  if [ "$(id -u)" = 0 ]; then
    start postgres setpriv --reuid="$postgres_user" --regid="$(id -g "$postgres_user")" --clear-groups \
      "$postgres_bin/postgres" -D "$dir/postgres" "${settings[@]}"
  else
    start postgres "$postgres_bin/postgres" -D "$dir/postgres" "${settings[@]}"
  fi
  wait_for postgres is_database_ready
  "$postgres_bin/psql" -qtA -h 127.0.0.1 -p "$postgres_port" -U velm -d postgres \
    -c "SELECT 1 FROM pg_database WHERE datname = 'velm'" | grep -q 1 ||
    "$postgres_bin/createdb" -h 127.0.0.1 -p "$postgres_port" -U velm velm
  database=postgresql://velm@127.0.0.1:$postgres_port/velm
}

# ---- workers and the station -----------------------------------------------------------------------

# keep_at NAME: sets `keeping` to where NAME keeps images and records.
keep_at() {
  if [ "$store" = postgresql ]; then
    keeping=(--data "$dir/data" --database "$database")
  else
    keeping=(--data "$dir/data/$1")
  fi
}

is_worker_ready() { look | grep -qE "\"name\":\"$1\",\"host\"[^[]*\"state\":\"(ready|degraded)\""; }

start_workers() {
  local i name keeping file
  for ((i = 1; i <= workers; i++)); do
    keep_at "worker-$i"
    start "worker-$i" "$velm" worker --nats "$nats" --name "worker-$i" "${model[@]}" "${keeping[@]}"
  done
  for ((i = 1; i <= workers; i++)); do wait_for "worker-$i" is_worker_ready "worker-$i"; done
  for file in "$dir"/run/worker-*.pid; do
    name=$(basename "$file" .pid)
    ((${name#worker-} <= workers)) || stop "$name"
  done
}

is_station_ready() {
  local line
  exec 8<>"/dev/tcp/127.0.0.1/$port" || return 1
  printf 'GET /readyz HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n' >&8
  read -r -t 5 line <&8
  exec 8>&-
  [[ $line == *' 200 '* ]]
}

start_station() {
  local keeping own=()
  keep_at station
  [ "$store" != postgresql ] || own=(--station station)
  start station "$velm" serve --nats "$nats" --product "$product" --listen "127.0.0.1:$port" "${keeping[@]}" "${own[@]}"
  wait_for station is_station_ready
}

# ---- commands --------------------------------------------------------------------------------------

up() {
  [[ $workers =~ ^[1-9][0-9]*$ ]] || fail "--workers is to be a number"
  (($# == 1 || $# == 2)) || usage
  [ -r "$1" ] || fail "$1: no such model"
  [ -r "${2:-$1}" ] || fail "$2: no such spec"
  case $store in postgresql | sqlite) ;; *) fail "VELM_PLANT_STORE=$store: it is to be postgresql or sqlite" ;; esac
  model=(-m "$(realpath "$1")")
  [ -z "${2:-}" ] || model+=(-s "$(realpath "$2")")
  # As velm names it: what will not do in a name becomes "_".
  product=$(basename "$1")
  product=${product%.*}
  product=${product//[^a-zA-Z0-9_-]/_}
  mkdir -p "$dir/run" "$dir/log" "$dir/data"
  dir=$(realpath "$dir")
  exec 9>"$dir/lock"
  flock -n 9 || fail "another is at work in $dir"
  velm=$(find_velm)
  nats=nats://127.0.0.1:$nats_port
  echo "$nats" >"$dir/run/nats.url"
  start_broker
  [ "$store" = sqlite ] || start_database
  start_workers
  [ "$station" = no ] || start_station
  echo "plant: ready: broker $nats, $workers workers of $product"
  [ "$station" = no ] || echo "plant: http://127.0.0.1:$port/"
}

status() {
  local name pid code=0
  [ -d "$dir/run" ] || fail "$dir: no plant was ever started there"
  for name in $(names); do
    if pid=$(pid_of "$name"); then
      echo "$name: runs ($pid)"
    else
      echo "$name: has ended; see $dir/log/$name.log"
      code=1
    fi
  done
  if ! pid_of nats >/dev/null; then
    echo "nothing runs"
    return 1
  fi
  velm=$(find_velm)
  echo
  "$velm" top --nats "$(cat "$dir/run/nats.url")" --once || code=1
  return "$code"
}

down() {
  local name
  [ -d "$dir/run" ] || return 0
  exec 9>"$dir/lock"
  flock -n 9 || fail "another is at work in $dir"
  # Those in front first, workers together, and what they stand on last.
  stop station
  for name in $(names); do [[ $name != worker-* ]] || ask_to_end "$name" || true; done
  for name in $(names); do stop "$name"; done
}

# ---- the command line ------------------------------------------------------------------------------

[ $# -gt 0 ] || usage
command=$1
shift
arguments=()
while [ $# -gt 0 ]; do
  case $1 in
    --dir | --workers)
      [ $# -ge 2 ] || usage
      if [ "$1" = --dir ]; then dir=$2; else workers=$2; fi
      shift
      ;;
    -*) usage ;;
    *) arguments+=("$1") ;;
  esac
  shift
done

case $command in
  up) up "${arguments[@]}" ;;
  status | down)
    [ ${#arguments[@]} = 0 ] || usage
    "$command"
    ;;
  *) usage ;;
esac
