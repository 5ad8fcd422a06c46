terraform {
  required_version = ">= 1.9"

  required_providers {
    # `deployment_configuration` came with 6.4.0, and was corrected in 6.5.0 and 6.6.0, by the provider's changelog (read in November 2026).
    aws = {
      source  = "hashicorp/aws"
      version = ">= 6.6"
    }
  }
}
