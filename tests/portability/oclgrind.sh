#!/usr/bin/env bash
# Runs a program under Oclgrind with race detection and API checks, and fails when its log is not empty:
# Oclgrind itself leaves the exit status as it was. SPDX-License-Identifier: Apache-2.0
set -u
command -v oclgrind >/dev/null || { echo 'skipped: no oclgrind'; exit 77; }
log=$(mktemp) || exit 2
trap 'rm -f "$log"' EXIT
oclgrind --data-races --check-api --log "$log" "$@"
status=$?
if [ -s "$log" ]; then
    printf '%s lines in the log of Oclgrind:\n' "$(wc -l <"$log")"
    head -n 60 "$log"
    [ $status != 0 ] || status=1
fi
exit $status
