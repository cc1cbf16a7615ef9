# Every command of the project. `make help` lists them.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
TORCH_INDEX_URL ?=

.PHONY: help install check test lock clean

help: ## list the commands
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-9s %s\n", $$1, $$2}'

$(STAMP): pyproject.toml requirements.lock
	$(PYTHON) -m venv $(VENV)
	$(if $(TORCH_INDEX_URL),$(BIN)/pip install -q --index-url $(TORCH_INDEX_URL) torch==2.13.0)
	$(BIN)/pip install -q -c requirements.lock -e '.[cpu,offline,dev]'
	touch $(STAMP)

install: $(STAMP) ## make the environment in .venv from the lock

check: $(STAMP) ## format, lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: $(STAMP) ## the tests
	$(BIN)/pytest -q

lock: ## resolve requirements.lock anew (needs uv)
	@echo "# Exact versions of every extra, used as pip constraints (-c). Made by 'make lock'; do not edit." > requirements.lock
	uv pip compile --universal --python-version 3.11 --all-extras --no-emit-index-url --no-header --no-annotate pyproject.toml -q | sed 's/+cpu//' >> requirements.lock

clean: ## remove the environment, caches, runs and shops
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache runs shops
