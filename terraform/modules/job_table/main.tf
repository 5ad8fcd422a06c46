resource "aws_dynamodb_table" "jobs" {
  #checkov:skip=CKV_AWS_119: by `kms_key_arn`, whose default is DynamoDB's own key

  name                        = var.name
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "pk"
  range_key                   = "sk"
  deletion_protection_enabled = var.deletion_protection
  tags                        = var.tags

  dynamic "attribute" {
    for_each = { pk = "S", sk = "S", list_pk = "S", request_id = "S", check_pk = "S", check_at = "N" }

    content {
      name = attribute.key
      type = attribute.value
    }
  }

  # A tenant's jobs, newest first, without content: LISTED in quarry/store/item.py.
  global_secondary_index {
    name            = "by_tenant"
    hash_key        = "list_pk"
    range_key       = "request_id"
    projection_type = "INCLUDE"
    non_key_attributes = [
      "tenant", "status", "status_reason", "model", "priority", "custom_id", "metadata", "generation", "revision",
      "cancel_requested", "attempts", "takeovers", "snoozes", "max_attempts", "created_at", "available_at", "deadline_at",
      "started_at", "finished_at",
    ]
  }

  # What the sweep has to look at; sparse.
  global_secondary_index {
    name               = "by_check"
    hash_key           = "check_pk"
    range_key          = "check_at"
    projection_type    = "INCLUDE"
    non_key_attributes = ["tenant", "request_id"]
  }

  ttl {
    attribute_name = "expires_at"
    enabled        = true
  }

  point_in_time_recovery {
    enabled = var.point_in_time_recovery
  }

  server_side_encryption {
    enabled     = var.kms_key_arn != null
    kms_key_arn = var.kms_key_arn
  }
}
