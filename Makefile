# make book   sets everything up and builds the book into book/_build/html
# make test   sets everything up, builds the book and passes the tests
# make help   says what else there is

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# So that `jupyter-book` and the kernels it starts are the environment's.
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help
help: ## Say what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 12

.PHONY: book
book: $(VENV)/.book ## Set everything up and build the book
	jupyter-book build book

.PHONY: test
test: $(VENV)/.test book ## Set everything up, build the book, pass the tests
	ruff format --check
	ruff check
	mypy
	DESCENT_CHROMIUM="$$(tools/find-browser)" pytest -n auto --maxprocesses 4 --dist loadfile

.PHONY: serve
serve: book ## Build the book and serve it at http://127.0.0.1:8000
	python -m http.server --bind 127.0.0.1 --directory book/_build/html 8000

.PHONY: pdf
pdf: $(VENV)/.test book ## Print the whole book into book/_build/html/descent.pdf
	DESCENT_CHROMIUM="$$(tools/find-browser)" python tools/make-pdf

.PHONY: audit
audit: $(VENV)/.test book ## Measure the site's speed and accessibility (needs npm)
	DESCENT_CHROMIUM="$$(tools/find-browser)" tools/audit/run $(PAGES)

.PHONY: bench
bench: $(VENV)/.test ## Measure the ratios that benchmarks/README.md reports
	$(PIP) -r benchmarks/requirements.txt
	python benchmarks/animation.py
	python benchmarks/clipping.py

.PHONY: lock
lock: ## Resolve all versions anew into constraints.txt
	tools/lock

.PHONY: clean
clean: ## Forget the built book and the execution cache
	rm -rf book/_build

.PHONY: distclean
distclean: clean ## Forget the environment, too
	rm -rf $(VENV) src/descent.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

# What builds the book. The stamps are made last, so an interrupted set-up is
# taken up again.
$(VENV)/.book: requirements.txt constraints.txt pyproject.toml | $(VENV)/bin/python
	$(PIP) -r requirements.txt
	touch $@

# What the tests need on top: linters, the server that Binder starts, a browser.
$(VENV)/.test: tests/requirements.txt binder/jupyter.txt constraints.txt $(VENV)/.book
	$(PIP) -r tests/requirements.txt -r binder/jupyter.txt
	tools/find-browser --install > /dev/null
	touch $@

$(VENV)/bin/python:
	tools/make-venv $(VENV)
