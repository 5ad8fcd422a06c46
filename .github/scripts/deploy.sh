#!/usr/bin/env bash
# deploy.sh ROOT PART=IMAGE ...: PART is worker or producer. One after the other in the order given, each through before the next begins; the
# other part keeps what it runs. Forwards workers come first, backwards the API does: workers read what either version writes.
set -euo pipefail
usage() { echo "usage: deploy.sh ROOT worker=IMAGE|producer=IMAGE ..." >&2; exit 2; }
[ $# -ge 2 ] || usage
root=$1 here=$(dirname "${BASH_SOURCE[0]}")
shift
declare -A images
for wanted in "$@"; do
  [[ $wanted =~ ^(worker|producer)=.+ ]] || usage
  images[${wanted%%=*}]=${wanted#*=}
done
# What runs wins until its turn comes. Where nothing runs yet, both are begun with.
running=$("$here/images.sh" running "$root")
while IFS='=' read -r part image; do [ -z "$part" ] || images[$part]=$image; done <<<"$running"
[[ -n ${images[worker]:-} && -n ${images[producer]:-} ]] || { echo "nothing runs yet: both images are needed" >&2; exit 2; }

for wanted in "$@"; do
  part=${wanted%%=*}
  images[$part]=${wanted#*=}
  terraform -chdir="$root" apply -input=false -auto-approve -var "worker_image=${images[worker]}" -var "producer_image=${images[producer]}"
  outputs=$(terraform -chdir="$root" output -json)
  mapfile -t service < <(jq -r --arg part "$part" '.cluster_name, .[$part + "_service_name"], .[$part + "_task_definition_arn"] | .value' <<<"$outputs")
  "$here/rolled-out.sh" "${service[@]}" "${ROLL_OUT_SECONDS:-1800}"
done
