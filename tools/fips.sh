#!/usr/bin/env bash
# The FIPS build, tried out.
#   tools/fips.sh small   what CI runs: what computes, and the running program asked by OpenSSH and openssl
#   tools/fips.sh whole   all packages of docs/comply/fips.md, then those that can under fips140=only
# It needs bin/labwarden-fips (make fips).
set -euo pipefail
cd "$(dirname "$0")/.."
export GOFIPS140=certified CGO_ENABLED=0
LABWARDEN_FIPS_BINARY=$PWD/bin/labwarden-fips
export LABWARDEN_FIPS_BINARY
"$LABWARDEN_FIPS_BINARY" version | grep -q '^FIPS 140-3: yes' || { echo "fips: FAILED: bin/labwarden-fips is not the FIPS build" >&2; exit 1; }
p=./internal/platform c=./internal/channel
small=("$p/spool" "$p/receipt" "$p/ledger/..." "$p/pki" "$p/vault" ./internal/codec/fhir ./internal/codec/hl7 "$c/envelope" "$c/tunnel" "$c/httppost" "$c/fhirhttp" "$c/mllp" "$c/sftp" "$c/ftps" ./e2e/fips)
whole=("$p/vault/..." "$p/proof" "$p/signin" "$c/..." ./internal/codec/... ./internal/convert/... ./internal/domain/certificates ./internal/domain/partners/... ./internal/node/bypass)
# What can under fips140=only, where every algorithm that is not approved fails.
# HPKE of module v1.0.0 cannot: crypto/hpke makes its own nonces.
only=("$p/spool" "$p/receipt" "$p/proof" "$p/ledger/..." "$p/vault" "$p/pki" "$c/httppost" "$c/fhirhttp" "$c/mllp" "$c/ftps" "$c/tunnel" ./internal/node/bypass ./internal/codec/fhir ./internal/convert/...)
run() { go test -count=1 -vet=off -timeout 20m "$@"; }
# -p 4: most of them wait more than they compute.
case ${1:?small or whole} in
small) run -p 4 -short "${small[@]}" ;;
whole)
	run "${small[@]}" "${whole[@]}"
	took=$SECONDS
	run -skip TestKeysAreWrappedForTheKeeper -exec "env GODEBUG=fips140=only" "${only[@]}"
	list() { go list "$@" | sed 's|^github.com/labwarden/labwarden/||' | sort -u | paste -sd' ' | sed 's/ /, /g'; }
	cat >docs/operate/soak/fips.md <<-EOF
		# Soak: FIPS

		Written by \`make soak\` (tools/fips.sh). Each part names the commit it ran on. No test here draws from a seed.

		## The FIPS build

		- $("$LABWARDEN_FIPS_BINARY" version | grep '^FIPS 140-3')
		- Suites as FIPS builds (goal: all pass): met, in $took s: $(list "${small[@]}" "${whole[@]}").
		- Under \`fips140=only\` (goal: all that can pass): met, in $((SECONDS - took)) s, the wrapping of a file's key left out: $(list "${only[@]}").

		Commit $(git rev-parse --short=12 HEAD 2>/dev/null || echo unknown), $(nproc) processors.
	EOF
	;;
*)
	echo "usage: tools/fips.sh small|whole" >&2
	exit 2
	;;
esac
