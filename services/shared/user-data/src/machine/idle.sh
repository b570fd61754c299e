#!/bin/sh
# Tells CloudApp for how long nobody has used this machine. A timer runs it every minute, where the configuration
# stops machines that nobody uses. Needs what the boot report needs: POSIX sh, coreutils, sed, awk and curl.
set -u
export LC_ALL=C
umask 077
root=${CLOUDAPP_ROOT:-}
settings=$root/etc/cloudapp/idle.json
# Gone with the boot, as the uptime by which everything is measured here.
state=$root/run/cloudapp-idle
mkdir -p "$state" || exit 1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 143' TERM INT HUP

setting() { sed -n "s/^ *\"$1\": *\"\\([^\"]*\\)\",\\{0,1\\}\$/\\1/p" "$settings"; }
log() { printf 'cloudapp-idle: %s\n' "$1" >&2; }
now=$(cut -d. -f1 "$root/proc/uptime")

# An SSH connection (local port 22 is 0016 in hexadecimal, state 01 is established), or somebody at the console.
somebody_is_here() {
    cat "$root/proc/net/tcp" "$root/proc/net/tcp6" 2>/dev/null |
        awk '$2 ~ /:0016$/ && $4 == "01" { found = 1 } END { exit !found }' && return
    [ -n "$(who "$root/run/utmp" 2>/dev/null)" ]
}

# The load on average over five minutes, in percent of a processor.
something_runs() { awk -v most="$(setting load_percent)" '{ exit !(int($2 * 100 + 0.5) >= most) }' "$root/proc/loadavg"; }

# More bytes a second since the last look. What is kept is "uptime bytes".
something_is_moved() {
    bytes=$(awk 'NR > 2 { sub(/:/, " "); if ($1 != "lo") all += $2 + $10 } END { printf "%.0f", all }' "$root/proc/net/dev")
    before=$(cat "$state/network" 2>/dev/null)
    printf '%s %s\n' "$now" "$bytes" >"$state/network"
    [ -n "$before" ] || return 1
    printf '%s %s %s\n' "$before" "$now" "$bytes" |
        awk -v most="$(setting bytes_per_second)" '{ exit !($4 - $2 > most * ($3 - $1)) }'
}

# Every look measures the network, whatever else is found.
something_is_moved
moved=$?
if [ "$moved" -eq 0 ] || somebody_is_here || something_runs; then
    rm -f "$state/since"
    idle=0
else
    [ -s "$state/since" ] || printf '%s\n' "$now" >"$state/since"
    idle=$((now - $(cat "$state/since")))
fi

# That it is in use is news only after it was said to be idle; that it is idle is said every five minutes.
read -r told_at told_idle 2>/dev/null <"$state/told" || { told_at=none; told_idle=0; }
if [ "$idle" -eq 0 ]; then
    [ "$told_idle" -gt 0 ] || exit 0
elif [ "$told_at" != none ] && [ "$((now - told_at))" -lt 270 ]; then
    exit 0
fi

metadata=$(setting metadata_base)
fetch() {
    curl -sSf --noproxy '*' --connect-timeout 2 --max-time 5 \
        -H "X-aws-ec2-metadata-token: $session" -o "$work/$1" "$metadata/latest/$2"
}
identity() {
    session=$(curl -sSf --noproxy '*' --connect-timeout 2 --max-time 5 -X PUT \
        -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' "$metadata/latest/api/token") &&
        fetch instance-id meta-data/instance-id &&
        fetch document dynamic/instance-identity/document &&
        fetch signature dynamic/instance-identity/rsa2048
}
# A file as the inside of a JSON string; the x keeps newlines at its end through awk.
escaped() {
    { cat "$work/$1"; printf x; } | tr -d '\000-\011\013-\037\177' | sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' |
        awk '{ printf "%s%s", separator, $0; separator = "\\n" }' | sed -e 's/x$//'
}
identity || { log 'the metadata service does not answer'; exit 1; }
{
    printf '{"instance_id":"%s",' "$(escaped instance-id)"
    printf '"boot_id":"%s",' "$(cat "$root/proc/sys/kernel/random/boot_id")"
    printf '"uptime_seconds":%s,"idle_seconds":%s,' "$now" "$idle"
    printf '"identity_document":"%s",' "$(escaped document)"
    printf '"identity_signature":"%s"}' "$(escaped signature)"
} >"$work/body"
status=$(curl -sS --connect-timeout 5 --max-time 15 -o /dev/null -w '%{http_code}' \
    -H 'Content-Type: application/json' --data-binary "@$work/body" "$(setting idle_report_url)")
case $status in
    408 | 429) log 'the report was not taken; the next look tries again'; exit 1 ;;
    2?? | 4??) printf '%s %s\n' "$now" "$idle" >"$state/told" ;;
    *) log "the report was not taken (status $status); the next look tries again"; exit 1 ;;
esac
