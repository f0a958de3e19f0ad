# Everything a person does here is one target. `make help` lists them; each installs what it needs first.
.DEFAULT_GOAL := help
.SUFFIXES:
MAKEFLAGS += --no-print-directory

ARCH := $(if $(filter aarch64 arm64,$(shell uname -m)),arm64,x64)
# The program, its build and its tests run on the Node that package-lock.json pins, never on the machine's own.
NODE := node_modules/node-linux-$(ARCH)/bin/node
BIOME := node_modules/.bin/biome

.PHONY: help
help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

.PHONY: install
install: ## Install the pinned dependencies (the other targets do it by themselves)
	@sh scripts/install-dependencies.sh

.PHONY: build
build: install ## Bundle the program: dist/ and bin/boundary
	@$(NODE) scripts/build.ts

.PHONY: build-all
build-all: build ## Archives for linux amd64 and arm64 with their own Node, and SHA256SUMS, in dist/release/
	@$(NODE) scripts/build-all.ts

.PHONY: image
image: build ## The container image boundary:dev (starts a Docker engine and makes its base where that is needed)
	@$(NODE) scripts/image.ts

.PHONY: docker-up
docker-up: ## The example template on the local Docker engine, without a Coder server (EXTRA_ALLOW adds rules)
	@$(MAKE) build >&2
	@$(NODE) scripts/docker-up.ts

.PHONY: docker-down
docker-down: install ## Remove everything that docker-up made
	@$(NODE) scripts/docker-down.ts

.PHONY: dashboards
dashboards: install ## Make the Grafana dashboards anew from examples/grafana/dashboards
	@$(NODE) examples/grafana/generate.ts

.PHONY: test
test: build ## Everything: lint, types, every test (ONLY=part/of/a/path for some of them)
	@$(NODE) test/run.ts $(ONLY)

.PHONY: test-coverage
test-coverage: build ## The tests with line coverage per file
	@$(NODE) test/run.ts --coverage $(ONLY)

.PHONY: bench
bench: build ## boundary beside squid and tinyproxy: CPU, requests/s, first byte, memory (ARGS="--rounds 5")
	@$(NODE) test/setup/packages.ts
	@$(NODE) test/bench/main.ts $(ARGS)
	@$(NODE) test/bench/policy.ts

.PHONY: demo
demo: build ## One allowed and one denied request, with their audit lines and metrics
	@$(NODE) scripts/demo.ts

.PHONY: fmt
fmt: install ## Format the sources
	@$(BIOME) check --write --linter-enabled=false .
	@if command -v terraform >/dev/null; then terraform fmt -recursive .; fi

.PHONY: lint
lint: install ## Formatting, lint rules and types
	@$(BIOME) check --error-on-warnings .
	@node_modules/.bin/tsc -p .

.PHONY: clean
clean: ## Remove what the targets made (not the dependencies)
	@rm -rf dist bin coverage .cache
