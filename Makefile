# Two commands set everything up: `make demo` and `make test`. Everything lives in .venv; nothing outside is touched.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PEERS  := .venv-peers
PIP    := $(BIN)/pip install --disable-pip-version-check --quiet
SOURCES := $(shell find native src/timesteps -name '*.h' -o -name '*.cpp') native/CMakeLists.txt pyproject.toml constraints.txt

.PHONY: demo test check bench speed bench-peers quality sanitize fuzz neon clean

demo: $(VENV)/.installed  ## train, judge and use a sentiment classifier on the bundled Korean reviews
	$(BIN)/timesteps train classify --out demo
	printf '%s\n' '정말 재미있고 감동적인 영화였어요' '시간이 아까운 지루한 영화' | $(BIN)/timesteps predict demo -
	@echo "Open demo/report.html to look at the run."

test: $(VENV)/.tested  ## all tests
	$(BIN)/python -m pytest tests

check: $(VENV)/.tested  ## format, lint, types, and the rules of the house
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/test_house.py

bench: $(VENV)/.tested  ## the quick measurements (two minutes); tables in README and docs are made from bench/results
	$(BIN)/python -m bench.startup
	$(BIN)/python -m bench.layers --quick
	"$$(test -x $(PEERS)/bin/python && echo $(PEERS) || echo $(VENV))"/bin/python -m bench.streaming
	$(BIN)/python -m bench.tables

speed: $(VENV)/.tested  ## layers, whole training steps, language models, memory, beside torch; wants a machine with nothing else to do
	$(BIN)/python -m bench.layers
	$(BIN)/python -m bench.training
	$(BIN)/python -m bench.language
	$(BIN)/python -m bench.forecast speed many
	$(BIN)/python -m bench.ngram
	$(BIN)/python -m bench.int8
	$(BIN)/python -m bench.footprint
	$(BIN)/python -m bench.tables

bench-peers: $(VENV)/.tested  ## layers, training steps and single steps beside JAX, Keras, ONNX Runtime, TFLite, OpenVINO, in a virtual environment on top of .venv
	test -x $(PEERS)/bin/python || $(PYTHON) -m venv $(PEERS)
	$(BIN)/python -c 'import sysconfig; print("import site; site.addsitedir(%r)" % sysconfig.get_path("purelib"))' \
	    > "$$($(PEERS)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/below.pth"
	for peer in jax tensorflow-cpu 'onnxruntime onnx' ai-edge-litert openvino statsforecast; do \
	    $(PEERS)/bin/pip install --disable-pip-version-check --quiet $$peer || echo "$$peer: cannot be installed here"; \
	done
	$(PEERS)/bin/python -m bench.layers.peers
	$(PEERS)/bin/python -m bench.training.peers keras
	$(PEERS)/bin/python -m bench.training.peers jax
	$(PEERS)/bin/python -m bench.streaming
	$(PEERS)/bin/python -m bench.forecast.peers case-shiller bis stocks
	$(BIN)/python -m bench.tables

quality: $(VENV)/.tested  ## the long ones: recipes against baselines, both engines, spelling, language models (some hours)
	$(BIN)/python -m bench.quality
	$(BIN)/python -m bench.engines
	$(BIN)/python -m bench.sensors
	$(BIN)/python -m bench.spelling
	$(BIN)/python -m bench.language.quality ptb-small shakespeare-char
	$(BIN)/python -m bench.forecast case-shiller bis stocks etth1-24 etth1-168
	$(BIN)/python -m bench.tables

TESTS := -G Ninja -DTIMESTEPS_TESTS=ON -DCMAKE_BUILD_TYPE=RelWithDebInfo

sanitize: $(VENV)/.tested  ## the kernels' and the model file's tests under the address, undefined-behaviour and thread sanitizers
	cmake -S native -B build/asan $(TESTS) -DCMAKE_CXX_FLAGS="-fsanitize=address,undefined -fno-sanitize-recover=all"
	cmake --build build/asan
	build/asan/stages_test
	for set in avx512 avx2 baseline; do TIMESTEPS_INSTRUCTIONS=$$set build/asan/recurrent_test 150 || exit 1; done
	$(BIN)/python tests/runtime/corpus.py build/corpus
	for set in avx512 avx2 baseline; do TIMESTEPS_INSTRUCTIONS=$$set build/asan/model_file_test build/corpus 300 || exit 1; done
	mkdir -p build/scratch
	build/asan/ngram_test 300 build/scratch
	for set in avx512 avx2 baseline; do TIMESTEPS_INSTRUCTIONS=$$set build/asan/projection_test 100 || exit 1; done
	cmake -S native -B build/tsan $(TESTS) -DCMAKE_CXX_FLAGS=-fsanitize=thread
	cmake --build build/tsan
	build/tsan/recurrent_test 60
	build/tsan/stages_test
	build/tsan/projection_test 30

fuzz: $(VENV)/.tested  ## libFuzzer against the model file's reader in C++ and, where atheris is installed, in Python: a minute each
	$(BIN)/python tests/runtime/corpus.py build/corpus
	cmake -S native -B build/fuzz -G Ninja -DTIMESTEPS_FUZZ=ON -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCMAKE_CXX_COMPILER=clang++ \
	    -DCMAKE_CXX_FLAGS="-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all"
	cmake --build build/fuzz
	mkdir -p build/found
	build/fuzz/fuzz_model_file -max_total_time=60 -rss_limit_mb=1024 -timeout=5 -max_len=65536 build/found build/corpus
	$(BIN)/python -c 'import atheris' 2>/dev/null || { echo 'atheris is not installed: Python'\''s reader is not fuzzed'; exit 0; }; \
	    $(BIN)/python tests/runtime/fuzz_modelfile.py -max_total_time=60 -timeout=5 build/found build/corpus

neon:  ## the same tests for AArch64: needs g++-aarch64-linux-gnu and qemu-user
	cmake -S native -B build/neon $(TESTS) -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=aarch64 \
	    -DCMAKE_CXX_COMPILER=aarch64-linux-gnu-g++ -DCMAKE_EXE_LINKER_FLAGS=-static
	cmake --build build/neon
	qemu-aarch64 build/neon/recurrent_test 60

# What builds the core. In an environment of its own, which pip makes anew each time, nothing compiled could be used again.
$(VENV)/.builds: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) $$($(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"])')
	$(PIP) scikit-build-core $$($(BIN)/python -c \
	    'from scikit_build_core.build import get_requires_for_build_editable as wanted; print(*wanted())')
	touch $@

$(VENV)/.installed: $(VENV)/.builds $(SOURCES)
	$(PIP) --no-build-isolation -e '.[train]' -c constraints.txt
	touch $@

# torch comes first and pinned: left to itself, pip would take a build with gigabytes of CUDA.
$(VENV)/.tested: $(VENV)/.installed
	$(PIP) torch -c constraints.txt
	$(PIP) --no-build-isolation -e '.[test]' -c constraints.txt
	touch $@

clean:
	rm -rf build dist demo $(VENV)/.installed $(VENV)/.tested src/timesteps/_core*.so
