# The module by itself: what it makes of its variables, without an engine and without a deployment.

mock_provider "docker" {
  mock_resource "docker_container" {
    defaults = { exit_code = 0, container_logs = "boundary: policy in force" }
  }
  mock_data "docker_registry_image" {
    defaults = { sha256_digest = "sha256:00000000000000000000000000000000000000000000000000000000000000aa" }
  }
}

mock_provider "coder" {
  mock_data "coder_workspace" {
    defaults = { id = "w1", name = "Dev", start_count = 1, access_url = "http://localhost:7080" }
  }
  mock_data "coder_workspace_owner" {
    defaults = { id = "o1", name = "alice", session_token = "session" }
  }
}

variables {
  agent_id = "agent"
}

run "defaults" {
  command = plan

  assert {
    condition = [docker_container.netns[0].name, docker_container.gate[0].name, docker_container.sidecar[0].name, docker_container.policy[0].name] == [
      "boundary-w1-netns", "boundary-w1-gate", "boundary-w1-sidecar", "boundary-w1-policy"
    ]
    error_message = "The containers have other names."
  }
  assert {
    condition = alltrue([
      for part, container in { netns = docker_container.netns[0], gate = docker_container.gate[0], sidecar = docker_container.sidecar[0], policy = docker_container.policy[0] } :
      { for label in container.labels : label.label => label.value } == {
        "coder.owner" = "alice", "coder.owner_id" = "o1", "coder.workspace_id" = "w1", "coder.workspace_name" = "Dev", "boundary.part" = part
      }
    ])
    error_message = "A container has other labels."
  }
  assert {
    condition     = one(docker_container.gate[0].capabilities).add == toset(["CAP_NET_ADMIN"]) && docker_container.gate[0].user == "0:0"
    error_message = "The gate has more or less than NET_ADMIN as root."
  }
  assert {
    condition = alltrue([
      for container in [docker_container.netns[0], docker_container.sidecar[0], docker_container.policy[0]] :
      length(coalesce(one(container.capabilities).add, [])) == 0 && container.user == "65532:65532"
    ])
    error_message = "Another part than the gate has a capability or is root."
  }
  assert {
    condition = alltrue([
      for container in [docker_container.netns[0], docker_container.gate[0], docker_container.sidecar[0], docker_container.policy[0]] :
      one(container.capabilities).drop == toset(["ALL"]) && container.security_opts == toset(["no-new-privileges"])
    ])
    error_message = "A part keeps capabilities, or may gain privileges."
  }
  assert {
    condition     = alltrue([for container in [docker_container.netns[0], docker_container.gate[0], docker_container.sidecar[0]] : container.read_only && container.restart == "unless-stopped"])
    error_message = "A part that stays has a writable root, or does not come back."
  }
  assert {
    condition     = docker_container.netns[0].network_mode == "none" && docker_container.netns[0].hostname == "Dev" && docker_container.netns[0].dns == toset(["198.18.0.53"])
    error_message = "The namespace has a network, or other names than it should."
  }
  assert {
    condition     = { for volume in docker_container.sidecar[0].volumes : volume.container_path => coalesce(volume.read_only, false) } == { "/run/boundary/gate" = true, "/run/boundary/control" = false, "/run/boundary/trust" = false, "/var/lib/boundary" = false }
    error_message = "The sidecar has other volumes."
  }
  assert {
    condition     = docker_container.policy[0].network_mode == "none" && !docker_container.policy[0].must_run && alltrue([for volume in docker_container.policy[0].volumes : volume.read_only])
    error_message = "The one-shot has a network, may write, or is kept running."
  }
  assert {
    condition     = docker_container.policy[0].command == tolist(["submit", "/policy.yaml", "--timeout", "30"])
    error_message = "The one-shot is told something else."
  }
  assert {
    condition     = docker_container.sidecar[0].env == toset(["BOUNDARY_DEPLOYMENT=http://host.docker.internal:7080", "BOUNDARY_AUDIT_FILE=/var/lib/boundary/audit.jsonl", "CODER_WORKSPACE_NAME=Dev", "CODER_WORKSPACE_OWNER_NAME=alice"])
    error_message = "The sidecar is told something else."
  }
  assert {
    condition     = length(docker_container.sidecar[0].ports) == 0 && output.metrics_url == null
    error_message = "The metrics are exposed though nobody asked for it."
  }
  assert {
    condition     = coder_script.startup[0].start_blocks_login && coder_script.startup[0].run_on_start
    error_message = "People may log in before the startup script has ended."
  }
  assert {
    condition     = coder_app.view[0].url == "http://localhost:13380" && one(coder_app.view[0].healthcheck).url == "http://boundary.internal/healthz"
    error_message = "The app leads somewhere else."
  }
  assert {
    condition     = coder_env.trust["SSL_CERT_FILE"].value == "/run/boundary/trust/bundle.pem" && alltrue([for variable in coder_env.trust : variable.merge_strategy == "error"])
    error_message = "A trust variable leads somewhere else, or may be overridden unseen."
  }
  assert {
    condition     = output.hostname == null && output.security_opts == null && sum([for list in [output.hosts, output.env, output.capabilities_drop, output.networks] : length(list)]) == 0
    error_message = "An output is not that of a joined workspace without strict."
  }
  assert {
    condition     = one(output.mounts) == { type = "volume", target = "/run/boundary/trust", source = "boundary-w1-trust", read_only = true }
    error_message = "The trust bundle is mounted otherwise."
  }
  assert {
    condition     = output.scripts == tolist(["coder-boundary-startup_script"])
    error_message = "The startup script has another name."
  }
}

run "joined" {
  command = apply

  assert {
    condition     = output.network_mode == "container:${docker_container.netns[0].id}" && docker_container.gate[0].network_mode == output.network_mode
    error_message = "Workspace and gate join something else than the namespace, or not by its id."
  }
  assert {
    condition     = output.container_ids == tomap({ netns = docker_container.netns[0].id, gate = docker_container.gate[0].id, sidecar = docker_container.sidecar[0].id, policy = docker_container.policy[0].id })
    error_message = "The ids are others."
  }
}

run "off" {
  command = plan
  variables {
    boundary_enabled = false
    policy           = "this is: [no policy"
    strict           = true
    dns              = ["10.0.0.2"]
    networks         = ["team"]
    upstream_ca      = "-----BEGIN CERTIFICATE-----"
    audit            = { keep = true }
  }

  assert {
    condition     = length(docker_container.netns) + length(docker_container.gate) + length(docker_container.sidecar) + length(docker_container.policy) + length(docker_container.upstream_ca) == 0
    error_message = "There is a container."
  }
  assert {
    condition     = length(docker_volume.shared) + length(docker_volume.state) + length(docker_network.egress) + length(docker_image.boundary) + length(terraform_data.build) == 0
    error_message = "There is a volume, a network or an image."
  }
  assert {
    condition     = length(coder_script.startup) + length(coder_env.trust) + length(coder_app.view) + length(coder_metadata.sidecar) + length(coder_metadata.hidden) == 0
    error_message = "There is something in the workspace or the dashboard."
  }
  assert {
    condition     = !output.boundary_enabled && output.network_mode == null && output.hostname == "Dev" && output.hosts == tomap({ "host.docker.internal" = "host-gateway" })
    error_message = "The workspace's network is not the starter's."
  }
  assert {
    condition     = output.dns == tolist(["10.0.0.2"]) && output.networks == tolist(["team"])
    error_message = "What the template gave to the workspace does not come back."
  }
  assert {
    condition     = sum([for list in [output.env, output.mounts, output.capabilities_drop, output.container_ids, output.scripts, output.trust_variables] : length(list)]) == 0 && output.security_opts == null && output.metrics_url == null && output.policy_sha256 == null
    error_message = "An output is not the starter's."
  }
}

run "off_without_its_policy" {
  command = plan
  variables {
    boundary_enabled = false
    policy_path      = "examples/policies/missing.yaml"
  }

  assert {
    condition     = output.policy_sha256 == null
    error_message = "There is a policy."
  }
}

run "stopped" {
  command = plan
  override_data {
    target = data.coder_workspace.me
    values = { id = "w1", name = "Dev", start_count = 0, access_url = "https://coder.example.com" }
  }

  assert {
    condition     = length(docker_container.netns) + length(docker_container.sidecar) + length(docker_volume.shared) + length(docker_volume.state) == 0 && output.network_mode == null
    error_message = "Something runs in a stopped workspace."
  }
}

run "stopped_with_its_records" {
  command = plan
  override_data {
    target = data.coder_workspace.me
    values = { id = "w1", name = "Dev", start_count = 0, access_url = "https://coder.example.com" }
  }
  variables {
    audit = { keep = true }
  }

  assert {
    condition     = length(docker_volume.state) == 1 && length(docker_container.sidecar) == 0
    error_message = "The audit file goes with the stop, though it is to be kept."
  }
}

run "policy_rules_and_mode" {
  command = plan
  variables {
    policy      = "allow: [github.com]"
    extra_allow = ["domain=example.com", "GET https://a.example/v1/*"]
    extra_deny  = ["DELETE *"]
    mode        = "audit"
  }

  assert {
    condition     = docker_container.policy[0].command == tolist(["submit", "/policy.yaml", "--allow", "domain=example.com", "--allow", "GET https://a.example/v1/*", "--deny", "DELETE *", "--mode", "audit", "--timeout", "30"])
    error_message = "The one-shot is told something else."
  }
  assert {
    condition     = one(docker_container.policy[0].upload).content == "allow: [github.com]" && output.policy_sha256 == sha256("allow: [github.com]")
    error_message = "Another policy is submitted."
  }
  assert {
    condition     = !anytrue([for item in docker_container.sidecar[0].env : strcontains(item, "example")])
    error_message = "Rules reach the sidecar's environment, so that a change would replace it."
  }
}

run "policy_from_a_file" {
  command = plan
  variables {
    policy_path = "examples/policies/read-only.yaml"
  }

  assert {
    condition     = docker_container.policy[0].command == tolist(["submit", "/read-only.yaml", "--timeout", "30"]) && one(docker_container.policy[0].upload).file == "/read-only.yaml"
    error_message = "The file's name does not reach the messages about it."
  }
}

run "policy_of_comments" {
  command = plan
  variables {
    policy = "# nothing yet\n\n"
  }

  assert {
    condition     = strcontains(one(docker_container.policy[0].upload).content, "nothing is allowed")
    error_message = "An empty policy is not submitted as one."
  }
}

run "policy_that_is_no_mapping" {
  command = plan
  variables {
    policy = "just a text"
  }
  expect_failures = [docker_container.policy]
}

run "policy_with_an_unknown_key" {
  command = plan
  variables {
    policy = "alow: [github.com]"
  }
  expect_failures = [docker_container.policy]
}

run "policy_that_binds_processes" {
  command = plan
  variables {
    policy = "allow: [github.com]\ncommands: { deny: [ssh] }"
  }
  expect_failures = [docker_container.policy]
}

run "strict" {
  command = plan
  variables {
    strict = true
  }

  assert {
    condition     = toset(output.env) == toset(["CODER_AGENT_BLOCK_FILE_TRANSFER=true", "CODER_AGENT_BLOCK_LOCAL_PORT_FORWARDING=true", "CODER_AGENT_BLOCK_REVERSE_PORT_FORWARDING=true"])
    error_message = "The agent keeps a way around."
  }
  assert {
    condition     = output.capabilities_drop == tolist(["CAP_NET_RAW"]) && contains(output.security_opts, "no-new-privileges") && length(output.security_opts) == 2
    error_message = "The workspace keeps what strict closes."
  }
  assert {
    condition     = strcontains(coder_script.startup[0].script, "strict='true'")
    error_message = "The startup script does not know."
  }
}

run "metrics_on_the_host" {
  command = plan
  variables {
    metrics = { expose = "host", port = 19464 }
  }

  assert {
    condition     = [for port in docker_container.sidecar[0].ports : [port.internal, port.external, port.ip]] == [[9464, 19464, "127.0.0.1"]]
    error_message = "The port is published otherwise."
  }
  assert {
    condition     = contains(docker_container.sidecar[0].env, "BOUNDARY_METRICS=0.0.0.0:9464") && output.metrics_url == "http://127.0.0.1:19464/metrics"
    error_message = "The metrics are elsewhere."
  }
}

run "metrics_in_a_network" {
  command = plan
  variables {
    metrics  = { expose = "network", network = "monitoring" }
    networks = ["team", "monitoring"]
  }

  assert {
    condition     = toset([for network in docker_container.sidecar[0].networks_advanced : network.name]) == toset(["boundary-w1-egress", "monitoring", "team"])
    error_message = "The sidecar is in other networks."
  }
  assert {
    condition     = length(docker_container.sidecar[0].ports) == 0 && output.metrics_url == "http://boundary-w1-sidecar:9464/metrics"
    error_message = "The metrics are elsewhere."
  }
}

run "ways_out" {
  command = plan
  variables {
    egress_network = "out"
    dns            = ["10.0.0.2"]
    hosts          = { db = "10.0.0.9" }
    upstream_proxy = "http://user:secret@proxy.corp.example:3128"
    upstream_ca    = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
    secrets        = { GITHUB_TOKEN = "t0ken" }
    deployment_url = "https://coder.example.com/"
  }

  assert {
    condition     = length(docker_network.egress) == 0 && [for network in docker_container.sidecar[0].networks_advanced : network.name] == ["out"] && docker_container.sidecar[0].dns == toset(["10.0.0.2"])
    error_message = "The sidecar goes out otherwise."
  }
  assert {
    condition     = { for host in docker_container.sidecar[0].host : host.host => host.ip } == { "host.docker.internal" = "host-gateway", db = "10.0.0.9" }
    error_message = "The sidecar does not know the template's names."
  }
  assert {
    condition     = one(docker_container.upstream_ca[0].upload).file == local.upstream_ca_file && !docker_container.upstream_ca[0].start && contains([for volume in docker_container.sidecar[0].volumes : volume.container_path if coalesce(volume.read_only, false)], "/etc/boundary/upstream")
    error_message = "The certificates do not reach the sidecar."
  }
  assert {
    condition = nonsensitive(length(setsubtract([
      "BOUNDARY_UPSTREAM_PROXY=http://user:secret@proxy.corp.example:3128", "GITHUB_TOKEN=t0ken", "BOUNDARY_DEPLOYMENT=https://coder.example.com/", "BOUNDARY_UPSTREAM_CA=${local.upstream_ca_file}"
    ], docker_container.sidecar[0].env)) == 0)
    error_message = "The sidecar's environment lacks something."
  }
  assert {
    condition     = issensitive(docker_container.sidecar[0].env) && !anytrue([for item in docker_container.policy[0].env : strcontains(item, "t0ken")])
    error_message = "A secret is shown, or reaches another part."
  }
}

run "image_that_follows_its_tag" {
  command = plan
  variables {
    image      = "registry.example.com/boundary-sidecar:1"
    image_pull = "always"
  }

  assert {
    condition     = docker_image.boundary[0].name == "registry.example.com/boundary-sidecar:1@sha256:00000000000000000000000000000000000000000000000000000000000000aa" && docker_image.boundary[0].keep_locally
    error_message = "The image does not follow its tag."
  }
}

run "image_of_the_host" {
  command = plan
  variables {
    image_pull = "never"
  }

  assert {
    condition     = length(docker_image.boundary) == 0 && data.docker_image.boundary[0].name == "ghcr.io/coder/boundary-sidecar:0.1.0"
    error_message = "The image is pulled."
  }
}

run "limits_and_logs" {
  command = plan
  variables {
    resources = { sidecar = { memory = 512, cpus = 1.5 }, gate = { memory = 64 } }
    logging   = { driver = null }
  }

  assert {
    condition     = docker_container.sidecar[0].memory == 512 && docker_container.sidecar[0].memory_swap == 512 && docker_container.sidecar[0].cpus == "1.5" && docker_container.gate[0].memory == 64 && docker_container.netns[0].memory == null
    error_message = "The limits are others."
  }
}

run "audit_on_standard_output" {
  command = plan
  variables {
    audit     = { file = false, stdout = true }
    log_level = "warn"
  }

  assert {
    condition     = contains(docker_container.sidecar[0].env, "BOUNDARY_AUDIT_STDOUT=1") && contains(docker_container.sidecar[0].env, "BOUNDARY_LOG_LEVEL=warn") && !anytrue([for item in docker_container.sidecar[0].env : startswith(item, "BOUNDARY_AUDIT_FILE=")])
    error_message = "The audit log goes elsewhere."
  }
}

run "variables_that_the_template_sets" {
  command = plan
  variables {
    trust_exclude = ["JAVA_TOOL_OPTIONS"]
  }

  assert {
    condition     = !contains(keys(coder_env.trust), "JAVA_TOOL_OPTIONS") && contains(keys(coder_env.trust), "CURL_CA_BUNDLE")
    error_message = "The template's own variable would be overridden, or others are missing."
  }
}
