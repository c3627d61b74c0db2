#!/usr/bin/env bash
# Runs a command with PostgreSQL beside it: installs what is missing, starts the
# tests' own server, exports LABWARDEN_TEST_POSTGRES, and stops it however the
# command ends. With LABWARDEN_REQUIRE_POSTGRES=1 a test that would skip its
# PostgreSQL half has to fail instead; LABWARDEN_REQUIRE_BROWSER=1 is the same for
# the browser.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p .test
exec 9>.test/lock
if ! flock -n 9; then
	echo "with-postgres: waiting for another run in this tree" >&2
	flock 9
fi
tools/setup.sh test
# 9>&- : the server must not hold the lock.
trap 'tools/postgres.sh stop 9>&-' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
tools/postgres.sh start 9>&-
LABWARDEN_TEST_POSTGRES=$(tools/postgres.sh dsn)
export LABWARDEN_TEST_POSTGRES LABWARDEN_REQUIRE_POSTGRES=1 LABWARDEN_REQUIRE_BROWSER=1
"$@" 9>&-
