#!/bin/bash
# django-helpdesk 2.6.1 in its own virtual environment, sqlite, seeded. Quick when that is done.
set -e
. "$(dirname "$(readlink -f "$0")")/env.sh"
missing=()
command -v curl >/dev/null || missing+=(curl)
PY=${PYTHON:-python3}
"$PY" -c 'import venv, ensurepip' 2>/dev/null || { missing+=(python3-venv); PY=/usr/bin/python3; }
if [ ${#missing[@]} -gt 0 ]; then apt-get update -qq; DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${missing[@]}"; fi
if [ ! -f "$HERE/venv/.done" ]; then
  "$PY" -m venv "$HERE/venv"
  "$HERE/venv/bin/pip" install -q --disable-pip-version-check -r "$HERE/requirements.txt"
  touch "$HERE/venv/.done"
fi
[ -f "$LAB_DATA/.done" ] && exit 0
rm -rf "$LAB_DATA"
mkdir -p "$LAB_DATA/media" "$LAB_DATA/static" "$LAB_DATA/mail" "$APP_HOME/run"
"$PY" "$HERE/../mkassets.py" "$LAB_DATA/assets"
"$HERE/venv/bin/python" "$HERE/project/manage.py" migrate -v 0
"$HERE/venv/bin/python" "$HERE/project/manage.py" collectstatic --noinput -v 0
"$HERE/venv/bin/python" "$HERE/project/seed.py"
touch "$LAB_DATA/.done"
