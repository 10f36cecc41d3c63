# Short names only: tox.ini and noxfile.py hold the commands.
# `make grade SUBMISSION=../other ARGS="--variant dilated"` passes arguments on; `make test ARGS="-k rules"` too.
# make ends with 2 whatever a command ended with but 0: scripts that tell 1, 2 and 3 apart call .venv/bin/harness.

SUBMISSION ?= submission
RECORD ?= $(SUBMISSION)/results/scorecard.json
ARGS ?=
PYTHONS ?= python3.11 python3.12 python3.13 python3

BIN := .venv/bin
READY := .venv/.ready

.DEFAULT_GOAL := help
.PHONY: help setup grade check reproduce twice gradescope test slow lint bench clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

setup: $(READY) ## make .venv with the exact versions of constraints.txt (several GB, once)

grade: $(READY) ## grade SUBMISSION: train and measure basic, judge the rules of dilated; see results/scorecard.html
	@$(BIN)/nox -s grade -- $(SUBMISSION) $(ARGS)

check: $(READY) ## judge the rules alone: no training, no data
	@$(BIN)/nox -s check -- $(SUBMISSION) $(ARGS)

reproduce: $(READY) ## grade a RECORD again from what lies beside it: identical, or what differs first
	@$(BIN)/nox -s reproduce -- $(RECORD) $(ARGS)

twice: $(READY) ## train twice from one seed on the embedded images and compare the weights byte for byte
	@$(BIN)/nox -s twice -- $(SUBMISSION) $(ARGS)

gradescope: $(READY) ## build the autograder to upload to Gradescope: build/gradescope.zip
	@$(BIN)/nox -s gradescope

test: $(READY) ## run the fast tests
	@$(BIN)/tox -q -e tests -- $(ARGS)

slow: $(READY) ## run the slow tests, which train
	@$(BIN)/tox -q -e slow -- $(ARGS)

lint: $(READY) ## check style, types and who imports whom
	@$(BIN)/tox -q -e lint,types,layers

bench: $(READY) ## measure speeds: rules, intake, training against a naive pipeline
	@$(BIN)/nox -s bench -- $(ARGS)

clean: ## remove caches and build leftovers; .venv, data and results stay
	rm -rf .tox .nox .benchmarks .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache build dist
	find . -path ./.venv -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamp is written last, so an interrupted installation is taken up again.
$(READY): pyproject.toml constraints.txt
	@for python in $(PYTHONS); do \
	    if $$python -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	        found=$$python; break; \
	    fi; \
	done; \
	if [ -z "$$found" ]; then \
	    echo "setup: no usable Python; expected 3.11 or newer with venv and pip, got: $$(python3 --version 2>&1)." >&2; \
	    echo "Install one (Debian, Ubuntu: python3.11 and python3.11-venv), or name it: make setup PYTHONS=/path/to/python" >&2; \
	    exit 1; \
	fi; \
	echo "setup: $$($$found --version) makes .venv; torch and its libraries are several GB, this takes minutes once"; \
	$$found -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check -e '.[dev]' -c constraints.txt
	@touch $@
