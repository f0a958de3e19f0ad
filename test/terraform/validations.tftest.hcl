# Each validation of a variable refuses what it is there for. validations.test.ts checks that none is left out and what
# they say.

mock_provider "docker" {}
mock_provider "coder" {
  mock_data "coder_workspace" {
    defaults = { id = "w1", name = "Dev", start_count = 1, access_url = "https://coder.example.com" }
  }
}

variables {
  agent_id = "agent"
}

run "agent_id_empty" {
  command = plan
  variables {
    agent_id = " "
  }
  expect_failures = [var.agent_id]
}

run "hostname_with_underscore" {
  command = plan
  variables {
    hostname = "dev_1"
  }
  expect_failures = [var.hostname]
}

run "hosts_empty_address" {
  command = plan
  variables {
    hosts = { db = "" }
  }
  expect_failures = [var.hosts]
}

run "dns_name" {
  command = plan
  variables {
    dns = ["resolver.example.com"]
  }
  expect_failures = [var.dns]
}

run "networks_bridge" {
  command = plan
  variables {
    networks = ["bridge"]
  }
  expect_failures = [var.networks]
}

run "policy_twice" {
  command = plan
  variables {
    policy      = "allow: []"
    policy_path = "examples/policies/minimal.yaml"
  }
  expect_failures = [var.policy]
}

run "policy_path_other_ending" {
  command = plan
  variables {
    policy_path = "variables.tf"
  }
  expect_failures = [var.policy_path]
}

run "policy_path_missing" {
  command = plan
  variables {
    policy_path = "examples/policies/missing.yaml"
  }
  expect_failures = [var.policy_path]
}

run "extra_allow_two_lines" {
  command = plan
  variables {
    extra_allow = ["domain=a.example\ndomain=b.example"]
  }
  expect_failures = [var.extra_allow]
}

run "extra_deny_empty" {
  command = plan
  variables {
    extra_deny = [""]
  }
  expect_failures = [var.extra_deny]
}

run "mode_unknown" {
  command = plan
  variables {
    mode = "learn"
  }
  expect_failures = [var.mode]
}

run "secrets_reserved" {
  command = plan
  variables {
    secrets = { NODE_OPTIONS = "--inspect" }
  }
  expect_failures = [var.secrets]
}

run "deployment_url_without_scheme" {
  command = plan
  variables {
    deployment_url = "coder.example.com"
  }
  expect_failures = [var.deployment_url]
}

run "image_with_scheme" {
  command = plan
  variables {
    image = "https://ghcr.io/coder/boundary-sidecar"
  }
  expect_failures = [var.image]
}

run "image_pull_unknown" {
  command = plan
  variables {
    image_pull = "sometimes"
  }
  expect_failures = [var.image_pull]
}

run "resources_no_cpus" {
  command = plan
  variables {
    resources = { gate = { cpus = 0 } }
  }
  expect_failures = [var.resources]
}

run "resources_too_little_memory" {
  command = plan
  variables {
    resources = { sidecar = { memory = 64 } }
  }
  expect_failures = [var.resources]
}

run "logging_without_driver" {
  command = plan
  variables {
    logging = { options = { max-size = "1m" } }
  }
  expect_failures = [var.logging]
}

run "egress_network_host" {
  command = plan
  variables {
    egress_network = "host"
  }
  expect_failures = [var.egress_network]
}

run "upstream_proxy_socks" {
  command = plan
  variables {
    upstream_proxy = "socks5://proxy.corp.example:1080"
  }
  expect_failures = [var.upstream_proxy]
}

run "upstream_ca_path" {
  command = plan
  variables {
    upstream_ca = "/etc/ssl/ca.pem"
  }
  expect_failures = [var.upstream_ca]
}

run "metrics_unknown" {
  command = plan
  variables {
    metrics = { expose = "everybody" }
  }
  expect_failures = [var.metrics]
}

run "metrics_port_unpublished" {
  command = plan
  variables {
    metrics = { port = 9464 }
  }
  expect_failures = [var.metrics]
}

run "metrics_network_unnamed" {
  command = plan
  variables {
    metrics = { expose = "network" }
  }
  expect_failures = [var.metrics]
}

run "audit_keep_nothing" {
  command = plan
  variables {
    audit = { file = false, keep = true }
  }
  expect_failures = [var.audit]
}

run "log_level_unknown" {
  command = plan
  variables {
    log_level = "trace"
  }
  expect_failures = [var.log_level]
}

run "share_unknown" {
  command = plan
  variables {
    share = "team"
  }
  expect_failures = [var.share]
}

run "trust_exclude_with_value" {
  command = plan
  variables {
    trust_exclude = ["SSL_CERT_FILE=x"]
  }
  expect_failures = [var.trust_exclude]
}

run "startup_timeout_zero" {
  command = plan
  variables {
    startup_timeout = 0
  }
  expect_failures = [var.startup_timeout]
}
