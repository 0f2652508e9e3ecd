#!/usr/bin/env bash
# Starts the cluster: Redis, three silos, and HAProxy in front of them. A silo that ends is started again.
#
#   samples/Cluster/run.sh               builds first; --no-build does not. CONFIGURATION is Release.
#   kill -HUP PID-OF-THIS-SCRIPT         restarts the silos, one after the other
#   kill -9 PID-OF-A-SILO                kills a silo
#   Ctrl+C                               stops all
#
# Clients come to port 5090 of CLUSTER_ADDRESS (127.0.0.1). Any address of 127.0.0.0/8 makes another cluster beside it.
# Without redis-server, or with --no-redis, the accounts are in the memory of the silos.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
export CLUSTER_ADDRESS=${CLUSTER_ADDRESS:-127.0.0.1} PATH="$PATH:/usr/sbin"
configuration=${CONFIGURATION:-Release}
silos=() others=() redis=()

# Each process has a session of its own: Ctrl+C in a terminal ends only this script, which stops the silos first.
start_silo() {
  setsid dotnet "bin/$configuration/net10.0/Cluster.dll" --silo "$1" --address "$CLUSTER_ADDRESS" "${redis[@]}" &
  silos[$1]=$!
  echo "Silo $1 is process $!"
}

start_ended_silos() {
  local n
  for n in 1 2 3; do
    kill -0 "${silos[n]}" 2> /dev/null || start_silo "$n"
  done
}

wait_until_up() {
  until curl -s --noproxy '*' "http://$CLUSTER_ADDRESS:5094/;csv" | grep -q "^silos,silo$1,.*,UP,"; do
    start_ended_silos
    sleep 0.2
  done
}

restart_silos() {
  local n
  for n in 1 2 3; do
    echo "Silo $n stops"
    kill -TERM "${silos[n]}"
    wait "${silos[n]}"
    start_silo "$n"
    wait_until_up "$n"
  done
  echo "All silos have been restarted"
}

stop() {
  trap '' HUP INT TERM
  ((${#silos[@]})) && kill -TERM "${silos[@]}" 2> /dev/null && wait "${silos[@]}"
  ((${#others[@]})) && kill -TERM "${others[@]}" 2> /dev/null && wait "${others[@]}"
  rm -rf "$directory"
}

no_build='' no_redis=''
for option in "$@"; do
  case $option in
    --no-build) no_build=yes ;;
    --no-redis) no_redis=yes ;;
    *) echo "usage: run.sh [--no-build] [--no-redis]" >&2; exit 2 ;;
  esac
done

for tool in curl haproxy; do
  command -v $tool > /dev/null || { echo "$tool is not installed" >&2; exit 1; }
done
[[ -n $no_build ]] || dotnet build -c "$configuration" -v quiet || exit

directory=$(mktemp -d)
trap stop EXIT
trap 'exit 0' INT TERM
trap 'restart=yes' HUP

if [[ -z $no_redis ]] && command -v redis-server > /dev/null; then
  # Redis forgets all when it stops. "--appendfsync always" and a directory that stays would keep it.
  setsid redis-server --bind "$CLUSTER_ADDRESS" --port 6390 --dir "$directory" --save '' > /dev/null &
  others+=($!)
  redis=(--redis "$CLUSTER_ADDRESS:6390")
  until (: > "/dev/tcp/$CLUSTER_ADDRESS/6390") 2> /dev/null; do
    kill -0 "${others[0]}" || exit 1
    sleep 0.05
  done
else
  echo "Without Redis: an account is lost with its silo, and the cluster with silo 1"
fi

for n in 1 2 3; do
  start_silo "$n"
done

setsid haproxy -db -f haproxy.cfg &
others+=($!)

for n in 1 2 3; do
  wait_until_up "$n"
done
echo "Ready: http://$CLUSTER_ADDRESS:5090, this is process $$"

while true; do
  start_ended_silos
  if [[ -n ${restart:-} ]]; then
    restart=
    restart_silos
  fi
  sleep 0.2
done
