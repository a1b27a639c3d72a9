#!/bin/bash
# installs the Debian packages of RT 5 (no daemon is started, no database is made)
set -e
export DEBIAN_FRONTEND=noninteractive
command -v curl >/dev/null && command -v python3 >/dev/null && dpkg -s request-tracker5 rt5-standalone rt5-db-sqlite >/dev/null 2>&1 && exit 0
# on a machine with a service manager: keep the packages from starting a daemon of their own
if [ ! -e /usr/sbin/policy-rc.d ]; then
  printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d; chmod 755 /usr/sbin/policy-rc.d; trap 'rm -f /usr/sbin/policy-rc.d' EXIT
fi
apt-get update -qq
debconf-set-selections <<'EOF'
request-tracker5 request-tracker5/dbconfig-install boolean false
request-tracker5 request-tracker5/install-cronjobs boolean false
request-tracker5 request-tracker5/handle-siteconfig-permissions boolean true
request-tracker5 request-tracker5/initial-root-password password
request-tracker5 request-tracker5/rtname string lab.example
request-tracker5 request-tracker5/organization string lab.example
msmtp msmtp/apparmor boolean false
EOF
apt-get install -y -qq --no-install-recommends msmtp-mta request-tracker5 rt5-db-sqlite rt5-standalone curl python3
