# Weighhouse. `make run` and `make test` do all their own set-up.
SHELL := /bin/bash
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
DONE := $(VENV)/.done
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: help setup dev compiled run test check bench parity format clean

help:
	@echo "make run     install what is missing, then serve the portal, the API and the workers"
	@echo "make test    install what the tests need, then run them"
	@echo "make check   linters, types, layers, migrations, deployment"
	@echo "make bench   beside other scanners; beside sha256; beside cp; then a 4.27 GB checkpoint through the whole pipeline"
	@echo "make parity  the same verdicts on other Pythons, with and without other packages"
	@echo "make setup   install what \`make run\` needs, into $(VENV)"
	@echo "make format  let ruff format the code"

setup: compiled
dev: $(DONE)/dev

$(DONE)/venv: scripts/venv
	@scripts/venv $(VENV)
	@mkdir -p $(DONE) && touch $@

$(DONE)/run: $(DONE)/venv scripts/system requirements.txt $(wildcard requirements/*.txt)
	@scripts/system run
	@echo "==> Installing Weighhouse's Python packages into $(VENV) (several minutes the first time)"
	@$(PIP) install -r requirements.txt
	@$(PIP) install --quiet --no-deps -r requirements/vocabulary.txt
	@touch $@

$(DONE)/dev: $(DONE)/run requirements/dev.txt
	@echo "==> Installing what the tests and checks need"
	@$(PIP) install -r requirements/dev.txt
	@touch $@

$(DONE)/system-test: scripts/system | $(DONE)/venv
	@scripts/system test
	@touch $@

# Every scan is a process of its own, so bytecode counts: here also where PYTHONDONTWRITEBYTECODE
# keeps Python from writing it.
compiled: $(DONE)/run
	@$(BIN)/python -m compileall -q scanner registry

run: compiled
	@$(BIN)/python manage.py serve

# Twice where the database matters: on SQLite with everything else, then on a real PostgreSQL.
test: $(DONE)/dev $(DONE)/system-test compiled
	$(BIN)/python -m pytest -n 2 --dist loadfile $(PYTEST)
	$(BIN)/python -m tests.services postgres -- \
	  $(BIN)/python -m pytest -n 2 --dist loadfile -m "not browser and not own_site" tests/registry $(PYTEST)

check: $(DONE)/dev
	@scripts/check

# Other Pythons need nothing installed: make parity PYTHONS=python3.11,python3.13 FILES=models/
PYTHONS ?= $(BIN)/python
parity: $(DONE)/dev
	$(BIN)/python -m tests.parity --pythons $(PYTHONS) $(FILES)

bench: $(DONE)/dev compiled
	$(BIN)/python -m tests.bench.side_by_side
	$(BIN)/python -m tests.bench.identity
	$(BIN)/python -m tests.bench.convert
	$(BIN)/python -m tests.bench.smoke warm sd1
	$(BIN)/python -m tests.bench.full_size

format: $(DONE)/dev
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
