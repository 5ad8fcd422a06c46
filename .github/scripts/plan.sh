#!/usr/bin/env bash
# plan.sh ROOT: what an apply of ROOT would change beside the images, which stay those that run. It takes no lock: it only reads.
set -euo pipefail
[ $# -eq 1 ] || { echo "usage: plan.sh ROOT" >&2; exit 2; }
root=$1 here=$(dirname "${BASH_SOURCE[0]}")

# Where nothing runs yet, any name does: a plan pulls nothing.
declare -A images=([worker]=quarry-worker:none [producer]=quarry-producer:none)
running=$("$here/images.sh" running "$root")
while IFS='=' read -r part image; do [ -z "$part" ] || images[$part]=$image; done <<<"$running"
exec terraform -chdir="$root" plan -input=false -lock=false -no-color -var "worker_image=${images[worker]}" -var "producer_image=${images[producer]}"
