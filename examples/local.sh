# Source this in each terminal of the walk in README.md: the `quarry` command, pointed at emulators on this machine.
. .venv/bin/activate
export AWS_ENDPOINT_URL=http://127.0.0.1:4566
export AWS_ENDPOINT_URL_BEDROCK_RUNTIME=http://127.0.0.1:4567
export AWS_REGION=us-east-1 AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_EC2_METADATA_DISABLED=true
export QUARRY_ENVIRONMENT=local
# Ctrl-C stops a worker within this time; in earnest it is longer, so that calls under way can end.
export QUARRY_WORKER__DRAIN_SECONDS=10
# The emulator's: loopback only, and no services with fixed ports.
export GATEWAY_PORT=4566 BIND_HOST=127.0.0.1 IOT_MTLS_ENABLED=0 SFTP_ENABLED=0 LOG_LEVEL=WARNING
