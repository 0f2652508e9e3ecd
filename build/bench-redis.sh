#!/usr/bin/env bash
# Measures RedisLite beside the real redis-server, and frames through a real connection: operations per second of the
# server's CPU time. The server runs on processor 0, the load on processor 1, loopback only.
#
#   build/bench-redis.sh                                  all of them, about three minutes
#   build/bench-redis.sh redis RedisLite                  some: redis, RedisLite, RedisLite-sockets, Echo, Echo-sockets
#
# ROUNDS (default 3) are measured after WARM_UP seconds (default 20: the JIT compiles hot methods again after a while).
set -euo pipefail
cd "$(dirname "$0")/.."
rounds=${ROUNDS:-3} warm_up=${WARM_UP:-20} port=${PORT:-7390}
requests=${REQUESTS:-1500000} seconds=${SECONDS_PER_ROUND:-3}
(($# > 0)) || set -- redis RedisLite RedisLite-sockets Echo Echo-sockets

. build/tools.sh
install_tools redis-server redis-benchmark gcc /usr/include/stdio.h
compile frames
for sample in Echo RedisLite; do
  build "samples/$sample"
done

start() {
  case $1 in
    redis) command=(redis-server --port "$port" --save '' --appendonly no --bind 127.0.0.1) ;;
    *)
      local sample=${1%-sockets}
      command=("samples/$sample/bin/Release/net10.0/$sample" --port "$port")
      [[ $1 == *-sockets ]] && command+=(--transport sockets)
      ;;
  esac
  taskset -c 0 "${command[@]}" > /dev/null &
  server=$!
  until (: < "/dev/tcp/127.0.0.1/$port") 2> /dev/null; do
    kill -0 "$server"
    sleep 0.1
  done
}

redis_load() { taskset -c 1 "${@:2}" redis-benchmark -p "$port" -c 50 -P 16 -t "$1" -q $extra 2> /dev/null > /dev/null; }
frames() { taskset -c 1 artifacts/native/frames "$port" 50 16 "$1"; }

# User and system time of the server so far, in clock ticks.
cpu() { awk '{ sub(/.*\) /, ""); print $12 + $13 }' "/proc/$server/stat"; }

stop() {
  kill "$server" 2> /dev/null || true
  wait "$server" 2> /dev/null || true
}
trap 'stop' EXIT

hertz=$(getconf CLK_TCK)
for candidate in "$@"; do
  start "$candidate"
  case $candidate in
    Echo*) frames "$warm_up" > /dev/null ;;
    *)
      extra="-n 10000" redis_load set
      extra="-l" redis_load get timeout "$warm_up" || true
      ;;
  esac
  for ((round = 0; round < rounds; round++)); do
    before=$(cpu)
    case $candidate in
      Echo*) operations=$(frames "$seconds") ;;
      *)
        operations=$requests
        extra="-n $requests" redis_load get
        ;;
    esac
    awk -v name="$candidate" -v operations="$operations" -v ticks="$(($(cpu) - before))" -v hertz="$hertz" 'BEGIN {
      printf "%-18s %9d operations  %6.2f s CPU  %9.0f per CPU-second  %6.0f ns each\n", name, operations, ticks / hertz,
        operations * hertz / ticks, ticks / hertz / operations * 1e9 }'
  done
  stop
done
