# haproxy as a candidate: sh haproxy.sh PORT --upstream 'READY http=PORT ...'
upstream=${3#*http=}
configuration=$(mktemp)
cat >"$configuration" <<END
global
  nbthread 1
  maxconn 2000
defaults
  mode http
  timeout connect 10s
  timeout client 60s
  timeout server 60s
  http-reuse always
frontend front
  bind 127.0.0.1:$1
  default_backend upstream
backend upstream
  server upstream 127.0.0.1:${upstream%% *}
END
echo "READY http=$1"
exec haproxy -db -f "$configuration"
