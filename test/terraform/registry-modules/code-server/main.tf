# version: 1.5.2
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

variable "port" {
  description = "The port of code-server."
  type        = number
  default     = 13337
}

variable "folder" {
  description = "The folder that it opens."
  type        = string
  default     = ""
}

variable "order" {
  description = "The position of the app."
  type        = number
  default     = null
}

variable "group" {
  description = "The group of the app."
  type        = string
  default     = null
}

variable "subdomain" {
  description = "Whether the app has a subdomain of its own."
  type        = bool
  default     = false
}

resource "coder_script" "code-server" {
  agent_id     = var.agent_id
  display_name = "code-server"
  icon         = "/icon/code.svg"
  run_on_start = true
  script       = "echo 'stand-in: code-server would be installed and started on port ${var.port}'"
}

resource "coder_app" "code-server" {
  agent_id     = var.agent_id
  slug         = "code-server"
  display_name = "code-server"
  url          = "http://localhost:${var.port}/?folder=${urlencode(var.folder)}"
  icon         = "/icon/code.svg"
  subdomain    = var.subdomain
  share        = "owner"
  order        = var.order
  group        = var.group

  healthcheck {
    url       = "http://localhost:${var.port}/healthz"
    interval  = 5
    threshold = 6
  }
}
