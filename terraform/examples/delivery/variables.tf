variable "repository" {
  description = "The repository on GitHub whose workflows these are, as OWNER/NAME."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9-]+/[A-Za-z0-9._-]+$", var.repository))
    error_message = "The repository is one, as OWNER/NAME: a wildcard would let others in."
  }
}

variable "environments" {
  description = "GitHub's environments that may deploy into this account."
  type        = set(string)
  default     = ["staging", "production"]

  validation {
    condition     = length(var.environments) > 0 && alltrue([for each in var.environments : can(regex("^[A-Za-z0-9_-]+$", each))])
    error_message = "There is an environment, and none with a wildcard: it would let jobs in that nobody approves."
  }
}

variable "plan_state_bucket" {
  description = "Bucket of the state that pull requests are planned against (PLAN_STATE_BUCKET)."
  type        = string
}

variable "plan_state_key" {
  description = "That state (PLAN_STATE_KEY): the only object that plans may read. Others may be production's, or not Quarry's at all."
  type        = string

  validation {
    condition     = can(regex("^[^*?/][^*?]*$", var.plan_state_key))
    error_message = "The key is that of one object: a wildcard would open others."
  }
}

variable "name" {
  description = "Input `name` of the module, with which the names of its roles begin."
  type        = string
  default     = "quarry"
}

variable "provider_arn" {
  description = "GitHub's identity provider, where the account has one already; else it is made."
  type        = string
  default     = null
}
