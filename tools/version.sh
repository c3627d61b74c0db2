#!/usr/bin/env bash
# Prints the version of this tree: the tag when it is one (v1.2.3 -> 1.2.3), else
# the last tag (or 0.0.0) with the number of commits since and the commit, and
# "dirty" when files differ. Only characters a Debian version takes: [0-9a-z.+~].
set -euo pipefail
cd "$(dirname "$0")/.."
git() { command git -c safe.directory='*' "$@"; }
if ! git rev-parse -q --verify HEAD >/dev/null 2>&1; then
	echo 0.0.0+unknown # an unpacked source archive
	exit 0
fi
dirty=$([ -z "$(git status --porcelain --untracked-files=no)" ] || echo .dirty)
if described=$(git describe --tags --match 'v[0-9]*' --long --abbrev=12 2>/dev/null); then
	sha=${described##*-}
	rest=${described%-*}
	count=${rest##*-}
	tag=${rest%-*}
	tag=${tag#v}
	tag=${tag/-/\~} # 1.0.0-rc.1 sorts before 1.0.0
	if [ "$count" = 0 ] && [ -z "$dirty" ]; then echo "$tag"; else echo "$tag+$count.$sha$dirty"; fi
else
	echo "0.0.0+$(git rev-list --count HEAD).g$(git rev-parse --short=12 HEAD)$dirty"
fi
