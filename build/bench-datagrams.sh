#!/usr/bin/env bash
# Measures datagrams on this machine, loopback only: microseconds of the server's processor time per datagram.
#
#   echo    Each datagram comes back, 32 of them on their way. Beside a loop over Socket.ReceiveFromAsync and
#           SendToAsync, and a loop over recvmmsg(2) and sendmmsg(2) in C, which is the floor. All have one peer, so
#           that answers can leave as one message (GSO); "plain" is the event loop without that.
#   burst   Each question is answered by 32 datagrams of 1,200 bytes, to a socket that takes them joined (UDP_GRO), as a
#           network device would: with segmentation offload (GSO), without, and one by one.
#
#   build/bench-datagrams.sh [ROUNDS] [SECONDS]           default: 5 rounds of 2 seconds
#   NO_BUILD=1 build/bench-datagrams.sh                   with what is built
#
# Prints medians as a Markdown table.
# The server runs on processor 0, the load on processor 1. The rounds of the candidates are taken in turn.
set -euo pipefail
cd "$(dirname "$0")/.."
rounds=${1:-5} seconds=${2:-2}

. build/tools.sh
install_tools gcc /usr/include/stdio.h
compile datagrams
build test/KestrelEventLoopTransport.Benchmarks
native=artifacts/native/datagrams
benchmarks=test/KestrelEventLoopTransport.Benchmarks/bin/Release/net10.0/KestrelEventLoopTransport.Benchmarks
server="$benchmarks datagram-server"
port=34500
pids=() results=$(mktemp -d)
trap 'kill "${pids[@]}" 2> /dev/null; rm -rf "$results"' EXIT

# usage: start <variable for the port> <command that takes the port as its last argument>
start() {
  local -n started=$1
  port=$((port + 1))
  started=$port
  taskset -c 0 "${@:2}" "$port" > "$results/ready.$port" &
  pids+=($!)
  process[$port]=$!
  for ((i = 0; i < 200; i++)); do
    ! grep -qs READY "$results/ready.$port" || return 0
    sleep 0.1
  done
  echo "no server: $*" >&2
  exit 1
}

# Ticks of 10 ms.
cpu() {
  awk '{ print $14 + $15 }' "/proc/${process[$1]}/stat"
}

# usage: measure <file> <port> <load|burst> <size> <number> <seconds>
measure() {
  local before after counts
  before=$(cpu "$2")
  counts=($(taskset -c 1 "$native" "$3" "$2" "${@:4}"))
  after=$(cpu "$2")
  awk -v t=$((after - before)) -v n="${counts[0]}" 'BEGIN { printf "%.3f\n", t * 10000 / n }' >> "$results/$1"
  ((counts[1] == 0)) || echo "$1: ${counts[1]} datagrams lost" >&2
}

median() {
  sort -n "$results/$1" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

declare -A process
start ours $server --offload --port
start plain $server --port
start sockets $server --transport sockets --port
start floor "$native" echo
start cut $server --burst 32 --size 1200 --offload --port
start single $server --burst 32 --size 1200 --port
start sent $server --transport sockets --burst 32 --size 1200 --port

run() {
  for size in 128 1200; do
    for name in ours plain sockets floor; do
      measure "$name.$size$1" "${!name}" load "$size" 32 "$2"
    done
  done
  for name in cut single sent; do
    measure "$name$1" "${!name}" burst 1200 32 "$2"
  done
}

# Until the JIT is done: it compiles hot code twice, and that time would count.
run .warm 3
for ((round = 0; round < rounds; round++)); do
  run "" "$seconds"
done

row() {
  local ours plain sockets floor
  for name in ours plain sockets floor; do
    printf -v "$name" %s "$(median "$name.$1")"
  done
  awk -v size="$1" -v ours="$ours" -v plain="$plain" -v sockets="$sockets" -v floor="$floor" 'BEGIN {
    printf "| %d bytes | %.2f | %.2f | %.2f | %.2f | %.2f, %.2f | %.2f, %.2f |\n", size, ours, plain, sockets, floor,
      ours / sockets, plain / sockets, ours / floor, plain / floor }'
}

echo "| Echo | event loop | plain | Socket | C | to Socket | to C |"
echo "|---|---|---|---|---|---|---|"
row 128
row 1200
echo
awk -v cut="$(median cut)" -v single="$(median single)" -v sent="$(median sent)" 'BEGIN {
  print "| Burst | with GSO | without | Socket | without / with | Socket / with |"
  print "|---|---|---|---|---|---|"
  printf "| 1,200 bytes | %.3f | %.3f | %.3f | %.2f | %.2f |\n", cut, single, sent, single / cut, sent / cut }'
