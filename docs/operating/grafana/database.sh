#!/bin/sh
# Run by the image of PostgreSQL when it makes the database of compose.yml: a login for Grafana that can only read.
set -eu
psql --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" --set ON_ERROR_STOP=1 \
    --set password="$(cat /run/secrets/grafana_password)" <<'SQL'
CREATE ROLE grafana LOGIN PASSWORD :'password';
GRANT pg_read_all_data TO grafana;
SQL
