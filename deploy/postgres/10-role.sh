#!/bin/sh
# Run once by the database's container when its volume is empty: the role that the service connects as. It owns
# the database `nas` and nothing else. psql reads the password itself: command lines can be read by others.
set -eu

psql --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres <<SQL
\set password \`cat "$NAS_PASSWORD_FILE"\`
CREATE ROLE nas LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD :'password';
CREATE DATABASE nas OWNER nas;
REVOKE CONNECT ON DATABASE nas FROM PUBLIC;
SQL
