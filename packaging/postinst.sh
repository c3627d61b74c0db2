#!/bin/sh
# After unpacking: make the user, tell systemd. Nothing is enabled, and nothing
# starts without a configuration; on an upgrade a hub that runs is restarted.
set -e
root=${DPKG_ROOT:-}
case "$1" in
configure | abort-upgrade | abort-deconfigure | abort-remove)
	systemd-sysusers ${root:+--root="$root"} labwarden.conf
	# The hub reads its configuration; only root changes it.
	gid=$(sed -n 's/^labwarden:[^:]*:\([0-9]*\):.*/\1/p' "$root/etc/group")
	chown "0:$gid" "$root/etc/labwarden"
	chmod 0750 "$root/etc/labwarden"
	if [ -z "$root" ] && [ -d /run/systemd/system ]; then
		systemctl daemon-reload
		systemctl try-restart labwarden.service labwarden-front.service
	fi
	if [ ! -e "$root/etc/labwarden/labwarden.yaml" ]; then
		echo "labwarden: not configured yet, so not started: run \`labwarden init --system\` (see its --help),"
		echo "labwarden: then \`systemctl enable --now labwarden\`"
	fi
	;;
esac
