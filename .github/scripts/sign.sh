#!/usr/bin/env bash
# sign.sh FOLDER IMAGE@DIGEST ...: writes what each image is made of (SPDX) into FOLDER, signs the image, and attests the list to it. Keyless:
# the signature names the workflow that made it.
set -euo pipefail
[ $# -ge 2 ] || { echo "usage: sign.sh FOLDER IMAGE@DIGEST ..." >&2; exit 2; }
folder=$1
shift
for image in "$@"; do
  [[ $image == *@sha256:* ]] || { echo "$image names no digest: a tag could be another image tomorrow" >&2; exit 2; }
done

mkdir -p "$folder"
for image in "$@"; do
  name=${image%@*}
  list=$folder/${name##*/}.spdx.json
  "${SYFT:-syft}" scan "registry:$image" --output "spdx-json=$list"
  cosign sign --yes "$image"
  cosign attest --yes --type spdxjson --predicate "$list" "$image"
done
