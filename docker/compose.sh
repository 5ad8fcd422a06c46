#!/usr/bin/env bash
# The engine's own Compose where it has one; else the one that `make` puts in .venv-compose.
set -euo pipefail
if docker compose version >/dev/null 2>&1; then
  exec docker compose "$@"
fi
ours=$(dirname "$0")/../.venv-compose/bin/docker-compose
[ -x "$ours" ] || { echo "there is no Compose: \`make compose\` fetches it" >&2; exit 1; }
exec "$ours" "$@"
