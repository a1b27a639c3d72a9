#!/bin/bash
# Debian's clamd and c-icap, with a database of one signature: EICAR's test file. Quick when that is done.
set -e
. "$(dirname "$(readlink -f "$0")")/env.sh"
if [ ! -x /usr/sbin/clamd ] || [ ! -x /usr/bin/c-icap ] || [ ! -e "$ICAP_MODULES/virus_scan.so" ]; then
  apt-get update -qq
  # What Debian starts by itself stays off: the tests start their own.
  printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d && chmod +x /usr/sbin/policy-rc.d
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends clamav-daemon c-icap libc-icap-mod-virus-scan >/dev/null
  rm -f /usr/sbin/policy-rc.d
fi
mkdir -p "$APP_HOME/data/database"
# The text is put together here, or scanners would take this script away.
printf '%s%s' 'X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-' 'ANTIVIRUS-TEST-FILE!$H+H*' > "$APP_HOME/data/eicar.txt"
printf 'Eicar-Test-Signature:0:*:%s\n' "$(od -An -v -tx1 "$APP_HOME/data/eicar.txt" | tr -d ' \n')" > "$APP_HOME/data/database/test.ndb"
touch "$APP_HOME/data/.done"
