#!/usr/bin/env bash
# Builds the solution, runs every test project under test/ and checks the format. Some run again:
#
#   kqueue    The suites of the transport on its kqueue poller, over the kqueue that test/native/kqueue.c makes of
#             epoll. KESTREL_TEST_KQUEUE_LIBRARY puts another library in its place: a path, or a file beside the tests.
#             With libkqueue's own, set KESTREL_EVENTLOOP_KQUEUE=libkqueue as well.
#   freebsd   The tests of the poller on a kqueue with FreeBSD's struct kevent.
#   sockets   The control: tests with a contract number on the stock transport, but for those that say why they fail
#             there.
#
# usage: build/test.sh [--fast] [options of the xunit runner]     e.g. build/test.sh -class '*CurlTests'
#
# --fast is for the time before a commit, less than two minutes on two cores: the tests of the transport and of Framing
# and the integration tests, once, without those that are marked [Slow].
#
# The last line is "N passed, N failed, N skipped". A build, a format check or a test project that did not
# end as it should counts as one failed. TEST_TIMEOUT bounds each test project, in seconds (default 1800).
# TEST_DOTNET_ROOT runs the tests, and what they start, on the newest runtime in that folder: see build/runtime.sh.
set -uo pipefail
exec 2>&1
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# No build server may outlive this script and keep its output open.
export MSBUILDDISABLENODEREUSE=1 DOTNET_CLI_USE_MSBUILD_SERVER=0 UseSharedCompilation=false
export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1

solution=KestrelEventLoopTransport.sln
kqueue_library=${KESTREL_TEST_KQUEUE_LIBRARY:-libkqueue.so}
kqueue=${KESTREL_EVENTLOOP_KQUEUE:-macos}
unset KESTREL_TEST_KQUEUE_LIBRARY KESTREL_EVENTLOOP_POLLER KESTREL_EVENTLOOP_KQUEUE KESTREL_TEST_TRANSPORT
reports=$(mktemp -d)
trap 'rm -rf "$reports"' EXIT
failures=$reports/failures
passed=0 failed=0 skipped=0
times=() lane_start=0

fast=
if [[ ${1:-} == --fast ]]; then
  fast=yes
  shift
fi

. build/tools.sh

# usage: begin <name of a lane>; end closes it and prints its time.
begin() {
  lane_name=$1 lane_start=$SECONDS
  echo "== $lane_name"
}

end() {
  times+=("$(printf '%4d s  %s' $((SECONDS - lane_start)) "$lane_name")")
  echo "   $((SECONDS - lane_start)) s"
}

fail() {
  echo "FAILED: $*" | tee -a "$failures"
  failed=$((failed + 1))
}

finish() {
  if ((passed + failed == 0)); then
    fail "no test ran"
  fi
  if [[ -s $failures ]]; then
    echo
    echo "== what failed"
    head -n 200 "$failures"
  fi
  echo
  printf '%s\n' "${times[@]}" "$(printf '%4d s  all' "$SECONDS")"
  echo
  echo "$passed passed, $failed failed, $skipped skipped"
  ((failed == 0))
  exit
}

# The value of an attribute of the report's <assembly> element.
count() {
  grep -o '<assembly [^>]*>' "$2" | grep -o " $1=\"[0-9]*\"" | tr -dc '0-9'
}

# Prints what matters while the tests run: failures, skips with their reasons, the summary.
show() {
  awk '/\[(STARTING|FINISHED|PASS)\]/ { next } { print; fflush() }'
}

# The tests that a log says have started but not finished.
running_tests() {
  awk '/ \[STARTING\]$/ { sub(/ \[STARTING\]$/, ""); started[$0] = 1 }
       / \[FINISHED\]/  { sub(/ \[FINISHED\].*/, ""); delete started[$0] }
       END { for (name in started) print name }' "$1"
}

# The tests that a log says have failed, each with its message. They are printed once more at the end.
failed_tests() {
  awk -v lane="$2" '
    / \[FAIL\]$|\[FATAL ERROR\]/ { sub(/^ */, ""); print lane ": " $0; left = 3; next }
    left > 0 && /Stack Trace:/ { left = 0 }
    left > 0 { print; left-- }' "$1"
}

# usage: run_project <name> <epoll|kqueue|freebsd|sockets> [options of the xunit runner]
run_project() {
  local name=$1 lane=$2 assembly log=$reports/$1.$2.log report=$reports/$1.$2.xml status environment=() filter=()
  shift 2
  case $lane in
    kqueue)
      environment=(KESTREL_EVENTLOOP_POLLER=kqueue "KESTREL_TEST_KQUEUE_LIBRARY=$kqueue_library"
        "KESTREL_EVENTLOOP_KQUEUE=$kqueue")
      # Tests whose servers are other processes, which know nothing of this kqueue, and those of pure state words.
      filter=(-trait- "Poller=epoll" -namespace- "$name.States")
      ;;
    freebsd)
      environment=(KESTREL_EVENTLOOP_POLLER=kqueue KESTREL_TEST_KQUEUE_LIBRARY=libkqueue-freebsd.so
        KESTREL_EVENTLOOP_KQUEUE=freebsd)
      filter=(-namespace "$name.Polling" -namespace "$name.Native")
      ;;
    sockets)
      environment=(KESTREL_TEST_TRANSPORT=sockets)
      filter=(-trait "Contract=*" -trait- "Contract=stress" -trait- "Contract=adaptive" -trait- "Stock=fails")
      ;;
  esac
  if [[ -n $fast ]]; then
    filter+=(-trait- "Speed=slow")
  fi
  if [[ -n ${TEST_DOTNET_ROOT:-} ]]; then
    environment+=("PATH=$TEST_DOTNET_ROOT/bin:$PATH" "DOTNET_ROOT=$TEST_DOTNET_ROOT"
      DOTNET_ROLL_FORWARD=LatestMajor)
  fi
  assembly=$(find "test/$name/bin/Release" -maxdepth 2 -name "$name.dll" | head -n 1)
  env "${environment[@]}" timeout -k 20 "${TEST_TIMEOUT:-1800}" dotnet "$assembly" -noLogo -noColor -noAutoReporters \
    -reporter verbose -xml "$report" "${filter[@]}" "$@" < /dev/null 2>&1 | tee "$log" | show
  status=${PIPESTATUS[0]}
  if [[ ! -s $report ]]; then
    fail "$name ended with exit code $status and without a report (124, 137: timeout). Running then:"
    running_tests "$log"
    return
  fi
  failed_tests "$log" "$lane" >> "$failures"
  local project_failed=$(($(count failed "$report") + $(count errors "$report")))
  passed=$((passed + $(count passed "$report")))
  failed=$((failed + project_failed))
  skipped=$((skipped + $(count skipped "$report")))
  if ((status != 0 && project_failed == 0)); then
    fail "$name ended with exit code $status"
  elif (($# == 0 && $(count total "$report") == 0)); then
    fail "$name has no tests"
  fi
}

# usage: run_lane <name> <lane> [options of the xunit runner]
run_lane() {
  begin "$1 on $2"
  run_project "$@"
  end
}

# Lines that are longer than .editorconfig says, which dotnet format does not look at.
check_line_lengths() {
  local long
  long=$(git ls-files '*.cs' | LC_ALL=C.UTF-8 xargs grep -nE '.{121}' | cut -d : -f 1,2)
  if [[ -n $long ]]; then
    printf '%s\n' "$long"
    fail "lines of more than 120 columns"
  fi
}

# One compiler for all projects needs much less time than one for each. It would keep this script's output open, so its
# own output is a file, and it ends with the build.
build() {
  local status
  dotnet build "$solution" -c Release -warnaserror -v quiet -p:UseSharedCompilation=true \
    < /dev/null > "$reports/build.log" 2>&1
  status=$?
  dotnet build-server shutdown --vbcscompiler < /dev/null > /dev/null 2>&1
  cat "$reports/build.log"
  return $status
}

# If it is set to nothing, the command that should have made it has failed.
if [[ -v TEST_DOTNET_ROOT && (-z $TEST_DOTNET_ROOT || ! -x $TEST_DOTNET_ROOT/bin/dotnet) ]]; then
  fail "TEST_DOTNET_ROOT is '$TEST_DOTNET_ROOT', which has no bin/dotnet"
  finish
fi

tools=(chromium curl wrk h2load nginx haproxy gcc ss nft strace systemd-analyze systemd-socket-activate nc redis-cli
  redis-server dig dnsperf ip mosquitto_pub prometheus promtool /usr/include/stdio.h
  /usr/lib/nginx/modules/ngx_stream_module.so)
install_tools "${tools[@]}" || echo "Their tests are skipped."
ulimit -n "$(ulimit -Hn)" || true

begin build
if ! build; then
  fail build
  finish
fi
end

if [[ -n $fast ]]; then
  for name in KestrelEventLoopTransport.{Tests,Framing.Tests,IntegrationTests}; do
    run_lane "$name" epoll "$@"
  done
else
  for project in test/*Tests/*Tests.csproj; do
    run_lane "$(basename "$project" .csproj)" epoll "$@"
  done
  for name in KestrelEventLoopTransport.{Tests,IntegrationTests,TortureTests}; do
    run_lane "$name" kqueue "$@"
  done
  run_lane KestrelEventLoopTransport.Tests freebsd "$@"
  run_lane KestrelEventLoopTransport.Tests sockets "$@"
fi

# The rest of the format is held by the build.
begin format
dotnet format whitespace . --folder --verify-no-changes < /dev/null || fail "dotnet format whitespace --folder"
check_line_lengths
end

finish
