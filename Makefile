# Everything runs through uv, which is installed into the cache folder where the machine has none.
SHELL := /bin/bash
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/etpguard
UV    := $(or $(shell command -v uv),$(CACHE)/uv/bin/uv)
RUN   := $(UV) run --locked --
PYTEST := $(RUN) pytest

.PHONY: help binaries demo test unit pythons soak lint build bench clean

help:
	@echo "make demo     the operator at work on an embedded control plane (KEEP=1 keeps it running)"
	@echo "make test     all tests that this machine can run"
	@echo "make unit     only those that need no control plane"
	@echo "make pythons  these with every Python from 3.11 to 3.13 that is here"
	@echo "make soak     the long runs: random walks on the data plane, kills, hand-overs"
	@echo "make lint     ruff, mypy, import contracts, lock"
	@echo "make bench    the benchmarks, side by side with what one would use instead"

$(CACHE)/uv/bin/uv:
	python3 -m venv $(CACHE)/uv
	$(CACHE)/uv/bin/pip install --quiet uv

binaries: $(UV)
	$(RUN) python -m devcluster build

demo: $(UV)
	@$(RUN) python -m demo

test: $(UV)
	$(PYTEST) $(ARGS)

unit: $(UV)
	$(PYTEST) -m "not controlplane and not dataplane and not image" $(ARGS)

pythons: $(UV)
	UV=$(UV) .ci/pythons $(ARGS)

soak: $(UV)
	SOAK=1 $(PYTEST) -m soak $(ARGS)

lint: $(UV)
	$(UV) lock --check
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) mypy
	$(RUN) lint-imports

build: $(UV)
	$(UV) build --quiet

bench: $(UV)
	$(RUN) python -m bench
	$(RUN) python -m bench.race

clean:
	rm -rf .venv dist build
