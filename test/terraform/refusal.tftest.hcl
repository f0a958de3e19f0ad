# The sidecar's refusal ends the apply, and no workspace is made. In a file of its own: what is overridden has to be new.

mock_provider "docker" {}

mock_provider "coder" {
  mock_data "coder_workspace" {
    defaults = { id = "w1", name = "Dev", start_count = 1, access_url = "https://coder.example.com" }
  }
}

variables {
  agent_id = "agent"
  policy   = "allow: [github.com]"
}

run "policy_that_the_sidecar_refuses" {
  command = apply
  override_resource {
    target = docker_container.policy
    values = { exit_code = 2, container_logs = "policy.yaml:1:9: unknown rule" }
  }
  expect_failures = [docker_container.policy]
}
