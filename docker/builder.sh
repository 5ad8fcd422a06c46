#!/usr/bin/env bash
# Prints the first `docker` on PATH that can build with BuildKit. From version 23 on it needs the plugin buildx for that; an older one has
# BuildKit in it, and may be there too.
set -euo pipefail
while read -r each; do
  if DOCKER_BUILDKIT=1 "$each" build --help >/dev/null 2>&1; then
    echo "$each"
    exit
  fi
done < <(which -a docker)
echo "no \`docker\` on PATH can build: install its plugin buildx" >&2
exit 1
