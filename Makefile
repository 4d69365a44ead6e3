# Each target does its own set-up in .venv, once; see `make help`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/stamps
# what `make test` runs instead of the whole suite: make test TESTS="test/core -k crop"
TESTS ?=
# ORDER=random shuffles the tests; the seed is printed, and PYTEST_ADDOPTS="-p randomly_seed=..." repeats it
ORDER ?=
MINUTES ?= 120
RUNS ?= 1000000

# The ROS 2 wheels start python a second time and leave these two marks; a python of another environment that inherits
# them breaks. The rest belongs to a ROS installation that may be sourced in this shell: in .venv the wheels are used.
unexport LD_LIBRARY_PATH _ROS_WHEELS_BOOTSTRAP_COMPLETE
unexport PYTHONPATH PYTHONHOME AMENT_PREFIX_PATH CMAKE_PREFIX_PATH COLCON_PREFIX_PATH
export RMW_IMPLEMENTATION := rmw_fastrtps_cpp

# pip hands the constraints on to the environments in which it builds; which name it reads depends on its version
PIP := PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt PIP_DISABLE_PIP_VERSION_CHECK=1 \
       $(BIN)/python -m pip install --quiet
EXTRAS := ros-wheels,openvino,onnx,int8,train,evaluation,cluster,vot,demo,test,lint,docs

# The suite with the options given, in two halves side by side: the tests with nodes in one process, for beside one another
# nodes answer late, and those without on two processes with one thread each in the time that the nodes leave over. What
# the second half says is shown when the first is through. Ctrl-C ends both; both run whatever the other one says.
# worksteal keeps most files together, and tells a crash once and goes on; loadfile would run the test that crashes again
# and again.
REPORT := --durations=20 --durations-min=1
WITHOUT_NODES := test/core test/package test/fuzz
suite = status=0; told=$$(mktemp); \
  OMP_NUM_THREADS=1 env --default-signal=INT nice -n 19 \
    $(BIN)/python -m pytest $(REPORT) $(1) --numprocesses 2 --dist worksteal $(WITHOUT_NODES) >"$$told" 2>&1 & \
  other=$$!; \
  $(BIN)/python -m pytest $(REPORT) $(1) $(WITHOUT_NODES:%=--ignore=%) || status=$$?; \
  tail --lines=+1 --follow --pid=$$other "$$told"; \
  wait $$other || status=$$?; \
  rm -f "$$told"; exit $$status

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo test test-all soak fuzz steady cpu-check gpu-check docs lint format lock sbom clean distclean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: $(STAMPS)/messages $(STAMPS)/package ## install everything in .venv: ROS 2 wheels, PyTorch, this package

demo: setup ## make a sequence, replay it through the node, score it: build/demo/report.html
	$(BIN)/python -m siam_tracker_ros.demo --out build/demo

test: setup ## run the tests but the slow ones (TESTS="test/core -k crop" for some of them, slow or not)
	$(if $(TESTS),$(BIN)/python -m pytest $(TESTS),$(call suite,-m "not slow"))

test-all: setup ## run all tests, as CI does (ORDER=random shuffles them)
	$(if $(ORDER),$(PIP) --editable ".[random-order]" --no-build-isolation)
	$(call suite,$(if $(ORDER),-p randomly))

soak: setup ## drive the real node through faults for MINUTES (default 120): build/soak/report.md
	$(BIN)/python test/faults/soak.py --minutes $(MINUTES)

fuzz: setup ## fuzz everything that takes input from outside, RUNS executions of each entry (default 1000000)
	$(PIP) --editable ".[fuzz]" --no-build-isolation
	$(BIN)/python test/fuzz/fuzz.py --runs $(RUNS)

steady: setup ## measure latency on quiet cores and beside a busy process, in four minutes (docs/steady.md)
	$(BIN)/python -m siam_tracker_ros.benchmark --table --seconds 12

docs: setup ## build the documentation as a site, strictly and without a network: build/site/index.html
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build

lint: setup ## check style (ruff), types (mypy), which room imports which (import-linter) and known weaknesses (bandit)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/bandit --quiet --recursive --severity-level medium --skip B506 siam_tracker_core siam_tracker_ros launch

format: setup ## repair style where ruff can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

cpu-check: setup ## measure this machine's CPU beside NanoTrack, idle and under load: build/cpu-check/speed.md
	$(BIN)/python -m siam_tracker_core.commands.speed_check --out build/cpu-check

gpu-check: setup ## test and measure this machine's GPU: build/gpu-check/speed.md
	$(BIN)/python -m siam_tracker_core.commands.speed_check --device cuda:0 --out build/gpu-check

# Both tools bring packages of their own, and so get environments of their own.
lock: ## pin what the Docker images take from pip, with hashes: docker/requirements.lock
	$(PYTHON) -m venv build/lock
	build/lock/bin/pip install --quiet uv
	build/lock/bin/uv pip compile --quiet --universal --python-version 3.10 --generate-hashes --no-header --no-annotate \
	  --constraint constraints.txt docker/requirements.in --output-file docker/requirements.lock

sbom: setup ## list what is installed in .venv, as CycloneDX: build/sbom.json
	$(PYTHON) -m venv build/sbom
	build/sbom/bin/pip install --quiet cyclonedx-bom
	build/sbom/bin/cyclonedx-py environment --output-file build/sbom.json $(BIN)/python

clean: ## remove what was built, but not .venv, trained weights or runs
	rm -rf build install log .pytest_cache .hypothesis .mypy_cache .ruff_cache siam_tracker_msgs/_skbuild *.egg-info
	find . -path ./$(VENV) -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean ## remove .venv too
	rm -rf $(VENV)

$(STAMPS)/venv:
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is not there: install Python 3.10 or newer, or name one: make PYTHON=..."; exit 1; }
	@command -v g++ >/dev/null || { echo "g++ is not there, and the messages need it: on Debian or Ubuntu, apt-get install g++"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
	  || { echo "$(PYTHON) is older than Python 3.10: name a newer one with make PYTHON=..."; exit 1; }
	@$(PYTHON) -c 'import os, sys, sysconfig; sys.exit(not os.path.isfile(sysconfig.get_path("include") + "/Python.h"))' \
	  || { echo "the headers of $(PYTHON) are not there, and the messages need them: on Debian or Ubuntu, apt-get install python3-dev"; exit 1; }
	@$(PYTHON) -c 'import platform, sys; sys.exit((platform.system(), platform.machine()) != ("Linux", "x86_64"))' \
	  || { echo "ROS 2 comes as wheels for Linux on x86_64 only: install ROS 2 itself here, then run colcon build"; exit 1; }
	$(PYTHON) -m venv $(VENV) || { echo "on Debian or Ubuntu, apt-get install python3-venv"; exit 1; }
	$(PIP) "setuptools<80" wheel
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/dependencies: $(STAMPS)/venv setup.py constraints.txt
	$(PIP) --no-build-isolation --editable ".[$(EXTRAS)]"
	$(PIP) --no-deps vot-toolkit  # with its requirements it would bring an OpenCV of its own
	@touch $@

# One minute: generates and compiles the code of the messages and services.
$(STAMPS)/messages: constraints.txt $(wildcard siam_tracker_msgs/*.* siam_tracker_msgs/*/*.*) | $(STAMPS)/dependencies
	$(PIP) --no-deps --force-reinstall ./siam_tracker_msgs
	@touch $@

# pip takes an editable package's modules from here, but leaves out what belongs in share/ and lib/: copy that.
$(STAMPS)/package: $(STAMPS)/dependencies package.xml $(wildcard exec/* launch/* config/*.* config/*/*.* resource/*)
	$(BIN)/python -W ignore setup.py --quiet install_data --install-dir $(VENV)
	@touch $@
