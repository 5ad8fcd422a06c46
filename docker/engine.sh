#!/usr/bin/env bash
# A container engine that answers: made by CI's tools where they are there, else the system's. One sentence where there is none.
set -euo pipefail
tools=${QUARRY_CI_TOOLS:-../shared/tools}/container-engine.sh
if [ -x "$tools" ]; then
  exec "$tools"
fi
command -v docker >/dev/null || { echo "there is no container engine: no \`docker\` on PATH; install Docker 20.10 or later" >&2; exit 1; }
docker info >/dev/null 2>&1 || { echo "the container engine does not answer: start it, or see whether you may use it (\`docker info\` says why)" >&2; exit 1; }
