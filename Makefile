# The two commands of the README, and what CI runs, word for word. `make audit` and `make test` set up what they need.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
LOCK := requirements.lock
CASES ?= 2000
SEED ?= 1

.PHONY: audit test lint unit branches lab lab-down pictures oracle bench fuzz mutants torture sbom accuracy docs lock clean

audit: $(STAMP) ## audit this machine and write reports/latest.html
	$(BIN)/pytest checks

test: lint branches unit ## all tests; as root on Debian those on real hosts too

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

unit: $(STAMP)
	$(BIN)/pytest tests/unit tests/scenarios -p no:cacheprovider -rs -n 2
	$(BIN)/pytest tests/hostile tests/fuzz tests/kept tests/browser tests/lab tests/oracle tests/bench -p no:cacheprovider -rs \
	  -n 3 --dist loadfile

lab: $(STAMP) ## boot a small fleet of real hosts with faults in it, and audit it over SSH (root)
	$(BIN)/python tests/lab up
	$(BIN)/python tests/lab audit

pictures: $(STAMP) ## ask the hosts of the lab again, and take the pictures of the README (root)
	$(BIN)/python tests/lab up
	$(BIN)/python tests/lab audit --keep tests/browser/demo
	WHYREFUSED_PICTURES=1 $(BIN)/pytest tests/browser/test_pictures.py -p no:cacheprovider

lab-down: $(STAMP) ## remove all of it
	$(BIN)/python tests/lab down

oracle: $(STAMP) ## ask the kernel about CASES random connections, from SEED on: are the firewall verdicts right? (root)
	CASES=$(CASES) SEED=$(SEED) $(BIN)/python tests/oracle

bench: $(STAMP) ## the figures of docs/performance.md (root)
	WHYREFUSED_BENCH=1 $(BIN)/pytest tests/bench -p no:cacheprovider -s

fuzz: $(STAMP) ## feed TARGET (each, if left out) for SECONDS each: tests/fuzz/README.md
	$(BIN)/python -c 'import atheris' 2>/dev/null || \
	  $(BIN)/pip install --quiet --require-hashes -r tests/fuzz/requirements.lock || \
	  echo "no atheris here: inputs are changed without its lead"
	$(BIN)/python tests/fuzz "$(TARGET)" "$(or $(SECONDS),60)"

accuracy: $(STAMP) ## play every scenario, write docs/accuracy.md and the stories of tests/scenarios (root)
	WHYREFUSED_ACCURACY=1 WHYREFUSED_RECORD=1 $(BIN)/pytest tests/lab/test_scenarios.py -p no:cacheprovider

docs: $(STAMP) ## write the generated pages again
	$(BIN)/python -m whyrefused.manual

lock: $(STAMP) ## choose new versions of everything that is installed
	$(BIN)/pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header \
	  --extra ansible --extra dev --upgrade --output-file $(LOCK) pyproject.toml
	echo atheris | $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header \
	  --upgrade --output-file tests/fuzz/requirements.lock -
	printf '%s\n' ansible-core paramiko pyinfra pytest-testinfra | $(BIN)/uv pip compile --quiet --universal \
	  --generate-hashes --no-emit-index-url --no-header --upgrade --output-file tests/bench/requirements.lock -

$(STAMP): $(LOCK) pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("whyrefused needs Python 3.11 or newer, this is " + sys.version.split()[0] + ": make PYTHON=python3.11 …" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r $(LOCK)
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

branches: $(STAMP) ## does each branch of the core that decides run in its own tests? 100 %, or it fails
	$(BIN)/python tests/mutants --branches

mutants: $(STAMP) ## does a change of the core that decides go unnoticed by its tests? 85 % of each module, or it fails (minutes)
	$(BIN)/python tests/mutants

torture: $(STAMP) ## cut every story at every byte, end every answer with every status, kill and resume 50 times (half an hour)
	WHYREFUSED_TORTURE=1 $(BIN)/pytest tests/scenarios/test_torture.py -p no:cacheprovider -n 2
	WHYREFUSED_RESUMES=50 $(BIN)/pytest tests/kept/test_resume.py -k union -p no:cacheprovider -n 2

sbom: $(STAMP) ## write the bill of materials of the lock (CycloneDX)
	$(BIN)/python tests/sbom.py $(LOCK) pyproject.toml >reports/sbom.json

clean:
	rm -rf $(VENV)
