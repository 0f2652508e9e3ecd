#!/usr/bin/env bash
# Starts the cluster: Redis, three silos and a front that calls them, and HAProxy before all four. One that ends is
# started again.
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
servers=(silo1 silo2 silo3 front) others=() redis=()
declare -A processes=()

# Each process has a session of its own: Ctrl+C in a terminal ends only this script, which stops the servers first.
start() {
  local options=(--address "$CLUSTER_ADDRESS" "${redis[@]}")
  [[ $1 == front ]] || options+=(--silo "${1#silo}")
  setsid dotnet "bin/$configuration/net10.0/Cluster.dll" "${options[@]}" &
  processes[$1]=$!
  echo "$1 is process $!"
}

start_ended() {
  local server
  for server in "${servers[@]}"; do
    kill -0 "${processes[$server]}" 2> /dev/null || start "$server"
  done
}

wait_until_up() {
  until curl -s --noproxy '*' "http://$CLUSTER_ADDRESS:5094/;csv" | grep -q "^accounts,$1,.*,UP,"; do
    start_ended
    sleep 0.2
  done
}

restart_silos() {
  local silo
  for silo in silo1 silo2 silo3; do
    echo "$silo stops"
    kill -TERM "${processes[$silo]}"
    wait "${processes[$silo]}"
    start "$silo"
    wait_until_up "$silo"
  done
  echo "All silos have been restarted"
}

stop() {
  trap '' HUP INT TERM
  ((${#processes[@]})) && kill -TERM "${processes[@]}" 2> /dev/null && wait "${processes[@]}"
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

for server in "${servers[@]}"; do
  start "$server"
done

setsid haproxy -db -f haproxy.cfg &
others+=($!)

for server in "${servers[@]}"; do
  wait_until_up "$server"
done
echo "Ready: http://$CLUSTER_ADDRESS:5090, this is process $$"

while true; do
  start_ended
  if [[ -n ${restart:-} ]]; then
    restart=
    restart_silos
  fi
  sleep 0.2
done
