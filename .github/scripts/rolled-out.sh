#!/usr/bin/env bash
# rolled-out.sh CLUSTER SERVICE REVISION [SECONDS]: waits until the service runs this revision of its task definition and nothing else.
# Ends with 0 when it does, 1 where ECS gave up or rolled back (`aws ecs wait services-stable` takes that for a success), 3 when the time is up.
set -euo pipefail
[[ $# -ge 3 && ${4:-1} =~ ^[0-9]+$ ]] || { echo "usage: rolled-out.sh CLUSTER SERVICE REVISION [SECONDS]" >&2; exit 2; }
cluster=$1 service=$2 wanted=$3 limit=${4:-1800}

end=$((SECONDS + limit))
while :; do
  read -r revision state reason < <(aws ecs describe-services --cluster "$cluster" --services "$service" --output text \
    --query "services[0].deployments[?status=='PRIMARY'].[taskDefinition, rolloutState, rolloutStateReason]") || true
  [ "${reason:-None}" != None ] || reason="no reason given"
  case "${revision:-None}/${state:-}" in
    None/*) echo "$service: ECS knows no deployment of it" >&2 ;;
    "$wanted"/COMPLETED) echo "$service runs ${wanted##*/}" >&2; exit 0 ;;
    "$wanted"/FAILED) echo "$service: the deployment of ${wanted##*/} failed: $reason" >&2; exit 1 ;;
    "$wanted"/*) ;;
    *) echo "$service: ECS rolled back from ${wanted##*/} to ${revision##*/}: $reason" >&2; exit 1 ;;
  esac
  [ "$SECONDS" -lt "$end" ] || { echo "$service: ${wanted##*/} is not through after $limit s (${state:-unknown})" >&2; exit 3; }
  sleep "${POLL_SECONDS:-10}"
done
