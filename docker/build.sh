#!/usr/bin/env bash
# Builds images: `docker/build.sh TAG NAME ...` makes quarry-NAME:TAG of docker/NAME.Dockerfile. BASE is the base image, if it is set.
set -euo pipefail
cd "$(dirname "$0")/.."
tag=$1
shift

builder=$(docker/builder.sh)
version=$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
git diff --quiet HEAD 2>/dev/null || revision=$revision-changed
# Provenance makes an image an index of OCI's, which Lambda refuses.
export BUILDX_NO_DEFAULT_ATTESTATIONS=1
for name in "$@"; do
  DOCKER_BUILDKIT=1 "$builder" build --quiet --file "docker/$name.Dockerfile" --tag "quarry-$name:$tag" ${BASE:+--build-arg "BASE=$BASE"} \
    --build-arg "VERSION=$version" --build-arg "REVISION=$revision" . >/dev/null
  echo "built quarry-$name:$tag" >&2
done
