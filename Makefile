# Every target does its own set-up: the environment in .venv, with the exact versions of requirements.lock.
#   make quickstart [NAME=小芽] [OUT=folder] [ARGS="--lang zh"]     make test [ARGS="-k mask"]
# Another Python: make PYTHON=python3.12 …   Without make: the two lines of pip in README.md.

ifndef PYTHON
PYTHON := $(shell for p in python3 python3.13 python3.12 python3.11 python3.10 python; do \
	"$$p" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' 2>/dev/null && echo "$$p" && break; done)
endif
VENV ?= .venv
ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
else
BIN := $(VENV)/bin
endif
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
READY := $(VENV)/.ready
EXTRAS := $(VENV)/.extras

# Only what stands on the command line: the environment of some systems has a NAME of its own.
ifeq ($(origin NAME),command line)
GIVE_NAME := --name "$$NAME"
endif
ifeq ($(origin OUT),command line)
GIVE_OUT := --out "$$OUT"
endif

.PHONY: help quickstart test test-all lint types format notebooks api extras lock clean

help:
	@echo "make quickstart   your own assistant, with the embedded model, in a minute or two (NAME=… gives its name)"
	@echo "make test         the everyday tests      make test-all   the slow and the browser tests too"
	@echo "make lint types   what .ci/run checks     make format     put the code into shape"
	@echo "make notebooks    the lessons' notebooks, from their sources in course/"
	@echo "make api          pages of the public names, from their docstrings: build/api/index.html"
	@echo "make extras       also the libraries of the notebooks and the web apps"
	@echo "make clean        remove the environment and the caches; your runs stay"

quickstart: $(READY)
	@$(BIN)/workbench quickstart $(GIVE_NAME) $(GIVE_OUT) $(ARGS)

# On all cores, four at most: each of the processes holds torch. A file's tests stay together, and share what they made.
PYTEST = $(BIN)/python -m pytest -n logical --maxprocesses 4 --dist loadfile

test: $(READY)
	$(PYTEST) $(ARGS)

test-all: $(READY)
	$(PYTEST) -m "not gpu" $(ARGS)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(READY)
	$(BIN)/mypy

notebooks: $(READY)
	$(BIN)/python course/build.py

api: $(READY)
	$(BIN)/python docs/api.py build/api

extras: $(EXTRAS)

# Made once; again when the versions or the package's own metadata change.
$(READY): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "No Python 3.10 to 3.13 found. Install one, or name it: make PYTHON=/path/to/python3 …" >&2; \
	  echo "没有找到 Python 3.10–3.13。请安装，或者指明它：make PYTHON=/path/to/python3 …" >&2; exit 2; }
	@"$(PYTHON)" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' || { \
	  echo "$(PYTHON) is not Python 3.10 to 3.13; name another one: make PYTHON=/path/to/python3 …" >&2; exit 2; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "$(PYTHON) cannot make environments. On Debian and Ubuntu: sudo apt install python3-venv; then the same command again." >&2; \
	  echo "$(PYTHON) 不能创建虚拟环境。Debian、Ubuntu 请先运行：sudo apt install python3-venv，再运行同样的命令。" >&2; exit 2; }
	@echo "Setting up $(VENV), once; this fetches the libraries and takes some minutes … / 首次准备环境，需要几分钟……"
	@"$(BIN)/python" -c '' 2>/dev/null || "$(PYTHON)" -m venv --clear "$(VENV)"
	@$(PIP) -r requirements.lock
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(EXTRAS): $(READY) requirements-extras.lock
	@$(PIP) -r requirements.lock -r requirements-extras.lock
	@touch $@

# Needs uv in the Python that runs it; see the file.
lock:
	$(PYTHON) .ci/lock.py

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
