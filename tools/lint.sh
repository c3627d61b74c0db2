#!/usr/bin/env bash
# Formatting, lint, dead code. The tools are pinned in tools/go.mod; cold, they
# compile for one to two minutes.
set -euo pipefail
cd "$(dirname "$0")/.."
tool() { go tool -modfile=tools/go.mod "$@"; }
status=0

mapfile -t files < <(git ls-files --cached --others --exclude-standard '*.go')
unformatted=$(tool gofumpt -l "${files[@]}")
if [ -n "$unformatted" ]; then
	printf 'lint: not gofumpt-formatted (go tool -modfile=tools/go.mod gofumpt -w FILE):\n%s\n' "$unformatted"
	status=1
fi

tool golangci-lint run --allow-parallel-runners ./... || status=1

# Dead: reached neither from a program nor from a test. Accepted ones stand in
# tools/deadcode-allow.txt, one name a line, with a reason after it.
dead=$(tool deadcode -test ./... | grep -vwFf <(sed -E '/^ *(#|$)/d; s/ .*//' tools/deadcode-allow.txt; echo '	none	') || true)
if [ -n "$dead" ]; then
	printf 'lint: dead code:\n%s\n' "$dead"
	status=1
fi
exit $status
