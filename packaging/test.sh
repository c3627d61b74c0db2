#!/usr/bin/env bash
# packaging/test.sh VERSION: looks into the package, installs it into an empty
# root, runs the program from there, and judges the unit.
set -euo pipefail
cd "$(dirname "$0")/.."
version=${1:?version}
deb=dist/labwarden_${version}_amd64.deb
fail() { echo "package: FAILED: $*" >&2; exit 1; }
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

field() { dpkg-deb -f "$deb" "$1"; }
[ "$(field Package)" = labwarden ] || fail "Package: $(field Package)"
[ "$(field Version)" = "$version" ] || fail "Version: $(field Version), want $version"
[ "$(field Architecture)" = amd64 ] || fail "Architecture: $(field Architecture)"
dpkg --validate-version "$version" || fail "$version is no Debian version"

list=$(dpkg-deb -c "$deb")
has() { grep -qE "$1" <<<"$list" || fail "not in the package: $1"; }
has '^-rwxr-xr-x root/root .* \./usr/bin/labwarden$'
has '^-rw-r--r-- root/root .* \./lib/systemd/system/labwarden\.service$'
has '^-rw-r--r-- root/root .* \./lib/systemd/system/labwarden-front\.service$'
has '^-rw-r--r-- root/root .* \./usr/lib/sysusers\.d/labwarden\.conf$'
has '^-rw-r--r-- root/root .* \./usr/share/doc/labwarden/copyright$'
has '^drwxr-x--- root/root .* \./etc/labwarden/$'
if grep -E '^-.{2}s|^-.{5}s|^[^l].{7}w' <<<"$list"; then fail "set-id or world-writable files"; fi

# Twice the same bytes.
first=$(sha256sum <"$deb")
packaging/build.sh "$version" >/dev/null
[ "$first" = "$(sha256sum <"$deb")" ] || fail "built twice, two different packages"

# A real installation with its scripts, into an empty root and its own database.
mkdir -p "$root"/{etc,usr/bin,var/lib/dpkg/{info,updates,triggers}}
: >"$root/var/lib/dpkg/status"
: >"$root/etc/passwd"
: >"$root/etc/group"
dpkg_in() { dpkg --root="$root" --force-script-chrootless --force-depends --force-not-root --log=/dev/null "$@"; }
dpkg_in -i "$deb" >"$root/log" 2>&1 || { cat "$root/log"; fail "dpkg -i"; }
grep -q 'not configured yet, so not started' "$root/log" || { cat "$root/log"; fail "the installation does not say what comes next"; }
grep -q '^labwarden:' "$root/etc/passwd" || fail "no user labwarden"
grep -q '^labwarden-front:' "$root/etc/passwd" || fail "no user labwarden-front"
[ "$(stat -c %a "$root/etc/labwarden")" = 750 ] || fail "/etc/labwarden is $(stat -c %a "$root/etc/labwarden")"
[ ! -e "$root/etc/systemd/system/multi-user.target.wants/labwarden.service" ] || fail "enabled by itself"
said=$("$root/usr/bin/labwarden" --version) || fail "the program does not run"
[ "$said" = "labwarden $version" ] || fail "the program says $said"
# Static: it runs in a container with nothing else in it.
if LC_ALL=C ldd "$root/usr/bin/labwarden" >/dev/null 2>&1; then fail "the program is linked dynamically"; fi

# From the package to a hub that runs: init --system, then the service's own start,
# as its user and with its credential, in the empty root.
own=$(sed -n 's/^labwarden:[^:]*:\([0-9]*\):\([0-9]*\):.*/\1:\2/p' "$root/etc/passwd")
chmod 755 "$root" # mktemp made it for us alone
mkdir -p "$root"/{dev,tmp,run/labwarden,run/credentials}
chroot "$root" /usr/bin/labwarden init --system --name "Millbrook Laboratory" --id millbrook >"$root/log" 2>&1 ||
	{ cat "$root/log"; fail "labwarden init --system"; }
grep -q 'systemctl enable --now labwarden' "$root/log" || { cat "$root/log"; fail "init does not say what comes next"; }
[ "$(stat -c %a:%u "$root/etc/labwarden/root.key")" = 600:0 ] || fail "root.key is $(stat -c %a:%u "$root/etc/labwarden/root.key")"
unitline() { sed -n "s|^$1=||p" packaging/labwarden.service; }
cp "$root$(unitline LoadCredential | cut -d: -f2)" "$root/run/credentials/$(unitline LoadCredential | cut -d: -f1)"
chown -R "$own" "$root"/run/{labwarden,credentials}
as_service() { exec chroot --userspec="$own" --groups= "$root" "$@"; }
export CREDENTIALS_DIRECTORY=/run/credentials
# shellcheck disable=SC2046
as_service $(unitline ExecStart) >"$root/serve.log" 2>&1 &
hub=$!
for _ in $(seq 100); do
	(as_service /usr/bin/labwarden access first --config /etc/labwarden/labwarden.yaml >"$root/log" 2>&1) && break
	kill -0 "$hub" 2>/dev/null || { cat "$root/serve.log"; fail "the service does not stay up"; }
	sleep 0.1
done
grep -q 'https://localhost:8443' "$root/log" || { cat "$root/log" "$root/serve.log"; fail "no link for the first administrator"; }
kill -TERM "$hub"
wait "$hub" || { cat "$root/serve.log"; fail "the service does not stop well"; }
unset CREDENTIALS_DIRECTORY
rm -r "$root"/etc/labwarden/* "$root/var/lib/labwarden"

# The units. systemd's scale goes from 0 (closed) to 10; ours have to stay under 1.8.
for unit in labwarden.service labwarden-front.service; do
	systemd-analyze verify --root="$root" --recursive-errors=no --man=no "$root/lib/systemd/system/$unit" 2>"$root/verify" ||
		{ cat "$root/verify"; fail "systemd-analyze verify $unit"; }
	if grep "$unit" "$root/verify"; then fail "systemd-analyze verify $unit complains"; fi
	systemd-analyze security --offline=true --threshold=18 --no-pager "packaging/$unit" >"$root/security" ||
		{ cat "$root/security"; fail "$unit is too open"; }
	tail -n 1 "$root/security"
done

# Removal, and even purge, leaves results and keys.
mkdir -p "$root/var/lib/labwarden"
echo key >"$root/etc/labwarden/root.key"
dpkg_in -P labwarden >"$root/log" 2>&1 || { cat "$root/log"; fail "dpkg -P"; }
[ ! -e "$root/usr/bin/labwarden" ] || fail "the program is still there after removal"
{ [ -e "$root/etc/labwarden/root.key" ] && [ -d "$root/var/lib/labwarden" ]; } || fail "purge removed keys or results"
echo "package: $deb passed ($(stat -c %s "$deb") bytes)"
