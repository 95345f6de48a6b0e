# Pasarela: `make` lists what there is to say. Debian 12 with Swift is all it needs; the rest is installed.

# One configuration serves run, test, lint and bench, so that nothing is compiled twice.
# The import check fails a target that imports another one without declaring it (it compiles nothing by itself).
# Colours follow the terminal and are the compiler's own flag: with them, each change between a terminal and a pipe
# would compile everything again.
SWIFT_FLAGS := -c release -Xswiftc -enable-testing --explicit-target-dependency-import-check error \
	--no-color-diagnostics
# Without the second, `swift test` says -enable-testing once more and everything is compiled again. XCTest would
# only report that it ran nothing.
TEST_FLAGS := $(SWIFT_FLAGS) --disable-testable-imports --disable-xctest

# Folders with Protos/ and, generated from them, Generated/: each part's own.
PROTO_FOLDERS := Sources/ArchiveProtocol Sources/Backlog Sources/gateway/Administration Sources/gateway/Tickets
# Checks the protos; a binary in a Python package.
BUF := buf-bin==1.75.0

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help build static install uninstall run run-check test lint format proto chaos fuzz bench bench-quick clean require-swift

help: ## this list
	@echo 'Pasarela. make TARGET [NAME=VALUE…]:'
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: packages-run require-swift ## the three services, into .build/release
	swift build $(SWIFT_FLAGS)

# As they are installed: they need no Swift where they run. A build of its own, beside the other. (The linker's warning of
# mktemp is about a function of Foundation's that nobody calls; lld is quiet about it, but makes 62 MB of what is 18 MB here.)
static: packages-run require-swift
	for product in gateway mserv1 mserv2; do \
		swift build -c release --static-swift-stdlib --scratch-path .build/static --no-color-diagnostics \
			-Xlinker -s --product $$product; done

install: $(if $(BIN),packages-server,static) ## onto this machine, behind its nginx, as root: PREFIX=/usr/local DESTDIR= PORT=5000 ADDRESS=any BIN=folder, to build nothing
	systemd/install install $(call settings,PREFIX DESTDIR BIN PORT ADDRESS HSTS NGINX_USER NGINX_GROUP)

uninstall: ## take it away again; PURGE=yes: configuration, certificate, tickets, log and users too (never the tree)
	systemd/install uninstall $(call settings,PREFIX DESTDIR PURGE)

# `exec` and --pdeathsig: the supervisor gets the signals that make gets, and does not outlive it.
run: run-check $(if $(filter yes,$(BROKER)),packages-broker) build ## serve ROOT=folder on ADDRESS=127.0.0.1 PORT=5000 until Ctrl-C; BROKER=yes: with RabbitMQ
	@exec setpriv --pdeathsig TERM systemd/local/run $(call settings,ROOT ADDRESS PORT BROKER)

# Before the long build.
run-check:
	@systemd/local/run --check $(call settings,ROOT ADDRESS PORT BROKER)

test: packages-test build static .venv/complete ## all tests; FILTER=regular expression: those with such a name
	swift test $(TEST_FLAGS) $(if $(FILTER),--filter '$(FILTER)')

lint: packages-lint build .venv/complete ## format, imports, protos, generated code, scripts
	$(swift-files) | xargs -0r swift format lint --strict --parallel --configuration .swift-format
	for folder in $(PROTO_FOLDERS); do .venv/bin/buf lint $$folder/Protos; done
	$(scripts) | xargs -0r shellcheck
	mandoc -T lint -W warning systemd/man/*
	for service in mserv1 mserv2; do $(call exposure,6,$$service); done
	$(call exposure,11,gateway)
	swift build $(SWIFT_FLAGS) --product protoc-gen-swift
	rm -rf .build/generated
	for folder in $(PROTO_FOLDERS); do $(call generate,$$folder/Protos,.build/generated/$$folder); done
	for folder in $(PROTO_FOLDERS); do diff -r .build/generated/$$folder $$folder/Generated || \
		{ echo 'The protos say something else: make proto' >&2; exit 1; }; done

format: require-swift ## lay out the Swift files as `make lint` wants them
	$(swift-files) | xargs -0r swift format --in-place --parallel --configuration .swift-format

proto: packages-lint packages-run require-swift ## generate the code of all Protos/ again
	swift build $(SWIFT_FLAGS) --product protoc-gen-swift
	for folder in $(PROTO_FOLDERS); do \
		rm -f $$folder/Generated/*.pb.swift; $(call generate,$$folder/Protos,$$folder/Generated); done

chaos: packages-test build .venv/complete ## kill, stop and cut everything for SECONDS=60, and count what was lost; SEED=number repeats a run
	.venv/bin/python Tests/Client/chaos.py --bin .build/release $(if $(SECONDS),--seconds $(SECONDS)) $(if $(SEED),--seed $(SEED))

fuzz: packages-run require-swift ## make up bytes for the gateway's FastCGI socket for SECONDS=60, by libFuzzer; SEED=number
	Tests/Fuzz/run $(if $(SECONDS),SECONDS=$(SECONDS)) $(if $(SEED),SEED=$(SEED))

# BIN=folder: what is built already.
bench: packages-bench $(if $(BIN),packages-run,build) .venv/bench ## ours beside the peers: speed, CPU, memory; OUTPUT=file: writes it there, REPORT=docs/benchmarks.md: with a chart
	Tests/Benchmarks/run $(bench-settings)

bench-quick: packages-bench $(if $(BIN),packages-run,build) .venv/bench ## whether the goals are met, in under 3 minutes
	Tests/Benchmarks/run --quick $(bench-settings)

clean: ## remove what was built, and the run's state
	rm -rf .build .venv

require-swift:
	@command -v swift >/dev/null || { echo 'Swift 6.2 or newer is missing: https://www.swift.org/install/' >&2; exit 69; }

packages-%: FORCE
	@systemd/local/packages $*

FORCE:

.venv/complete: Tests/Client/requirements.txt Makefile | packages-python
	/usr/bin/python3 -m venv --clear .venv
	.venv/bin/pip install --quiet --disable-pip-version-check -r $< $(BUF)
	touch $@

.venv/bench: Tests/Benchmarks/requirements.txt .venv/complete
	.venv/bin/pip install --quiet --disable-pip-version-check -r $<
	touch $@

# NAME=value of each of the variables named.
settings = $(foreach name,$(1),$(call quoted,$(name)))

# NAME=value as one word of the shell; a $ in it is no variable of make's.
quoted = $(1)=$(call in-quotes,$(1))
in-quotes = '$(subst ','\'',$(value $(1)))'

# What the benchmarks take, where it is given.
bench-settings = $(if $(BIN),--bin $(call in-quotes,BIN)) $(if $(OUTPUT),--output $(call in-quotes,OUTPUT)) \
	$(if $(REPORT),--report $(call in-quotes,REPORT))

# Fails where unit $(2) is exposed by more than tenths $(1) (systemd-analyze security, 0 to 100 in tenths of its scale).
exposure = systemd-analyze security --offline=yes --threshold=$(1) --no-pager systemd/$(2).service | tail -n 1

# Commands that list files, NUL-separated.
swift-files = find Package.swift Sources Tests -name '*.swift' -not -path '*/Generated/*' -print0
scripts = find .ci nginx systemd Tests -type f -exec awk 'FNR == 1 && /^\#!.*[\/ ](ba)?sh( |$$)/ { printf "%s%c", FILENAME, 0 }' {} +

# The code of every proto in folder $(1), into folder $(2).
generate = mkdir -p $(2); protoc --plugin=protoc-gen-swift=.build/release/protoc-gen-swift --proto_path=$(1) \
	--swift_opt=Visibility=Internal --swift_opt=UseAccessLevelOnImports=true \
	--swift_opt=FileNaming=PathToUnderscores --swift_out=$(2) $$(cd $(1) && find * -name '*.proto' | sort)
