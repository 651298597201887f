# Atoll: everything a person or CI runs. `make help` lists it.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UP_ARGS ?= --data-dir data
UP_OPEN ?= --open
PYTEST_ARGS ?=
E2E_JOBS ?= 2
KILL9_ROUNDS ?= 50
ROLLING_NODES ?= 5
SIM_SEEDS ?= 0:200
SIM_ARGS ?=
MUTANT_SEEDS ?= 1000
HOSTILE_ARGS ?=
MINUTES ?= 10
TARGET ?= all
FUZZ_ARGS ?=
EXAMPLES ?= 200
MIXED_ARGS ?=
COMMIT ?=
ZOT ?=
FRESH ?= run test
RUNS ?= 1
SCENARIO ?= all
SECONDS ?= 60

export PATH := $(CURDIR)/.tools/bin:$(PATH)
# Where it is set each start of a node compiles all modules and templates again: a second or two.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run test fresh unit tools check docs protos protos-check lock e2e desk conformance conformance-proxy faults netfaults schemathesis hostile fuzz mixed sim mutants bench bench-earlier bench-cluster conformance-tools desk-tools fault-tools bench-tools bench-cluster-tools clients clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# The stamp is touched last, so a broken install is repeated.
$(VENV)/.installed: requirements.lock pyproject.toml
	@PYTHON="$(PYTHON)" .ci/venv $(VENV)
	@touch $@

run: $(VENV)/.installed ## Start three nodes in three regions on this machine, open (UP_OPEN= closed, UP_ARGS=...)
	$(BIN)/atoll up $(UP_OPEN) $(UP_ARGS)

# A file's tests share clusters and daemons. The order of files is tests/conftest.py's.
E2E = $(BIN)/pytest -n $(E2E_JOBS) --dist loadfile --no-loadscope-reorder

# What a test starts is there before it: the order of what follows a colon is the order of work.
test: tools unit ## Run all tests but conformance and kill -9 loops (PYTEST_ARGS=...)
	$(E2E) -m "e2e and not conformance and not faults" $(PYTEST_ARGS)

fresh: ## Run the README's commands in an empty Debian (FRESH='run test'); root
	.ci/fresh $(FRESH)

# Their files are in memory where that is possible: on a disk, two thousand small indexes are two
# thousand times waiting for it. What is said of disks is tested end to end, on a real one.
MEMORY := $(firstword $(wildcard /dev/shm) /tmp)

unit: $(VENV)/.installed ## Run the tests that need no client, no Go and no root
	@files=$$(mktemp -d -p $(MEMORY)) && trap 'rm -rf "$$files"' EXIT && \
	$(BIN)/pytest -n auto -m "not e2e and not conformance and not faults" --basetemp="$$files/tests" $(PYTEST_ARGS)

check: $(VENV)/.installed protos-check ## Lint, formatting, types, stub drift
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(VENV)/.installed ## Build the documentation as a site, in site/; a broken link or an orphan page fails
	$(BIN)/pytest -q -n 0 tests/test_site.py
	$(BIN)/zensical build --clean --strict

PROTOC = PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m grpc_tools.protoc -I. \
	--python_out=$(1) --grpc_python_out=$(1) --mypy_out=$(1) --mypy_grpc_out=$(1) protos/*.proto

protos: $(VENV)/.installed ## Generate the stubs in protos/ again
	$(call PROTOC,.)

protos-check: $(VENV)/.installed ## Fail when the stubs differ from the .proto files
	@out=$$(mktemp -d) && trap 'rm -rf "$$out"' EXIT && $(call PROTOC,$$out) && \
	for stub in protos/*_pb2*; do [ -e "$$out/$$stub" ] || { echo "$$stub: no .proto makes it"; exit 1; }; done && \
	for stub in "$$out"/protos/*_pb2*; do diff -u "protos/$${stub##*/}" "$$stub" || { echo "run make protos"; exit 1; }; done

lock: $(VENV)/.installed ## Pin the newest allowed dependencies, with hashes
	$(BIN)/uv pip compile pyproject.toml --extra dev --python-version 3.11 --upgrade \
		--generate-hashes --no-header --no-annotate --quiet --output-file requirements.lock

e2e: $(VENV)/.installed tools ## Run the end-to-end tests: real processes, real clients (E2E_JOBS=2)
	$(E2E) tests/e2e -m "e2e and not faults" $(PYTEST_ARGS)

desk: $(VENV)/.installed desk-tools ## Look at each page in Chromium: axe, widths, themes, keyboard, no script
	$(BIN)/pytest tests/desk $(PYTEST_ARGS)

conformance: $(VENV)/.installed conformance-tools ## Run the OCI conformance suite against a cluster
	$(BIN)/pytest tests/conformance -m conformance -s $(PYTEST_ARGS)

conformance-proxy: $(VENV)/.installed conformance-tools ## Run it through a round-robin proxy (RUNS=20)
	CONFORMANCE_RUNS=$(RUNS) $(BIN)/pytest tests/conformance/test_conformance_proxy.py -s $(PYTEST_ARGS)

faults: $(VENV)/.installed fault-tools ## Run kill -9 loops, short real faults, a storm, a rolling replacement (KILL9_ROUNDS=50 ROLLING_NODES=5)
	KILL9_ROUNDS=$(KILL9_ROUNDS) ROLLING_NODES=$(ROLLING_NODES) $(BIN)/pytest tests/e2e tests/netfaults tests/hostile -m faults -s $(PYTEST_ARGS)

netfaults: $(VENV)/.installed fault-tools ## Kill, stop and cut off real nodes (SCENARIO="all" or some, RUNS=1 SECONDS=60)
	$(BIN)/python -m tests.netfaults --scenario $(SCENARIO) --runs $(RUNS) --seconds $(SECONDS)

schemathesis: $(VENV)/.installed ## Make requests up from the OpenAPI document (EXAMPLES=200)
	SCHEMATHESIS_EXAMPLES=$(EXAMPLES) $(BIN)/pytest tests/api -m schemathesis $(PYTEST_ARGS)

hostile: $(VENV)/.installed ## Let 10,000 hostile requests loose on three nodes under load (HOSTILE_ARGS=...)
	$(BIN)/python -m tests.hostile $(HOSTILE_ARGS)

fuzz: $(VENV)/.installed ## Fuzz names, digests, ranges, tokens, scopes, manifests (MINUTES=10 TARGET=all)
	$(BIN)/python -m tests.fuzz --target $(TARGET) --minutes $(MINUTES) $(FUZZ_ARGS)

mixed: $(VENV)/.installed ## Run a cluster of an earlier commit and this one, and upgrade it (MIXED_ARGS=...)
	$(BIN)/python -m tests.mixed $(MIXED_ARGS)

sim: $(VENV)/.installed ## Run the simulator: whole nodes under faults (SIM_SEEDS=0:200)
	$(BIN)/python -m tests.sim --seeds $(SIM_SEEDS) $(SIM_ARGS)

mutants: $(VENV)/.installed ## Look for simulator seeds that notice seeded bugs (MUTANT_SEEDS=1000)
	$(BIN)/python -m tests.sim.hunt --seeds $(MUTANT_SEEDS) $(SIM_ARGS)

bench: $(VENV)/.installed bench-tools ## Compare with CNCF Distribution, and a zot (ZOT=path); writes bench/RESULTS.md
	$(BIN)/python -m bench.run $(if $(ZOT),--zot "$(ZOT)")

bench-earlier: $(VENV)/.installed bench-cluster-tools ## Compare with an earlier commit, that of make mixed (COMMIT=...)
	$(BIN)/python -m bench.earlier $(COMMIT)

bench-cluster: $(VENV)/.installed bench-cluster-tools ## Measure joins, visibility, a dead node, a heartbeat; writes bench/CLUSTER.md
	$(BIN)/python -m bench.run_cluster

tools:
	@PYTHON="$(PYTHON)" .ci/tools

conformance-tools:
	@PYTHON="$(PYTHON)" .ci/tools conformance

desk-tools:
	@PYTHON="$(PYTHON)" .ci/tools chromium axe

fault-tools:
	@.ci/tools ip iptables faketime haproxy

bench-cluster-tools:
	@PYTHON="$(PYTHON)" .ci/tools wrk ip

bench-tools:
	@PYTHON="$(PYTHON)" .ci/tools docker-registry wrk registry crane

clients:
	@PYTHON="$(PYTHON)" .ci/tools clients

clean: ## Remove what was built and installed, but no data
	rm -rf $(VENV) .tools results site .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis
