# Everything runs through uv, which is installed into the cache folder where the machine has none.
SHELL := /bin/bash
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/etpguard
UV    := $(or $(shell command -v uv),$(CACHE)/uv/bin/uv)
RUN   := $(UV) run --locked --
PYTEST := $(RUN) pytest
ifndef UV_PYTHON
export UV_PYTHON := $(shell .ci/python)
endif
UNIT  := not controlplane and not dataplane and not image and not browser
LIVE  := controlplane and not dataplane and not image and not browser and not timing

.PHONY: help binaries demo test unit live pythons soak lint docs man protobuf build bench clean

help:
	@echo "make demo     run the operator on an embedded control plane (KEEP=1 keeps it running)"
	@echo "make test     run all tests that this machine can run, with branch coverage"
	@echo "make unit     run the tests that need no control plane"
	@echo "make live     run the tests that need a control plane; KUBERNETES=1.30.14 runs them on that version"
	@echo "make pythons  run these with every Python from 3.11 to 3.15 that this machine has"
	@echo "make soak     run the long tests, and an hour of churn that shows whether the operator grows"
	@echo "make lint     run ruff, mypy and the import contracts, and check the lock"
	@echo "make docs     build the documentation site in build/docs, and check its links"
	@echo "make man      build the man page in build/man"
	@echo "make protobuf make the Python module of the protobuf schema again"
	@echo "make bench    run the benchmarks beside kubectl, curl and jq, and renew the figures of the docs"

$(CACHE)/uv/bin/uv:
	python3 -m venv $(CACHE)/uv
	$(CACHE)/uv/bin/pip install --quiet --require-hashes -r .ci/uv.txt

binaries: $(UV)
	$(RUN) python -m devcluster build

demo: $(UV)
	@$(RUN) python -m demo

test: $(UV)
	UV=$(UV) .ci/test $(ARGS)

unit: $(UV)
	$(PYTEST) -n 2 -m "$(UNIT)" $(ARGS)

live: $(UV)
	$(if $(KUBERNETES),assets=$$($(RUN) python -m devcluster kubernetes $(KUBERNETES)) && KUBEBUILDER_ASSETS=$$assets) \
	$(PYTEST) -n 2 -m "$(LIVE)" $(ARGS)

pythons: $(UV)
	UV=$(UV) .ci/pythons $(ARGS)

soak: $(UV)
	SOAK=1 $(PYTEST) -m soak $(ARGS)
	$(RUN) python -m bench.soak

lint: $(UV)
	$(UV) lock --check
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) mypy
	$(RUN) lint-imports

protobuf: $(UV)
	$(RUN) python -m grpc_tools.protoc -Ioperator --python_out=operator --pyi_out=operator \
		operator/etpguard/objects/protobuf/kubernetes.proto

# -n and -W: a link to a page, a heading or a file that does not exist is an error. No other host is asked.
docs: $(UV)
	$(RUN) sphinx-build --quiet --nitpicky --fail-on-warning -c docs/site -b html . build/docs
	@echo "build/docs/index.html; links to other hosts, which were not checked: build/docs/external-links.txt"

man: $(UV)
	$(RUN) sphinx-build --quiet --nitpicky --fail-on-warning -c docs/site -b man . build/man

build: man
	$(UV) build --quiet

bench: $(UV)
	$(RUN) python -m bench $(ARGS)
	$(RUN) python -m bench.pages
	$(RUN) python -m bench.race

clean:
	rm -rf .venv dist build
