# NN-CIFT Studio. `make run` starts the app, `make test` runs every test; both work on a fresh
# clone that has only Python 3.11, make and the package registries.

PYTHON ?= $(shell command -v python3.11 || command -v python3 || command -v python)
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8501
WORKSPACE ?= workspace
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: run test check install demo format browser clean help

help:
	@sed -n 's/^## //p' $(MAKEFILE_LIST)

## make run       start the app on http://localhost:8501 with the demo project
run: $(VENV)/.runtime
	$(BIN)/python -m nncift_core demo --prepare --workspace $(WORKSPACE)
	NNCIFT_WORKSPACE=$(WORKSPACE) $(BIN)/streamlit run app.py --server.port $(PORT)

# Two processes with two threads each wait for each other: four times slower than one thread each.
# A browser on a busy machine may lose a click: a journey that fails is walked once more.
## make test      run all tests
test: install browser
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -m "not browser"
	$(BIN)/python -m pytest -m browser --reruns 1

## make check     ruff, mypy, import-linter
check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

## make demo      the headless path on the demo data
demo: $(VENV)/.runtime
	$(BIN)/python -m nncift_core demo --workspace $(WORKSPACE)

## make install   the virtual environment with runtime and test dependencies
install: $(VENV)/.runtime $(VENV)/.dev

## make format    format the code
format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

## make browser   Chromium for the browser tests, where it may be installed
browser:
	@sh tests/browser/install_chromium.sh

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis build *.egg-info

# A marker says that an installation went through; it is older than requirements that changed.
$(VENV)/.runtime: requirements.txt pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 is needed: $(PYTHON) is not on the path. Set PYTHON=/path/to/python3.11."; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) install -r requirements.txt
	$(PIP) install --no-deps --editable .
	@touch $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.runtime
	$(PIP) install -r requirements-dev.txt
	@touch $@
