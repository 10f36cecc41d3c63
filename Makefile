# Short names only: tox.ini and noxfile.py hold the commands.
# `make grade SUBMISSION=../other ARGS="--variant dilated"` passes arguments on; `make test ARGS="-k rules"` too.
# make ends with 2 whatever a command ended with but 0: scripts that tell 1, 2 and 3 apart call .venv/bin/harness.

SUBMISSION ?= submission
RECORD ?= $(SUBMISSION)/results/scorecard.json
ARGS ?=
export TORCH PYTHONS

BIN := .venv/bin
READY := .venv/.ready
DEV := .venv/.dev

.DEFAULT_GOAL := help
.PHONY: help setup dev lock grade check reproduce twice gradescope test slow lint bench gpu clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

setup: $(READY) ## make .venv with what a grade needs; TORCH=cpu where there is no graphics card
	@bash requirements/install.sh check

dev: $(DEV) ## the same with what the harness's own tests and checks need; test, slow, lint and bench do it

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

test: $(DEV) ## run the fast tests
	@$(BIN)/tox -q -e tests -- $(ARGS)

slow: $(DEV) ## run the slow tests, which train
	@$(BIN)/tox -q -e slow -- $(ARGS)

lint: $(DEV) ## check style, types and who imports whom
	@$(BIN)/tox -q -e lint,types,layers

bench: $(DEV) ## measure speeds: rules, intake, training against a naive pipeline
	@$(BIN)/nox -s bench -- $(ARGS)

lock: $(DEV) ## write requirements/*.txt again; the newest versions of all: ARGS=--upgrade
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements/uv.txt
	@bash requirements/lock.sh $(ARGS)

gpu: $(READY) ## measure on one GPU in eight minutes what no CPU shows; ARGS="--device cpu --quick" tries it without
	@$(BIN)/nox -s gpu -- $(ARGS)

clean: ## remove caches and build leftovers; .venv, data and results stay
	rm -rf .tox .nox .benchmarks .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache build dist
	find . -path ./.venv -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps are written last, so an interrupted installation is taken up again.
$(READY): pyproject.toml requirements/run.txt requirements/torch.txt
	@bash requirements/install.sh run
	@touch $@

$(DEV): $(READY) requirements/dev.txt
	@bash requirements/install.sh dev
	@touch $@
