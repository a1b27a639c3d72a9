#!/bin/bash
# stops the instance of this APP_HOME
. "$(dirname "$(readlink -f "$0")")/env.sh"
RUN=$APP_HOME/run
[ -f "$RUN/pid" ] || { echo "not running"; exit 0; }
P=$(cat "$RUN/pid"); kill -TERM "$P" 2>/dev/null
for _ in $(seq 50); do kill -0 "$P" 2>/dev/null || break; sleep 0.1; done
rm -f "$RUN/pid"; echo stopped
