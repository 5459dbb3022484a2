# make demo, make test: each makes what it needs. PYTHON, VENV and TORCH_INDEX may be set:
# `make test PYTHON=python3.13`, `make demo TORCH_INDEX=` (torch as PyPI has it, with CUDA).

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin

# On Linux, PyPI's torch brings gigabytes of CUDA; its CPU build is in an index of its own.
ifeq ($(shell uname -s),Linux)
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
endif

PIP = $(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt

.PHONY: demo test lint docs pages bench clean

## Upscale bundled photographs; writes demo/report.html.
demo: $(VENV)/demo.stamp
	$(BIN)/restorekit demo

## All tests, files side by side on the cores; make test ARGS="-k tiles" runs some.
test: $(VENV)/dev.stamp
	$(BIN)/python -m pytest -n auto --maxprocesses 8 --dist worksteal --durations 15 $(ARGS)

## Style and types.
lint: $(VENV)/dev.stamp
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright --pythonpath $(BIN)/python

## The documentation's site, in site/.
docs: $(VENV)/dev.stamp
	$(BIN)/mkdocs build --strict

## The generated pages and pictures of docs/, after a change of the code.
pages: $(VENV)/dev.stamp
	$(BIN)/python docs/generate.py
	$(BIN)/python docs/figures.py
	$(BIN)/python docs/engine_figures.py
	$(BIN)/python docs/cookbook_figures.py

## The small benchmark; writes benchmarks/results/latest/report.html. ARGS="--suite full" runs another.
bench: $(VENV)/dev.stamp
	$(BIN)/python benchmarks/run.py $(or $(ARGS),--suite smoke)

clean:
	rm -rf $(VENV) build dist site demo .pytest_cache .ruff_cache .hypothesis

$(VENV)/demo.stamp: $(VENV)/torch.stamp
	$(PIP) -e ".[metrics]"
	touch $@

$(VENV)/dev.stamp: $(VENV)/torch.stamp
	$(PIP) -e ".[dev]" -e plugins/deblur
	touch $@

$(VENV)/torch.stamp: pyproject.toml constraints.txt
	@$(PYTHON) -c "import sys; sys.exit(0 if sys.version_info >= (3, 11) else 'restorekit needs Python 3.11 or newer: make PYTHON=python3.11')"
	$(PYTHON) -m venv $(VENV)
	$(if $(TORCH_INDEX),$(PIP) --no-deps --retries 1 --timeout 20 --index-url $(TORCH_INDEX) torch || echo "no torch from $(TORCH_INDEX); taking the default one")
	touch $@
