#!/bin/sh
# The installation of this machine: runs once, on the first boot. The first step that fails ends it.
set -u
root=${CLOUDAPP_ROOT:-}
state=$root/var/lib/cloudapp
log=$root/var/log/cloudapp-install.log
mkdir -p "$state" "${log%/*}" || exit 1
# Commands may print what only root should read.
: >>"$log" && chmod 0600 "$log" && exec >>"$log" 2>&1 </dev/null || exit 1
export HOME="${HOME:-/root}" DEBIAN_FRONTEND=noninteractive

finish() {
    printf '%s\n' "$1" >"$state/install-outcome.new" && mv -f "$state/install-outcome.new" "$state/install-outcome"
    [ "$1" = success ]
    exit
}

step() {
    printf '== %s\n' "$1"
    shift
    "$@"
    status=$?
    [ "$status" -eq 0 ] && return
    printf '== failed with exit status %s\n' "$status"
    finish failure
}

