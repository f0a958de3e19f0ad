terraform {
  # 1.9: a validation may look at other variables.
  required_version = ">= 1.9"

  required_providers {
    coder = {
      source  = "coder/coder"
      version = ">= 2.20"
    }
    docker = {
      source  = "kreuzwerker/docker"
      version = ">= 4.6"
    }
  }
}
