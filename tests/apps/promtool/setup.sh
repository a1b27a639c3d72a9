#!/bin/bash
# promtool of Debian's package of Prometheus, unpacked and not installed: nothing is started. Quick when that is done.
set -e
cd "$(dirname "$(readlink -f "$0")")"
mkdir -p data
if [ ! -x data/promtool ]; then
  if ! command -v promtool >/dev/null; then
    apt-get update -qq
    (cd data && apt-get download -qq prometheus && dpkg-deb --fsys-tarfile prometheus_*.deb | tar -x --strip-components=3 ./usr/bin/promtool && rm prometheus_*.deb)
  else
    ln -s "$(command -v promtool)" data/promtool
  fi
fi
data/promtool --version 2>&1 | head -1
