PYTHON ?= python3
VENV := .venv/bin/python

.PHONY: help train test test-fast campaign check docs tour tensorboard clean

help:  ## show the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

train: .venv/.installed  ## set up, and run the default training: make train ARGS="freeze=backbone"
	$(VENV) train.py $(ARGS)

test: .venv/.test  ## set up, and run all tests
	$(VENV) -m pytest -n auto --dist loadfile --no-loadscope-reorder $(ARGS)

test-fast: .venv/.test  ## set up, and run the tests that take no time
	$(VENV) -m pytest -n auto -m "not slow" $(ARGS)

campaign: .venv/.campaign  ## set up, and run kills, damage, hostile input and load at full length: hours, with counts
	$(VENV) -m pytest -n auto -m campaign --campaign $(ARGS)

check: .venv/.lint  ## set up, and check format, lint and types
	$(VENV) -m ruff format --check .
	$(VENV) -m ruff check .
	$(VENV) -m mypy

docs: .venv/.docs  ## set up, and build the site into site/; a dead link or a missing page is an error
	$(VENV) docs/site/gather.py
	$(VENV) -m zensical build --strict --clean
	$(VENV) docs/site/check.py

tour: .venv/.test  ## execute the notebook, and store it with what it shows
	$(VENV) notebooks/execute.py

tensorboard: .venv/.installed  ## look at the runs
	$(VENV) -m tensorboard.main --logdir runs

clean:  ## remove the environment and caches; runs stay
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/.installed: .venv/bin/python pyproject.toml
	$(VENV) -m pip install --quiet --editable .
	touch $@

.venv/.test: .venv/.installed
	$(VENV) -m pip install --quiet --editable ".[test]"
	touch $@

.venv/.campaign: .venv/.test
	$(VENV) -m pip install --quiet --editable ".[campaign]"
	touch $@

.venv/.docs: .venv/.installed
	$(VENV) -m pip install --quiet --editable ".[docs]"
	touch $@

.venv/.lint: .venv/.test
	$(VENV) -m pip install --quiet --editable ".[test,lint]"
	touch $@
