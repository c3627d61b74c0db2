#!/usr/bin/env bash
# Installs what the tests need from Debian, only what is missing.
#   tools/setup.sh test      PostgreSQL 15 (programs only), openssl, gpg, clamd, jq, OpenSSH and ProFTPD (programs only), swtpm, wireguard-go and wg, Chromium,
#                            curl, lftp and Python as clients of the file servers
#   tools/setup.sh ci        the above and what .ci/run needs besides
#   tools/setup.sh browser   Chromium alone, for the tests of pages
# What those tests run with Node is pinned in e2e/npm and installed by themselves.
# No server of the machine's own is created, started, stopped or restarted.
set -euo pipefail

missing=()
need() { # need PACKAGE TEST...: the package, unless the test succeeds
	local package=$1
	shift
	"$@" >/dev/null 2>&1 || missing+=("$package")
}
for_test() {
	need postgresql-15 test -x /usr/lib/postgresql/15/bin/initdb
	need openssl command -v openssl
	need poppler-utils command -v pdftotext # reads the PDFs of the portal
	need zbar-tools command -v zbarimg # reads the QR codes of letters
	need gnupg command -v gpg
	need clamav-daemon test -x /usr/sbin/clamd # without freshclam: the tests bring their own signatures
	need jq command -v jq
	# Clients that the file servers are tried with.
	need curl command -v curl
	need lftp command -v lftp
	need python3 test -x /usr/bin/python3
	need openssh-server test -x /usr/sbin/sshd
	need openssh-client command -v sftp
	need ssh-audit command -v ssh-audit
	need proftpd-core test -x /usr/sbin/proftpd
	need proftpd-mod-crypto test -e /usr/lib/proftpd/mod_tls.so
	need swtpm command -v swtpm
	need wireguard-go command -v wireguard-go
	need wireguard-tools command -v wg
	need iproute2 command -v ip
	for_browser
}
for_browser() { need chromium command -v chromium; }
case ${1:-test} in
test) for_test ;;
ci)
	for_test
	need git command -v git
	need xz-utils command -v xz
	need systemd command -v systemd-analyze
	;;
browser) for_browser ;;
*)
	echo "usage: tools/setup.sh test|ci|browser" >&2
	exit 2
	;;
esac
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
	echo "setup: missing: ${missing[*]}; install them as root: apt-get install ${missing[*]}" >&2
	exit 1
fi

# Debian's postgresql-15 makes and starts a cluster "main" when it is installed.
# Two short-lived files prevent that: no cluster is made, and no service starts.
undo=()
trap 'for f in "${undo[@]}"; do rm -f "$f"; done' EXIT
trap 'exit 130' INT TERM
no_cluster=/etc/postgresql-common/createcluster.d/labwarden-setup.conf
if [ ! -e "$no_cluster" ]; then
	mkdir -p "${no_cluster%/*}"
	undo+=("$no_cluster")
	echo 'create_main_cluster = false' >"$no_cluster"
fi
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
	undo+=("$policy")
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod 755 "$policy"
fi

echo "setup: installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
apt_get() { apt-get -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@" </dev/null; }
log=$(mktemp)
if ! { apt_get update && apt_get install -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
	cat "$log" >&2
	echo "setup: apt-get failed" >&2
	exit 1
fi
rm -f "$log"
