#!/bin/sh
# The main job, typed as a user would: record, look, filter, export. Run by `make demo`.
set -eu
here=$(CDPATH= cd "$(dirname "$0")" && pwd)
out=${DEMO_OUTPUT:-demo-output}
rm -rf "$out"
mkdir -p "$out"
logs=$here/fixtures/cloudtrail/AWSLogs
ln -s "$logs" "$out/AWSLogs"
cd "$out"

run() {
    printf '\n$ scap'
    for word in "$@"; do
        case $word in
            *[!A-Za-z0-9_./=-]*) printf " '%s'" "$word" ;;
            *) printf ' %s' "$word" ;;
        esac
    done
    printf '\n'
    scap "$@"
}

run record cloudtrail AWSLogs/ -w trail.scap
run info trail.scap
run dump trail.scap
run filter 'ct.region=us-east-1' trail.scap
run filter 'ct.region=us-east-1 and ct.name=ConsoleLogin' trail.scap -w logins.scap
run dump logins.scap -p '%evt.datetime.s %ct.user from %ct.srcip: %ct.name %ct.region'
run filter 'ct.error exists' trail.scap --json --fields evt.num,ct.name,ct.error,ct.user
run rules run cloudtrail trail.scap
run export trail.scap trail.pcapng
printf '\nThe files are in %s.\n' "$out"
