#!/usr/bin/env bash
# packaging/build.sh VERSION: dist/labwarden_VERSION_amd64.deb from bin/labwarden.
# The same commit gives the same package, byte for byte.
set -euo pipefail
cd "$(dirname "$0")/.."
version=${1:?version}
mtime=$(date -u -d "@$(git -c safe.directory='*' log -1 --format=%ct)" +%Y-%m-%dT%H:%M:%SZ)
mkdir -p dist
rm -f dist/labwarden_*_amd64.deb
# nfpm fills in the environment in some fields only, so it is done here.
sed -e "s|\${VERSION}|$version|g" -e "s|\${MTIME}|$mtime|g" packaging/nfpm.yaml >dist/nfpm.yaml
go tool -modfile=tools/go.mod nfpm package --packager deb --config dist/nfpm.yaml \
	--target "dist/labwarden_${version}_amd64.deb"
