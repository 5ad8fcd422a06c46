variable "name" {
  description = "What the names begin with."
  type        = string
}

variable "cidr" {
  description = "Range of addresses of the VPC."
  type        = string
  default     = "10.42.0.0/16"

  validation {
    condition     = can(cidrsubnet(var.cidr, 4, 15)) && try(tonumber(split("/", var.cidr)[1]) >= 16 && tonumber(split("/", var.cidr)[1]) <= 22, false)
    error_message = "A VPC of sixteen subnets has a range of /16 to /22, as 10.42.0.0/16: a subnet has at least 64 addresses, of which AWS keeps five and endpoints take eight."
  }
}

variable "zones" {
  description = "In how many availability zones there are subnets."
  type        = number
  default     = 2

  validation {
    condition     = var.zones >= 2 && var.zones <= 6
    error_message = "2 to 6 zones: a load balancer needs two, and so does whoever wants to outlive the loss of one."
  }
}

variable "zone_names" {
  description = "Which ones, where not the first by name: not every zone has endpoints of every service, nor capacity. Then `zones` is not asked."
  type        = list(string)
  default     = null

  validation {
    condition     = try(length(var.zone_names) >= 2 && length(var.zone_names) <= 6 && length(distinct(var.zone_names)) == length(var.zone_names), var.zone_names == null)
    error_message = "Names of 2 to 6 zones, none of them twice: each has a subnet, and a load balancer needs two."
  }
}

variable "public_subnets" {
  description = "Whether there are subnets with a way to the internet, for a public load balancer."
  type        = bool
  default     = true
}

variable "interface_endpoints" {
  description = "AWS services that are reached through an interface endpoint."
  type        = set(string)
  default     = ["sqs", "bedrock-runtime", "logs", "ecr.api", "ecr.dkr", "secretsmanager", "kms", "sts"]

  validation {
    condition     = length(setsubtract(["sqs", "logs", "ecr.api", "ecr.dkr"], var.interface_endpoints)) == 0
    error_message = "Without the endpoints sqs, logs, ecr.api and ecr.dkr no task starts here: there is no other way to AWS."
  }
}

variable "tags" {
  description = "Tags of everything that takes some."
  type        = map(string)
  default     = {}
}
