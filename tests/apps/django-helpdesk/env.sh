# sourced by the other scripts: where things are
HERE=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
APP_HOME=$(readlink -m "${APP_HOME:-$HERE}")
export LAB_DATA=$APP_HOME/data
