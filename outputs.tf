# Each of these holds what a template without the module has, as soon as the boundary is off: a workspace that is wired
# to them is then the same in every attribute.

output "boundary_enabled" {
  description = "Whether the workspace stands behind the boundary."
  value       = var.boundary_enabled
}

# ---------------------------------------------------------------------------------------------------------------------
# For the workspace's container
# ---------------------------------------------------------------------------------------------------------------------

output "network_mode" {
  description = "The workspace's network_mode: it joins the boundary's network namespace. Null, Docker's default, when the boundary is off."
  value       = local.on ? "container:${docker_container.netns[0].id}" : null

  # No workspace is made before gate and sidecar work with the policy that was asked for.
  depends_on = [docker_container.gate, docker_container.sidecar, docker_container.policy]
}

output "hostname" {
  description = "The workspace's hostname. Null when joined, since the namespace has it then."
  value       = local.on ? null : local.hostname
}

output "hosts" {
  description = "Names and addresses for the workspace's `host` blocks. Empty when joined: the sidecar resolves them."
  value       = local.on ? {} : var.hosts
}

output "dns" {
  description = "The workspace's dns: null when joined, else the variable dns, or null where that is empty."
  value       = local.on || length(var.dns) == 0 ? null : var.dns
}

output "networks" {
  description = "Names for the workspace's `networks_advanced` blocks. Empty when joined: the sidecar is in them."
  value       = local.on ? [] : var.networks
}

output "mounts" {
  description = "For the workspace's `mounts` blocks: the trust bundle, read-only, complete before the workspace starts. Empty when the boundary is off."
  value = [
    for volume in local.on ? [docker_volume.shared["trust"].name] : [] : {
      type      = "volume"
      target    = local.trust_dir
      source    = volume
      read_only = true
    }
  ]
}

# The agent reads these before it has heard anything from the deployment, so coder_env would come too late.
output "env" {
  description = "NAME=value items to add to the workspace's env: with strict, what switches off the agent's file transfer and port forwarding. Else empty."
  value = var.boundary_enabled && var.strict ? [
    "CODER_AGENT_BLOCK_FILE_TRANSFER=true",
    "CODER_AGENT_BLOCK_LOCAL_PORT_FORWARDING=true",
    "CODER_AGENT_BLOCK_REVERSE_PORT_FORWARDING=true",
  ] : []
}

output "capabilities_drop" {
  description = "With strict, what to drop in the workspace's `capabilities` block. Else empty."
  value       = var.boundary_enabled && var.strict ? ["CAP_NET_RAW"] : []
}

output "security_opts" {
  description = "With strict, the workspace's security_opts: no new privileges, and a seccomp profile that leaves AF_VSOCK sockets out. Null otherwise."
  value       = var.boundary_enabled && var.strict ? ["no-new-privileges", "seccomp=${jsonencode(local.seccomp_profile)}"] : null
}

# ---------------------------------------------------------------------------------------------------------------------
# For other modules and for people
# ---------------------------------------------------------------------------------------------------------------------

output "scripts" {
  description = "Names of the module's startup scripts, for `coder exp sync want <unit> <name>` in scripts that have to wait for the boundary. Empty when it is off."
  value       = local.on ? [local.startup_unit] : []
}

output "trust_variables" {
  description = "The environment variables by which tools trust the boundary's CA. The agent hands them to what it starts; this is for containers and programs that are started otherwise. Empty when the boundary is off."
  value       = local.on ? local.trust_variables : {}
}

output "container_ids" {
  description = "Ids of the boundary's containers: netns, gate, sidecar, policy. Empty when it is off."
  value = local.on ? {
    netns   = docker_container.netns[0].id
    gate    = docker_container.gate[0].id
    sidecar = docker_container.sidecar[0].id
    policy  = docker_container.policy[0].id
  } : {}
}

output "metrics_url" {
  description = "Where Prometheus finds the metrics, as metrics.expose says: on the Docker host's loopback or in the named network. Null when nobody may scrape."
  value = !local.on || var.metrics.expose == "off" ? null : (
    var.metrics.expose == "host"
    ? "http://127.0.0.1:${one(docker_container.sidecar[0].ports[*].external)}/metrics"
    : "http://${docker_container.sidecar[0].name}:${local.metrics_port}/metrics"
  )
}

output "policy_sha256" {
  description = "SHA-256 of the policy's text as it was submitted. Null when the boundary is off."
  value       = local.on ? sha256(local.policy_text) : null
}
