locals {
  # The longest deadline, what may be late, and then what is kept: `expiration_days` in quarry/store/payloads.py.
  longest_life_days = 12 + 2
  expiration_days   = local.longest_life_days + var.retention_days
}

resource "aws_s3_bucket" "payloads" {
  #checkov:skip=CKV2_AWS_62: nobody waits for objects: the job's record says what there is
  #checkov:skip=CKV_AWS_18: objects are read by the services, whose own logs say for which job, and by presigned URLs; CloudTrail's data events can be switched on beside it
  #checkov:skip=CKV_AWS_144: copies in another region are the owner's decision (residency); `backup` keeps copies in this one
  #checkov:skip=CKV_AWS_21: by `versioning`: objects are named by their content, so that no put destroys anything

  bucket        = var.name
  force_destroy = !var.deletion_protection
  tags          = var.tags
}

resource "aws_s3_bucket_public_access_block" "payloads" {
  bucket = aws_s3_bucket.payloads.id

  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "payloads" {
  bucket = aws_s3_bucket.payloads.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "payloads" {
  bucket = aws_s3_bucket.payloads.id

  rule {
    bucket_key_enabled = var.kms_key_arn != null

    apply_server_side_encryption_by_default {
      sse_algorithm     = var.kms_key_arn == null ? "AES256" : "aws:kms"
      kms_master_key_id = var.kms_key_arn
    }
  }
}

# Objects are named by their content, so that a put destroys nothing: versions only guard against a deletion by hand.
resource "aws_s3_bucket_versioning" "payloads" {
  bucket = aws_s3_bucket.payloads.id

  versioning_configuration {
    status = var.versioning ? "Enabled" : "Suspended"
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "payloads" {
  # S3 refuses rules on old versions while versioning is being set.
  depends_on = [aws_s3_bucket_versioning.payloads]

  bucket = aws_s3_bucket.payloads.id

  # Objects to which no record points (any more) are nobody's: only their age tells.
  rule {
    id     = "expire"
    status = "Enabled"

    filter {
      prefix = ""
    }

    expiration {
      days = local.expiration_days
    }

    noncurrent_version_expiration {
      noncurrent_days = var.old_versions_days
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }
  }
}

resource "aws_s3_bucket_policy" "tls_only" {
  count = var.require_tls ? 1 : 0

  # S3 refuses two changes of a bucket's access at a time.
  depends_on = [aws_s3_bucket_public_access_block.payloads]

  bucket = aws_s3_bucket.payloads.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "TlsOnly"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = [aws_s3_bucket.payloads.arn, "${aws_s3_bucket.payloads.arn}/*"]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })
}
