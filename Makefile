# make book   sets everything up and builds the book into book/_build/html
# make check  sets everything up and passes what takes less than a minute
# make test   sets everything up, builds the book and passes all tests
# make help   says what else there is

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# A Python that is named has an environment of its own beside that of the others.
VENV := .venv
ifneq ($(PYTHON),)
  VERSION := $(shell PYTHON='$(PYTHON)' tools/make-venv --version 2>&1)
  ifneq ($(words $(VERSION)),1)
    $(error $(VERSION))
  endif
  VENV := .venv-$(VERSION)
endif
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# So that `jupyter-book` and the kernels it starts are the environment's.
export PATH := $(CURDIR)/$(BIN):$(PATH)
# One that is active in the shell is another one, of which IPython would warn.
unexport VIRTUAL_ENV
export PYTHON
export PORT

# Browsers: found, or got from Debian. Tests in the second are left out without it.
BROWSER = DESCENT_CHROMIUM="$$(python tools/browsers.py chromium --install)"
SECOND_BROWSER = DESCENT_FIREFOX="$$(python tools/browsers.py firefox --install)"

# Tests in a browser and with a server also wait: one worker more than there are
# processors, up to four.
WORKERS = $$(python -c 'import os; print(min(4, os.cpu_count() + 1))')

.PHONY: help
help: ## Say what there is
	@grep -hE '^[a-z-]+:.*##' $(firstword $(MAKEFILE_LIST)) | sed -E 's/:.*##/\t/' | expand -t 12

.PHONY: book
book: $(VENV)/.book ## Set everything up and build the book
	jupyter-book build book

.PHONY: watch
watch: $(VENV)/.watch ## Build, serve, and follow every edit, at PORT (8000)
	python tools/watch

.PHONY: serve
serve: book ## Build the book and serve it to this machine at PORT (8000)
	python tools/serve

.PHONY: live
live: $(VENV)/.live book ## Build, serve, and run the code in the pages, at PORT (8000)
	python tools/live

.PHONY: check
check: $(VENV)/.check ## Formatter, linter, spelling, types, quick tests: a minute
	ruff format --check
	ruff check
	codespell
	mypy
	pytest tests/unit tests/tools -m "not slow" -n auto --maxprocesses 4 --dist worksteal

.PHONY: unit
unit: $(VENV)/.check ## All tests of the package and the tools, which need no built book
	pytest tests/unit tests/tools -n auto --maxprocesses 4 --dist worksteal

.PHONY: test
test: $(VENV)/.test book ## Everything `make check` does, and all tests
	ruff format --check
	ruff check
	codespell
	mypy
	$(BROWSER) $(SECOND_BROWSER) pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

.PHONY: pdf
pdf: $(VENV)/.pdf book ## Print the whole book into book/_build/html/descent.pdf
	$(BROWSER) python tools/make-pdf

.PHONY: audit
audit: book ## Measure speed and accessibility (needs npm); PAGES="index line" for some
	$(BROWSER) tools/audit/run $(PAGES)

.PHONY: links
links: $(VENV)/.book ## Ask whether outside links still lead somewhere
	sphinx-build -q -b linkcheck book book/_build/links/pages

.PHONY: bench
bench: $(VENV)/.check ## Measure the ratios of benchmarks/README.md that need no GPU
	$(PIP) -r benchmarks/requirements.txt
	python benchmarks/animation.py
	python benchmarks/clipping.py
	python benchmarks/ensemble.py

.PHONY: lock
lock: ## Resolve all versions anew into constraints.txt
	tools/lock

.PHONY: clean
clean: ## Forget the built book and the execution cache
	rm -rf book/_build

.PHONY: distclean
distclean: clean ## Forget all that make made here: environments, caches, what npm brought
	rm -rf .venv .venv-3.* build src/*.egg-info tools/audit/node_modules
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . \( -name __pycache__ -o -name .ipynb_checkpoints \) -prune -exec rm -rf {} +

# What builds the book. The stamps are made last, so an interrupted set-up is
# taken up again.
$(VENV)/.book: requirements.txt constraints.txt pyproject.toml | $(VENV)/bin/python
	$(PIP) $$(tools/torch-index) -r requirements.txt
	touch $@

# On top of it: what checks and tests need, the server that Binder starts, ...
$(VENV)/.check: tests/requirements.txt tools/requirements-pdf.txt $(VENV)/.book
	$(PIP) -r $<
	touch $@

$(VENV)/.test: binder/jupyter.txt $(VENV)/.check
	$(PIP) -c constraints.txt -r $<
	touch $@

# ... and what `make pdf`, `make watch` and `make live` need.
$(VENV)/.pdf $(VENV)/.watch $(VENV)/.live: $(VENV)/.%: tools/requirements-%.txt $(VENV)/.book
	$(PIP) -r $<
	touch $@

$(VENV)/bin/python:
	tools/make-venv $(VENV)
