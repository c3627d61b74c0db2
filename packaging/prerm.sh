#!/bin/sh
# Before removal the hub is stopped; an upgrade lets it run until the new one is
# unpacked, so that results wait as short as possible.
set -e
if [ "$1" = remove ] && [ -z "${DPKG_ROOT:-}" ] && [ -d /run/systemd/system ]; then
	systemctl disable --now labwarden-front.service labwarden.service
fi
