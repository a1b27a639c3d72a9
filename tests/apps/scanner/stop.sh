#!/bin/bash
. "$(dirname "$(readlink -f "$0")")/env.sh"
for name in icap clamd; do
  [ -f "$RUN/$name.pid" ] && kill -9 -- "-$(cat "$RUN/$name.pid")" 2>/dev/null
done
exit 0
