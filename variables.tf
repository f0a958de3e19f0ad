# ---------------------------------------------------------------------------------------------------------------------
# The workspace
# ---------------------------------------------------------------------------------------------------------------------

variable "agent_id" {
  description = "The ID of a Coder agent."
  type        = string
  nullable    = false

  validation {
    condition     = trimspace(var.agent_id) != ""
    error_message = "agent_id is empty. Set it to the id of the workspace's agent: agent_id = coder_agent.main.id."
  }
}

variable "boundary_enabled" {
  description = "Whether the workspace stands behind the boundary. When false the module creates nothing, and its outputs hold what a template without it has."
  type        = bool
  default     = true
  nullable    = false
}

variable "hostname" {
  description = "The workspace's host name; by default the workspace's name. The boundary's network namespace bears it, since Docker allows none on a container that joins one."
  type        = string
  default     = null

  validation {
    condition     = var.hostname == null || can(regex("^[A-Za-z0-9]([A-Za-z0-9.-]{0,61}[A-Za-z0-9])?$", var.hostname))
    error_message = "hostname has to be 1 to 63 letters, digits, dots and dashes, and to begin and end with a letter or digit. Leave it out to use the workspace's name."
  }
}

variable "hosts" {
  description = "Host names with their address (or \"host-gateway\") that the template gave to the workspace in `host` blocks. The sidecar resolves them for the workspace; what may be reached there is for the policy to say."
  type        = map(string)
  default     = { "host.docker.internal" = "host-gateway" }
  nullable    = false

  validation {
    condition     = alltrue([for name, ip in var.hosts : trimspace(name) != "" && trimspace(ip) != ""])
    error_message = "hosts holds an empty name or address. Write each as name = \"10.0.0.5\", or name = \"host-gateway\" for the Docker host."
  }
}

variable "dns" {
  description = "Addresses of the resolvers that the template gave to the workspace. The sidecar asks them when it connects; the workspace itself is answered by the boundary. Empty: those of the Docker host."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for ip in var.dns : can(regex("^[0-9.]+$|^[0-9A-Fa-f:]+$", ip))])
    error_message = "dns holds something that is not an IP address. Name resolvers by their address, such as \"10.0.0.2\"."
  }
}

variable "networks" {
  description = "Names of Docker networks that the template connected the workspace to (a database beside it, say). The sidecar joins them instead; what may be reached there is for the policy to say, with `private: true`."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for name in var.networks : trimspace(name) != "" && !contains(["host", "none", "bridge", "default"], name)])
    error_message = "networks may only hold names of Docker networks of your own: not empty, and not bridge, default, host or none."
  }
}

# ---------------------------------------------------------------------------------------------------------------------
# The policy
# ---------------------------------------------------------------------------------------------------------------------

variable "policy" {
  description = "The policy as YAML text. Without it and policy_path everything is denied but the Coder deployment. In a heredoc write $${env:NAME} as $$${env:NAME}."
  type        = string
  default     = null

  validation {
    condition     = var.policy == null || var.policy_path == null
    error_message = "policy and policy_path are both set. Keep policy for a text, or policy_path for a file, and remove the other."
  }
}

variable "policy_path" {
  description = "The path of a policy file beside the template, such as \"$${path.module}/boundary.yaml\". Messages about the policy name this file."
  type        = string
  default     = null

  validation {
    condition     = var.policy_path == null || can(regex("^[A-Za-z0-9._-]+[.]ya?ml$", basename(var.policy_path)))
    error_message = "policy_path has to name a file that ends in .yaml or .yml, with letters, digits, dots, dashes and underscores in its name. Rename the file, or use policy = file(\"...\")."
  }

  validation {
    condition     = !var.boundary_enabled || var.policy_path == null || try(fileexists(var.policy_path), false)
    error_message = "policy_path names no file. Begin it with $${path.module}/ so that it is found beside the template, and check its spelling."
  }
}

variable "extra_allow" {
  description = "Rules to allow in addition to the policy, as strings: \"domain=github.com\", \"GET https://api.example.com/v1/*\"."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for rule in var.extra_allow : trimspace(rule) != "" && !strcontains(rule, "\n")])
    error_message = "extra_allow holds an empty rule, or one of several lines. Write one rule per item, such as \"domain=github.com\"."
  }
}

variable "extra_deny" {
  description = "Rules to deny in any case, as strings: \"DELETE *\", \"domain=gist.github.com\". A deny rule always wins."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for rule in var.extra_deny : trimspace(rule) != "" && !strcontains(rule, "\n")])
    error_message = "extra_deny holds an empty rule, or one of several lines. Write one rule per item, such as \"DELETE *\"."
  }
}

variable "mode" {
  description = "\"enforce\", or \"audit\" to let pass and record what the rules would deny. Without it the policy's own `mode` holds, which is enforce unless it says otherwise."
  type        = string
  default     = null

  validation {
    condition     = var.mode == null || contains(["enforce", "audit"], coalesce(var.mode, "enforce"))
    error_message = "mode has to be \"enforce\" or \"audit\". Leave it out to go by the policy."
  }
}

variable "secrets" {
  description = "Values that `inject` rules of the policy name as $${env:NAME}. They reach the sidecar alone; the workspace never holds them. Whoever may inspect containers on the Docker host can read them."
  type        = map(string)
  default     = {}
  nullable    = false
  sensitive   = true

  validation {
    condition     = alltrue([for name in keys(var.secrets) : can(regex("^[A-Z][A-Z0-9_]*$", name)) && !can(regex("^(BOUNDARY|CODER|NODE|LD|SSL)_|^PATH$", name))])
    error_message = "Each name in secrets has to be of capital letters, digits and underscores, and must not begin with BOUNDARY_, CODER_, NODE_, LD_ or SSL_. Rename it here and in the policy's $${env:NAME}."
  }
}

variable "deployment_url" {
  description = "The access URL of the Coder deployment; its host and port always pass, unopened. By default the workspace's access URL, with localhost as host.docker.internal, as Coder's Docker templates have it."
  type        = string
  default     = null

  validation {
    condition     = var.deployment_url == null || can(regex("^https?://[^/?#@[:space:]]+/?$", var.deployment_url))
    error_message = "deployment_url has to be http:// or https:// with a host and perhaps a port, such as \"https://coder.example.com\". Leave it out to use the workspace's access URL."
  }
}

variable "strict" {
  description = "Whether to close as well what Coder and Docker offer around a boundary: file transfer, port forwarding, raw sockets, new privileges (sudo stops working), AF_VSOCK. What this module cannot set it hands over as outputs (env, capabilities_drop, security_opts), and the startup script reports what is missing."
  type        = bool
  default     = false
  nullable    = false
}

# ---------------------------------------------------------------------------------------------------------------------
# The containers
# ---------------------------------------------------------------------------------------------------------------------

variable "image" {
  description = "The boundary's image. Mirror it into a registry of your own and name it here, best with its digest."
  type        = string
  default     = "ghcr.io/coder/boundary-sidecar:0.1.0"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9]+([._-]+[a-z0-9]+)*(:[0-9]+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*(:[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?(@sha256:[0-9a-f]{64})?$", var.image))
    error_message = "image has to be a Docker image reference such as \"registry.example.com/boundary-sidecar:0.1.0\" or one with @sha256:... at its end, without spaces and without https://."
  }
}

variable "image_pull" {
  description = "\"missing\" pulls the image when the Docker host lacks it; \"always\" asks the registry at every plan and follows its tag; \"never\" takes what the host has."
  type        = string
  default     = "missing"
  nullable    = false

  validation {
    condition     = contains(["missing", "always", "never"], var.image_pull)
    error_message = "image_pull has to be \"missing\", \"always\" or \"never\"."
  }
}

variable "resources" {
  description = "Limits per part: memory in MiB (no swap beside it), cpus as a number. Without them there are none."
  type = object({
    netns   = optional(object({ memory = optional(number), cpus = optional(number) }), {})
    gate    = optional(object({ memory = optional(number), cpus = optional(number) }), {})
    sidecar = optional(object({ memory = optional(number), cpus = optional(number) }), {})
  })
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for part in [var.resources.netns, var.resources.gate, var.resources.sidecar] : part.cpus == null || try(part.cpus > 0, false)])
    error_message = "resources: cpus has to be a number above 0, such as 0.5. Leave it out for no limit."
  }

  validation {
    condition = alltrue([
      for part, least in { netns = 6, gate = 64, sidecar = 128 } : var.resources[part].memory == null || try(var.resources[part].memory >= least && floor(var.resources[part].memory) == var.resources[part].memory, false)
    ])
    error_message = "resources: memory is in MiB, a whole number, and too little for a part if below 6 for netns, 64 for gate or 128 for sidecar. Leave it out for no limit."
  }
}

variable "logging" {
  description = "Docker's log driver of gate and sidecar with its options. The default keeps three files of 10 MB each; driver = null takes the Docker host's own."
  type = object({
    driver  = optional(string)
    options = optional(map(string), {})
  })
  default = {
    driver  = "json-file"
    options = { max-size = "10m", max-file = "3" }
  }
  nullable = false

  validation {
    condition     = var.logging.driver != null || length(var.logging.options) == 0
    error_message = "logging has options but no driver. Name the driver that they belong to, such as driver = \"json-file\"."
  }
}

variable "egress_network" {
  description = "Name of a Docker network that the sidecar reaches the outside through, instead of one of its own. For hosts whose address pools do not suffice for a network per workspace."
  type        = string
  default     = null

  validation {
    condition     = var.egress_network == null || !contains(["", "host", "none", "bridge", "default"], coalesce(var.egress_network, "-"))
    error_message = "egress_network has to be the name of a Docker network of your own, not bridge, default, host or none. Leave it out to have one made."
  }
}

variable "ipv6_loopback" {
  description = "Whether ::1 exists in the workspace where Docker would switch IPv6 off altogether (engines before 26). Needs a Docker host with IPv6; no other IPv6 address is reachable either way."
  type        = bool
  default     = false
  nullable    = false
}

# ---------------------------------------------------------------------------------------------------------------------
# The way out
# ---------------------------------------------------------------------------------------------------------------------

variable "upstream_proxy" {
  description = "The proxy that leads outside, http://[USER:PASSWORD@]HOST:PORT. It then resolves the names; the connection to the deployment goes through it as well."
  type        = string
  default     = null
  sensitive   = true

  validation {
    condition     = var.upstream_proxy == null || can(regex("^http://([^/@[:space:]]+@)?[^/@:[:space:]]+:[0-9]{1,5}/?$", var.upstream_proxy))
    error_message = "upstream_proxy has to be http://HOST:PORT, or http://USER:PASSWORD@HOST:PORT with special characters of the password percent-encoded."
  }
}

variable "upstream_ca" {
  description = "PEM text of CA certificates to trust beside the system's: of a proxy that opens TLS, or of internal services. Workspaces trust them too, by the bundle."
  type        = string
  default     = null

  validation {
    condition     = var.upstream_ca == null || can(regex("-----BEGIN CERTIFICATE-----", var.upstream_ca))
    error_message = "upstream_ca holds no PEM certificate (no BEGIN CERTIFICATE). Give the text, not a path: upstream_ca = file(\"$${path.module}/ca.pem\")."
  }
}

# ---------------------------------------------------------------------------------------------------------------------
# What can be seen
# ---------------------------------------------------------------------------------------------------------------------

variable "metrics" {
  description = "Who may scrape the metrics: expose = \"off\", \"host\" (127.0.0.1 of the Docker host, on `port`, or a free one) or \"network\" (containers of the Docker network `network`)."
  type = object({
    expose  = optional(string, "off")
    port    = optional(number)
    network = optional(string)
  })
  default  = {}
  nullable = false

  validation {
    condition     = contains(["off", "host", "network"], var.metrics.expose)
    error_message = "metrics.expose has to be \"off\", \"host\" or \"network\"."
  }

  validation {
    condition     = var.metrics.port == null || (var.metrics.expose == "host" && try(var.metrics.port >= 1 && var.metrics.port <= 65535, false))
    error_message = "metrics.port is a port of the Docker host, 1 to 65535, and goes with expose = \"host\". Leave it out for a free one: several workspaces on one host cannot have the same."
  }

  validation {
    condition     = (var.metrics.expose == "network") == (var.metrics.network != null)
    error_message = "metrics.network and expose = \"network\" go together. Name the Docker network that Prometheus is in, or leave both out."
  }
}

variable "audit" {
  description = "Where the audit log goes beside the container's log: file (JSON lines in the boundary's own volume, /var/lib/boundary/audit.jsonl), keep (that volume outlives the workspace's stop), stdout (JSON lines for a log collector)."
  type = object({
    file   = optional(bool, true)
    keep   = optional(bool, false)
    stdout = optional(bool, false)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.audit.file || !var.audit.keep
    error_message = "audit.keep is about the file. Set file = true as well, or leave keep out."
  }
}

variable "log_level" {
  description = "What the sidecar writes into the container's log: error, warn (denials), info (every request), debug."
  type        = string
  default     = null

  validation {
    condition     = var.log_level == null || contains(["error", "warn", "info", "debug"], coalesce(var.log_level, "info"))
    error_message = "log_level has to be \"error\", \"warn\", \"info\" or \"debug\". Leave it out for info."
  }
}

# ---------------------------------------------------------------------------------------------------------------------
# In the dashboard
# ---------------------------------------------------------------------------------------------------------------------

variable "order" {
  description = "The position of the app in the dashboard. The lowest order is shown first; apps with equal order are sorted by name."
  type        = number
  default     = null
}

variable "group" {
  description = "The name of a group that the app belongs to."
  type        = string
  default     = null
}

variable "icon" {
  description = "The icon of app and script."
  type        = string
  default     = "/icon/coder.svg"
  nullable    = false
}

variable "share" {
  description = "Who may open the view: \"owner\", \"authenticated\" or \"public\". It shows which hosts and paths the workspace asked for."
  type        = string
  default     = "owner"
  nullable    = false

  validation {
    condition     = contains(["owner", "authenticated", "public"], var.share)
    error_message = "share has to be \"owner\", \"authenticated\" or \"public\"."
  }
}

variable "subdomain" {
  description = "Whether the view has a subdomain of its own rather than a path. Needs a wildcard access URL."
  type        = bool
  default     = false
  nullable    = false
}

variable "trust_exclude" {
  description = "Names of trust variables that the template sets itself, such as \"JAVA_TOOL_OPTIONS\". The module then leaves them alone; the value has to lead to the boundary's bundle, or that tool refuses opened TLS."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for name in var.trust_exclude : can(regex("^[A-Za-z_][A-Za-z0-9_]*$", name))])
    error_message = "trust_exclude has to hold names of environment variables, without = and value."
  }
}

variable "startup_timeout" {
  description = "Seconds that the startup script waits for the boundary."
  type        = number
  default     = 60
  nullable    = false

  validation {
    condition     = var.startup_timeout >= 1 && var.startup_timeout <= 600 && floor(var.startup_timeout) == var.startup_timeout
    error_message = "startup_timeout has to be a whole number of seconds from 1 to 600."
  }
}
