# Postroom's commands. `make run` is all a newcomer needs; `make test` is all a contributor needs.
# Package index settings come from the environment (PIP_INDEX_URL and so on).

.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

PYTHON := $(firstword $(foreach name,python3.11 python3.12 python3.13 python3.14 python3,$(shell command -v $(name) 2>/dev/null)))
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
INSTALLED_DEV := $(VENV)/.installed-dev
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet install --constraint constraints.txt
# What is compiled at installation, where there is a C compiler.
COMPILED := hatch_build.py $(wildcard postroom/imap/*.pyx postroom/imap/*.pxi)
# What the integration tests talk to, and the browser of the end-to-end tests.
SERVERS := dovecot-imapd dovecot-lmtpd redis-server chromium

.PHONY: help setup run demo test check bench docs servers clean

help: ## Show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 16

setup: $(INSTALLED) ## Make the virtual environment and install Postroom into it

run: $(INSTALLED) ## Start Postroom on 127.0.0.1:3000; options come from the environment and .env
	@exec $(BIN)/postroom

demo: $(INSTALLED) ## Start Postroom with a small built-in mail server and one account
	@exec $(BIN)/postroom demo

test: $(INSTALLED_DEV) servers ## Run everything: format, lint, types, all tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest -n 2 --dist loadfile

check: $(INSTALLED_DEV) ## Run what is quick: format, lint, types, unit and house tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest -n 2 --dist loadfile tests/unit tests/house

bench: $(INSTALLED_DEV) servers ## Measure; prints JSON lines
	$(BIN)/python -m bench.run

docs: $(INSTALLED) ## Write the generated pages anew
	$(BIN)/python -m postroom.cli.manual docs

servers: ## Install the servers and the browser that the tests use (needs root and apt)
	@missing=""; \
	for package in $(SERVERS); do \
	  dpkg-query --show --showformat='$${db:Status-Status}' $$package 2>/dev/null \
	    | grep -qx installed || missing="$$missing $$package"; \
	done; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then \
	  echo "The tests need:$$missing. Please install them."; exit 1; \
	fi; \
	export DEBIAN_FRONTEND=noninteractive; \
	apt-get update -qq; \
	apt-get install -y -qq --no-install-recommends $$missing
	@# Cyrus excludes Dovecot in apt, so it is unpacked into a cache; its tests are skipped without.
	@$(PYTHON) -m tests.fakes.cyrus_tree || true

clean: ## Remove what was made, except the data directory
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis postroom/imap/*.so

$(BIN)/python:
	@[ -n "$(PYTHON)" ] || { echo "Postroom needs Python 3.11 or later"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Postroom needs Python 3.11 or later"; exit 1; }
	@echo "Making the virtual environment (once)"
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(INSTALLED): pyproject.toml constraints.txt $(COMPILED) | $(BIN)/python
	@echo "Installing Postroom and its libraries"
	@$(PIP) --editable .
	@touch $@

$(INSTALLED_DEV): pyproject.toml constraints.txt $(COMPILED) | $(BIN)/python
	@echo "Installing Postroom, its libraries and the tools of its tests"
	@$(PIP) --editable '.[dev]'
	@touch $(INSTALLED) $@
