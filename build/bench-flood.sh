#!/usr/bin/env bash
# Latency of HTTP while datagrams flood another endpoint of the same application, on one loop: samples/Statsd on core 0,
# the loads on core 1. The flood has what wrk leaves of its core. Only loopback is a target.
#
#   build/bench-flood.sh [SECONDS]
#   NO_BUILD=1 build/bench-flood.sh                       with what is built
set -euo pipefail
cd "$(dirname "$0")/.."
. build/tools.sh

seconds=${1:-10}
port=5290
udp=8290
install_tools wrk gcc curl /usr/include/stdio.h
compile flood
build samples/Statsd

taskset -c 0 samples/Statsd/bin/Release/net10.0/Statsd --port "$port" --udp "$udp" > /dev/null &
processes=("$!")
trap 'kill "${processes[@]}" 2> /dev/null || true' EXIT
until curl -sf "http://127.0.0.1:$port/" > /dev/null; do
  kill -0 "${processes[0]}"
  sleep 0.1
done

load() { taskset -c 1 wrk -t 1 -c 16 -d "$1" --latency "http://127.0.0.1:$port/"; }

show() {
  printf '%s\n' "$2" | awk -v name="$1" '
    $1 == "50%" { p50 = $2 } $1 == "99%" { p99 = $2 } $1 == "Requests/sec:" { rate = $2 }
    END { printf "%-16s %10s requests/s, p50 %s, p99 %s\n", name, rate, p50, p99 }'
}

load 3 > /dev/null
show "HTTP alone" "$(load "$seconds")"
nice -n 19 taskset -c 1 artifacts/native/flood "$udp" "visits:1|c" &
processes+=("$!")
sleep 1
show "HTTP and flood" "$(load "$seconds")"
kill "${processes[1]}"
curl -s "http://127.0.0.1:$port/" | sed 's/^/received: /' | head -1
