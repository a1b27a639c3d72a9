#!/bin/bash
# start.sh PORT: clamd on PORT and on run/clamd.ctl, c-icap on run/icap.port as /avscan. The ICAP port is
# the next free one.
PORT=${1:?usage: start.sh PORT}
. "$(dirname "$(readlink -f "$0")")/env.sh"
mkdir -p "$RUN"
cat > "$RUN/clamd.conf" <<CONF
Foreground yes
DatabaseDirectory $APP_HOME/data/database
TemporaryDirectory $RUN
LocalSocket $RUN/clamd.ctl
TCPAddr 127.0.0.1
TCPSocket $PORT
StreamMaxLength 40M
CONF
ICAP=$(python3 -c 'import socket;s=socket.socket();s.bind(("127.0.0.1",0));print(s.getsockname()[1])')
cat > "$RUN/c-icap.conf" <<CONF
PidFile $RUN/c-icap.pid
CommandsSocket $RUN/c-icap.ctl
Port 127.0.0.1:$ICAP
User root
Group root
StartServers 1
TmpDir $RUN
ModulesDir $ICAP_MODULES
ServicesDir $ICAP_MODULES
TemplateDir /usr/share/c_icap/templates/
LoadMagicFile /etc/c-icap/c-icap.magic
ServerLog $RUN/c-icap.log
AccessLog $RUN/access.log
Service antivirus_module virus_scan.so
ServiceAlias avscan virus_scan?allow204=on&sizelimit=off&mode=simple
virus_scan.ScanFileTypes TEXT DATA EXECUTABLE ARCHIVE GIF JPEG MSOFFICE
virus_scan.MaxObjectSize 40M
virus_scan.DefaultEngine clamd
Module common clamd_mod.so
clamd_mod.ClamdSocket $RUN/clamd.ctl
CONF
echo "$ICAP" > "$RUN/icap.port"
setsid /usr/sbin/clamd --config-file="$RUN/clamd.conf" >"$RUN/clamd.log" 2>&1 </dev/null &
echo $! > "$RUN/clamd.pid"
for _ in $(seq 150); do [ -S "$RUN/clamd.ctl" ] && break; sleep 0.1; done
setsid /usr/bin/c-icap -N -f "$RUN/c-icap.conf" >>"$RUN/c-icap.log" 2>&1 </dev/null &
echo $! > "$RUN/icap.pid"
for _ in $(seq 150); do
  (exec 3<>"/dev/tcp/127.0.0.1/$PORT" && exec 3<>"/dev/tcp/127.0.0.1/$ICAP") 2>/dev/null && { echo "clamd on $PORT, ICAP on $ICAP"; exit 0; }
  sleep 0.1
done
echo "did not come up, see $RUN" >&2; exit 1
