locals {
  # Unique in all of AWS.
  bucket_name = coalesce(var.bucket_name, "${var.name}-payloads-${local.account}-${data.aws_region.current.name}")

  # What both services are told; names of variables are those of docs/reference/settings.md.
  environment = merge({
    QUARRY_ENVIRONMENT           = var.environment
    QUARRY_QUEUE__NAME           = module.queues.name
    QUARRY_STORE__TABLE          = module.job_table.name
    QUARRY_STORE__BUCKET         = module.payload_bucket.name
    QUARRY_WORKER__LEASE_SECONDS = tostring(var.lease_seconds)
    QUARRY_JOB__RETENTION_DAYS   = tostring(var.retention_days)
    },
    var.kms_key_arn == null ? {} : { QUARRY_STORE__KMS_KEY_ID = var.kms_key_arn },
  )
}
