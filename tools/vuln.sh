#!/usr/bin/env bash
# Known vulnerabilities in what the programs call, from a copy of the Go
# vulnerability database that lies beside the clone (no network needed).
# Accepted findings: tools/vuln-exceptions.txt.
set -euo pipefail
cd "$(dirname "$0")/.."
exceptions=tools/vuln-exceptions.txt
database=
for shared in "${LABWARDEN_SHARED:-}" ../shared ../../shared; do
	if [ -n "$shared" ] && [ -f "$shared/lint/govulndb.tar.xz" ]; then
		database=$shared/lint/govulndb.tar.xz
		break
	fi
done
if [ -z "$database" ]; then
	echo "vuln: NOT CHECKED: ../shared/lint/govulndb.tar.xz is not there" >&2
	exit 0
fi

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
tar -xJf "$database" -C "$folder"
status=0
go tool -modfile=tools/go.mod govulncheck -db "file://$folder/vdb" ./... >"$folder/report" 2>&1 || status=$?
# 0: nothing found, 3: found something; anything else is govulncheck failing.
if [ $status != 0 ] && [ $status != 3 ]; then
	cat "$folder/report"
	exit 1
fi

today=$(date -u +%F)
bad=0
declare -A accepted=()
while read -r id since until reason; do
	[[ $id == GO-* ]] || continue
	date_form='^[0-9]{4}-[0-9]{2}-[0-9]{2}$'
	if ! [[ $since =~ $date_form && $until =~ $date_form && -n $reason ]]; then
		echo "vuln: $exceptions: $id wants: ID ACCEPTED UNTIL reason" >&2
		bad=1
	elif [ "$(date -u -d "$since + 90 days" +%F)" '<' "$until" ]; then
		echo "vuln: $exceptions: $id is accepted for more than 90 days (docs/develop/dependencies.md)" >&2
		bad=1
	elif [[ $until < $today ]]; then
		echo "vuln: $exceptions: $id was accepted until $until: look again" >&2
		bad=1
	else
		accepted[$id]=$reason
	fi
done <$exceptions

found=$(grep -oE '^Vulnerability #[0-9]+: GO-[0-9]+-[0-9]+' "$folder/report" | grep -oE 'GO-.*' | sort -u || true)
if [ $status = 3 ] && [ -z "$found" ]; then
	cat "$folder/report"
	echo "vuln: govulncheck found something that this script cannot read" >&2
	exit 1
fi
fresh=0
for id in $found; do
	if [ -n "${accepted[$id]:-}" ]; then
		echo "vuln: $id accepted: ${accepted[$id]}"
	else
		echo "vuln: $id is new"
		fresh=1
	fi
done
[ $fresh = 0 ] || { cat "$folder/report"; bad=1; }
[ $bad = 0 ] || exit 1
echo "vuln: no vulnerability that is not accepted ($(basename "$database"))"
