# `make run` and `make test` work on a fresh machine with Python 3.11 or newer and make; `make help` lists the rest.
PYTHON ?= python3
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help run test dev docs check proof bench lock clean

help: ## Show this list.
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 16

run: .venv/ready ## Build every table from candles to the online store, and show the newest features.
	@$(BIN)/crypto-features run

test: .venv/ready ## Run the tests.
	@$(BIN)/pytest -n auto --dist loadfile --no-loadscope-reorder

dev: .venv/ready ## Open the Dagster UI.
	@$(BIN)/crypto-features dev

docs: .venv/ready ## Build the documentation as a site, into site/.
	@$(BIN)/python -m docs.tools.settings_page
	@$(BIN)/python -m docs.tools.notebooks
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet && echo "site/index.html; to search it: $(BIN)/python -m http.server -b 127.0.0.1 -d site"

check: .venv/ready ## Lint, types, import rings.
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

proof: .venv/ready ## Run the slow proofs (kills, schedules, growth) at full count.
	@$(BIN)/pytest -m proof --proof

bench: .venv/ready ## Measure speed and memory beside plain Feast and the bare floor.
	@$(BIN)/python -m benchmarks

lock: .venv/ready ## Resolve the dependencies anew.
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --extra dev \
		--no-header --no-annotate --no-emit-package crypto-features-reader --upgrade pyproject.toml --output-file requirements.lock
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --extra redis --extra postgres --extra openlineage \
		--no-header --no-annotate --no-emit-package crypto-features-reader --constraint requirements.lock pyproject.toml \
		--output-file deploy/compose/image.lock

clean: ## Remove the environment; data stays.
	@rm -rf .venv

# pip checks the hash of uv, uv checks the hashes of everything else and installs in a fraction of pip's time.
.venv/ready: requirements.lock pyproject.toml reader/pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version.split()[0] + ": make PYTHON=python3.12 ...")'
	@echo "Installing into .venv (once)"
	@$(PYTHON) -m venv .venv
	@sed -n '/^uv==/,/[^\\]$$/p' requirements.lock | $(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r /dev/stdin
	@$(BIN)/uv pip install --quiet --system-certs --compile-bytecode --python $(BIN)/python --require-hashes --build-constraints requirements.lock -r requirements.lock
	@$(BIN)/uv pip install --quiet --system-certs --python $(BIN)/python --no-deps --no-build-isolation --editable reader --editable .
	@touch $@
