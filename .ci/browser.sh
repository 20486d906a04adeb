#!/bin/sh
# Bring chromium, for the tests of pages, where no browser is and root can install Debian's packages. Elsewhere these
# tests are skipped; with CI=true they must run, so a browser that cannot be had is a failure.
set -u
CANDIDATES='chromium chromium-browser google-chrome google-chrome-stable'
TRIES=5

say() { echo "browser: $*" >&2; }

present() {
    for name in $CANDIDATES; do
        if command -v "$name" >/dev/null 2>&1; then return; fi
    done
    return 1
}

give_up() {
    if [ "${CI:-}" = true ]; then
        say "$*; with CI=true the tests of pages must run"
        exit 1
    fi
    say "$*: the tests of pages will be skipped"
    exit 0
}

install() {
    export DEBIAN_FRONTEND=noninteractive
    apt-get -qq update && apt-get -qq install --yes --no-install-recommends chromium fonts-dejavu-core
}

if present; then exit 0; fi
if ! command -v apt-get >/dev/null 2>&1; then give_up "none of $CANDIDATES is on the PATH, and there is no apt-get"; fi
if [ "$(id -u)" != 0 ]; then give_up "none of $CANDIDATES is on the PATH, and only root can install chromium"; fi
say "installing chromium"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
try=1
until install >"$log" 2>&1 && present; do
    if [ "$try" = "$TRIES" ]; then
        tail -n 5 "$log" >&2
        give_up "chromium could not be installed in $TRIES tries (the end of apt-get's output is above)"
    fi
    say "try $try of $TRIES failed: waiting $((10 * try)) s for the package mirror"
    sleep $((10 * try))
    try=$((try + 1))
done
