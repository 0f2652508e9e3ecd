#!/usr/bin/env bash
# Measures Kestrel's transports against each other on this machine, loopback only.
#
#   build/bench.sh                                everything, about three quarters of an hour
#   build/bench.sh --quick                        everything, about five minutes; rough, before the JIT is done
#   build/bench.sh --latency                      and latencies with all candidates at the same rate, 20 minutes more
#   build/bench.sh --only plaintext,json --candidates sockets,Inline --rounds 7 --seconds 5
#   build/bench.sh --only echo --peer 'other=echo READY echo=9000; exec other-server --port 9000'
#
# A row takes candidates x (1.5 x warm-up + rounds x seconds): by default one minute, for 5 candidates and 5 rounds of
# 1.5 s after 3 s of load. CONTRIBUTING.md says what a --peer is.
#
# Results: the terminal, artifacts/bench/results.md, and artifacts/bench/report.html, one page
# to look at. All options: build/bench.sh --help
set -euo pipefail
command="build/bench.sh${*:+ $*}"
cd "$(dirname "$0")/.."

. build/tools.sh
install_tools wrk h2load curl haproxy nginx strace gcc /usr/include/stdio.h /usr/include/openssl/ssl.h

for program in floor load; do
  compile "$program" -lssl
done
build test/KestrelEventLoopTransport.Benchmarks

# Both ends of the 10,000 idle connections are on this machine, each in a process of its own.
ulimit -n 65536 2>/dev/null || ulimit -n "$(ulimit -Hn)"

exec test/KestrelEventLoopTransport.Benchmarks/bin/Release/net10.0/KestrelEventLoopTransport.Benchmarks \
  run --command "$command" "$@"
