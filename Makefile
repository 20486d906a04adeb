# `make test` runs every part even when one fails, and then fails.
.PHONY: help setup demo test style types tests docs package licences audit lock clean
.NOTPARALLEL:
BIN := .venv/bin

help:  ## list the commands
	@awk -F '## ' '/^[a-z]+:.*## / { sub(/:.*/, "", $$1); printf "make %-8s %s\n", $$1, $$2 }' Makefile

setup:  ## create .venv from requirements.lock, if it is not up to date
	@.ci/setup.sh

demo: setup  ## forecast the bundled run from its first 60 %, and show how the rest turned out
	@$(BIN)/bayes-grpo demo

test: setup  ## style, types, tests, documentation
	@$(MAKE) --no-print-directory --keep-going style types tests docs

style: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	find bayes_grpo -name '*.py' -exec $(BIN)/numpydoc lint {} +

types: setup
	$(BIN)/mypy

tests: setup
	@.ci/setup.sh train
	@.ci/browser.sh
	$(BIN)/pytest -n 2 --dist loadfile --max-worker-restart=0 --cov --cov-report=
	@echo "coverage: $$($(BIN)/coverage report --format=total) % of the lines of bayes_grpo"

docs: setup  ## build the documentation in docs/_build, and execute its gallery
	$(BIN)/sphinx-build --quiet --fresh-env --fail-on-warning --keep-going docs docs/_build

licences: setup  ## list the licences of all packages that the installed package brings
	$(BIN)/python .ci/licences.py

# --strict: a mirror that does not tell vulnerabilities is a failure, not a clean bill.
audit: setup  ## ask for known vulnerabilities of the locked packages (needs PyPI itself)
	$(BIN)/uv tool run pip-audit --strict --requirement requirements.lock --require-hashes --disable-pip

package: setup  ## build wheel and sdist in dist/, and check them
	rm -rf dist
	$(BIN)/python -m hatchling build
	$(BIN)/twine check --strict dist/*
	$(BIN)/check-wheel-contents dist/*.whl

lock: setup  ## refresh the requirements to the newest versions that pyproject.toml allows
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.12 --generate-hashes --group dev \
		--custom-compile-command "make lock" --output-file requirements.lock pyproject.toml
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.12 --generate-hashes --extra train \
		--constraint requirements.lock --custom-compile-command "make lock" --output-file requirements-train.lock pyproject.toml

clean:  ## remove all that these commands made, .venv too
	rm -rf .venv .cache build dist docs/_build docs/gallery .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
