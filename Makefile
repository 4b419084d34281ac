# `make demo` and `make test` do everything on a fresh clone: system libraries, environment, job.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# Real Qt needs a screen; without one, a virtual one serves.
ifeq ($(shell uname -s)$(DISPLAY)$(WAYLAND_DISPLAY),Linux)
ifneq ($(QT_QPA_PLATFORM),offscreen)
SCREEN = $(shell command -v xvfb-run > /dev/null && echo 'xvfb-run -a -s "-screen 0 1600x1200x24"')
endif
endif

.DEFAULT_GOAL := help
.PHONY: help demo test test-versions fuzz fuzz-workspace lint format docs site gui samples starter benchmark wheel clean system

help:
	@echo 'make demo     predict, fine-tune and predict again on simulated scans, with scores'
	@echo 'make test     every check: ruff, mypy, import-linter, npe2, pytest'
	@echo 'make test-versions  the built wheel with the newest and the oldest versions of what it needs'
	@echo 'make fuzz     read 20,000 changed files of every kind; what fails is kept in fuzz-faults'
	@echo 'make fuzz-workspace   2,000 users who work with a workspace, and die in between'
	@echo 'make lint     the same without pytest'
	@echo 'make format   let ruff format the code'
	@echo 'make docs     serve the documentation on http://127.0.0.1:8000'
	@echo 'make site     build the documentation into site/, warnings are errors'
	@echo 'make gui      napari with the workbench and the scores'
	@echo 'make samples  make the built-in samples again from their seed'
	@echo 'make starter  train the starter model again; OUTLINES=FOLDER: with the lesion outlines there'
	@echo 'make benchmark DATA=FOLDER  the scoreboard of the starter model, with the data in FOLDER'
	@echo 'make wheel    build the sdist and the wheel into dist/'
	@echo 'make clean    remove what the other targets made, the environment too'

demo: $(STAMP)
	rm -rf demo-output
	$(BIN)/napari-retseg demo --output demo-output

test: lint
	$(SCREEN) env OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal

fuzz: $(STAMP)
	$(BIN)/python -m tests.fuzz.drive --count 20000 --keep fuzz-faults

test-versions: $(STAMP)
	rm -rf build/versions/wheel
	$(BIN)/python -m build --wheel --outdir build/versions/wheel
	$(SCREEN) $(BIN)/python scripts/versions.py build/versions/wheel/*.whl

fuzz-workspace: $(STAMP)
	RETSEG_WORKSPACE_RUNS=2000 OMP_NUM_THREADS=1 $(BIN)/python -m pytest --timeout 0 tests/workspace/test_machine.py

lint: $(STAMP)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/npe2 validate src/napari_retseg/napari.yaml

format: $(STAMP)
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

docs: $(STAMP)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs serve --strict

site: $(STAMP)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

gui: $(STAMP)
	$(BIN)/napari-retseg gui

samples: $(STAMP)
	$(BIN)/python -m napari_retseg.simulate sample_data

benchmark: $(STAMP)
	$(BIN)/napari-retseg benchmark starter --data $(DATA) --output build/scoreboard

starter: $(STAMP)
	$(BIN)/python -m napari_retseg.starter sample_data/starter --work build/starter \
		$(if $(OUTLINES),--outlines $(OUTLINES))

wheel: $(STAMP)
	$(BIN)/python -m build

system:
	@sh scripts/system-libraries.sh $(PYTHON)

$(STAMP): pyproject.toml | system
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo 'error: Python 3.11 or newer is needed; name one with make PYTHON=python3.12'; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install -e '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) build dist site demo-output .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
