variable "worker_image" {
  description = "The worker's image, with a tag or, better, a digest."
  type        = string
}

variable "emulated" {
  description = "Whether AWS_ENDPOINT_URL leads to an emulated AWS: credentials are then not looked up, and errors are soon final."
  type        = bool
  default     = false
}
