#!/usr/bin/env bash
# images.sh running|before ROOT: the images of the services that Terraform's root has made, as lines worker=IMAGE and producer=IMAGE.
#   running  what they run; no line where a service has not been made yet
#   before   what they ran before that: of all that ran before the running image first did, the last. An image from which somebody
#            has rolled back is not offered again.
set -euo pipefail
# Else a function whose output is taken goes on after a failure.
shopt -s inherit_errexit
[[ $# -eq 2 && ${1:-} =~ ^(running|before)$ ]] || { echo "usage: images.sh running|before ROOT" >&2; exit 2; }
which=$1 root=$2

outputs=$(terraform -chdir="$root" output -json)
output() { jq -r --arg name "$1" '.[$name].value // empty' <<<"$outputs"; }

# image REVISION PART: what that revision of a task definition starts.
image() {
  aws ecs describe-task-definition --task-definition "$1" --output text \
    --query "taskDefinition.containerDefinitions[?name=='$2'].image | [0]"
}

# before REVISION PART: the revisions of the family, oldest first, as far as the one whose image runs.
before() {
  local family=${1##*/} revision revisions found last="" running
  running=$(image "$1" "$2")
  revisions=$(aws ecs list-task-definitions --family-prefix "${family%:*}" --sort ASC --query taskDefinitionArns --output text)
  for revision in $revisions; do
    found=$(image "$revision" "$2")
    [ "$found" != "$running" ] || break
    last=$found
  done
  [ -n "$last" ] || { echo "nothing ran in ${family%:*} before $running: name the image" >&2; return 1; }
  echo "$last"
}

cluster=$(output cluster_name)
for part in worker producer; do
  service=$(output "${part}_service_name")
  [ -n "$service" ] || continue
  revision=$(aws ecs describe-services --cluster "$cluster" --services "$service" --output text \
    --query "services[0].deployments[?status=='PRIMARY'].taskDefinition | [0]")
  found=$("${which/running/image}" "$revision" "$part")
  echo "$part=$found"
done
