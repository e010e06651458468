# One verb per task. `make test` and `make demo` are enough on a fresh machine.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

.PHONY: setup demo test test-all sanitize arm64 lint format bench clean

setup: $(STAMP)

$(STAMP): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

demo: $(STAMP)
	$(BIN)/underone demo

# Three processes: one that has loaded torch, LiteRT, OpenVINO, onnxruntime, pyarrow and our engine, and then ran for minutes, was seen to be killed by SIGSEGV
# at an instruction that touches no memory (si_code SI_KERNEL); the cause is not found, and each part alone passes.
ENGINE_TESTS := tests/native tests/runtime tests/kernels tests/image tests/trace tests/models
FOREIGN_TESTS := tests/bench tests/cli tests/conversion tests/data tests/demo tests/evaluation tests/fold tests/foreign \
	tests/training
OTHER_TESTS = $(filter-out $(ENGINE_TESTS) $(FOREIGN_TESTS) tests/golden tests/conftest.py,$(wildcard tests/*))

# Two workers, a file of tests to each; torch's own threads would only be in their way.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 --dist loadfile

test: $(STAMP)
	$(PYTEST) -m "not slow" $(ENGINE_TESTS)
	$(PYTEST) -m "not slow" $(FOREIGN_TESTS)
	$(PYTEST) -m "not slow" $(filter-out %__pycache__,$(OTHER_TESTS))

test-all: $(STAMP)
	$(PYTEST) $(ENGINE_TESTS)
	$(PYTEST) $(FOREIGN_TESTS)
	$(PYTEST) $(filter-out %__pycache__,$(OTHER_TESTS))

SANITIZERS = $(foreach name,libasan.so libubsan.so libstdc++.so,$(shell $(CXX) -print-file-name=$(name)))

sanitize: $(STAMP)
	$(BIN)/python -m pip install --quiet --upgrade --no-deps --target build/sanitize \
		-C build-dir=build/sanitize-objects -C cmake.define.UNDERONE_SANITIZE=ON .
	LD_PRELOAD="$(SANITIZERS)" ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 OMP_NUM_THREADS=1 \
		UNDERONE_TEST_NATIVE=build/sanitize $(BIN)/python -m pytest -s -p no:faulthandler tests/native tests/image

arm64: $(STAMP)
	$(BIN)/python -m pytest -rs tests/kernels/test_arm64.py

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@echo "lines per package:"; find src -name '*.py' | xargs wc -l | sort -n | tail -12

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(STAMP)
	$(BIN)/python benchmarks/folding.py
	$(BIN)/python benchmarks/engines.py

clean:
	rm -rf .venv build dist runs
