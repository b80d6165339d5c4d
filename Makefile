# Everything here works on a machine that has Python >= 3.11 with pip, and nothing else.
#
#   make demo    train a convolutional network on real pictures, and draw what it learned
#   make test    run the tests (quick the second time)
#   make lint    ruff, types, layering
#   make bench   speed, cold start, memory (ARGS="--env torch=PYTHON" compares with PyTorch); writes docs/benchmarks.md
#   make examples run every example at full length, and write its page with the pictures
#   make docs    check the examples in README.md and docs/, and build the pages in docs/_build
#
# PYTHON picks the interpreter (make test PYTHON=python3.13), VENV the folder of the environment.

PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	  $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV   ?= .venv
JOBS   ?= 2
ARGS   ?=
RUN    := $(VENV)/bin/python
PIP    := $(PYTHON) -m pip --python $(RUN) --disable-pip-version-check install --quiet

.PHONY: demo test unit doctest lint style layers types bench examples docs clean

demo: $(VENV)/.demo
	$(RUN) -m kenaz demo $(ARGS)

test: unit doctest

unit: $(VENV)/.dev
	$(RUN) -m pytest -q -n $(JOBS) $(ARGS)

doctest: $(VENV)/.dev
	$(RUN) -m pytest -q --doctest-modules --ignore=kenaz/_stand_in --doctest-glob='*.md' kenaz README.md docs

lint: style types layers

style: $(VENV)/.dev
	$(RUN) -m ruff check .

layers: $(VENV)/.dev
	$(RUN) -m pytest -q tests/test_layers.py

types: $(VENV)/.dev
	$(RUN) -m mypy

bench: $(VENV)/.dev
	$(RUN) -m bench $(ARGS)

examples: $(VENV)/.dev
	$(RUN) examples/run_all.py $(ARGS)

docs: $(VENV)/.docs
	$(RUN) -m pytest -q --doctest-glob='*.md' README.md docs
	$(RUN) tools/pages.py

clean:
	rm -rf $(VENV) runs docs/_build .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Distributions without ensurepip (Debian's python3) make an environment without pip; ours fills it from outside.
$(RUN):
	@test -n "$(PYTHON)" || { echo "no Python >= 3.11 found; try: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv --without-pip $(VENV)

# A stamp for each set of packages: made again only when pyproject.toml changes.
$(VENV)/.demo: pyproject.toml | $(RUN)
	$(PIP) --editable '.[plot]'
	@touch $@

$(VENV)/.dev: pyproject.toml | $(RUN)
	$(PIP) --editable '.[dev]'
	@touch $@ $(VENV)/.demo

$(VENV)/.docs: pyproject.toml | $(RUN)
	$(PIP) --editable '.[dev,docs]'
	@touch $@
