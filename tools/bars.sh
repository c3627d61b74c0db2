#!/usr/bin/env bash
# Runs the bars: Go tests named TestBar…, told by LABWARDEN_BARS how big to be
# ("small" in CI: fixed seed, few kill points, seconds of load; "whole" in a soak).
set -euo pipefail
cd "$(dirname "$0")/.."
size=${1:?small or whole}
limit=5m
[ "$size" = small ] || limit=3h
# Servers of others that are installed, for the bar of FTPS beside them.
if [ "$size" = whole ] && [ -z "${LABWARDEN_FTPS_PEERS:-}" ]; then
	LABWARDEN_FTPS_PEERS=$(ls /usr/sbin/proftpd /usr/sbin/vsftpd 2>/dev/null | paste -sd, || true)
	export LABWARDEN_FTPS_PEERS
fi
having() { grep -rlE "^func $1" --include='*_test.go' cmd internal e2e 2>/dev/null | xargs -r -n1 dirname | sort -u | sed 's|^|./|'; }
mapfile -t packages < <(having 'TestBar[A-Z]')
mapfile -t looks < <(having 'TestBarPagesOf')
if [ ${#packages[@]} = 0 ]; then
	echo "bars: NOTHING RUN: no test named TestBar… exists yet"
	exit 0
fi
run() { LABWARDEN_BARS=$size go test -v -count=1 -timeout $limit "$@" 2>&1 | tee -a .test/bars.log; }
: >.test/bars.log
# Those that look at pages with a browser measure no time: all at once.
[ ${#looks[@]} = 0 ] || run -run '^TestBarPagesOf' "${looks[@]}"
# -p 1: one bar at a time, or they measure each other.
run -p 1 -run '^TestBar' -skip '^TestBarPagesOf' "${packages[@]}"
