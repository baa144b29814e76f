# The usual commands, by name. Meson does the work; see meson.build.

MESON ?= meson
BUILD ?= build
ASAN_BUILD ?= build-asan
INSTALL_BUILD ?= build-install
PREFIX ?= /usr/local
SOURCES = $(shell find include src tests examples bench fuzz -name '*.[ch]' 2>/dev/null)
SCRIPTS = .ci/run $(shell find tools tests -name '*.sh')

export MESON

.DEFAULT_GOAL := build
.PHONY: help setup setup-tests build demo test test-asan test-llm test-anomalib bench bench-anomalib install format lint clean distclean

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*##/\1\t/p' $(MAKEFILE_LIST) | expand -t 12

setup:  ## packages, OpenVINO and weights, into .deps/ (the other targets do this first)
	@tools/setup/setup.sh

setup-tests: setup  ## and what only the tests need: scikit-learn (test does this first)
	@tools/setup/setup.sh --tests

build: setup $(BUILD)/build.ninja  ## the library and the command, in build/ (the default)
	@$(MESON) compile -C $(BUILD)

demo: build  ## velm on a made-up product, from training to a report in build/demo
	$(BUILD)/velm demo --out $(BUILD)/demo

test: build setup-tests $(ASAN_BUILD)/build.ninja  ## all tests, then those in C again under ASan and UBSan
	@$(MESON) compile -C $(ASAN_BUILD)
	@tools/test/run-tests.sh $(BUILD) $(ASAN_BUILD)

test-asan: setup $(ASAN_BUILD)/build.ninja  ## the tests in C under ASan and UBSan alone
	@$(MESON) compile -C $(ASAN_BUILD)
	@tools/test/run-tests.sh $(ASAN_BUILD)

test-llm: build  ## the tests with a real llama-server, which it installs first: a quarter of an hour, once
	@tools/test/llm/setup.sh
	@$(MESON) test -C $(BUILD) --no-rebuild --print-errorlogs llama_server

test-anomalib: build  ## whether exported models score as in anomalib, which is installed first: several gigabytes; ARGS=DIR for images of your own
	@tools/test/anomalib/setup.sh
	@"$$(tools/test/anomalib/setup.sh --where)/bin/python" tools/test/anomalib/parity.py $(BUILD) $(ARGS)

bench-anomalib: build  ## time against anomalib's PatchCore; ARGS=DIR of images in velm's layout
	@tools/test/anomalib/setup.sh
	@"$$(tools/test/anomalib/setup.sh --where)/bin/python" bench/anomalib/patchcore.py $(BUILD) $(ARGS)

bench: build  ## the programs that measure; ARGS="MODEL.velm IMAGE|FOLDER..." for images of your own
	$(if $(ARGS),$(BUILD)/bench/bench_inspect $(ARGS),$(MESON) test -C $(BUILD) --benchmark --verbose)

install: setup  ## into PREFIX (/usr/local), with weights and OpenVINO; DESTDIR is honoured
	@test -f $(INSTALL_BUILD)/build.ninja || $(MESON) setup $(INSTALL_BUILD)
	@$(MESON) configure $(INSTALL_BUILD) --prefix=$(PREFIX) -Dmodels_dir=$(PREFIX)/share/velm/models
	@$(MESON) compile -C $(INSTALL_BUILD)
	$(MESON) install -C $(INSTALL_BUILD) --no-rebuild

format:  ## clang-format over all C
	clang-format -i $(SOURCES)

lint:  ## what format would change, and shellcheck
	clang-format --dry-run -Werror $(SOURCES)
	shellcheck $(SCRIPTS)

clean:  ## remove what was built
	rm -rf $(BUILD) $(ASAN_BUILD) $(INSTALL_BUILD)

distclean: clean  ## and what was downloaded
	rm -rf .deps

# Setup comes first because meson itself may have to be installed.
$(BUILD)/build.ninja: | setup
	@$(MESON) setup $(BUILD)

$(ASAN_BUILD)/build.ninja: | setup
	@$(MESON) setup $(ASAN_BUILD) -Db_sanitize=address,undefined -Doptimization=1
