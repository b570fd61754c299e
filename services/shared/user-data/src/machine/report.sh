#!/bin/sh
# Tells CloudApp how this boot went, and lets certificates for this machine log in.
# Runs on every boot, after cloud-init. Needs nothing but POSIX sh, coreutils, sed, awk, iconv and curl, which
# every image with cloud-init has; python3 may be missing or changed by the installation that is reported on.
set -u
export LC_ALL=C
umask 022
root=${CLOUDAPP_ROOT:-}
settings=$root/etc/cloudapp/report.json
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 143' TERM INT HUP

# One key per line, values without quotes or backslashes: CloudApp writes this file and checks that.
setting() { sed -n "s/^ *\"$1\": *\"\\([^\"]*\\)\",\\{0,1\\}\$/\\1/p" "$settings"; }

log() { printf 'cloudapp-report: %s\n' "$1" >&2; }

# Doubles from one second to a minute, plus up to a quarter, so that a fleet does not come back in step.
delay=1
pause() {
    random=$(od -An -N1 -tu1 /dev/urandom | tr -d ' ')
    sleep "$((delay + delay * ${random:-0} / 1024))"
    delay=$((delay * 2))
    [ "$delay" -le 60 ] || delay=60
}

metadata=$(setting metadata_base)
token() {
    curl -sSf --noproxy '*' --connect-timeout 2 --max-time 5 -X PUT \
        -H 'X-aws-ec2-metadata-token-ttl-seconds: 300' "$metadata/latest/api/token"
}
fetch() {
    curl -sSf --noproxy '*' --connect-timeout 2 --max-time 5 \
        -H "X-aws-ec2-metadata-token: $session" -o "$work/$1" "$metadata/latest/$2"
}
identity() {
    session=$(token) &&
        fetch instance-id meta-data/instance-id &&
        fetch document dynamic/instance-identity/document &&
        fetch signature dynamic/instance-identity/rsa2048
}

# Standard input as the inside of a JSON string. The x keeps newlines at the end through awk and is cut off again.
escape() {
    { iconv -c -f UTF-8 -t UTF-8; printf x; } |
        tr '\t' ' ' | tr -d '\000-\011\013-\037\177' |
        sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' |
        awk '{ printf "%s%s", separator, $0; separator = "\\n" }' |
        sed -e 's/x$//'
}

# Nobody can log in before this: sshd refuses a user without a principals file. The file is replaced in one
# step, so that sshd never reads half of it.
allow_certificates() {
    user=$(setting login_user)
    principals=$root/etc/ssh/auth_principals
    mkdir -p "$principals"
    { cat "$work/instance-id"; printf '\n'; } >"$principals/.$user.new"
    chmod 0644 "$principals/.$user.new"
    mv -f "$principals/.$user.new" "$principals/$user"
}

# An image whose sshd_config does not include sshd_config.d would boot well and let nobody in. If sshd does not
# tell its settings, that is no reason to fail.
sshd_ignores_us() {
    PATH=$PATH:/usr/sbin:/sbin
    connection="user=$(setting login_user),host=localhost,addr=127.0.0.1"
    effective=$(sshd -T -C "$connection" -f "$root/etc/ssh/sshd_config" 2>/dev/null) || return 1
    ! printf '%s\n' "$effective" | grep -Fqix "trustedusercakeys $root/etc/ssh/cloudapp_ca.pub"
}

# Success needs all: our installation, no error in any of cloud-init's own modules (packages, say), and an sshd
# that trusts our certificates.
judge() {
    install_outcome=$(cat "$root/var/lib/cloudapp/install-outcome" 2>/dev/null)
    result=$root/run/cloud-init/result.json
    outcome=failure
    if [ "$install_outcome" != success ]; then
        if [ -z "$install_outcome" ]; then
            log_file=$root/var/log/cloud-init-output.log
            reason='The installation did not run to its end.'
        else
            log_file=$root/var/log/cloudapp-install.log
            reason=
        fi
    elif [ ! -r "$result" ]; then
        log_file=$root/var/log/cloud-init-output.log
        reason='cloud-init did not finish.'
    elif ! tr -d ' \t\n' <"$result" | grep -q '"errors":\[\]'; then
        log_file=$root/var/log/cloud-init-output.log
        reason="cloud-init reports: $(tr -d '\n' <"$result" | cut -c 1-1000)"
    elif sshd_ignores_us; then
        log_file=/dev/null
        reason="sshd does not read /etc/ssh/sshd_config.d, so nobody could log in: the image's sshd_config must include it."
    else
        outcome=success
    fi
}

log_tail() {
    [ "$outcome" = failure ] || return 0
    [ -z "$reason" ] || printf '%s\n' "$reason"
    tail -c 3000 "$log_file" 2>/dev/null
}

host_keys() {
    separator=
    for key in "$root"/etc/ssh/ssh_host_*_key.pub; do
        [ -r "$key" ] || continue
        printf '%s"%s"' "$separator" "$(awk 'NR == 1 { printf "%s %s", $1, $2 }' "$key" | escape)"
        separator=,
    done
}

# The address that EC2 gave it: empty where it has none, left out where the metadata service does not say.
public_ipv4() {
    status=$(curl -sS --noproxy '*' --connect-timeout 2 --max-time 5 -H "X-aws-ec2-metadata-token: $session" \
        -o "$work/public-ipv4" -w '%{http_code}' "$metadata/latest/meta-data/public-ipv4") || return 0
    case $status in
        200) printf '"public_ipv4":"%s",' "$(escape <"$work/public-ipv4")" ;;
        404) printf '"public_ipv4":"",' ;;
    esac
}

boot_id() {
    cat "$root/proc/sys/kernel/random/boot_id" 2>/dev/null || cat /proc/sys/kernel/random/boot_id
}

body() {
    printf '{"instance_id":"%s",' "$(escape <"$work/instance-id")"
    printf '"boot_id":"%s",' "$(boot_id)"
    printf '"outcome":"%s",' "$outcome"
    printf '"log_tail":"%s",' "$(log_tail | escape)"
    printf '"host_keys":[%s],' "$(host_keys)"
    public_ipv4
    printf '"identity_document":"%s",' "$(escape <"$work/document")"
    printf '"identity_signature":"%s"}' "$(escape <"$work/signature")"
}

until identity; do
    log 'the metadata service does not answer'
    pause
done
allow_certificates
judge
body >"$work/body"

url=$(setting report_url)
delay=1
while :; do
    status=$(curl -sS --connect-timeout 5 --max-time 15 -o /dev/null -w '%{http_code}' \
        -H 'Content-Type: application/json' --data-binary "@$work/body" "$url")
    case $status in
        2??) log "reported $outcome"; exit 0 ;;
        408 | 429) ;;
        4??) log "the report was refused with status $status"; exit 0 ;;
    esac
    log "the report was not taken (status $status); trying again"
    pause
done
