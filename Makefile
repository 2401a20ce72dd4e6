# Everything a developer or CI needs; `make help` lists it.
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
# Test files run side by side; each worker starts the servers that its own files ask for.
WORKERS ?= 2
READY := .venv/.ready
FUZZ_READY := .venv/.fuzz-ready

# Certificates of the system, as pip and browsers use them; older uv knows the other name.
export UV_SYSTEM_CERTS := 1
export UV_NATIVE_TLS := 1

.PHONY: help setup ui demo test test-browser chromium soak fuzz check format pictures train lock clean

help:  ## show this help
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

setup: $(READY)  ## make .venv from the lock file, with the rigline command in it

# uv installs the hash-checked lock file in seconds and, unlike older pips, resolves extras of
# pinned packages under --require-hashes.
$(READY): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Rigline needs Python 3.11 or newer; try: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'uv>=0.5'
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $(READY)

UI_READY := .venv/.ui-ready
UI_SOURCES := $(wildcard review_ui/editor/src/*) $(wildcard review_ui/editor/*.*) \
	$(wildcard review_ui/editor/rigline_editor/*.*)

ui: $(UI_READY)  ## install the review app's 3D editor (Node comes as a wheel)

$(UI_READY): $(READY) $(UI_SOURCES)
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation \
		--reinstall-package rigline-editor ./review_ui/editor
	@touch $(UI_READY)

demo: setup  ## run the main job on the sample characters into out/demo/
	$(BIN)/python -m benchmarks.demo --out out/demo

test: check  ## lint, types, import rules and all tests that need only Python (<= 10 minutes)
	$(BIN)/pytest -n $(WORKERS) --dist loadfile

soak: $(FUZZ_READY)  ## the long fault and scale runs, ten minutes of fuzzing for each reader
	$(BIN)/pytest -m soak -s

# One reader: make fuzz READER=obj SECONDS=60. All of them, one after the other, without READER.
fuzz: $(FUZZ_READY)  ## feed every reader SECONDS=600 of damaged files
	RIGLINE_FUZZ_SECONDS=$(or $(SECONDS),600) $(BIN)/pytest -m soak -s tests/fuzz $(if $(READER),-k '[$(READER)]')

# The fuzzer has no wheels for Windows, so it stays out of the environment that all need.
$(FUZZ_READY): $(READY) requirements-fuzz.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements-fuzz.lock
	@touch $(FUZZ_READY)

test-browser: ui chromium  ## the review app in a real browser (<= 6 minutes)
	$(BIN)/pytest -m browser

# Debian's own, where we may install it; elsewhere say what is missing.
chromium:
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || [ -n "$$RIGLINE_CHROMIUM" ] \
		|| { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get -qq update \
			&& DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends -y \
				chromium fonts-dejavu-core >/dev/null; } \
		|| { echo "Chromium is missing: install the package chromium, or set RIGLINE_CHROMIUM." >&2; exit 1; }

check: setup  ## lint, format, types and import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup  ## format and mend what the linter can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

pictures: setup  ## draw the README's pictures again
	$(BIN)/python -m benchmarks.pose_sweep --out docs/pictures
	$(BIN)/python -m benchmarks.marketplace --body-type normal --pictures docs/pictures

train:  ## draw characters, train the models, assess and export them (hours); see training/
	$(MAKE) -C training train

lock: setup  ## write requirements.lock anew from pyproject.toml
	$(BIN)/uv pip compile --quiet --generate-hashes --no-emit-index-url --universal \
		--all-extras --group dev --python-version 3.11 pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet --generate-hashes --no-emit-index-url --universal \
		--group fuzz --python-version 3.11 -o requirements-fuzz.lock

clean:  ## remove what make made
	rm -rf .venv out dist
