# nginx as a candidate, one worker: sh nginx.sh PORT --upstream 'READY http=PORT ...'
upstream=${3#*http=}
directory=$(mktemp -d)
cat >"$directory/nginx.conf" <<END
daemon off;
master_process off;
pid $directory/nginx.pid;
error_log stderr error;
events {
  worker_connections 2000;
}
http {
  access_log off;
  keepalive_requests 100000000;
  client_body_temp_path $directory/body;
  proxy_temp_path $directory/proxy;
  fastcgi_temp_path $directory/fastcgi;
  uwsgi_temp_path $directory/uwsgi;
  scgi_temp_path $directory/scgi;
  upstream upstream {
    server 127.0.0.1:${upstream%% *};
    keepalive 128;
    keepalive_requests 100000000;
  }
  server {
    listen 127.0.0.1:$1;
    location / {
      proxy_pass http://upstream;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
    }
  }
}
END
echo "READY http=$1"
exec nginx -e stderr -p "$directory" -c "$directory/nginx.conf"
