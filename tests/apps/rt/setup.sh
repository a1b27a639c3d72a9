#!/bin/bash
# Request Tracker 5 from Debian with a sqlite database of its own in data/. Quick when that is done.
set -e
. "$(dirname "$(readlink -f "$0")")/env.sh"
"$HERE/apt.sh"
DATA=$APP_HOME/data
[ -f "$DATA/.done" ] && exit 0
rm -rf "$DATA"
mkdir -p "$DATA/mason_data" "$DATA/session_data" "$DATA/var" "$DATA/mail" "$APP_HOME/run"
python3 "$HERE/../mkassets.py" "$DATA/assets"
rt-setup-database-5 --action init --skip-create
perl "$HERE/seed.pl"
touch "$DATA/.done"
