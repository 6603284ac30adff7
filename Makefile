# Everything runs from .venv, made from the hashed lock. Hooks and CI call the same targets as people do.
SHELL := /bin/bash -eu -o pipefail
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
VENV := .venv/.installed
PROTO := crm/contracts.binpb
CODE := $(wildcard chassis services cli deploy bench tests) proto/generate.py
PYTEST := $(BIN)/python -m pytest
COMPILE := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header

help: ## Show the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  %-18s %s\n", $$1, $$2}'

$(VENV): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed (PYTHON=...)")'
	@test -x $(BIN)/python && cmp -s requirements.lock .venv/requirements.lock || $(PYTHON) -m venv --clear .venv
	@$(BIN)/python -m pip install -qq --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install -qq --no-deps --no-build-isolation -e .
	@cp requirements.lock .venv/requirements.lock && touch $@

$(PROTO): $(shell find proto -name '*.proto') proto/generate.py $(VENV)
	@$(BIN)/python proto/generate.py

venv: $(VENV) ## Create .venv from requirements.lock

proto: $(PROTO) ## Generate the crm and buf packages from proto/

lock: $(VENV) ## Resolve requirements.in into requirements.lock and the locks of the images (needs uv)
	@$(COMPILE) requirements.in -o requirements.lock
	@sed '/^# Servers/,$$d' requirements.in | $(COMPILE) -c requirements.lock - -o deploy/docker/services.lock
	@sed -n '/^# Servers/,/^$$/p' requirements.in | $(COMPILE) -c requirements.lock - -o deploy/docker/servers.lock

up: $(PROTO) ## Start everything (REPLICAS=3 of each service), load demo data, print URL and sign-in
	@$(BIN)/python -m deploy.local up

down: $(VENV) ## Stop what up started; data stays in .run
	@$(BIN)/python -m deploy.local down

status: $(VENV) ## Show what runs
	@$(BIN)/python -m deploy.local status

logs: $(VENV) ## Follow the logs (SERVICE=sales for one)
	@$(BIN)/python -m deploy.local logs $(SERVICE)

seed: $(PROTO) ## Load the demo data again
	@$(BIN)/python -m deploy.local seed

import-export: $(PROTO) ## Import the CRM Sales Opportunities export (DIR=folder) into the running platform
	@CRM_CONFIG=.run/session.json $(BIN)/crm login
	@CRM_CONFIG=.run/session.json $(BIN)/crm import-export "$(DIR)"

fault: $(PROTO) ## Break everything in turn under load, 20,000 operations and 30 kills among it (some minutes)
	@$(PYTEST) -q tests/fault --fault-rounds=all

fault-campaign: $(PROTO) ## The same with 150,000 operations and 100 kills (SEED=1; most of an hour)
	@$(BIN)/python -m tests.fault.campaign --operations 150000 --kills 100 --thorough --seed $(or $(SEED),1)

fault-planted: $(PROTO) ## Plant bugs in turn: the campaign must find each (ONLY="one of them")
	@$(BIN)/python -m tests.fault.campaign.planted_run $(ONLY)

test: lint types test-unit test-integration ## Run everything that proves the product

test-unit: $(PROTO) ## Unit and tidy tests: no sockets, no servers
	@$(PYTEST) -q $(wildcard tests/unit tests/tidy)

test-integration: $(PROTO) ## Tests against a real PostgreSQL and NATS
	@first=0; $(PYTEST) -q tests/integration tests/contract tests/e2e || first=$$?; \
		$(PYTEST) -q tests/fault tests/scale --fault-rounds=quick && exit $$first

openapi: $(PROTO) ## Write docs/openapi.json from the protos
	@mkdir -p docs && $(BIN)/python -m services.gateway openapi > docs/openapi.json

events: $(PROTO) ## Write docs/events.md from the protos
	@$(BIN)/python -m services.gateway events > docs/events.md

lint: $(PROTO) ## ruff, import-linter, buf, the committed OpenAPI document
	@$(BIN)/ruff check $(CODE)
	@$(BIN)/ruff format --check --quiet $(CODE)
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/buf format --diff --exit-code proto
	@$(BIN)/buf lint $(PROTO) --config proto/buf.yaml
	@$(MAKE) --no-print-directory breaking openapi-check

openapi-check: $(PROTO) ## Compare docs/openapi.json with the protos
	@$(BIN)/python -m services.gateway openapi | cmp - docs/openapi.json || \
		{ echo "docs/openapi.json is old: run make openapi"; exit 1; }

breaking: $(PROTO) ## Compare proto/ with the last tag (nothing to compare before the first one)
	@tag=$$(git describe --tags --abbrev=0 2>/dev/null) || exit 0; \
	rm -rf .build/last && mkdir -p .build/last && git archive "$$tag" proto | tar -x -C .build/last; \
	$(BIN)/python proto/generate.py --source .build/last/proto --image .build/last/contracts.binpb; \
	$(BIN)/buf breaking $(PROTO) --against .build/last/contracts.binpb --config proto/buf.yaml

format: $(VENV) ## Format Python and proto files
	@$(BIN)/ruff check --quiet --fix $(CODE) || true
	@$(BIN)/ruff format --quiet $(CODE)
	@$(BIN)/buf format --write proto

types: $(PROTO) ## mypy --strict
	@$(BIN)/mypy $(CODE)

manifests: $(PROTO) ## Render deploy/manifests into deploy/base and the overlays
	@$(BIN)/python -m deploy.manifests

images: $(PROTO) ## Build all container images with podman, docker or buildah, and list what is in them (SBOM)
	@$(BIN)/python -m deploy.images

deploy-check: $(PROTO) ## Check manifests, rules and images, play the pods with podman: sign-in, backup, restore
	@$(BIN)/python -m deploy.check

migration: $(PROTO) ## Draft a migration (SERVICE=sales MESSAGE="what changes")
	@$(BIN)/python -m deploy.local revision "$(SERVICE)" "$(MESSAGE)"

bench: $(PROTO) ## Measure the hot operations over HTTP and in pgbench, with ratios
	@$(BIN)/python -m bench

interleave: $(PROTO) ## 100,000 calls of 64 tenants over two connections: nobody sees another one's row
	@INTERLEAVED_CALLS=100000 $(BIN)/pytest -q --timeout=1800 tests/integration/security/test_interleaved.py

remove-checks: $(PROTO) ## Take each security check out of a copy in turn: a test must fail (ONLY="part of a name")
	@$(BIN)/python -m tests.removal $(if $(ONLY),"$(ONLY)")

fuzz-filter: $(PROTO) ## 100,000 made-up filters, and again as many over HTTP: no 5xx
	@FUZZED_FILTERS=100000 FUZZED_FILTERS_OVER_HTTP=100000 $(PYTEST) -q --timeout 3600 \
		tests/unit/chassis/filter/test_fuzz.py tests/contract/test_fuzz_filter.py

schemathesis: $(PROTO) ## 50,000 requests made from the API description, every answer checked against it
	@SCHEMATHESIS_CASES=50000 $(PYTEST) -q --timeout 7200 tests/contract/test_schemathesis.py

bench-scale: $(PROTO) ## Measure lists under every scope over 1,000,000 customers and opportunities
	@$(BIN)/python -m bench.scale

bench-scaling: $(PROTO) ## Measure what one core of each service carries, by CPU seconds per request
	@$(BIN)/python -m bench.scaling

dashboards: $(VENV) ## Write the Grafana dashboards from deploy/observability/dashboards.yaml
	@$(BIN)/python -m deploy.observability

observe-check: $(PROTO) ## Alerts and dashboards against a real Prometheus and a running platform
	@$(PYTEST) -q tests/observe

clean: ## Remove everything generated, the environment included (not .run)
	@rm -rf .venv .build build crm buf *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: help venv proto lock up down status logs seed import-export fault fault-campaign fault-planted test test-unit test-integration openapi openapi-check events lint breaking format types manifests images deploy-check migration bench bench-scale bench-scaling interleave remove-checks fuzz-filter dashboards observe-check schemathesis clean
