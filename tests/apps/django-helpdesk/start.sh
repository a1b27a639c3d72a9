#!/bin/bash
# start.sh PORT   (environment: APP_HOME, WORKERS=1, THREADS=4, LAB_GZIP=1, LAB_HTTPS=1, LAB_CSRF_TRUSTED_ORIGINS=...,
#   LAB_USE_X_FORWARDED_HOST=1, LAB_NON_STAFF_UPDATE=1, LAB_TIMELINE=0)
set -e
PORT=${1:?usage: start.sh PORT}
. "$(dirname "$(readlink -f "$0")")/env.sh"
RUN=$APP_HOME/run
mkdir -p "$RUN"
if [ -f "$RUN/pid" ] && kill -0 "$(cat "$RUN/pid")" 2>/dev/null; then echo "already running, pid $(cat "$RUN/pid")"; exit 0; fi
rm -f "$RUN/pid"
"$HERE/venv/bin/gunicorn" --chdir "$HERE/project" lab.wsgi:application -b "127.0.0.1:$PORT" -w "${WORKERS:-1}" --threads "${THREADS:-4}" \
  --forwarded-allow-ips 127.0.0.1 --pid "$RUN/pid" --access-logfile "$RUN/access.log" --error-logfile "$RUN/error.log" -D
for _ in $(seq 150); do
  if [ -f "$RUN/pid" ] && curl -s -o /dev/null "http://127.0.0.1:$PORT/login/"; then echo "django-helpdesk on http://127.0.0.1:$PORT/ pid $(cat "$RUN/pid")"; exit 0; fi
  sleep 0.2
done
echo "did not come up, see $RUN/error.log" >&2; exit 1
