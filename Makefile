# Two commands on a fresh machine: `make demo` and `make test`. Both make .venv and install what they need,
# pinned by the constraints of the interpreter's version; a second call installs nothing.
# `make test-next` runs a part of the tests on a newer Python in .venv-next, `make test-all` all of them on both.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TEST_WORKERS ?= auto
NEXT ?= $(shell PYTHON=$(PYTHON) .ci/next-python)
VERSION := $(shell $(or $(wildcard $(BIN)/python),$(PYTHON)) -c 'import sys; print("py311" if sys.version_info < (3, 12) else "py312")')
CONSTRAINTS := constraints/$(VERSION).txt
# A worker that has ended takes tests from the end of another's list: modules stay together, for each worker
# compiles a module's programs, and makes its fixtures, for itself.
PYTEST = XLA_FLAGS="--xla_cpu_multi_thread_eigen=false" $(BIN)/python -m pytest -n $(TEST_WORKERS) --dist worksteal -q --durations=25
# Longer than ten seconds each, on two cores: `make slow` and `make test-all` run them.
QUICK = -m "not slow"
# What another version of JAX, NumPy, DuckDB or Flax is most likely to change, in about a minute on two cores.
BATTERY := tests/test_compiler.py tests/test_spec.py tests/test_streams.py tests/doctor tests/store tests/recipes \
	tests/data/test_base.py tests/masks/test_criteria.py tests/models/test_convolution.py tests/models/test_adapters.py tests/models/test_trace.py \
	tests/training/test_step.py tests/training/test_order.py tests/sweeps/test_resume.py tests/cli/test_show.py

TORCH := tests/models/aten tests/models/test_from_torch.py tests/models/test_torch_networks.py \
	tests/models/test_torch_training.py tests/models/test_adapters.py tests/cli/test_export_torch.py tests/test_docs_torch.py
KERNELS := tests/models/test_convolution_native.py tests/models/test_convolution.py tests/doctor/test_kernels.py

.PHONY: demo test lint types pytest slow battery kernels test-kernels test-torch test-next test-all next format bench clean lock docs

demo: $(VENV)/.base
	$(BIN)/weightspace demo

test: lint types pytest

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/pyright

pytest: $(VENV)/.test
	$(PYTEST) $(QUICK)

slow: $(VENV)/.test
	$(PYTEST) -m slow

battery: $(VENV)/.test
	$(PYTEST) $(QUICK) $(BATTERY)

# The extra's convolutions, built into a folder of their own: other tests see the package without them.
kernels: .kernels/.built

.kernels/.built: $(VENV)/.base $(wildcard kernels/setup.py kernels/pyproject.toml kernels/src/*/*)
	rm -rf .kernels
	$(BIN)/python -m pip install --quiet --no-deps --target .kernels ./kernels
	@touch $@

test-kernels: $(VENV)/.test .kernels/.built
	PYTHONPATH=.kernels $(BIN)/python -m pytest -q -p no:xdist $(KERNELS)

# Networks of PyTorch against PyTorch itself: 750 MB, so that the other tests do without.
$(VENV)/.torch: $(VENV)/.test
	$(BIN)/python -m pip install --quiet --constraint $(CONSTRAINTS) --editable '.[torch]'
	@touch $@

test-torch: $(VENV)/.torch
	$(PYTEST) $(TORCH)

# The site, into build/site: each notebook's script is run, where it or the package has changed, and shown with
# its pictures; links that lead nowhere, names without a docstring and pages outside the navigation are errors.
NOTEBOOKS := $(patsubst docs/notebooks/%.py,build/notebooks/%.md,$(wildcard docs/notebooks/*.py))

$(VENV)/.docs: $(VENV)/.test
	$(BIN)/python -m pip install --quiet --constraint $(CONSTRAINTS) --group docs
	@touch $@

build/notebooks/%.md: docs/notebooks/%.py docs/site/notebooks.py $(shell find src -name '*.py') | $(VENV)/.docs
	$(BIN)/python docs/site/notebooks.py $< --out build/notebooks

docs: $(VENV)/.docs $(NOTEBOOKS)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

next:
	$(if $(NEXT),$(MAKE) VENV=.venv-next PYTHON=$(NEXT) .venv-next/.test,@echo "no newer Python is at hand")

test-next:
	$(if $(NEXT),$(MAKE) VENV=.venv-next PYTHON=$(NEXT) battery,@echo "no newer Python is at hand")

test-all: test slow test-kernels test-torch
	$(if $(NEXT),$(MAKE) VENV=.venv-next PYTHON=$(NEXT) pytest slow,@echo "no newer Python is at hand")

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.bench
	$(BIN)/python -m benchmarks.against_torch

$(VENV)/.python:
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "Python 3.11 or newer is needed"'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	@touch $@

$(VENV)/.base: $(VENV)/.python pyproject.toml $(CONSTRAINTS)
	$(BIN)/python -m pip install --quiet --constraint $(CONSTRAINTS) --editable .
	@touch $@

$(VENV)/.test: $(VENV)/.base
	$(BIN)/python -m pip install --quiet --constraint $(CONSTRAINTS) --editable '.[data,equinox]' --group test
	@touch $@

$(VENV)/.dev: $(VENV)/.test
	$(BIN)/python -m pip install --quiet --constraint $(CONSTRAINTS) --group lint
	@touch $@

$(VENV)/.bench: $(VENV)/.dev
	$(BIN)/python -m pip install --quiet --constraint $(CONSTRAINTS) --editable '.[bench]'
	@touch $@

# Writes the constraints of the interpreter's version; for the newer one: make lock VENV=.venv-next PYTHON=python3.12
lock: $(VENV)/.dev $(VENV)/.docs
	$(BIN)/python -m pip freeze --exclude-editable > $(CONSTRAINTS)

clean:
	rm -rf $(VENV) .venv-next .kernels build dist .pytest_cache .ruff_cache
