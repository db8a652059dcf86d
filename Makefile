# The verbs of the project; `make help` lists them. The work is done by the scripts in tools/.

MODEL := models/fashion_resnet.onnx
TAOISM := build/release/bin/taoism
ZOO := alexnet vgg16_bn vgg19_bn resnet18 resnet34 resnet50 mobilenet_v2
ZOO_IMAGE ?= 32
ZOO_FILES := $(ZOO:%=build/zoo/%-$(ZOO_IMAGE).onnx)
STRATEGIES ?= all
BATCH ?= 1,8
MEMORY_FILES ?= build/zoo/resnet18-224.onnx build/zoo/vgg16_bn-224.onnx
PEER_FILES ?= $(patsubst %,build/zoo/%.onnx,alexnet-224 vgg16_bn-224 resnet18-224 resnet50-224 \
  mobilenet_v2-224 resnet18-32)
THREADS ?= 1,2
BUDGETS ?= 8MiB,16MiB,32MiB,64MiB,128MiB,256MiB,auto

MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.PHONY: help setup setup-python build programs python demo torch-device test test-slow bench bench-memory \
  bench-peers docs lint format clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## install the Debian packages that are missing (root or sudo)
	@tools/setup

setup-python: setup
	@tools/setup --python

build: setup ## build everything into build/release, programs into build/release/bin
	@tools/build

python: setup-python ## build the Python package into build/release/python
	@tools/build python

programs: setup
	@tools/build programs

demo: programs ## run a trained model under every way of splitting it, side by side
	@$(TAOISM) demo $(MODEL)

torch-device: build setup-python ## build the torch device against the PyTorch of .venv
	@tools/build --torch $(CURDIR)/.venv/bin/python

test: torch-device python ## run all tests but the slow ones
	@tools/test fast

test-slow: torch-device python ## run the slow tests (half an hour)
	@tools/setup --models
	@tools/test slow

bench: programs $(ZOO_FILES) ## measure every strategy on the model zoo (ZOO_IMAGE=32|224 BATCH=1,8)
	@mkdir -p build/bench
	@$(TAOISM) bench $(ZOO_FILES) --strategies $(STRATEGIES) --batch $(BATCH) \
	  --json build/bench/zoo-$(ZOO_IMAGE).json

bench-memory: programs $(MEMORY_FILES) ## measure latency over trusted memory (BUDGETS=8MiB,auto BATCH=1)
	@mkdir -p build/bench
	@$(TAOISM) bench $(MEMORY_FILES) --strategies none,full \
	  --tee-memory $(BUDGETS) --batch $(BATCH) --json build/bench/memory.json

# build/zoo/NAME-IMAGE.onnx
build/zoo/%.onnx: | programs
	@mkdir -p $(@D)
	@$(TAOISM) zoo $(firstword $(subst -, ,$*)) -o $@ --image $(lastword $(subst -, ,$*))

bench-peers: programs $(PEER_FILES) ## compare with PyTorch, ONNX Runtime, OpenVINO (BATCH=1,8 THREADS=1,2)
	@tools/setup --peers
	@tools/build model_turns
	@mkdir -p build/bench
	@.venv/bin/python bench/peers.py $(PEER_FILES) --batch $(BATCH) --threads $(THREADS) \
	  --json build/bench/peers.json

docs: ## not available yet
	@echo "docs: not available yet; start with README.md and ARCHITECTURE.md" >&2
	@exit 2

lint: build ## check format and style (clang-format, clang-tidy)
	@tools/setup --lint
	@tools/lint

format: ## rewrite our C++ to the project's format
	@tools/setup --lint
	@tools/lint --fix

clean: ## remove build/ (.venv stays)
	@rm -rf build
