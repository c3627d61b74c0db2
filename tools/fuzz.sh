#!/usr/bin/env bash
# tools/fuzz.sh SECONDS TOTAL: every fuzz target of the tree for SECONDS, or for
# an equal share of TOTAL seconds when that is less (TOTAL 0: no bound).
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
if [ "$total" -gt 0 ] && [ $((each * count)) -gt "$total" ]; then
	each=$((total / count))
	[ "$each" -ge 1 ] || each=1
fi
echo "fuzz: $count targets, $each s each"
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
