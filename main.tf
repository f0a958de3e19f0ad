# Four containers per workspace. `netns` owns a network namespace without any interface, which the workspace joins.
# `gate` stands in it, redirects what the workspace sends and hands its listening sockets over. `sidecar` takes them,
# judges, and is the only one with a route to the outside. `policy` runs once: it submits the policy, waits for the
# sidecar's verdict and says it. docs/architecture.md has the whole picture.

data "coder_workspace" "me" {}
data "coder_workspace_owner" "me" {}

locals {
  # Everything that exists is counted by this: one of each while the workspace runs behind the boundary, else none.
  instances = var.boundary_enabled ? data.coder_workspace.me.start_count : 0
  on        = local.instances > 0

  name     = "boundary-${data.coder_workspace.me.id}"
  hostname = coalesce(var.hostname, data.coder_workspace.me.name)

  # As Coder's own templates label what they make.
  labels = {
    "coder.owner"          = data.coder_workspace_owner.me.name
    "coder.owner_id"       = data.coder_workspace_owner.me.id
    "coder.workspace_id"   = data.coder_workspace.me.id
    "coder.workspace_name" = data.coder_workspace.me.name
  }

  # Where the image has made directories with the right owners. A volume that is used there first takes them over.
  gate_dir    = "/run/boundary/gate"
  control_dir = "/run/boundary/control"
  trust_dir   = "/run/boundary/trust"
  state_dir   = "/var/lib/boundary"

  # An address outside 127/8, so that port 53 is redirected like everything else. Nothing is there.
  resolver = "198.18.0.53"

  metrics_port = 9464

  # coderd dials an app's port on the loopback of the workspace, whatever host its URL names. The gate redirects this
  # one to the view.
  view_port = 13380

  deployment_url = coalesce(var.deployment_url, replace(data.coder_workspace.me.access_url, "/localhost|127\\.0\\.0\\.1/", "host.docker.internal"))
}

# ---------------------------------------------------------------------------------------------------------------------
# The policy's text
# ---------------------------------------------------------------------------------------------------------------------

locals {
  policy_file  = var.policy_path == null ? "policy.yaml" : basename(var.policy_path)
  policy_text  = !local.on ? "" : var.policy_path != null ? file(var.policy_path) : var.policy != null ? var.policy : ""
  policy_empty = length([for line in split("\n", local.policy_text) : line if !can(regex("^[[:space:]]*(#.*)?$", line))]) == 0

  # A list of none or one, since an empty text is no YAML to Terraform.
  policy_documents = [for text in local.policy_empty ? [] : [local.policy_text] : yamldecode(text)] # not YAML: the position is one of the policy

  # What the sidecar knows at the top of a policy; test/terraform compares it with sidecar/policy.schema.json. `files`
  # and `commands` are left out: they bind processes that boundary starts, and a sidecar starts none.
  policy_keys = [
    "version", "mode", "inspect", "private", "audit", "allow", "deny",
    "allowlist", "jail_type", "proxy_port", "log_level", "log_dir", "upstream_proxy", "pprof_enabled", "pprof_port",
    "use_real_dns", "no_user_namespace", "disable_audit_logs",
  ]
  policy_found_keys = flatten([for document in local.policy_documents : try(keys(document), [])])
  policy_unknown_keys = [
    for key in local.policy_found_keys : key if !contains(concat(local.policy_keys, ["files", "commands"]), key) && !can(regex("^session_correlation_[a-z0-9_]+$", key))
  ]
}

# ---------------------------------------------------------------------------------------------------------------------
# What tools read to trust the boundary's CA
# ---------------------------------------------------------------------------------------------------------------------

locals {
  bundle = "${local.trust_dir}/bundle.pem"

  # Files that replace a tool's roots. The same list as in sidecar/src/cli/client-environment.ts, which says whose each
  # is; test/terraform compares them.
  bundle_variables = [
    "NODE_EXTRA_CA_CERTS",
    "SSL_CERT_FILE",
    "NIX_SSL_CERT_FILE",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "REQUESTS_CA_BUNDLE",
    "HTTPLIB2_CA_CERTS",
    "PIP_CERT",
    "NPM_CONFIG_CAFILE",
    "npm_config_cafile",
    "YARN_HTTPS_CA_FILE_PATH",
    "CARGO_HTTP_CAINFO",
    "AWS_CA_BUNDLE",
    "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE",
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
    "BUNDLE_SSL_CA_CERT",
    "PERL_LWP_SSL_CA_FILE",
    "HEX_CACERTS_PATH",
    "JULIA_SSL_CA_ROOTS_PATH",
    "CONDA_SSL_VERIFY",
  ]

  trust_variables = {
    for name, value in merge(
      { for name in local.bundle_variables : name => local.bundle },
      {
        DENO_CERT         = "${local.trust_dir}/ca.pem"
        DENO_TLS_CA_STORE = "system,mozilla"
        SYSTEM_WGETRC     = "${local.trust_dir}/wgetrc"
        JAVA_TOOL_OPTIONS = "-Djavax.net.ssl.trustStore=${local.trust_dir}/truststore.jks -Djavax.net.ssl.trustStoreType=JKS -Djavax.net.ssl.trustStorePassword=changeit"
      },
    ) : name => value if !contains(var.trust_exclude, name)
  }
}

# By the agent, which hands them to everything that it starts, and not in the container's environment: there they would
# reach the agent itself, whose connection to the deployment is not opened and is verified with the image's own roots.
# Two values for one variable fail the build rather than letting one of them win unseen.
resource "coder_env" "trust" {
  for_each = local.on ? local.trust_variables : {}

  agent_id       = var.agent_id
  name           = each.key
  value          = each.value
  merge_strategy = "error"
}

# ---------------------------------------------------------------------------------------------------------------------
# Image
# ---------------------------------------------------------------------------------------------------------------------

data "docker_image" "boundary" {
  count = var.image_pull == "never" ? local.instances : 0
  name  = var.image
}

data "docker_registry_image" "boundary" {
  count = var.image_pull == "always" ? local.instances : 0
  name  = var.image
}

resource "docker_image" "boundary" {
  count = var.image_pull == "never" ? 0 : local.instances

  # With the digest that the registry has now, since a tag that is there already is not pulled again.
  name = var.image_pull == "always" && !strcontains(var.image, "@") ? "${var.image}@${data.docker_registry_image.boundary[0].sha256_digest}" : var.image
  # Other workspaces of the host use it too.
  keep_locally = true
}

locals {
  # By its id, so that a tag that moved is noticed.
  image_id = one(concat(data.docker_image.boundary[*].id, docker_image.boundary[*].image_id))
}

# ---------------------------------------------------------------------------------------------------------------------
# Volumes and network
# ---------------------------------------------------------------------------------------------------------------------

# gate: the gate's socket and state. control: where policies are submitted. trust: certificates for the workspace.
resource "docker_volume" "shared" {
  for_each = local.on ? toset(["gate", "control", "trust"]) : []
  name     = "${local.name}-${each.key}"

  dynamic "labels" {
    for_each = merge(local.labels, { "boundary.part" = each.key })
    content {
      label = labels.key
      value = labels.value
    }
  }
}

# The CA's key, the addresses given to names, and the audit file.
resource "docker_volume" "state" {
  count = var.boundary_enabled && var.audit.keep ? 1 : local.instances
  name  = "${local.name}-state"

  dynamic "labels" {
    for_each = merge(local.labels, { "boundary.part" = "state" })
    content {
      label = labels.key
      value = labels.value
    }
  }

  lifecycle {
    # A workspace that is renamed keeps its records.
    ignore_changes = [labels]
  }
}

resource "docker_network" "egress" {
  count = var.egress_network == null ? local.instances : 0
  name  = "${local.name}-egress"

  dynamic "labels" {
    for_each = merge(local.labels, { "boundary.part" = "egress" })
    content {
      label = labels.key
      value = labels.value
    }
  }
}

# ---------------------------------------------------------------------------------------------------------------------
# netns: the network namespace
# ---------------------------------------------------------------------------------------------------------------------

resource "docker_container" "netns" {
  count = local.instances
  name  = "${local.name}-netns"
  image = local.image_id

  entrypoint   = ["sleep", "infinity"]
  network_mode = "none"
  # The workspace shares these files with whom it joins, and may not set them itself.
  hostname = local.hostname
  dns      = [local.resolver]
  # None of the host's search domains: every well-formed name has an address, so the first of a search list would win.
  dns_search = ["."]
  dns_opts   = ["ndots:1"]
  # Without a network Docker writes no address for the host's own name, and sudo looks it up.
  host {
    host = local.hostname
    ip   = "127.0.1.1"
  }
  # An engine before 26 switches IPv6 off with its loopback.
  sysctls = var.ipv6_loopback ? { "net.ipv6.conf.all.disable_ipv6" = "0", "net.ipv6.conf.lo.disable_ipv6" = "0" } : null

  # None: the image's own looks for a sidecar. What is left out here Docker takes from the image, and the next plan would
  # differ; so do the two below.
  healthcheck {
    test         = ["NONE"]
    interval     = "5s"
    timeout      = "5s"
    start_period = "30s"
    retries      = 3
  }

  # `sleep` as the first process ignores SIGTERM. It has to come back by itself: a container that has joined it cannot
  # be started without it.
  stop_signal = "SIGKILL"
  restart     = "unless-stopped"

  user          = "65532:65532"
  read_only     = true
  security_opts = ["no-new-privileges"]
  capabilities {
    drop = ["ALL"]
  }

  memory      = var.resources.netns.memory
  memory_swap = var.resources.netns.memory
  cpus        = try(tostring(var.resources.netns.cpus), null)

  dynamic "labels" {
    for_each = merge(local.labels, { "boundary.part" = "netns" })
    content {
      label = labels.key
      value = labels.value
    }
  }
}

# ---------------------------------------------------------------------------------------------------------------------
# gate: redirects what the workspace sends, and hands the listening sockets over
# ---------------------------------------------------------------------------------------------------------------------

resource "docker_container" "gate" {
  count = local.instances
  name  = "${local.name}-gate"
  image = local.image_id

  command = ["gate"]
  # By id: Docker stores that, and with the name every plan would replace this.
  network_mode = "container:${docker_container.netns[0].id}"
  restart      = "unless-stopped"

  # Another user would have no effective capability.
  user          = "0:0"
  read_only     = true
  security_opts = ["no-new-privileges"]
  capabilities {
    drop = ["ALL"]
    add  = ["CAP_NET_ADMIN"]
  }

  volumes {
    container_path = local.gate_dir
    volume_name    = docker_volume.shared["gate"].name
  }

  healthcheck {
    test         = ["CMD", "node", "/opt/boundary/src/cli/main.js", "health", "gate"]
    interval     = "5s"
    timeout      = "5s"
    start_period = "30s"
    retries      = 3
  }

  memory      = var.resources.gate.memory
  memory_swap = var.resources.gate.memory
  cpus        = try(tostring(var.resources.gate.cpus), null)

  log_driver = var.logging.driver
  log_opts   = length(var.logging.options) == 0 ? null : var.logging.options

  dynamic "labels" {
    for_each = merge(local.labels, { "boundary.part" = "gate" })
    content {
      label = labels.key
      value = labels.value
    }
  }
}

# ---------------------------------------------------------------------------------------------------------------------
# sidecar: judges, dials, records
# ---------------------------------------------------------------------------------------------------------------------

# The provider uploads into the root file system of a container, which a read-only one refuses. So the certificates come
# by a volume, and a container that is never started fills it.
locals {
  upstream_ca_dir = "/etc/boundary/upstream"
  # Named for its content, so that other certificates are another file to the sidecar, which then starts anew.
  upstream_ca_file = var.upstream_ca == null ? null : "${local.upstream_ca_dir}/${substr(sha256(var.upstream_ca), 0, 12)}.pem"
}

resource "docker_volume" "upstream_ca" {
  count = var.upstream_ca == null ? 0 : local.instances
  name  = "${local.name}-upstream-ca"

  dynamic "labels" {
    for_each = merge(local.labels, { "boundary.part" = "upstream-ca" })
    content {
      label = labels.key
      value = labels.value
    }
  }
}

resource "docker_container" "upstream_ca" {
  count = var.upstream_ca == null ? 0 : local.instances
  name  = "${local.name}-upstream-ca"
  image = local.image_id

  start        = false
  must_run     = false
  network_mode = "none"

  volumes {
    container_path = local.upstream_ca_dir
    volume_name    = docker_volume.upstream_ca[0].name
  }
  upload {
    file    = local.upstream_ca_file
    content = var.upstream_ca
  }

  dynamic "labels" {
    for_each = merge(local.labels, { "boundary.part" = "upstream-ca" })
    content {
      label = labels.key
      value = labels.value
    }
  }
}

locals {
  sidecar_environment = {
    for name, value in {
      BOUNDARY_DEPLOYMENT        = local.deployment_url
      BOUNDARY_METRICS           = var.metrics.expose == "off" ? null : "0.0.0.0:${local.metrics_port}"
      BOUNDARY_AUDIT_FILE        = var.audit.file ? "${local.state_dir}/audit.jsonl" : null
      BOUNDARY_AUDIT_STDOUT      = var.audit.stdout ? "1" : null
      BOUNDARY_UPSTREAM_CA       = local.upstream_ca_file
      BOUNDARY_LOG_LEVEL         = var.log_level
      CODER_WORKSPACE_NAME       = data.coder_workspace.me.name
      CODER_WORKSPACE_OWNER_NAME = data.coder_workspace_owner.me.name
    } : name => value if value != null
  }
  # Apart from the others, so that a plan shows those as long as there is nothing to hide.
  sidecar_secrets = merge(var.secrets, var.upstream_proxy == null ? {} : { BOUNDARY_UPSTREAM_PROXY = var.upstream_proxy })
}

resource "docker_container" "sidecar" {
  count = local.instances
  name  = "${local.name}-sidecar"
  image = local.image_id

  command = ["sidecar"]
  restart = "unless-stopped"
  # Open requests may end; beyond the sidecar's own 10 seconds.
  destroy_grace_seconds = 15

  user          = "65532:65532"
  read_only     = true
  security_opts = ["no-new-privileges"]
  tmpfs         = { "/tmp" = "" }
  capabilities {
    drop = ["ALL"]
  }

  env = concat(
    [for name, value in local.sidecar_environment : "${name}=${value}"],
    [for name in nonsensitive(keys(local.sidecar_secrets)) : "${name}=${local.sidecar_secrets[name]}"],
  )

  networks_advanced {
    name = var.egress_network == null ? docker_network.egress[0].name : var.egress_network
  }
  dynamic "networks_advanced" {
    for_each = toset(concat(var.networks, var.metrics.expose == "network" ? [var.metrics.network] : []))
    content {
      name = networks_advanced.value
    }
  }
  dns = length(var.dns) == 0 ? null : var.dns
  dynamic "host" {
    for_each = merge({ "host.docker.internal" = "host-gateway" }, var.hosts)
    content {
      host = host.key
      ip   = host.value
    }
  }
  dynamic "ports" {
    for_each = var.metrics.expose == "host" ? [var.metrics.port] : []
    content {
      internal = local.metrics_port
      external = ports.value
      ip       = "127.0.0.1"
    }
  }

  # Connecting to the gate's socket needs no right to write there.
  volumes {
    container_path = local.gate_dir
    volume_name    = docker_volume.shared["gate"].name
    read_only      = true
  }
  volumes {
    container_path = local.control_dir
    volume_name    = docker_volume.shared["control"].name
  }
  volumes {
    container_path = local.trust_dir
    volume_name    = docker_volume.shared["trust"].name
  }
  volumes {
    container_path = local.state_dir
    volume_name    = docker_volume.state[0].name
  }
  dynamic "volumes" {
    for_each = docker_volume.upstream_ca[*].name
    content {
      container_path = local.upstream_ca_dir
      volume_name    = volumes.value
      read_only      = true
    }
  }

  healthcheck {
    test         = ["CMD", "node", "/opt/boundary/src/cli/main.js", "health"]
    interval     = "5s"
    timeout      = "5s"
    start_period = "30s"
    retries      = 3
  }

  memory      = var.resources.sidecar.memory
  memory_swap = var.resources.sidecar.memory
  cpus        = try(tostring(var.resources.sidecar.cpus), null)

  log_driver = var.logging.driver
  log_opts   = length(var.logging.options) == 0 ? null : var.logging.options

  dynamic "labels" {
    for_each = merge(local.labels, { "boundary.part" = "sidecar" })
    content {
      label = labels.key
      value = labels.value
    }
  }

  depends_on = [docker_container.upstream_ca]
}

# ---------------------------------------------------------------------------------------------------------------------
# policy: submits the policy, waits for the verdict, says it
# ---------------------------------------------------------------------------------------------------------------------

# New for every build. Without it a refusal, once in the state, would fail every later plan with the same policy, also
# after its cause is gone.
resource "terraform_data" "build" {
  count            = local.instances
  triggers_replace = nonsensitive(sha256(data.coder_workspace_owner.me.session_token))
}

# Policy, rules and mode travel this way alone, so that a change replaces nothing but this container, and a policy that
# is refused leaves the one before it in force.
resource "docker_container" "policy" {
  count = local.instances
  name  = "${local.name}-policy"
  image = local.image_id

  command = concat(
    ["submit", "/${local.policy_file}"],
    flatten([for rule in var.extra_allow : ["--allow", rule]]),
    flatten([for rule in var.extra_deny : ["--deny", rule]]),
    var.mode == null ? [] : ["--mode", var.mode],
    ["--timeout", "30"],
  )
  # Run again when a part was made anew: the trigger below sees replacements and changes, not creations.
  env = ["BOUNDARY_PARTS=${docker_container.gate[0].id},${docker_container.sidecar[0].id}"]

  must_run = false
  attach   = true
  logs     = true

  # Not read-only: the provider uploads into the root file system.
  network_mode  = "none"
  user          = "65532:65532"
  security_opts = ["no-new-privileges"]
  capabilities {
    drop = ["ALL"]
  }

  upload {
    file    = "/${local.policy_file}"
    content = local.policy_empty ? "# No policy was given: nothing is allowed but the Coder deployment.\n" : local.policy_text
  }
  volumes {
    container_path = local.control_dir
    volume_name    = docker_volume.shared["control"].name
    read_only      = true
  }
  volumes {
    container_path = local.gate_dir
    volume_name    = docker_volume.shared["gate"].name
    read_only      = true
  }

  dynamic "labels" {
    for_each = merge(local.labels, { "boundary.part" = "policy" })
    content {
      label = labels.key
      value = labels.value
    }
  }

  lifecycle {
    replace_triggered_by = [docker_container.gate, docker_container.sidecar, terraform_data.build]

    precondition {
      condition     = alltrue([for document in local.policy_documents : can(keys(document))])
      error_message = "${local.policy_file} is no mapping. A policy holds keys such as allow and deny, each with a list of rules; see docs/policy.md."
    }
    precondition {
      condition     = length(local.policy_unknown_keys) == 0
      error_message = "${local.policy_file} holds at its top, unknown: ${join(", ", local.policy_unknown_keys)}. Correct or remove it. A policy knows version, mode, inspect, private, audit, allow and deny there; see docs/policy.md."
    }
    precondition {
      condition     = !contains(local.policy_found_keys, "files") && !contains(local.policy_found_keys, "commands")
      error_message = "${local.policy_file} holds files or commands. These bind processes that `boundary run` starts and cannot be enforced on a workspace: keep them in a policy of their own."
    }
    postcondition {
      condition     = self.exit_code == 0
      error_message = self.exit_code == 2 ? "The policy was refused (exit code 2):\n${self.container_logs}" : "The boundary did not become ready (exit code ${self.exit_code}):\n${self.container_logs}\nWhat its parts say themselves: docker logs ${local.name}-sidecar, docker logs ${local.name}-gate."
    }
  }
}

# ---------------------------------------------------------------------------------------------------------------------
# In the workspace and in the dashboard
# ---------------------------------------------------------------------------------------------------------------------

locals {
  # As `coder exp sync` names it, for scripts that have to wait for the boundary.
  startup_unit = "coder-boundary-startup_script"
}

resource "coder_script" "startup" {
  count        = local.instances
  agent_id     = var.agent_id
  display_name = "Boundary"
  icon         = var.icon
  script = templatefile("${path.module}/scripts/startup.sh.tftpl", {
    DOCTOR    = file("${path.module}/scripts/doctor.sh")
    STRICT    = tostring(var.strict)
    TIMEOUT   = tostring(var.startup_timeout)
    TRUST_DIR = local.trust_dir
    UNIT      = local.startup_unit
  })
  run_on_start       = true
  start_blocks_login = true
  timeout            = var.startup_timeout + 120
}

resource "coder_app" "view" {
  count        = local.instances
  agent_id     = var.agent_id
  slug         = "boundary"
  display_name = "Boundary"
  icon         = var.icon
  url          = "http://localhost:${local.view_port}"
  share        = var.share
  subdomain    = var.subdomain
  open_in      = "tab"
  order        = var.order
  group        = var.group

  # The agent itself asks, by name.
  healthcheck {
    url       = "http://boundary.internal/healthz"
    interval  = 5
    threshold = 6
  }
}

resource "coder_metadata" "sidecar" {
  count       = local.instances
  resource_id = docker_container.sidecar[0].id
  icon        = var.icon

  item {
    key   = "policy"
    value = local.policy_empty ? "none: all is denied" : "${local.policy_file} ${substr(sha256(local.policy_text), 0, 12)}"
  }
  item {
    key   = "rules added"
    value = tostring(length(var.extra_allow) + length(var.extra_deny))
  }
  item {
    key   = "mode"
    value = var.mode == null ? "the policy's" : var.mode
  }
  item {
    key   = "strict"
    value = var.strict ? "yes" : "no"
  }
  item {
    key   = "metrics"
    value = var.metrics.expose
  }
  item {
    key   = "image"
    value = var.image
  }
}

# Nobody looks for these three in the dashboard.
resource "coder_metadata" "hidden" {
  for_each = local.on ? {
    netns  = docker_container.netns[0].id
    gate   = docker_container.gate[0].id
    policy = docker_container.policy[0].id
  } : {}
  resource_id = each.value
  hide        = true

  item {
    key   = "part"
    value = each.key
  }
}
