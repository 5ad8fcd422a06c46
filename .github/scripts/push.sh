#!/usr/bin/env bash
# push.sh REGISTRY TAG NAME ...: pushes quarry-NAME:TAG, and prints a line for each: name=REGISTRY/quarry-NAME@sha256:... (a - of a name
# becomes _). By digest it is what was pushed, whatever becomes of the tag.
set -euo pipefail
[ $# -ge 3 ] || { echo "usage: push.sh REGISTRY TAG NAME ..." >&2; exit 2; }
registry=$1 tag=$2
shift 2

for name in "$@"; do
  image=$registry/quarry-$name
  docker tag "quarry-$name:$tag" "$image:$tag"
  docker push --quiet "$image:$tag" >&2
  pushed=$(docker image inspect --format '{{range .RepoDigests}}{{println .}}{{end}}' "$image:$tag" | grep -F "$image@sha256:" | head -n 1) || {
    echo "the engine knows no digest of $image:$tag: it was not pushed" >&2
    exit 1
  }
  echo "${name//-/_}=$pushed"
done
