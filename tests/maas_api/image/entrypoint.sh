#!/bin/sh
# A new cluster for POSTGRES_USER with POSTGRES_PASSWORD and the database POSTGRES_DB, as the official image makes it.
set -eu
: "${POSTGRES_PASSWORD:?POSTGRES_PASSWORD is not set}"
user=${POSTGRES_USER:-postgres}
database=${POSTGRES_DB:-$user}
programs=$(dirname "$(ls /usr/lib/postgresql/*/bin/initdb | sort -V | tail -n 1)")
home=/var/lib/postgresql
data=$home/data

as_postgres() { setpriv --reuid=postgres --regid=postgres --init-groups "$@"; }

install -o postgres -m 0600 /dev/null "$home/password"
printf '%s\n' "$POSTGRES_PASSWORD" > "$home/password"
as_postgres "$programs/initdb" --pgdata "$data" --username "$user" --pwfile "$home/password" --auth scram-sha-256 --no-sync > /dev/null
rm "$home/password"
echo 'host all all all scram-sha-256' >> "$data/pg_hba.conf"

# while it is set up it listens on a socket alone: whoever waits by TCP is not told too early
as_postgres "$programs/pg_ctl" --pgdata "$data" --wait --options "-c listen_addresses='' -c unix_socket_directories=$home" start
if [ "$database" != postgres ]; then
  PGPASSWORD=$POSTGRES_PASSWORD as_postgres "$programs/createdb" --host "$home" --username "$user" "$database"
fi
as_postgres "$programs/pg_ctl" --pgdata "$data" --wait --mode fast stop
exec setpriv --reuid=postgres --regid=postgres --init-groups \
  "$programs/postgres" -D "$data" -c 'listen_addresses=*' -c "unix_socket_directories=$home"
