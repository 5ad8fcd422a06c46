#!/usr/bin/env bash
# verify.sh REPOSITORY IMAGE@DIGEST ...: ends with 0 where each image was signed by the release workflow of this repository (OWNER/NAME), at a
# tag. Nothing else is to be deployed.
set -euo pipefail
[ $# -ge 2 ] || { echo "usage: verify.sh OWNER/NAME IMAGE@DIGEST ..." >&2; exit 2; }
repository=${1//./\\.}
shift
for image in "$@"; do
  [[ $image == *@sha256:* ]] || { echo "$image names no digest: what is verified and what is deployed could differ" >&2; exit 2; }
  cosign verify "$image" --output text >/dev/null \
    --certificate-oidc-issuer https://token.actions.githubusercontent.com \
    --certificate-identity-regexp "^https://github\\.com/$repository/\\.github/workflows/release\\.yml@refs/tags/v.+$"
  echo "signed by the release workflow: $image" >&2
done
