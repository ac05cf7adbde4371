# make demo   a picture from the demo models: base install, no torch, no engine to build
# make test   everything the tests need, and the tests, with those of the native runtime if it can be built here
# make check  lint, format, strict types
# make native the native runtime and its tests, in build/native
# make native-sanitized  the same tests with sanitizers of addresses, undefined behaviour and threads
# make native-aarch64    a picture drawn by 64-bit ARM, emulated, is the same
# make native-fuzz       readers of untrusted files fed with what is nearly right, FUZZ_SECONDS each; needs clang
PYTHON ?= python3
BIN := .venv/bin
JOBS ?= 2
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: demo test check native native-sanitized native-fuzz native-aarch64 clean demo-bundles

demo: .venv/.base
	$(BIN)/latentlink generate demo "a red circle on a blue background" --seed 7 -o demo.png
	@echo "The picture is $(CURDIR)/demo.png"

# A worker a processor; what one exports for a checkpoint stays with it.
test: .venv/.test
	@if cmake -S . -B build/native $(NATIVE_OPTIONS) > /dev/null 2>&1; then $(MAKE) native; \
	else echo "The native runtime is not tested. It needs $(NATIVE_NEEDS)."; fi
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadgroup

check: .venv/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy -p latentlink
	$(BIN)/mypy --explicit-package-bases tests

NATIVE_NEEDS := C++20, CMake 3.22, nlohmann-json, OpenSSL, libpng, libjpeg, utf8proc, CLI11, doctest and headers of ONNX \
Runtime: .ci/native-needs installs them on Debian; ONNXRUNTIME_ROOT names an unpacked release of ONNX Runtime

# ONNX Runtime is looked for in ONNXRUNTIME_ROOT if it is set, else as headers of build/needs for the library of .venv's
# package, else in the system; OpenVINO in .venv's package, else in the system. Looked for when a recipe runs, as .venv
# may be made by this call.
NEEDS_ORT := build/needs/onnxruntime/include/onnxruntime
VENV_ORT = $(shell ls -d $(CURDIR)/.venv/lib/python3*/site-packages/onnxruntime 2>/dev/null)
VENV_OPENVINO = $(shell ls -d $(CURDIR)/.venv/lib/python3*/site-packages/openvino/cmake 2>/dev/null)
ORT_OPTIONS = $(if $(ONNXRUNTIME_ROOT),-DONNXRUNTIME_ROOT=$(abspath $(ONNXRUNTIME_ROOT)),$(if $(and $(wildcard \
	$(NEEDS_ORT)),$(VENV_ORT)),-DONNXRUNTIME_INCLUDE_DIR=$(CURDIR)/$(NEEDS_ORT) -DONNXRUNTIME_ROOT=$(VENV_ORT)))
NATIVE_OPTIONS = -DLATENTLINK_ONNXRUNTIME=ON $(ORT_OPTIONS) $(if $(VENV_OPENVINO),-DOpenVINO_DIR=$(VENV_OPENVINO))

native: $(if $(ONNXRUNTIME_ROOT),,.venv/.base)
	@cmake -S . -B build/native $(NATIVE_OPTIONS) || { echo "make native needs $(NATIVE_NEEDS)"; exit 1; }
	cmake --build build/native --parallel $(JOBS)
	ctest --test-dir build/native --output-on-failure

# Found faults of memory, undefined behaviour or threads end the tests. ONNX Runtime and OpenVINO are not compiled with
# sanitizers: what they do among themselves is not looked at. OpenVINO loads libraries in a way that the one of addresses
# does not allow.
native-sanitized:
	cmake -S . -B build/native-address $(NATIVE_OPTIONS) -DLATENTLINK_OPENVINO=OFF -DLATENTLINK_SANITIZE=address,undefined
	cmake --build build/native-address --parallel $(JOBS) --target latentlink_tests
	ctest --test-dir build/native-address --output-on-failure
	cmake -S . -B build/native-thread $(NATIVE_OPTIONS) -DLATENTLINK_SANITIZE=thread
	cmake --build build/native-thread --parallel $(JOBS) --target latentlink_tests
	TSAN_OPTIONS=ignore_noninstrumented_modules=1 ctest --test-dir build/native-thread --output-on-failure

# A demo picture drawn on 64-bit ARM, emulated; as root, on Debian.
native-aarch64: native
	.ci/native-aarch64

# What a fuzzer finds is written to build/fuzz.
FUZZ_SECONDS ?= 600
native-fuzz: .venv/.test
	cmake -S . -B build/native-fuzz $(NATIVE_OPTIONS) -DCMAKE_CXX_COMPILER=clang++ -DLATENTLINK_TESTS=OFF \
		-DLATENTLINK_OPENVINO=OFF -DLATENTLINK_FUZZERS=ON -DLATENTLINK_SANITIZE=address,undefined
	cmake --build build/native-fuzz --parallel $(JOBS)
	$(BIN)/python -m tests.native.fuzzers.corpus build/fuzz/seeds
	cd build/fuzz && for kind in manifest tokenizer tensors picture graph; do mkdir -p found/$$kind && \
		../native-fuzz/tests/native/fuzzers/fuzz_$$kind -max_total_time=$(FUZZ_SECONDS) -timeout=25 -rss_limit_mb=4096 \
		-verbosity=0 -print_final_stats=1 found/$$kind seeds/$$kind || exit 1; done

clean:
	rm -rf .venv build *.egg-info demo.png

.venv/.base: pyproject.toml
	$(PYTHON) -m venv .venv
	$(PIP) install -e .
	touch $@

.venv/.test: pyproject.toml tests/constraints.txt
	$(PYTHON) -m venv .venv
	$(PIP) install -c tests/constraints.txt -e '.[test,check,demo,tensorrt-rtx,openvino]'
	touch $@ .venv/.base

# The bundles that ship, made again from the checkpoints that ship.
demo-bundles: .venv/.test
	mkdir -p build
	$(BIN)/python -m latentlink.demo.prompts > build/demo-prompts.txt
	for name in demo demo-b demo-tiny; do \
		case $$name in demo-tiny) more="--space-of build/exports/demo";; *) more="--step-cache 1";; esac; \
		$(BIN)/latentlink export demo/checkpoints/$$name build/exports/$$name $$more && \
		$(BIN)/latentlink build build/exports/$$name demo/bundles/$$name || exit 1; \
	done
	for name in demo demo-b; do \
		$(BIN)/latentlink calibrate demo/bundles/$$name --prompts build/demo-prompts.txt && \
		$(BIN)/latentlink calibrate demo/bundles/$$name --prompts build/demo-prompts.txt --step-cache 2 --judge demo || exit 1; \
	done
