#!/usr/bin/env bash
# tools/fuzz.sh SECONDS TOTAL: every fuzz target of the tree for SECONDS; with a
# TOTAL (0: no bound), as many of them as go into TOTAL seconds. The next commit
# takes those that come after, so that all have had their turn in a few commits;
# the seeds of every target run with the tests.
set -euo pipefail
cd "$(dirname "$0")/.."
each=${1:-10} total=${2:-0}
mapfile -t targets < <(grep -rnoE '^func Fuzz[A-Za-z0-9_]+\(' --include='*_test.go' cmd internal 2>/dev/null |
	sed -E 's|^(.*)/[^/]+:[0-9]+:func (Fuzz[A-Za-z0-9_]+)\($|./\1 \2|' | sort -u)
count=${#targets[@]}
if [ "$count" = 0 ]; then
	echo "fuzz: NOTHING RUN: no fuzz target exists yet"
	exit 0
fi
share=$count
if [ "$total" -gt 0 ] && [ $((each * count)) -gt "$total" ]; then
	share=$((total / each))
	[ "$share" -ge 1 ] || share=1
	turn=$(git -c safe.directory='*' rev-list --count HEAD 2>/dev/null || echo 0)
	first=$((turn * share % count))
	targets=("${targets[@]:first}" "${targets[@]:0:first}")
	targets=("${targets[@]:0:share}")
fi
echo "fuzz: $share of $count targets, $each s each"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
failed=0
for target in "${targets[@]}"; do
	read -r package name <<<"$target"
	for attempt in 1 2; do
		if go test -run '^$' -fuzz "^$name\$" -fuzztime "${each}s" "$package" >"$log" 2>&1; then
			echo "fuzz: ok    $package $name: $(grep -oE 'execs: [0-9]+' "$log" | tail -n 1)"
			break
		fi
		# The fuzzer at times reports its own end of time as a failure, with no input
		# to show for it: that, and only that, is tried once more.
		if [ $attempt = 1 ] && grep -q 'context deadline exceeded' "$log" && ! grep -qE 'Failing input|panic' "$log"; then
			echo "fuzz: again $package $name: ended by its deadline, without a failing input"
			continue
		fi
		cat "$log"
		echo "fuzz: FAIL  $package $name"
		failed=$((failed + 1))
		break
	done
done
[ $failed = 0 ] || { echo "fuzz: $failed targets failed" >&2; exit 1; }
