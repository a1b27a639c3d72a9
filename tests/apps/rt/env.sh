# sourced by the other scripts: where things are
HERE=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
APP_HOME=$(readlink -m "${APP_HOME:-$HERE}")
export LAB_RT_HOME=$APP_HOME LAB_RT_SCRIPTS=$HERE
export RT_SITE_CONFIG=$HERE/etc/RT_SiteConfig.pm RT_SITE_CONFIG_DIR=$HERE/etc/SiteConfig.d
export PERL5LIB=/usr/share/request-tracker5/lib
