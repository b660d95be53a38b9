# Every target that needs Python makes .venv by itself, and bench the environment that its peers live
# in. PYTHON chooses which one they are made from, WORKERS how many processes share the core's tests.
# The demo's .venv holds what the demo needs, by uv where there is one; everything else completes it.

PYTHON ?= python3
WORKERS ?= 2
BIN := .venv/bin
STAMP := .venv/.installed
DEMO_STAMP := .venv/.demo
UV := $(shell command -v uv 2>/dev/null)
BENCH := .bench/env
BENCH_STAMP := .bench/.installed
DOCS := .docs/env
DOCS_STAMP := .docs/.installed
PROJECTS := pyproject.toml \
	integrations/langchain-feather-memory/pyproject.toml \
	integrations/llama-index-memory-feather/pyproject.toml

.DEFAULT_GOAL := help
.PHONY: help demo test coverage check docs bench test-postgres test-browser test-upstream test-long torture test-importers release-check test-wheels test-lowest clean

help:  ## say what each target does
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(DEMO_STAMP)  ## a short story: remember, ask, correct, travel back
	$(BIN)/feather-memory demo

test: $(STAMP)  ## every test but the long ones and those in a browser
	$(BIN)/python -m pytest -m "not long" -n $(WORKERS) integrations/langchain-feather-memory
	$(BIN)/python -m pytest -m "not long" -n $(WORKERS) integrations/llama-index-memory-feather
	$(BIN)/python -m pytest -m "not long and not browser" -n $(WORKERS)

# Tracing every branch makes the core's tests half as long again: a target of its own, beside `make test`.
coverage: $(STAMP)  ## the core's tests once more, with branch coverage of at least 95 %
	$(BIN)/python -m pytest -m "not long and not browser" -n $(WORKERS) \
		--cov=feather_memory --cov-branch --cov-fail-under=95

check: $(STAMP)  ## lint, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy feather_memory
	$(BIN)/mypy integrations/langchain-feather-memory/langchain_feather_memory
	MYPYPATH=integrations/llama-index-memory-feather $(BIN)/mypy \
		--namespace-packages --explicit-package-bases -p llama_index.memory.feather
	$(BIN)/mypy tests/typing
	$(BIN)/basedpyright

# What is documented is read, not imported: of the project itself nothing is installed.
docs: $(DOCS_STAMP)  ## build the documentation into .docs/site; any warning is an error
	$(DOCS)/bin/python docs/site/build.py

# ARGS="--quick" takes under three minutes instead of thirty, ARGS="--only dense" measures one row, and
# DATA=FOLDER takes real sentences and evaluation data, too. A whole run writes docs/performance.md and
# docs/recall.md; RECALL="--only days" is for the latter what ARGS is for the former.
bench: $(BENCH_STAMP)  ## measure speed, recall and walks beside peers, and write their pages
	$(BENCH)/bin/python -m benchmarks.speed $(ARGS) $(if $(DATA),--data $(DATA))
	$(BENCH)/bin/python -m benchmarks.recall $(RECALL) $(if $(DATA),--data $(DATA))
	$(BENCH)/bin/python benchmarks/walks.py

# A sample of it is in `make test`. FEATHER_POSTGRES is the URL of a database whose user may make others;
# without it a server is started, and stopped.
test-postgres: $(STAMP)  ## all that can runs over a store on a PostgreSQL server
	$(BIN)/python -m pytest -m "not long and not browser" --servers -k "server or postgres" -n $(WORKERS) tests
	PYTHONPATH=tests $(BIN)/python -m pytest -m "not long and not file" -p over_servers --servers \
		-n $(WORKERS) integrations/langchain-feather-memory
	PYTHONPATH=tests $(BIN)/python -m pytest -m "not long and not file" -p over_servers --servers \
		-n $(WORKERS) integrations/llama-index-memory-feather

# Installs nothing: what is missing it says, and how to get it. FEATHER_CHROMIUM names another browser.
test-browser:  ## what a person does in the window, in Chromium
	@$(if $(wildcard $(BIN)/python),$(BIN)/python,$(PYTHON)) tests/browser/needed.py
	$(BIN)/python -m pytest -m browser tests/browser

# Downloads nothing: SDISTS is a folder of unpacked sdists, UPSTREAM a python with the group `upstream`.
test-upstream:  ## LangGraph's own store tests, and langmem's and deepagents' use, against FeatherStore
	$(or $(UPSTREAM),$(BIN)/python) tests/upstream/run.py $(SDISTS)

test-long: $(STAMP)  ## the tests that take minutes
	$(BIN)/python -m pytest -m long integrations/langchain-feather-memory
	$(BIN)/python -m pytest -m long integrations/llama-index-memory-feather
	$(BIN)/python -m pytest -m long

# For MINUTES, with a SEED to do the same again. ARGS="--only damage" does one, ARGS=--write adds
# what was seen to docs/reliability.md, which tells how many trials were made of which code.
torture: $(STAMP)  ## kill it, fill the disk, damage the file, call it with anything
	PYTHONPATH=tests $(BIN)/python -m torture --minutes $(or $(MINUTES),12) \
		$(if $(SEED),--seed $(SEED)) $(ARGS)

# In an environment of its own that is thrown away: the packages are large, and others' to keep working.
test-importers:  ## the importers that read through other packages, with files that these wrote
	@set -e; folder=$$(mktemp -d); trap 'rm -rf "$$folder"' EXIT; \
	$(PYTHON) -m venv "$$folder"; "$$folder/bin/python" -m pip install --quiet \
		-e '.[cli,chroma,feather-db]' 'pytest>=8.3' 'hypothesis>=6.100' 'pytest-asyncio>=1.0'; \
	"$$folder/bin/python" -m pytest -q -p no:cacheprovider -k real tests/test_importers.py

# As users get them, in environments of their own that are thrown away: nothing may come from here.
# ARGS="-- -k words" goes to pytest; `python .ci/release.py --set 0.2.0` writes the next version.
release-check:  ## build sdists and wheels, look into them, and test them with the newest and lowest
	$(PYTHON) .ci/release.py $(ARGS)

test-wheels:  ## of that the newest dependencies that there are
	$(PYTHON) .ci/release.py --only newest $(ARGS)

test-lowest:  ## of that the lowest that are declared
	$(PYTHON) .ci/release.py --only lowest $(ARGS)

clean:  ## remove .venv, .bench, .docs and whatever the tools left behind
	rm -rf .venv .bench .docs build dist htmlcov .coverage .coverage.* \
		.hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# With pip in it, which a venv of uv's has only if it is asked for: the rest is installed by pip.
define make_venv
	test -x $(BIN)/python || $(if $(UV),$(UV) venv --quiet --seed --python $(PYTHON) .venv,$(PYTHON) -m venv .venv)
endef

# Nothing is compiled ahead: the story imports a tenth of it.
$(DEMO_STAMP): pyproject.toml
	$(make_venv)
	$(if $(UV),$(UV) pip install --quiet --python $(BIN)/python,$(BIN)/python -m pip install --quiet --no-compile) \
		-e '.[cli]'
	touch $@

# pip reads dependency groups (--group) from 25.1 on.
$(STAMP): $(PROJECTS)
	$(make_venv)
	$(BIN)/python -m pip --version > /dev/null 2>&1 || $(BIN)/python -m ensurepip  # after `uv sync`
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet -e '.[all]' \
		-e 'integrations/langchain-feather-memory[all]' \
		-e integrations/llama-index-memory-feather \
		--group dev
	touch $(DEMO_STAMP) $@

$(BENCH_STAMP): $(PROJECTS) benchmarks/speed/environment.py
	$(PYTHON) benchmarks/speed/environment.py $(BENCH)
	touch $@

$(DOCS_STAMP): pyproject.toml
	$(PYTHON) -m venv $(DOCS)
	$(DOCS)/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(DOCS)/bin/python -m pip install --quiet --group docs
	touch $@
