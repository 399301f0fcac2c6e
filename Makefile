# `make run` from a bare clone is all one needs; `make help` lists the rest.
# A Python from 3.11 on is looked for; PYTHON=/path/to/python names another. Everything goes into .venv.

VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
GRAPHIQL := server/graphiql/dist/manifest.json
PYTHONS := python3.13 python3.12 python3.11 python3.14 python3 python
PYTHON ?= $(shell for name in $(PYTHONS); do \
	"$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$name" && break; done)
PYTEST_ARGS ?=

# .venv is used, whatever else is activated; and modules stay compiled, which makes starts three times faster.
unexport VIRTUAL_ENV CONDA_PREFIX UV_SYSTEM_PYTHON PYTHONHOME PYTHONPATH PYTHONDONTWRITEBYTECODE

# A company's own certificate authority stands in the system's store, where uv and npm do not look by themselves.
CERTIFICATES := $(firstword $(wildcard /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt))
ifneq ($(CERTIFICATES),)
export UV_SYSTEM_CERTS ?= true
export NODE_EXTRA_CA_CERTS ?= $(CERTIFICATES)
endif

.DEFAULT_GOAL := help
.PHONY: help run test soak check bench setup lock

help: ## Show this
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: setup ## Start everything on this machine, until Ctrl-C: stores, Stripe sandbox, API, worker
	@exec $(BIN)/jobsphere up --parent $$PPID

test: setup ## Run the tests; PYTEST_ARGS="-k deposit" for some of them
	$(BIN)/pytest -n logical --maxprocesses 4 $(PYTEST_ARGS)

soak: setup ## Tell random histories of the whole house; MINUTES=5, and SEED=123 for the same again
	@$(BIN)/python -m tests.soak $(if $(MINUTES),--minutes $(MINUTES)) $(if $(SEED),--seed $(SEED))

check: setup ## Lint, formatting, types, layers, and whether schema.graphql is up to date
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/jobsphere schema --check

bench: setup ## Run the named loads and print their figures
	$(BIN)/python -m benchmarks

lock: setup ## Write requirements.lock anew from pyproject.toml; UPGRADE=--upgrade for newer versions
	$(UV) pip compile --quiet --universal --generate-hashes --python-version 3.11 --group dev --group sandbox \
		$(UPGRADE) pyproject.toml --output-file requirements.lock

setup: $(VENV)/installed $(GRAPHIQL) ## Install what is missing; the others call it

$(GRAPHIQL): $(wildcard server/graphiql/*.*) | $(VENV)/installed
	@$(BIN)/python -m server.graphiql.build
	@touch $@

$(VENV)/installed: requirements.lock pyproject.toml $(UV)
	$(UV) pip install --python $(BIN)/python --compile-bytecode --require-hashes -r requirements.lock
	$(UV) pip install --python $(BIN)/python --quiet --no-deps --no-build-isolation --editable .
	@touch $@

# uv alone comes by pip, at the version and with the hashes of requirements.lock, and installs the others.
$(UV): | $(BIN)/python
	@awk '/^uv==/ { found = 1 } found { print } found && !/\\$$/ { exit }' requirements.lock > $(VENV)/uv.lock
	@if $(BIN)/python -m pip --version >/dev/null 2>&1; then pip="$(BIN)/python -m pip"; \
	else pip="$(PYTHON) -m pip --python $(BIN)/python"; fi; \
	$$pip install --quiet --disable-pip-version-check --require-hashes -r $(VENV)/uv.lock || { \
		echo "uv could not be installed (see above). Without pip: apt-get install python3-venv, rm -r $(VENV)." >&2; \
		exit 1; }

# Debian's python3 comes without the pip that a venv wants, unless python3-venv is installed; python3-pip will do.
$(BIN)/python:
	@test -n "$(PYTHON)" || { \
		echo "No Python from 3.11 on was found ($(PYTHONS)). Install one, or name it: make PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "$(PYTHON) is older than 3.11. Name another: make PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -m venv --clear $(VENV) >/dev/null 2>&1 || $(PYTHON) -m venv --clear --without-pip $(VENV) || { \
		echo "$(PYTHON) cannot make a virtual environment: apt-get install python3-venv, or its like." >&2; exit 1; }
