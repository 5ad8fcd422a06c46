#!/usr/bin/env bash
# init.sh ROOT: `terraform init` with the state in S3, under STATE_BUCKET and STATE_KEY. The examples name no backend of their own.
set -euo pipefail
[ $# -eq 1 ] || { echo "usage: init.sh ROOT" >&2; exit 2; }
: "${STATE_BUCKET:?the bucket of the state}" "${STATE_KEY:?the name of the state in it}" "${AWS_REGION:?the region of both}"

printf 'terraform {\n  backend "s3" {}\n}\n' >"$1/backend_override.tf"
terraform -chdir="$1" init -input=false -backend-config="bucket=$STATE_BUCKET" -backend-config="key=$STATE_KEY" \
  -backend-config="region=$AWS_REGION" -backend-config=encrypt=true -backend-config=use_lockfile=true
