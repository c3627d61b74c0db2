#!/usr/bin/env bash
# go vet and go test over the packages named (default: all). The whole output,
# passing tests included, is kept in .test/test.log; the screen shows one line a
# package, each skipped test with its reason, and everything of a failed package.
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || set -- ./...
mkdir -p .test
log=.test/test.log
began=$SECONDS
go vet "$@"
status=0
# -p: many packages wait, for programs beside them or for limits to pass, so more
# of them run at once than there are cores.
# -vet=off: just done. -count=1: a result from the cache tests nothing on this machine.
go test -v -count=1 -p $((2 * $(nproc))) -vet=off -timeout 20m "$@" 2>&1 | tee "$log" | awk -f tools/test.awk || status=$?
passed=$(grep -cE '^ *--- PASS' "$log" || true)
skipped=$(grep -cE '^ *--- SKIP' "$log" || true)
failed=$(grep -cE '^ *--- FAIL' "$log" || true)
awk -f tools/skips.awk "$log" >.test/skips
if [ $status = 0 ] && [ -n "${LABWARDEN_REQUIRE_POSTGRES:-}" ] && grep -i postgres .test/skips; then
	echo "make test: FAILED: a test skipped its PostgreSQL half (above) although the server is there" >&2
	exit 1
fi
# Where CI is set everything is tried, but for what tools/skips.txt has.
if [ $status = 0 ] && [ -n "${CI:-}" ] && tools/skipped.sh <.test/skips; then
	echo "make test: FAILED: tests skipped (above) for reasons that tools/skips.txt does not have" >&2
	exit 1
fi
if [ $status != 0 ]; then
	# Last, so that it is seen also where only the end of the output is: what failed,
	# what never ended, what did not build.
	grep -hE '^ *--- FAIL|^panic: |^running tests:|^\s+Test[A-Za-z0-9_/]+ \([0-9hms.]+\)$|^FAIL\s|\[build failed\]' "$log" | sort -u | head -60 >&2 || true
	echo "make test: FAILED ($failed tests failed, $passed passed, $skipped skipped); all output: $log" >&2
	exit 1
fi
if [ "$passed" = 0 ]; then
	echo "make test: FAILED: no test ran" >&2
	exit 1
fi
echo "make test: passed: $passed tests passed, $skipped skipped, $((SECONDS - began)) s"
