#!/usr/bin/env bash
# What `make up` started: what listens where, and what to type next.
set -euo pipefail
api=http://127.0.0.1:${API_PORT:-8000}
cat <<EOF

  API         $api
              $api/docs
  simulator   http://127.0.0.1:${SIMULATOR_PORT:-4567}  (Bedrock; it echoes)
  AWS         http://127.0.0.1:${AWS_PORT:-4566}  (SQS, DynamoDB, S3; keys test and test)

  curl -sS $api/v1/jobs -H 'Content-Type: application/json' -d '{"prompt": "Why is the sky blue?"}'

  make up WORKERS=3    more workers
  make down            stops everything; nothing is kept
EOF
