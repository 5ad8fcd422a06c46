variable "worker_image" {
  description = "The worker's image in ECR, with a tag or, better, a digest."
  type        = string
}

variable "producer_image" {
  description = "The API's image in ECR, with a tag or, better, a digest."
  type        = string
}

variable "certificate_arn" {
  description = "Certificate (ACM) of the name under which callers reach the API."
  type        = string
  default     = null
}

variable "emulated" {
  description = "Whether AWS_ENDPOINT_URL leads to an emulated AWS: http then does, credentials are not looked up, and errors are soon final."
  type        = bool
  default     = false
}
