# The two commands: `make demo` and `make test`. Each sets up what it needs in .venv.

PYTHON ?= python3.11
BIN := .venv/bin

.PHONY: demo test setup lint types format bench lock clean

demo: setup
	$(BIN)/hepanode demo

test: setup
	$(BIN)/pytest

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: setup
	$(BIN)/mypy

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup
	$(BIN)/python -m tests.benchmarks

setup: .venv/.installed

# --no-deps: the lock file names every package there is
.venv/.installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --no-deps --requirement requirements.lock
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

# Newest versions that fit pyproject.toml; keeps what the present lock has where it fits.
lock:
	$(BIN)/pip install --quiet uv
	$(BIN)/uv pip compile pyproject.toml --extra train --extra test --python-version 3.11 \
	    --no-emit-index-url --no-emit-find-links --no-header --no-annotate -o requirements.lock

clean:
	rm -rf .venv build *.egg-info
