#!/usr/bin/env bash
# smoke.sh URL [SECONDS]: whether the API there takes a job, a worker answers it, and the way it went is told. The key of a caller is in
# QUARRY_CLIENT__API_KEY. It costs one call of a model, of at most 16 tokens, and is over in SECONDS (default: 180).
# Ends with 0, or: 2 usage; 3 the API is not ready; 4 the job was refused or not answered; 5 its story is not told; 78 a setting is wrong.
set -euo pipefail
[[ $# -ge 1 && $# -le 2 && ${1:-} =~ ^https?:// && ${2:-1} =~ ^[1-9][0-9]*$ ]] || { echo "usage: smoke.sh URL [SECONDS]" >&2; exit 2; }
url=${1%/} end=$((SECONDS + ${2:-180}))
# left [SPARE]: the seconds that are left, but for some to spare.
left() { local seconds=$((end - SECONDS - ${1:-0})); echo $((seconds > 0 ? seconds : 1)); }
failed() { echo "smoke test of $url: $2" >&2; exit "$1"; }

until curl --silent --fail --output /dev/null --max-time 5 "$url/readyz"; do
  [ "$SECONDS" -lt "$end" ] || failed 3 "the API is not ready: GET /readyz does not answer 200"
  sleep 1
done

# Ahead of what waits: a backlog is no fault of the deployment.
code=0
job=$(timeout "$(left)" quarry submit "Answer with the word: ready" --max-tokens 16 --priority high --wait "$(left 3)" --json --api "$url") || code=$?
[ "$code" != 78 ] || exit 78
[ "$code" = 0 ] || failed 4 "no job was answered$(jq -r '": \(.request_id) is \(.status), \(.error.code // .status_reason)"' <<<"$job")"
id=$(jq -r .request_id <<<"$job")

timeout "$(left)" quarry explain "$id" --json --api "$url" | jq -e --arg id "$id" '.request_id == $id and .status == "completed"' >/dev/null ||
  failed 5 "job $id is answered, but GET /v1/jobs/$id/explanation does not say so"
echo "smoke test of $url: job $id was answered by $(jq -r '.served_by.model' <<<"$job") and explained, $((${2:-180} - end + SECONDS)) s" >&2
