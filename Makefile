# make demo | make test | make lint | make test-oldest
#
# Everything is installed into $(VENV) with plain pip, once; a second run installs nothing.
# A torch that $(PYTHON) already has is used. Otherwise TORCH_SPEC is installed: the version that was tested.
# On Linux without an NVIDIA card the CPU build saves gigabytes:
#   make demo TORCH_SPEC="torch==2.13.0 --index-url https://download.pytorch.org/whl/cpu"
#   make test-oldest OLDEST_PIP_ARGS="--extra-index-url https://download.pytorch.org/whl/cpu"

PYTHON ?= python3
VENV ?= .venv
TORCH_SPEC ?= torch==2.13.0
PYTEST_ARGS ?=

# The oldest versions that pyproject.toml allows, which Python 3.10 to 3.12 can install.
OLDEST_VENV ?= .venv-oldest
OLDEST_PIP_ARGS ?=

# Threads that wait for one another on a busy machine made one test take five minutes instead of one.
ONE_THREAD := OMP_NUM_THREADS=1

DEMO := spatial_core/starter/demo
DEMO_OUTPUT := demo-output

BIN := $(VENV)/bin
HAS_TORCH := -c "import importlib.util, sys; sys.exit(importlib.util.find_spec('torch') is None)"

.PHONY: demo test lint test-oldest
.DEFAULT_GOAL := demo

$(VENV)/.demo: pyproject.toml
	@test -x $(BIN)/python || \
		if $(PYTHON) $(HAS_TORCH); then $(PYTHON) -m venv --system-site-packages $(VENV); \
		else $(PYTHON) -m venv $(VENV); fi
	@$(BIN)/python $(HAS_TORCH) || $(BIN)/python -m pip install --quiet $(TORCH_SPEC)
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.demo
	$(BIN)/python -m pip install --quiet --editable ".[train,review,plots,data,dev]"
	@touch $@

demo: $(VENV)/.demo
	@mkdir -p $(DEMO_OUTPUT)
	$(BIN)/spatial rank $(DEMO)/images --prompt "$$(cat $(DEMO)/prompt.txt)" \
		--sheet $(DEMO_OUTPUT)/sheet.png --json $(DEMO_OUTPUT)/ranking.json
	$(BIN)/spatial generate "$$(cat $(DEMO)/generate.txt)" --model starter --candidates 8 --out $(DEMO_OUTPUT)/winner.png \
		--sheet $(DEMO_OUTPUT)/candidates.png --json $(DEMO_OUTPUT)/candidates.json
	$(BIN)/spatial generate "$$(cat $(DEMO)/generate.txt)" --model starter --lora starter --candidates 8 \
		--out $(DEMO_OUTPUT)/winner_with_lora.png --sheet $(DEMO_OUTPUT)/candidates_with_lora.png
	@echo "Look at $(DEMO_OUTPUT)/sheet.png (pictures ranked), $(DEMO_OUTPUT)/candidates.png (eight drawn, best first) and"
	@echo "$(DEMO_OUTPUT)/candidates_with_lora.png (the same noises with the LoRA that RL made); the numbers are in the JSON files."

test: $(VENV)/.dev
	$(ONE_THREAD) $(BIN)/pytest --durations=15 $(PYTEST_ARGS)

$(OLDEST_VENV)/.dev: pyproject.toml
	@test -x $(OLDEST_VENV)/bin/python || $(PYTHON) -m venv $(OLDEST_VENV)
	sed -n '/^dependencies = /,/^]/s/^    "\([a-z]*\)>=\([0-9.]*\)".*/\1==\2/p' pyproject.toml > $(OLDEST_VENV)/floors.txt
	$(OLDEST_VENV)/bin/python -m pip install --quiet --requirement $(OLDEST_VENV)/floors.txt $(OLDEST_PIP_ARGS)
	$(OLDEST_VENV)/bin/python -m pip install --quiet --constraint $(OLDEST_VENV)/floors.txt --editable ".[train,plots,dev]"
	@touch $@

test-oldest: $(OLDEST_VENV)/.dev
	$(ONE_THREAD) $(OLDEST_VENV)/bin/pytest --durations=15 $(PYTEST_ARGS)

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python
