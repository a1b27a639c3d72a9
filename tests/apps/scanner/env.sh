HERE=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
APP_HOME=${APP_HOME:-$HERE}
RUN=$APP_HOME/run
ICAP_MODULES=/usr/lib/$(uname -m)-linux-gnu/c_icap
