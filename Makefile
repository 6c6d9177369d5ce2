# The environment is .venv; every target makes it first if it is not there.
PYTHON ?= python3
VENV := .venv
STAMP := $(VENV)/.installed
BIN := $(VENV)/bin
PATIENTS ?= 2000
# uv installs in seconds what takes pip a minute: the same packages, by the same hashes. `make INSTALLER=pip` does without it.
INSTALLER ?= uv
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check
UV = $(BIN)/uv pip install --quiet --python $(BIN)/python

.PHONY: demo test test-long mutants check bench lock clean

demo: $(STAMP)  ## a synthetic cohort, ingested and reported on, in the folder demo
	rm -rf demo
	$(BIN)/outcomes demo demo --patients $(PATIENTS)

test: $(STAMP)  ## every rule, in minutes
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

test-long: $(STAMP)  ## every rule at its full strength: hundreds of kills, seeds and attacks, new examples of every property; hours
	OUTCOMES_TESTS=long $(BIN)/python -m pytest -n auto

mutants: $(STAMP)  ## plant faults in the program, one at a time, and see whether its tests notice; half an hour
	$(BIN)/python tests/mutation/mutants.py run

lock:  ## pin every dependency anew, with hashes and without hosts
	uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-annotate --no-strip-extras --no-header -o requirements.lock

clean:
	rm -rf $(VENV) demo

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13) and "Python 3.11 to 3.13 is needed: make PYTHON=python3.12")'
	@echo 'Installing the pinned packages into $(VENV).'
	@$(PYTHON) -m venv $(VENV)
	@sed -n '/^uv==/,/[^\\]$$/p' requirements.lock > $(VENV)/uv.lock
	@sed '/^uv==/,/[^\\]$$/d' requirements.lock > $(VENV)/packages.lock
	@if test $(INSTALLER) = uv && $(PIP) --require-hashes --no-deps --only-binary :all: -r $(VENV)/uv.lock \
			&& $(UV) --require-hashes --no-deps -r $(VENV)/packages.lock; \
		then $(UV) --no-deps --no-build-isolation --editable .; \
		else $(PIP) --require-hashes --no-deps -r $(VENV)/packages.lock && $(PIP) --no-deps --no-build-isolation --editable .; \
	fi
	@touch $(STAMP)
