PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SDK := .venv-sdk
TORCH := .venv-torch
RUNTIMES := .venv-runtimes
RUNTIME_NAMES := onnx openvino litert saved_model
SCALE := .venv-scale
JAX := .venv-jax

.PHONY: install install-dev demo test test-slow test-all sdk-test torch-test export-test scale-test test-backends check lint types schemas bench bench-accuracy bench-peers bench-exports clean

$(VENV)/.run: requirements.txt
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
	  { echo "Python 3.11 to 3.13 is needed; name one: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

$(VENV)/.dev: $(VENV)/.run requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	$(BIN)/python -m pip check
	touch $@

install: $(VENV)/.run  ## what running needs
install-dev: $(VENV)/.dev  ## what developing needs

demo: $(VENV)/.run  ## train, evaluate, infer and export on the coins photograph
	$(BIN)/python -m mrcnn demo --output runs/demo

test: $(VENV)/.dev  ## the fast tests
	$(BIN)/python -m pytest -q -n 2 --dist loadfile

test-slow: $(VENV)/.dev  ## the slow tests alone
	$(BIN)/python -m pytest -q -n 2 --dist loadfile -m slow --durations 15

test-all: test test-slow  ## the fast tests, then the slow ones

$(SDK)/.run: requirements-sdk.txt
	test -x $(SDK)/bin/python || $(PYTHON) -m venv $(SDK)
	$(SDK)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-sdk.txt
	touch $@

sdk-test: $(VENV)/.dev $(SDK)/.run  ## Supervisely's own SDK opens the projects we write and reads the same
	MRCNN_SDK_PYTHON=$(CURDIR)/$(SDK)/bin/python $(BIN)/python -m pytest -q tests/test_sdk.py

torch-test: $(VENV)/.dev $(TORCH)/.run  ## PyTorch and torchvision read the state dicts we write and detect the same
	MRCNN_TORCH_PYTHON=$(CURDIR)/$(TORCH)/bin/python $(BIN)/python -m pytest -q -m "slow or not slow" \
	  tests/export/formats/test_state_dict.py tests/weights/test_state_dict_write.py

$(TORCH)/.run: requirements-torch.txt
	test -x $(TORCH)/bin/python || $(PYTHON) -m venv $(TORCH)
	$(TORCH)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-torch.txt
	touch $@

export-test: $(VENV)/.dev $(RUNTIME_NAMES:%=$(RUNTIMES)/%/.run)  ## exported models where one runtime alone is installed; the gRPC client
	MRCNN_RUNTIMES=$(CURDIR)/$(RUNTIMES) $(BIN)/python -m pytest -q -m slow tests/test_runtimes_alone.py tests/test_grpc_client.py

$(RUNTIMES)/%/.run: requirements-runtimes/%.txt
	test -x $(@D)/bin/python || $(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	touch $@

scale-test: $(VENV)/.dev $(SCALE)/.run  ## jobs by Ray and Spark: the rows of a plain run, also when processes are killed; training by Ray Train
	MRCNN_SCALE_PYTHON=$(CURDIR)/$(SCALE)/bin/python $(BIN)/python -m pytest -q -m "slow or not slow" \
	  tests/scale/test_engines.py tests/scale/test_ray.py tests/scale/test_spark.py tests/train/workers/test_ray_train.py

$(SCALE)/.run: requirements-scale.txt requirements.txt
	test -x $(SCALE)/bin/python || $(PYTHON) -m venv $(SCALE)
	$(SCALE)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-scale.txt
	touch $@

$(JAX)/.run: requirements-jax.txt requirements-backends.txt
	test -x $(JAX)/bin/python || $(PYTHON) -m venv $(JAX)
	$(JAX)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-jax.txt
	touch $@

$(TORCH)/.keras: $(TORCH)/.run requirements-backends.txt
	$(TORCH)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-backends.txt pytest==9.2.0
	touch $@

# tests of the maths that need no TensorFlow
NEUTRAL := tests/ops/backend $(addprefix tests/ops/test_,$(addsuffix .py,anchors box_coding boxes cells frames levels mask_paste \
  matching nms reduction sampling))
# whole training runs, which are stopped and resumed
RUNS := tests/train/test_run.py tests/train/engine/test_one_device.py
# NumPy's warning is about how Keras converts tensors of JAX and PyTorch
NEUTRALLY := -m pytest -q -m "slow or not slow" -W "ignore:__array__ implementation:DeprecationWarning"
test-backends: $(VENV)/.dev $(JAX)/.run $(TORCH)/.keras  ## JAX and PyTorch detect and learn the same as TensorFlow
	KERAS_BACKEND=jax $(JAX)/bin/python $(NEUTRALLY) $(NEUTRAL) $(RUNS)
	KERAS_BACKEND=torch $(TORCH)/bin/python $(NEUTRALLY) $(NEUTRAL) $(RUNS)
	MRCNN_JAX_PYTHON=$(CURDIR)/$(JAX)/bin/python MRCNN_BACKEND_TORCH_PYTHON=$(CURDIR)/$(TORCH)/bin/python \
	  $(BIN)/python -m pytest -q -m "slow or not slow" tests/backends

SCENES := runs/scenes
$(SCENES): | $(VENV)/.run
	$(BIN)/python -m benchmarks.scenes --out $@

PROJECT ?= $(SCENES)
OUT ?= runs/accuracy
bench-accuracy: $(VENV)/.run $(TORCH)/.run | $(PROJECT)  ## what our model and torchvision's learn from the same images
	$(BIN)/python -m benchmarks.accuracy $(PROJECT) --out $(OUT) --torch-python $(TORCH)/bin/python $(ARGS)

bench-peers: $(VENV)/.run $(TORCH)/.run  ## seconds and memory beside torchvision's, on this machine's CPU
	$(BIN)/python -m benchmarks.peers --torch-python $(TORCH)/bin/python $(ARGS)

EXPORTS ?= runs/exports
bench-exports: $(VENV)/.dev  ## seconds, memory and AP of exported models beside the live one; ARGS="--model MODEL ..."
	$(BIN)/python -m benchmarks.exports --out $(EXPORTS) $(ARGS)

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

check: lint types test  ## lint, types and the fast tests; CI runs the slow ones too

schemas: $(VENV)/.run  ## the JSON schemas of the configs, for editors
	$(BIN)/python -m mrcnn schema docs/schemas --page docs/configuration.md docs/serving.md

bench: $(VENV)/.run  ## seconds and memory of inference, training and each head on this machine, and how they grow
	$(BIN)/python -m benchmarks.speed
	$(BIN)/python -m benchmarks.heads
	$(BIN)/python -m benchmarks.growth --out runs/growth.json --plot runs/growth.png

clean:
	rm -rf runs .pytest_cache .mypy_cache .ruff_cache
