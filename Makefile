# Every verb makes what it needs first: a virtual environment in .venv with the versions of requirements.lock.
#   make lab PYTHON=python3.12 LABARGS="--port 9999"     make run RUNARGS="4 --lang zh"     make test PYTESTARGS="-k replay"

BIN := .venv/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check -c requirements.lock
PYTEST := $(BIN)/python -m pytest -n 2 --no-loadscope-reorder --nbval --nbval-current-env --nbval-cell-timeout 1200
# What nbval executes beside the solutions: each notebook in one language, while papermill takes the other; or in both.
# Long ones stand first, and keep their place.
QUICK := chapters/zh/0[246]_*.ipynb chapters/en/0[135]_*.ipynb exercises/zh/ch[246].ipynb exercises/en/ch[135].ipynb
FULL := chapters exercises
NEWEST_TORCH := torch
TORCH := $(shell grep '^torch==' requirements.lock)
COURSE := .venv/.has-course
DEV := .venv/.has-dev
BROWSER := .venv/.has-browser
SITE := .venv/.has-site

.DEFAULT_GOAL := help
.PHONY: help lab run doctor test test-newest test-full lint format exercises notebooks site lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-12s%s\n", $$1, $$2 }' Makefile

lab: $(COURSE) ## open the chapters in JupyterLab
	@$(BIN)/her lab $(LABARGS)

run: $(COURSE) ## execute the chapters without a reader, into build/
	@$(BIN)/her run $(RUNARGS)

doctor: $(COURSE) ## say what is missing or broken, and how to mend it
	@$(BIN)/her doctor

test: $(DEV) lint ## lint, unit tests, and every chapter in its quick profile
	@HER_PROFILE=quick $(PYTEST) tests/test_chapters.py $(QUICK) solutions tests -m "not slow and not browser" $(PYTESTARGS)

test-full: $(BROWSER) lint ## the same with the full profile, slow tests and a real browser
	@HER_PROFILE=full $(PYTEST) tests/test_chapters.py $(FULL) solutions tests $(PYTESTARGS)

lint: $(DEV) ## what ruff has to say
	@$(BIN)/ruff check . && $(BIN)/ruff format --check --quiet .

format: $(DEV) ## let ruff mend what it can
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

exercises: $(COURSE) ## make the exercises from the solutions
	@$(BIN)/her exercises make $(RUNARGS)

notebooks: $(COURSE) ## execute the chapters in their full profile into the committed notebooks
	@$(BIN)/her chapters execute $(RUNARGS)

test-newest: ## make test in build/newest, on the newest versions that pyproject.toml allows
	@rm -rf build/newest && mkdir -p build && $(call make_venv,build/newest)
	@.ci/quietly build/newest/torch.log "1/3  torch" build/newest/bin/python -m pip install $(NEWEST_TORCH)
	@.ci/quietly build/newest/install.log "2/3  the newest of everything else" build/newest/bin/python -m pip install -e '.[dev]'
	@build/newest/bin/python -m pip freeze --exclude-editable > build/newest/versions.txt
	@echo "3/3  the tests, with the versions in build/newest/versions.txt"
	@$(MAKE) --no-print-directory BIN=build/newest/bin DEV= test

site: $(SITE) ## make the book to read without installing, in build/site
	@$(BIN)/her site $(SITEARGS)

lock: ## find the newest versions that go together, and pin them in requirements.lock
	@rm -rf build/lock; $(call make_venv,build/lock)
	@build/lock/bin/python -m pip install --disable-pip-version-check $(TORCH)
	@build/lock/bin/python -m pip install --disable-pip-version-check -e '.[bench,browser,course,dev,robotics,sb3,site]'
	@{ sed '/^[^#]/,$$d' requirements.lock; build/lock/bin/python -m pip freeze --exclude-editable | sed -E '/^-e|^#|@/d; s/\+cpu$$//'; } > build/requirements.lock
	@mv build/requirements.lock requirements.lock && rm -rf build/lock

clean: ## remove the environment and everything that was made
	rm -rf .venv build dist *.egg-info .pytest_cache .hypothesis .ruff_cache

# ---------------------------------------------------------------------------------------------------------------------

define make_venv
	for python in $(or $(PYTHON),python3 python3.14 python3.13 python3.12 python3.11 python); do \
		if "$$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' 2>/dev/null; then \
			"$$python" -m venv $(1) && exit; \
			rm -rf $(1); echo "Could not make $(1) with $$python (on Debian and Ubuntu: apt install python3-venv)." >&2; exit 1; \
		fi; \
	done; \
	echo "No Python from 3.11 to 3.14 was found. Install one, or name it: make PYTHON=/path/to/python3.12" >&2; exit 1
endef

$(BIN)/python:
	@$(call make_venv,.venv)

# torch first and by itself: its exact version decides which build is downloaded.
.venv/.has-%: pyproject.toml requirements.lock | $(BIN)/python
	@echo "Installing [$*] into .venv: some 5 minutes and 1.5 GB the first time (the CUDA build of PyTorch: 6 GB)."
	@start=$$(date +%s) && \
	.ci/quietly .venv/torch.log "1/2  $(TORCH)" $(PIP) $(TORCH) && \
	.ci/quietly .venv/install.log "2/2  the course and what it needs" $(PIP) -e '.[$*]' && \
	echo "Installed in $$(($$(date +%s) - start)) s; .venv takes $$(du -sh .venv | cut -f1)."
	@touch $@
