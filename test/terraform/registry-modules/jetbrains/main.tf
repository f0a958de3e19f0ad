# version: 1.4.0
terraform {
  required_version = ">= 1.0"

  required_providers {
    coder = {
      source  = "coder/coder"
      version = ">= 2.5"
    }
  }
}

variable "agent_id" {
  description = "The ID of a Coder agent."
  type        = string
}

variable "agent_name" {
  description = "The name of a Coder agent."
  type        = string
  default     = null
}

variable "folder" {
  description = "The directory to open in the IDE."
  type        = string

  validation {
    condition     = can(regex("^(/[^/]+)+/?$", var.folder))
    error_message = "The folder must be a full path."
  }
}

variable "default" {
  description = "The IDEs, without asking."
  type        = set(string)
  default     = []
}

data "coder_workspace" "me" {}
data "coder_workspace_owner" "me" {}

# The model asks with a coder_parameter and then has an app per IDE.
resource "coder_app" "jetbrains" {
  for_each     = var.default
  agent_id     = var.agent_id
  slug         = "jetbrains-${lower(each.key)}"
  display_name = each.key
  external     = true
  url          = "jetbrains://gateway/coder?workspace=${data.coder_workspace.me.name}&owner=${data.coder_workspace_owner.me.name}&folder=${var.folder}"
}
