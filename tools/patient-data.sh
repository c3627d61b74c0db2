#!/usr/bin/env bash
# No patient's name in what the whole suite printed: looks for each line of
# tools/patient-names.txt, as a word, in .test/test.log and the logs beside it.
set -euo pipefail
cd "$(dirname "$0")/.."
names=$(mktemp)
trap 'rm -f "$names"' EXIT
sed -E '/^ *(#|$)/d' "${1:-tools/patient-names.txt}" >"$names"
shopt -s nullglob
logs=(.test/*.log)
if [ ! -s .test/test.log ]; then
	echo "patient data: .test/test.log is missing or empty: run make test first" >&2
	exit 1
fi
if [ ! -s "$names" ]; then
	echo "patient data: NOT CHECKED: tools/patient-names.txt names nobody yet"
	exit 0
fi
if hits=$(grep -nHiwFf "$names" "${logs[@]}"); then
	echo "patient data: a sample patient's name stands in the output:" >&2
	# where, not what: this output is kept too
	cut -d: -f1,2 <<<"$hits" | head -n 50 >&2
	exit 1
fi
echo "patient data: none of $(wc -l <"$names") names in $(cat "${logs[@]}" | wc -l) lines of output"
