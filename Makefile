# Each target sets up what it needs. `make run` and `make test` work on a fresh clone.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# For a CPU build of torch from an index of your choice: make TORCH_INDEX=URL run
TORCH_INDEX ?=

export MPLBACKEND := Agg

$(STAMP): pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "No $(PYTHON): install Python 3.11, or make PYTHON=..."; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing (once; a few minutes)"
	@$(if $(TORCH_INDEX),$(BIN)/pip install -q --index-url $(TORCH_INDEX) -c constraints.txt torch,true)
	@$(BIN)/pip install -q -c constraints.txt -e '.[dev]'
	@touch $@

.env: | $(STAMP)
	@echo "DAGSTER_HOME=$(CURDIR)/.atft/demo/dagster" > $@

.PHONY: help install run test test-fast check format ui status bench-stages bench-real bench-ingest bench-features bench-backfill snapshot features-page clean screenshots

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

install: $(STAMP) .env ## the virtual environment with everything in it

run: install ## the whole graph on the simulated market, and its results
	@$(BIN)/atft run

# Two files at a time, the long ones of tests/browser and tests/integration first.
test: install ## the whole test suite
	@$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

test-fast: install ## the tests that take seconds
	@$(BIN)/pytest -m "not slow"

check: install ## ruff, mypy strict, import-linter
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

format: install ## ruff's formatting and safe fixes
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

ui: install ## Dagster's page with its daemon, and MLflow's page, on loopback
	@$(BIN)/atft ui

status: install ## what is current, what is not, and why
	@$(BIN)/atft status

bench-stages: install ## seconds, memory and megabytes of each stage of a run on the demo
	@$(BIN)/python -m benchmarks.stages

bench-real: install ## the same on files: make bench-real SOURCE=DIR [ARGS="--set ..."], 300 codes x 3 years, then 1,000 x all
	@test -n "$(SOURCE)" || { echo "Name the folder: make bench-real SOURCE=DIR"; exit 1; }
	@$(BIN)/python -m benchmarks.stages --preset tse --source $(SOURCE) $(ARGS)
	@$(BIN)/python -m benchmarks.stages --preset tse --source $(SOURCE) --set universe.n_largest=1000 \
	  --set period.sessions=null --to normalization_stats --to arrow_cache --to graphs $(ARGS)

bench-ingest: install ## on one core: the limit of an account; pages of JSON to typed rows; ten million bars to Parquet
	@POLARS_MAX_THREADS=1 taskset -c 0 $(BIN)/python -m benchmarks.ingest

bench-features: install ## a million rows: alpha158, all 246 price columns; a month of 4,000 codes: all 306; share per family, memory
	@$(BIN)/python -m benchmarks.features

bench-backfill: install ## all 306 columns of 4,000 codes x 10 years in one backfill: seconds, memory; takes 20 GB of disk
	@$(BIN)/python -m benchmarks.backfill

snapshot: install ## rewrite the snapshot of the asset graph after an intended change
	@$(BIN)/pytest tests/test_definitions.py --update-snapshot

features-page: install ## rewrite docs/features.md and the measured lineage after an intended change of the contract
	@$(BIN)/pytest tests/properties/test_column_lineage.py --update-snapshot
	@$(BIN)/python -m docs.features_page

clean: ## the lake, Dagster's and MLflow's records, and caches; what the API sent and the environment stay
	find .atft -mindepth 1 -maxdepth 1 -not -name received -exec rm -rf {} + 2>/dev/null || true
	rm -rf .env .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

screenshots: install ## the pictures of the README, from the pages of the last `make run`; needs Chromium
	@$(BIN)/python -m docs.screenshots
