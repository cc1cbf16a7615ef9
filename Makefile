# Every command of the project. `make help` lists them.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
TORCH_INDEX_URL ?=
SHOP ?= shops/demo
RUN ?= runs/demo
BUNDLE ?= $(RUN)/bundle
BASE ?=
SHOPPERS ?= 100
SECONDS ?= 60
LOAD ?=
AUDIT := $(VENV)/audit
# Of the tests: they wait for processes, clocks and each other's work a third of their time, so one more than cores.
WORKERS ?= 3
KERNELS := $(wildcard app/engine/kernels/source/*) app/engine/kernels/build.py
PYTEST := $(BIN)/pytest -q -n $(WORKERS) --dist loadscope --no-loadscope-reorder

# Else every process of the tests compiles all of the code anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help install demo serve bench load check test test-all docs audit lock clean

help: ## list the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-9s %s\n", $$1, $$2}'

$(STAMP): pyproject.toml requirements.lock hatch_build.py $(KERNELS)
	$(PYTHON) -m venv $(VENV)
	$(if $(TORCH_INDEX_URL),$(BIN)/pip install -q --index-url $(TORCH_INDEX_URL) torch==2.13.0)
	$(BIN)/pip install -q -c requirements.lock -e '.[cpu,encoder,objects,offline,teacher,dev,load]'
	touch $(STAMP)

install: $(STAMP) ## make the environment in .venv from the lock, and compile the kernels

demo: $(BUNDLE)/CURRENT ## a made-up shop, trained on and served with a page on port 8000
	@echo "open http://127.0.0.1:8000/ or: curl -s -X POST 127.0.0.1:8000/recommend -d '{\"k\": 3, \"fields\": [\"title\"]}'"
	$(BIN)/aisle-serve --bundle $(BUNDLE) --clock bundle

$(SHOP)/dataset.toml: $(STAMP)
	$(BIN)/aisle-offline synthesize --users 1000 --items 10000 --seed 7 --out $(SHOP)

$(BUNDLE)/CURRENT: $(SHOP)/dataset.toml
	$(BIN)/aisle-offline run --data $(SHOP) --out $(RUN) --budget 60s

serve: $(STAMP) ## serve BUNDLE=runs/NAME/bundle
	$(BIN)/aisle-serve --bundle $(BUNDLE)

bench: $(BUNDLE)/CURRENT ## requests a second and latency, beside an empty endpoint
	$(BIN)/python benchmarks/serve_ceiling.py --bundle $(BUNDLE)

load: $(STAMP) $(if $(BASE),,$(BUNDLE)/CURRENT) ## shoppers in a storefront, at BASE=http://... or at a service of its own
	$(BIN)/python benchmarks/storefront_load.py $(if $(BASE),--base $(BASE),--bundle $(BUNDLE)) \
	  --shoppers $(SHOPPERS) --seconds $(SECONDS) --html runs/load.html $(LOAD)

check: $(STAMP) ## format, lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: $(STAMP) ## the tests, but for the slow ones
	$(PYTEST) -m 'not slow'

test-all: $(STAMP) ## all tests, as CI runs them
	$(PYTEST)

docs: $(STAMP) ## write app/SETTINGS.md and offline/COMMANDS.md from the code
	$(BIN)/python -m app.settings_table > app/SETTINGS.md
	$(BIN)/python -m offline.commands.docs > offline/COMMANDS.md

# Not in `check`: it asks a service on the internet, and tomorrow's answer is another one. The tool has an environment of
# its own, since what it needs is nothing of ours. What cannot be looked up fails (--strict). There are no exceptions; one
# is added as --ignore-vuln ID, with the reason here.
audit: ## known weaknesses of what requirements.lock names (needs the network)
	$(PYTHON) -m venv $(AUDIT)
	$(AUDIT)/bin/pip install -q pip-audit==2.10.1
	$(AUDIT)/bin/pip-audit --strict --no-deps --disable-pip -r requirements.lock

lock: ## resolve requirements.lock anew (needs uv)
	@echo "# Exact versions of every extra, used as pip constraints (-c). Made by 'make lock'; do not edit." > requirements.lock
	uv pip compile --universal --python-version 3.11 --all-extras --no-emit-index-url --no-header --no-annotate pyproject.toml -q | sed 's/+cpu//' >> requirements.lock

clean: ## remove the environment, caches, runs and shops
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache runs shops
