# Penstock's commands. `make help` explains them; docs/HACKING.md says more.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help up setup build web test lint format coverage tsan bench clean
MAKEFLAGS += --no-print-directory

PRESET ?= release
JOBS ?= $(shell nproc)
ARGS ?=

# build_preset(preset, targets): configures once, then lets ninja look at what changed.
build_preset = { [[ -f build/$(1)/build.ninja ]] || tools/env cmake --preset $(1) >build/$(1).log 2>&1 || \
	{ tail -n 20 build/$(1).log; echo "Configuring failed; all of it is in build/$(1).log." >&2; exit 1; }; } && \
	tools/env ninja -C build/$(1) -j$(JOBS) $(2)

help: ## this page
	@echo "Penstock: product events, from the SDK to SQL, in one program."
	@echo
	@echo "  make up      sets up, builds and starts it (a second time: about a second)"
	@echo "  make test    runs every test"
	@echo
	@echo "All commands:"
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' Makefile
	@echo
	@echo "make up ARGS='--listen 127.0.0.1:9000' passes options on to penstock up; its --help lists them."

up: setup ## set up, build and start Penstock; ARGS='…' are options of penstock up
	@$(MAKE) build PRESET=release
	@exec build/release/penstock up $(ARGS)

setup: ## install what Penstock is built with; at once when nothing changed
	@tools/setup

web: setup ## build the web UI, web/ -> web/dist
	@tools/web

build: setup web ## build the binary, build/release/penstock; PRESET=dev|fast|… another one
	@mkdir -p build
	@$(call build_preset,$(PRESET),penstock)

test: ## every test: unit, contract, simulation, web, end to end, formatting
	@tools/setup --test
	@tools/test $(ARGS)

lint: ## clang-tidy over every file, and formatting
	@tools/setup --lint
	@mkdir -p build
	@failed=0; tools/format --check || failed=1; \
		{ $(call build_preset,lint,all -k0); } || failed=1; exit $$failed

format: setup ## format the C++ files
	@tools/format

coverage: ## line coverage of the unit, contract and simulation tests: build/coverage/report
	@tools/setup --coverage
	@mkdir -p build
	@$(call build_preset,coverage,all)
	@tools/env ctest --preset coverage -j$(JOBS)
	@mkdir -p build/coverage/report
	@cd build/coverage && gcovr -r ../.. --object-directory . --filter '../../src/' --exclude '.*_test\.cc' \
		--html-details report/index.html --txt report/summary.txt && tail -n 4 report/summary.txt

tsan: setup ## unit, contract and simulation tests with the thread sanitizer
	@mkdir -p build
	@$(call build_preset,tsan,all)
	@tools/env ctest --preset tsan -j$(JOBS)

bench: build ## measure: events per second, CPU per event, latency, memory
	@if [[ -x bench/run ]]; then tools/env bench/run $(ARGS); else echo "There is no bench/run yet."; exit 1; fi

clean: ## remove everything that was built; what was fetched stays in the cache
	@rm -rf build web/dist
