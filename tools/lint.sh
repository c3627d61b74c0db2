#!/usr/bin/env bash
# Formatting, lint, dead code. The tools are pinned in tools/go.mod; cold, they
# compile for one to two minutes.
set -euo pipefail
cd "$(dirname "$0")/.."
tool() { go tool -modfile=tools/go.mod "$@"; }
status=0

mapfile -t files < <(git ls-files --cached --others --exclude-standard '*.go' ':!*_templ.go')
unformatted=$(tool gofumpt -l "${files[@]}")
if [ -n "$unformatted" ]; then
	printf 'lint: not gofumpt-formatted (go tool -modfile=tools/go.mod gofumpt -w FILE):\n%s\n' "$unformatted"
	status=1
fi

tool golangci-lint run --allow-parallel-runners ./... || status=1

# Reached neither from a program nor from a test. A report and not a gate: it
# cannot see what is called through reflection, or by a part still being written.
dead=$(tool deadcode -test ./...)
if [ -n "$dead" ]; then
	printf 'lint: dead code, to look at (%s):\n%s\n' "$(wc -l <<<"$dead")" "$dead"
fi
exit $status
