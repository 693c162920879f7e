# make demo   run the main job on a small set of CloudTrail logs
# make test   run the tests
# make lint   ruff, mypy, import-linter, generated tables
# make bench  compare with sysdig on big captures
# Each creates the virtual environment itself.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test lint format bench clean

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --editable . --group dev
	touch $@

demo: $(STAMP)
	PATH="$(CURDIR)/$(BIN):$$PATH" sh tests/demo.sh

test: $(STAMP)
	AWS_EC2_METADATA_DISABLED=true $(BIN)/python -m pytest --numprocesses=auto --cov --cov-report=term:skip-covered

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m scap_formats.generate ../shared/reference --check

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(STAMP)
	$(BIN)/python -m bench.compare

clean:
	rm -rf $(VENV) demo-output .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage dist
