# Every command of the project. `make` alone lists them.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TAG ?= coatcheck-worker
COMPOSE := docker compose --file localstack-compose.yml
CORES := $(shell getconf _NPROCESSORS_ONLN)
PIP := $(BIN)/pip --quiet --quiet --disable-pip-version-check --no-input
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --custom-compile-command "make lock"

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help up catalog image localstack localstack-down venv test chaos soak fuzz lint audit sbom bench bench-docs format lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s  %s\n", $$1, $$2 }' Makefile

up: $(VENV)/.installed ## Run everything on this machine (make up ARGS="--port 9000")
	@$(BIN)/coatcheck up $(ARGS)

catalog: $(VENV)/.installed ## Build catalog.json from the tasks
	@$(BIN)/coatcheck catalog $(ARGS)

localstack: ## Run everything in containers, with API Gateway and Lambda in LocalStack; ends with the URL
	@$(COMPOSE) up --detach --build
	@$(COMPOSE) logs --follow --no-log-prefix deploy

localstack-down: ## Stop these containers; the jobs are kept
	@$(COMPOSE) down

image: ## Build the worker's image (TAG=coatcheck-worker) and print its size
	docker build --file worker_image/Dockerfile --tag $(TAG) .
	@docker image inspect --format 'size: {{.Size}} bytes' $(TAG)

venv: $(VENV)/.installed-dev ## Make .venv with all that is needed to develop

test: lint $(VENV)/checkov/.installed $(VENV)/bench/.installed ## Run all that CI runs: lint, then the tests with their coverage (ARGS="-k name")
	@rm -f .coverage .coverage.*
	$(BIN)/coverage run -m pytest -n $(CORES) $(ARGS)
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report $(if $(ARGS),--fail-under=0)

chaos: $(VENV)/.installed-dev ## Break everything, 20 times over, and prove that no job is lost (ARGS="--seeds 1")
	@$(BIN)/python -m tests.chaos $(ARGS)

fuzz: $(VENV)/.installed-dev ## Random job hashes before worker and API, for five minutes (FUZZ_SECONDS=60)
	@FUZZ_SECONDS=$${FUZZ_SECONDS:-300} $(BIN)/pytest -q tests/worker_image/test_fuzzed.py $(ARGS)

soak: $(VENV)/.installed-dev ## Half an hour of work and faults, with an eye on memory (ARGS="--minutes 5")
	@$(BIN)/python -m tests.chaos.soak $(ARGS)

lint: $(VENV)/.installed-dev ## Check style and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	@$(BIN)/zizmor --quiet --offline .github

audit: $(VENV)/.installed-dev ## Look for known vulnerabilities in all that is locked (needs the network)
	@for file in requirements-dev functions/requirements worker_image/requirements; do \
		echo "$$file.txt" && $(BIN)/pip-audit --require-hashes --disable-pip --requirement $$file.txt || exit 1; done
	$(BIN)/zizmor .github

sbom: $(VENV)/.installed-dev ## Write what the function package and the image are made of (ARGS=folder, else build)
	@$(BIN)/python -m infra.sbom $(or $(ARGS),build)

bench: $(VENV)/.installed-dev $(VENV)/bench/.installed ## Measure all, beside other queues, against the goals (10 minutes)
	$(BIN)/python -m benchmarks $(ARGS)

bench-docs: $(VENV)/.installed-dev ## Put the last make bench into docs/performance.md
	$(BIN)/python -m benchmarks.document

format: $(VENV)/.installed-dev ## Lay the code out anew
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

lock: $(VENV)/.installed-dev ## Renew the requirement files (ARGS="--upgrade")
	$(LOCK) $(ARGS) requirements-dev.in --output-file requirements-dev.txt
	$(LOCK) requirements.in --constraint requirements-dev.txt --output-file requirements.txt
	$(LOCK) functions/requirements.in --constraint requirements-dev.txt --output-file functions/requirements.txt
	$(LOCK) worker_image/requirements.in --constraint requirements-dev.txt --output-file worker_image/requirements.txt
	$(LOCK) $(ARGS) requirements-checkov.in --output-file requirements-checkov.txt
	$(LOCK) $(ARGS) requirements-bench.in --output-file requirements-bench.txt

clean: ## Remove what was made: .venv, caches, coverage (not the jobs in .coatcheck)
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .coverage .coverage.* coatcheck.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Coatcheck needs Python 3.11 or newer, and '$(PYTHON)' is $$($(PYTHON) --version 2>&1)." >&2; \
		echo "Name another one: make up PYTHON=python3.12" >&2; exit 1; }
	@echo "Installing what is needed into $(VENV) (only this once) ..." >&2
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV) >&2 || { \
		echo "'$(PYTHON) -m venv' failed; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@touch $@

$(VENV)/.installed: $(VENV)/.made requirements.txt pyproject.toml
	@$(PIP) install --require-hashes --requirement requirements.txt >&2 || { \
		echo "pip could not install requirements.txt: does it reach its index (pip config list)?" >&2; exit 1; }
	@$(PIP) install --no-deps --no-build-isolation --editable . >&2
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed requirements-dev.txt
	@$(PIP) install --require-hashes --requirement requirements-dev.txt >&2
	@touch $@

# checkov has an environment of its own: it insists on versions that the rest doesn't take. So have the queues
# that the benchmarks compare ours to.
$(VENV)/checkov/.installed $(VENV)/bench/.installed: $(VENV)/%/.installed: $(VENV)/.made requirements-%.txt
	@rm -rf $(@D)
	@$(BIN)/python -m venv $(@D) >&2
	@$(@D)/bin/pip --quiet --quiet --disable-pip-version-check --no-input \
		install --require-hashes --requirement requirements-$*.txt >&2
	@touch $@
