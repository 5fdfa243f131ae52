# `make run` and `make test` are all that a newcomer needs: each makes the environment first.
SHELL := /bin/bash
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
# Compiled modules are kept, whatever the environment says: the tests start dozens of processes, each of which would
# compile everything again.
export PYTHONDONTWRITEBYTECODE =

RUNBOOKS := ic01 ic02 supply-outage-short supply-outage-long over-voltage arm-supply han-join

.PHONY: run test venv lint types layers check bench soak picture lock clean

run: venv
	$(BIN)/hilbench run $(RUNBOOKS) --rig rigs/emulated.yaml --out evidence

# Three at a time on two cores: some wait for processes of their own.
test: venv
	$(BIN)/python -m pytest -n 3 -m "not soak"

venv: $(STAMP)

$(STAMP): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

lint: venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: venv
	$(BIN)/mypy

layers: venv
	$(BIN)/lint-imports

check: lint types layers test

bench: venv
	$(BIN)/python -m tests.benchmarks

soak: venv
	$(BIN)/python -m pytest -n 2 -m soak

picture: venv
	$(BIN)/python docs/picture.py
	$(BIN)/python docs/wiring.py

lock:
	uv pip compile requirements.in --generate-hashes --no-annotate --no-header --python-version 3.11 \
	  --no-emit-index-url --no-emit-find-links -o requirements.lock

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .pytest_cache .ruff_cache
