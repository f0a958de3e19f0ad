# Claude Code in a workspace that can reach what it needs and the repositories in boundary.yaml, and nothing else. The
# API key stays in the sidecar; `strict` closes Coder's own ways around a boundary.
terraform {
  required_version = ">= 1.9"

  required_providers {
    coder = {
      source = "coder/coder"
    }
    docker = {
      source = "kreuzwerker/docker"
    }
  }
}

variable "docker_socket" {
  description = "Address of the Docker engine; empty for the provider's default."
  type        = string
  default     = ""
}

variable "boundary_enabled" {
  description = "Whether workspaces stand behind the boundary."
  type        = bool
  default     = true
}

variable "anthropic_api_key" {
  description = "The key of the Anthropic API."
  type        = string
  sensitive   = true
}

provider "docker" {
  host = var.docker_socket != "" ? var.docker_socket : null
}

data "coder_provisioner" "me" {}
data "coder_workspace" "me" {}
data "coder_workspace_owner" "me" {}

resource "coder_agent" "main" {
  arch = data.coder_provisioner.me.arch
  os   = "linux"
}

# For ref name a release or a commit.
module "boundary" {
  source           = "git::https://github.com/coder/boundary-sidecar.git?ref=v0.1.0"
  agent_id         = coder_agent.main.id
  boundary_enabled = var.boundary_enabled
  policy_path      = "${path.module}/boundary.yaml"
  secrets          = { ANTHROPIC_API_KEY = var.anthropic_api_key }
  strict           = true
}

module "claude-code" {
  count   = data.coder_workspace.me.start_count
  source  = "registry.coder.com/coder/claude-code/coder"
  version = "5.2.0"

  agent_id = coder_agent.main.id
  workdir  = "/home/coder/project"
  # Behind the boundary a placeholder, in whose place the sidecar puts the key.
  anthropic_api_key = module.boundary.boundary_enabled ? "injected-by-boundary" : var.anthropic_api_key
  # Its installer needs the CA's certificate and the network.
  pre_install_script = <<-EOT
    #!/bin/sh
    set -eu
    if [ -n "${join(" ", module.boundary.scripts)}" ]; then
      coder exp sync want claude-code-after-boundary ${join(" ", module.boundary.scripts)}
      coder exp sync start claude-code-after-boundary
      coder exp sync complete claude-code-after-boundary
    fi
  EOT
}

resource "coder_app" "claude" {
  count        = data.coder_workspace.me.start_count
  agent_id     = coder_agent.main.id
  slug         = "claude"
  display_name = "Claude Code"
  icon         = "/icon/claude.svg"
  command      = "cd /home/coder/project && exec claude"
  order        = 1
}

resource "docker_volume" "home" {
  name = "coder-${data.coder_workspace.me.id}-home"
  lifecycle {
    ignore_changes = all
  }
  labels {
    label = "coder.owner_id"
    value = data.coder_workspace_owner.me.id
  }
  labels {
    label = "coder.workspace_id"
    value = data.coder_workspace.me.id
  }
}

resource "docker_container" "workspace" {
  count = data.coder_workspace.me.start_count
  image = "codercom/enterprise-node:ubuntu"
  name  = "coder-${data.coder_workspace_owner.me.name}-${lower(data.coder_workspace.me.name)}"

  network_mode = module.boundary.network_mode
  hostname     = module.boundary.hostname
  dynamic "host" {
    for_each = module.boundary.hosts
    content {
      host = host.key
      ip   = host.value
    }
  }
  dynamic "mounts" {
    for_each = module.boundary.mounts
    content {
      type      = mounts.value.type
      target    = mounts.value.target
      source    = mounts.value.source
      read_only = mounts.value.read_only
    }
  }

  # These three are for `strict`.
  env           = concat(["CODER_AGENT_TOKEN=${coder_agent.main.token}"], module.boundary.env)
  security_opts = module.boundary.security_opts
  dynamic "capabilities" {
    for_each = module.boundary.capabilities_drop
    content {
      drop = [capabilities.value]
    }
  }

  entrypoint = ["sh", "-c", replace(coder_agent.main.init_script, "/localhost|127\\.0\\.0\\.1/", "host.docker.internal")]

  volumes {
    container_path = "/home/coder"
    volume_name    = docker_volume.home.name
  }

  labels {
    label = "coder.owner"
    value = data.coder_workspace_owner.me.name
  }
  labels {
    label = "coder.owner_id"
    value = data.coder_workspace_owner.me.id
  }
  labels {
    label = "coder.workspace_id"
    value = data.coder_workspace.me.id
  }
  labels {
    label = "coder.workspace_name"
    value = data.coder_workspace.me.name
  }
}
