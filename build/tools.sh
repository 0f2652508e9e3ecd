# What the scripts beside this file have in common: the programs that they need, with the Debian packages that have them,
# and what they build. To be sourced, in the root of the repository.

declare -A package_of=(
  [chromium]=chromium
  [curl]=curl
  [dig]=bind9-dnsutils
  [dnsperf]=dnsperf
  [gcc]=gcc
  [h2load]=nghttp2-client
  [haproxy]=haproxy
  [ip]=iproute2
  [mosquitto_pub]=mosquitto-clients
  [nc]=netcat-openbsd
  [nft]=nftables
  [nginx]=nginx-light
  [prometheus]=prometheus
  [promtool]=prometheus
  [redis-benchmark]=redis-tools
  [redis-cli]=redis-tools
  [redis-server]=redis-server
  [ss]=iproute2
  [strace]=strace
  [systemd-analyze]=systemd
  [systemd-socket-activate]=systemd
  [wrk]=wrk
  [/usr/include/openssl/ssl.h]=libssl-dev
  [/usr/include/stdio.h]=libc6-dev
  [/usr/lib/nginx/modules/ngx_stream_module.so]=libnginx-mod-stream
)

has_tool() {
  case $1 in
    /*) [[ -e $1 ]] ;;
    *) PATH="$PATH:/usr/sbin:/sbin" command -v "$1" > /dev/null ;;
  esac
}

# usage: install_tools <name of package_of>...
# Installs what is missing. Fails, and names it, if something still is.
install_tools() {
  local tool packages=() sudo=() missing=0
  for tool in "$@"; do
    has_tool "$tool" || packages+=("${package_of[$tool]}")
  done
  if ((${#packages[@]} == 0)); then
    return
  fi
  echo "== installing ${packages[*]}"
  if ((EUID != 0)); then
    sudo=(sudo -n)
  fi
  timeout 120 "${sudo[@]}" apt-get update -qq < /dev/null || true
  for package in "${packages[@]}"; do
    timeout 300 "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive \
      apt-get install -y -qq --no-install-recommends "$package" < /dev/null > /dev/null || true
  done
  for tool in "$@"; do
    if ! has_tool "$tool"; then
      echo "cannot install ${package_of[$tool]}, which has $tool"
      missing=1
    fi
  done
  return "$missing"
}

# usage: compile <name> [options of gcc]
# Makes a program of test/native: artifacts/native/<name>.
compile() {
  mkdir -p artifacts/native
  gcc -O2 -Wall -Wextra -Werror -o "artifacts/native/$1" "test/native/$1.c" "${@:2}"
}

# usage: build <project>
# Nothing is built with NO_BUILD: what is there is used.
build() {
  [[ -n ${NO_BUILD:-} ]] || dotnet build --nologo --verbosity quiet --configuration Release "$1"
}
