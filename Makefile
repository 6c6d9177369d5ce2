# The environment is .venv; every target makes it first if it is not there.
PYTHON ?= python3
VENV := .venv
STAMP := $(VENV)/.installed
BIN := $(VENV)/bin
PATIENTS ?= 2000

.PHONY: demo test check bench faults lock clean

demo: $(STAMP)  ## a synthetic cohort, ingested and reported on, in the folder demo
	rm -rf demo
	$(BIN)/outcomes demo demo --patients $(PATIENTS)

test: $(STAMP)  ## all tests
	$(BIN)/python -m pytest -n auto

check: $(STAMP)  ## format, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(STAMP)  ## speed and memory, as ratios against a floor in the same run
	$(BIN)/python tests/benchmarks/ingest.py
	$(BIN)/python tests/benchmarks/report.py
	$(BIN)/python tests/benchmarks/pull.py
	$(BIN)/python tests/benchmarks/fhir.py
	$(BIN)/python tests/benchmarks/operation.py

faults: $(STAMP)  ## the long mode of the fault tests: several hundred kills, hostile files; an hour
	OUTCOMES_FAULTS=long $(BIN)/python -m pytest tests/faults -n auto

lock:  ## pin every dependency anew, with hashes and without hosts
	uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-annotate --no-strip-extras --no-header -o requirements.lock

clean:
	rm -rf $(VENV) demo

$(STAMP): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13) and "Python 3.11 to 3.13 is needed: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $(STAMP)
