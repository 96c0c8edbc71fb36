# Two commands set everything up: `make demo` and `make test`. Both need Python 3.11 or newer, git and a C compiler.
PYTHON ?= python3
VENV := .venv
DEMO_VENV := .venv-demo

.DEFAULT_GOAL := help
.PHONY: help demo test lint format wheel clean python-is-new-enough

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(DEMO_VENV)/.installed ## Install the package alone and merge conflicts in a small repository
	$(DEMO_VENV)/bin/python -I demo/demo.py

test: lint ## Run the linters, the type checker and the tests but the slow ones
	$(VENV)/bin/python -m pytest --numprocesses auto --dist loadfile

lint: $(VENV)/.installed ## Run ruff, mypy and import-linter
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

format: $(VENV)/.installed ## Format the code and mend what ruff can mend
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

wheel: $(VENV)/.installed ## Build the wheel and the source distribution into dist/
	$(VENV)/bin/python -m hatchling build

clean: ## Remove what the other targets made
	rm -rf $(VENV) $(DEMO_VENV) dist out/demo .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache

python-is-new-enough:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11 ...")'

# The stamps make a second run start at once; a changed pyproject.toml installs again.
$(VENV)/.installed: pyproject.toml constraints.txt | python-is-new-enough
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --quiet --disable-pip-version-check -c constraints.txt -e '.[data,dev,fuse,lsp,ray,train]'
	touch $@

# Not editable and without extras: the demo runs what a user gets.
$(DEMO_VENV)/.installed: pyproject.toml constraints.txt $(shell find mergebert -name '*.pyc' -prune -o -type f -print) \
		| python-is-new-enough
	$(PYTHON) -m venv $(DEMO_VENV)
	$(DEMO_VENV)/bin/python -m pip install --quiet --quiet --disable-pip-version-check -c constraints.txt --upgrade .
	touch $@
