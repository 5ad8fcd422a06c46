variable "name" {
  description = "Name of function and HTTP API."
  type        = string
}

variable "image" {
  description = "The image for Lambda (quarry-producer-lambda), in a repository of ECR in this region."
  type        = string
}

variable "role_arn" {
  description = "Role of the function (module roles)."
  type        = string
}

variable "log_group_name" {
  description = "Log group of the function."
  type        = string
}

variable "access_log_days" {
  description = "How long the log of requests is kept."
  type        = number
}

variable "kms_key_arn" {
  description = "KMS key that encrypts the function's environment and the log of requests; without it, AWS's own."
  type        = string
}

variable "settings" {
  description = "Settings of the producer by their variables; no secrets."
  type        = map(string)
}

variable "secrets" {
  description = "Must be empty: ECS only puts secrets into an environment."
  type        = map(string)
}

variable "memory_mib" {
  description = "Memory of the function, and by it its share of a processor."
  type        = number
}

variable "architecture" {
  description = "X86_64 or ARM64, as the image is built."
  type        = string
}

variable "requests_per_second" {
  description = "Requests a second, of all callers together; twice as many at once."
  type        = number
}

variable "most_at_a_time" {
  description = "Requests served at a time: a bound on what is spent. A long-poll takes one for as long as it waits."
  type        = number
}

variable "tags" {
  description = "Tags of everything that takes some."
  type        = map(string)
}
