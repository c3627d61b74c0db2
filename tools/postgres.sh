#!/usr/bin/env bash
# A PostgreSQL 15 of the tests' own: loopback only, a free port chosen at start,
# its data, socket and log in one folder that stop removes. fsync stays on: the
# crash tests mean it.
#   tools/postgres.sh start   start it (a left-over of a killed run is ended first)
#   tools/postgres.sh dsn     print how to reach it, with its one-time password
#   tools/postgres.sh stop    end it by its process id and remove its folder
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd -P)
bin=/usr/lib/postgresql/15/bin
state=$root/.test/postgres.state # base=, dsn=: written before the server starts

# initdb and postgres refuse to run as root.
as_owner() {
	if [ "$(id -u)" != 0 ]; then
		"$@"
	elif id -u postgres >/dev/null 2>&1; then
		runuser -u postgres -- "$@"
	else
		runuser -u nobody -- "$@"
	fi
}

read_state() { sed -n "s/^$1=//p" "$state" 2>/dev/null || true; }

# The server's process id, if it is still the one that serves our data folder:
# a process id alone may have been given to someone else since.
server_pid() {
	local base=$1 pid
	pid=$(head -n 1 "$base/data/postmaster.pid" 2>/dev/null || true)
	[[ $pid =~ ^[0-9]+$ ]] || return 0
	if tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF -- "-D $base/data"; then echo "$pid"; fi
}

stop() {
	local base pid signal
	base=$(read_state base)
	[ -n "$base" ] || return 0
	pid=$(server_pid "$base")
	if [ -n "$pid" ]; then
		for signal in INT QUIT KILL; do # fast, immediate, last resort
			kill -s "$signal" "$pid" 2>/dev/null || break
			for _ in $(seq 100); do
				kill -0 "$pid" 2>/dev/null || break 2
				sleep 0.1
			done
			echo "postgres: $pid did not end on SIG$signal in 10 s" >&2
		done
	fi
	case $base in
	"$root"/.test/postgres | /tmp/labwarden-pg.??????) rm -rf -- "$base" ;;
	*) echo "postgres: not removing $base: not a folder of ours" >&2 ;;
	esac
	rm -f "$state"
}

# The folder is under the tree, unless the database's user may not go there (a
# clone in root's home) or the path is too long for a socket (107 bytes).
choose_base() {
	local base=$root/.test/postgres
	mkdir -p "$base"
	if [ "$(id -u)" = 0 ]; then chown "$(as_owner id -u)" "$base"; fi
	chmod 700 "$base"
	if [ ${#base} -gt 80 ] || ! as_owner test -w "$base"; then
		rmdir "$base"
		base=$(mktemp -d /tmp/labwarden-pg.XXXXXX)
		if [ "$(id -u)" = 0 ]; then chown "$(as_owner id -u)" "$base"; fi
	fi
	echo "$base"
}

free_port() {
	local port
	for _ in $(seq 50); do
		port=$((20000 + RANDOM % 12000)) # below the range of outgoing connections
		if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
			echo "$port"
			return
		fi
	done
	echo "postgres: no free port found" >&2
	return 1
}

start() {
	local base port password
	[ -x $bin/initdb ] || { echo "postgres: $bin/initdb is missing; run tools/setup.sh" >&2; exit 1; }
	mkdir -p "$root/.test"
	stop
	base=$(choose_base)
	echo "base=$base" >"$state"
	chmod 600 "$state"
	cd "$base"
	password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
	as_owner sh -c 'umask 077; mkdir sock && cat > password' <<<"$password"
	# -N: initdb does not flush a folder that is empty of anything worth it; the
	# server itself runs with fsync on.
	as_owner $bin/initdb -N -D "$base/data" -U labwarden -A scram-sha-256 --pwfile="$base/password" \
		-E UTF8 --locale=C >"$root/.test/initdb.log" 2>&1 || { cat "$root/.test/initdb.log" >&2; exit 1; }
	as_owner tee -a "$base/data/postgresql.conf" >/dev/null <<-EOF
		listen_addresses = '127.0.0.1'
		unix_socket_directories = '$base/sock'
		fsync = on
		synchronous_commit = on
		max_connections = 200
		shared_buffers = 128MB
		log_timezone = UTC
		timezone = UTC
	EOF
	for _ in 1 2 3 4 5; do
		port=$(free_port)
		if as_owner $bin/pg_ctl -D "$base/data" -l "$base/log" -w -t 60 -o "-c port=$port" start >/dev/null 2>&1; then
			PGPASSWORD=$password $bin/psql -qAtX -h 127.0.0.1 -p "$port" -U labwarden -d postgres \
				-c 'CREATE DATABASE labwarden_test' </dev/null
			echo "dsn=postgres://labwarden:$password@127.0.0.1:$port/labwarden_test?sslmode=disable" >>"$state"
			return
		fi
		grep -q 'Address already in use' "$base/log" || break # else someone took the port: another one
	done
	echo "postgres: did not start:" >&2
	tail -n 20 "$base/log" >&2 || true
	stop
	exit 1
}

case ${1:-} in
start) start ;;
stop) stop ;;
dsn)
	dsn=$(read_state dsn)
	[ -n "$dsn" ] || { echo "postgres: not running; tools/postgres.sh start" >&2; exit 1; }
	echo "$dsn"
	;;
*)
	echo "usage: tools/postgres.sh start|stop|dsn" >&2
	exit 2
	;;
esac
