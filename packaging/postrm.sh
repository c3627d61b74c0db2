#!/bin/sh
# Results, keys and configuration are never removed by a package manager, not on
# purge either: a laboratory keeps reports for years by law.
set -e
if [ -z "${DPKG_ROOT:-}" ] && [ -d /run/systemd/system ]; then
	systemctl daemon-reload
fi
if [ "$1" = purge ]; then
	echo "labwarden: /etc/labwarden and /var/lib/labwarden are left: they may hold results and keys"
fi
