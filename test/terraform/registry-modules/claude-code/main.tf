# version: 5.2.0
terraform {
  required_version = ">= 1.9"

  required_providers {
    coder = {
      source  = "coder/coder"
      version = ">= 2.12"
    }
  }
}

variable "agent_id" {
  description = "The ID of a Coder agent."
  type        = string
}

variable "workdir" {
  description = "A project directory."
  type        = string
  default     = null
}

variable "anthropic_api_key" {
  description = "The API key, for ANTHROPIC_API_KEY."
  type        = string
  default     = ""
}

variable "claude_code_version" {
  description = "The version to install."
  type        = string
  default     = "latest"
}

variable "pre_install_script" {
  description = "A script to run before the installation."
  type        = string
  default     = null
}

variable "post_install_script" {
  description = "A script to run after the installation."
  type        = string
  default     = null
}

resource "coder_env" "anthropic_api_key" {
  count    = var.anthropic_api_key != "" ? 1 : 0
  agent_id = var.agent_id
  name     = "ANTHROPIC_API_KEY"
  value    = var.anthropic_api_key
}

resource "coder_script" "pre_install" {
  count        = var.pre_install_script == null ? 0 : 1
  agent_id     = var.agent_id
  display_name = "Claude Code: Pre-Install Script"
  run_on_start = true
  script       = var.pre_install_script
}

resource "coder_script" "install" {
  agent_id     = var.agent_id
  display_name = "Claude Code: Install Script"
  run_on_start = true
  script       = "curl -fsSL claude.ai/install.sh | bash -s -- ${var.claude_code_version}"
}

output "scripts" {
  description = "Names of the scripts for `coder exp sync`."
  value = concat(
    var.pre_install_script == null ? [] : ["coder-claude-code-pre_install_script"],
    ["coder-claude-code-install_script"],
  )
}
