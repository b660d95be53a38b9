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
.PHONY: help demo test check docs bench test-postgres test-upstream test-long torture test-lowest test-wheels clean

help:  ## say what each target does
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(DEMO_STAMP)  ## a short story: remember, ask, correct, travel back
	$(BIN)/feather-memory demo

test: $(STAMP)  ## every test but the long ones, with branch coverage of at least 95 %
	$(BIN)/python -m pytest -m "not long" integrations/langchain-feather-memory
	$(BIN)/python -m pytest -m "not long" integrations/llama-index-memory-feather
	$(BIN)/python -m pytest -m "not long" -n $(WORKERS) \
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
	$(BIN)/python -m pytest -m "not long" --servers -k "server or postgres" -n $(WORKERS) tests

# Downloads nothing: SDISTS is a folder of unpacked sdists, UPSTREAM a python with the group `upstream`.
test-upstream:  ## LangGraph's own store tests, and langmem's and deepagents' use, against FeatherStore
	$(or $(UPSTREAM),$(BIN)/python) tests/upstream/run.py $(SDISTS)

test-long: $(STAMP)  ## the tests that take minutes
	$(BIN)/python -m pytest -m long integrations/langchain-feather-memory
	$(BIN)/python -m pytest -m long integrations/llama-index-memory-feather
	$(BIN)/python -m pytest -m long

# In environments of their own that are thrown away: nothing of them may come from .venv.
define test_with_lowest
	@set -e; folder=$$(mktemp -d); trap 'rm -rf "$$folder"' EXIT; \
	$(PYTHON) -m venv "$$folder"; "$$folder/bin/python" -m pip install --quiet uv; \
	"$$folder/bin/uv" pip install --quiet --python "$$folder/bin/python" \
		--resolution lowest-direct -e . -e '$(1)$(2)' --group $(1)/pyproject.toml:test; \
	"$$folder/bin/uv" pip list --quiet --python "$$folder/bin/python" \
		| grep -i '^lang\|^llama\|^pydantic \|^numpy'; \
	"$$folder/bin/python" -m pytest -m "not long" $(3) $(1)
endef

# For MINUTES, with a SEED to do the same again. ARGS="--only damage" does one, ARGS=--write notes the figures.
torture: $(STAMP)  ## kill it, fill the disk, damage the file, call it with anything
	PYTHONPATH=tests $(BIN)/python -m torture --minutes $(or $(MINUTES),8) \
		$(if $(SEED),--seed $(SEED)) $(ARGS)

test-lowest:  ## the adapters' tests with the lowest versions that are declared
	$(call test_with_lowest,integrations/langchain-feather-memory,[all],-W error::DeprecationWarning)
	$(call test_with_lowest,integrations/llama-index-memory-feather)

# As users get them: built, installed in an environment of their own, and tested from a folder in
# which there is no source.
test-wheels:  ## build the three wheels, look into them, and run their tests against them
	@set -e; folder=$$(mktemp -d); trap 'rm -rf "$$folder"' EXIT; \
	$(PYTHON) -m venv "$$folder/env"; "$$folder/env/bin/python" -m pip install --quiet uv; \
	for project in . integrations/langchain-feather-memory integrations/llama-index-memory-feather; do \
		"$$folder/env/bin/uv" build --quiet --wheel --out-dir "$$folder/wheels" $$project; done; \
	"$$folder/env/bin/python" tests/wheels.py "$$folder/wheels"; \
	"$$folder/env/bin/uv" pip install --quiet --python "$$folder/env/bin/python" \
		--find-links "$$folder/wheels" 'feather-memory[all]' 'langchain-feather-memory[all]' \
		llama-index-memory-feather --group dev; \
	mkdir "$$folder/there"; \
	git ls-files | grep -v '^feather_memory/\|^integrations/[^/]*/lang\|^integrations/[^/]*/llama_index/' \
		| tar -c -T - | tar -x -C "$$folder/there"; \
	cd "$$folder/there"; \
	for tests in tests integrations/langchain-feather-memory integrations/llama-index-memory-feather; do \
		"$$folder/env/bin/python" -m pytest -q -m "not long" -p no:cacheprovider $$tests; done

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
