#!/bin/bash
# start.sh PORT  (environment: APP_HOME, WORKERS=2, LAB_RT_DOMAIN=gw.example LAB_RT_PORT=443 (the address RT thinks it has),
#   LAB_RT_PATH=/rt, LAB_RT_REFERRERS=host:port,..., LAB_RT_RESTRICT_REFERRER=0, LAB_RT_SECURE_COOKIES=1,
#   LAB_RT_AUTOLOGOFF=minutes, LAB_RT_CANONICALIZE=1)
PORT=${1:?usage: start.sh PORT}
. "$(dirname "$(readlink -f "$0")")/env.sh"
RUN=$APP_HOME/run
mkdir -p "$RUN"
if [ -f "$RUN/pid" ] && kill -0 "$(cat "$RUN/pid")" 2>/dev/null; then echo "already running, pid $(cat "$RUN/pid")"; exit 0; fi
export LAB_RT_PORT=${LAB_RT_PORT:-$PORT}
rm -rf "$APP_HOME/data/mason_data/obj"
setsid /usr/share/request-tracker5/libexec/rt-server --server Starlet --host 127.0.0.1 --port "$PORT" --max-workers "${WORKERS:-2}" >"$RUN/server.log" 2>&1 </dev/null &
echo $! > "$RUN/pid"
for _ in $(seq 150); do
  curl -s -o /dev/null "http://127.0.0.1:$PORT/NoAuth/Login.html" && { echo "RT on http://127.0.0.1:$PORT/ pid $(cat "$RUN/pid")"; exit 0; }
  sleep 0.2
done
echo "did not come up, see $RUN/server.log" >&2; exit 1
