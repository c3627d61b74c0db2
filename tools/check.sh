#!/usr/bin/env bash
# The tools' own tests: the tests' PostgreSQL really starts, serves, and is gone
# afterwards; the checks find what is planted; scripts have no syntax errors.
set -euo pipefail
cd "$(dirname "$0")/.."
fail() { echo "check: FAILED: $*" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"; tools/postgres.sh stop' EXIT

for script in tools/*.sh packaging/*.sh .ci/run; do
	bash -n "$script" || fail "$script does not parse"
	[ -x "$script" ] || fail "$script is not executable"
done

# PostgreSQL. The machine's own servers are the same before and after.
others() { # process ids of PostgreSQL main processes
	local f
	for f in /proc/[0-9]*/cmdline; do
		if { tr '\0' ' ' <"$f"; } 2>/dev/null | grep -qE '^[^ ]*/postgres .*-D '; then echo "$f"; fi
	done
}
before=$(others)
tools/postgres.sh start
dsn=$(tools/postgres.sh dsn)
ask() { psql -qAtX "$dsn" -c "$1" </dev/null; }
[ "$(ask 'SHOW fsync')" = on ] || fail "fsync is off"
[ "$(ask 'SHOW listen_addresses')" = 127.0.0.1 ] || fail "listens beyond loopback"
[[ $(ask 'SHOW server_version_num') == 15* ]] || fail "not PostgreSQL 15"
[[ $(ask 'SHOW unix_socket_directories') != /var/run/postgresql ]] || fail "socket in the machine's folder"
if psql -qAtX "${dsn/:*@/:wrong@}" -c 'SELECT 1' </dev/null 2>/dev/null; then fail "a wrong password is let in"; fi
[ "$before" != "$(others)" ] || fail "others() does not see a running PostgreSQL"
data=$(ask 'SHOW data_directory')
pid=$(head -n 1 "$data/postmaster.pid")
kill -s KILL "$pid" # a run that was killed: start has to clean up and serve again
tools/postgres.sh start
dsn=$(tools/postgres.sh dsn)
[ "$(ask 'SELECT 1')" = 1 ] || fail "does not serve after a killed run"
data=$(ask 'SHOW data_directory')
pid=$(head -n 1 "$data/postmaster.pid")
tools/postgres.sh stop
! kill -0 "$pid" 2>/dev/null || fail "still runs after stop"
[ ! -e "$data" ] || fail "its data folder is still there after stop"
if tools/postgres.sh dsn 2>/dev/null; then fail "gives a DSN after stop"; fi
[ "$before" = "$(others)" ] || fail "another PostgreSQL came or went"

# with-postgres hands the command's status on, and stops the server all the same.
status=0
tools/with-postgres.sh sh -c 'tools/postgres.sh dsn >/dev/null && exit 7' || status=$?
[ $status = 7 ] || fail "with-postgres: status $status, want 7"
[ ! -e .test/postgres.state ] || fail "with-postgres: server left behind after a failure"

# The log of make test is what patient-data.sh reads: a name in it is found.
mkdir -p .test
[ -s .test/test.log ] || echo "nothing was tested until now" >.test/test.log
probe=$(grep -m 1 -oE '[A-Za-z]{6,}' .test/test.log | sed -n 1p)
echo "$probe" >"$work/names"
if tools/patient-data.sh "$work/names" >/dev/null 2>&1; then fail "patient-data misses a name that is in the log"; fi
echo "Zzyzxqk" >"$work/names"
tools/patient-data.sh "$work/names" >/dev/null || fail "patient-data finds a name that is not in the log"

# A failing test is shown whole, a passing one on one line, a skip with its reason.
shown=$(printf '%s\n' '=== RUN   TestA' '    a_test.go:9: no corpus here' '--- SKIP: TestA (0.00s)' 'PASS' $'ok  \tx/a\t0.1s' \
	'=== RUN   TestB' '    b_test.go:3: got 1, want 2' '--- FAIL: TestB (0.00s)' 'FAIL' $'FAIL\tx/b\t0.1s' 'FAIL' | awk -f tools/test.awk)
want=$'--- SKIP: TestA (0.00s)\t    a_test.go:9: no corpus here\nok  \tx/a\t0.1s\n    b_test.go:3: got 1, want 2\n--- FAIL: TestB (0.00s)\nFAIL\nFAIL\tx/b\t0.1s'
[ "$shown" = "$want" ] || fail "test.awk shows: $shown"

# Skips are told by their own reasons, and one that is not listed is found.
skips=$(printf '%s\n' '=== RUN   TestA' '=== RUN   TestA/x' '    a_test.go:9: SKIPPED A BAR: slow' '=== RUN   TestA/y' '    a_test.go:7: thing is missing' \
	'--- PASS: TestA (0.00s)' '    --- SKIP: TestA/x (0.00s)' '    --- SKIP: TestA/y (0.00s)' 'PASS' $'ok  \tx/a\t0.1s' | awk -f tools/skips.awk)
[ "$skips" = $'TestA/x\tSKIPPED A BAR: slow\nTestA/y\tthing is missing' ] || fail "skips.awk: $skips"
[ "$(tools/skipped.sh <<<"$skips")" = $'TestA/y\tthing is missing' ] || fail "skipped.sh does not find the one"
if tools/skipped.sh <<<$'TestA/x\tSKIPPED A BAR: slow'; then fail "skipped.sh finds what is listed"; fi

[[ $(tools/version.sh) =~ ^[0-9]+[0-9a-z.+~]*$ ]] || fail "version.sh: $(tools/version.sh) is no Debian version"
echo "check: tools passed"
