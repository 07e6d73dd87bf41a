# `make demo` and `make test` need Python 3.11 or newer and nothing else:
# whichever target runs first makes the one environment that all share.

PYTHON ?= $(shell command -v python3.11 || command -v python3 || echo python3)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Another environment, of the oldest TensorFlow that is tested.
OLD := build/tf217
OLD_READY := $(OLD)/.ready
# What Keras' other backends promise too.
ANY_BACKEND := tests/guarantees/test_backends.py \
  tests/layers/test_cakes_conv3d.py tests/layers/test_cakes_search_conv3d.py \
  tests/layers/test_channels.py tests/layers/plans/test_device.py \
  tests/layers/test_upsampling.py tests/layers/test_regularizers.py \
  tests/models/rewriting tests/search/deriving/test_derive.py \
  tests/search/shrinking tests/training/test_recalibration.py \
  tests/cost/test_counting.py tests/training/test_losses.py \
  tests/training/test_metrics.py
ARGS ?=

export TF_CPP_MIN_LOG_LEVEL ?= 2

.PHONY: help demo test test-tf217 test-jax test-torch lint docs tutorials clean

help:
	@echo "make demo       search, train and compare on synthetic volumes"
	@echo "make test       all tests, with coverage"
	@echo "make test-tf217 what may depend on TensorFlow, with 2.17"
	@echo "make test-jax   what runs on any backend of Keras, on JAX"
	@echo "make test-torch the same on PyTorch"
	@echo "make lint       style and types"
	@echo "make tutorials  run the notebooks"
	@echo "make docs       build the site into site/"
	@echo "make clean      remove the environment and what was built"

# A changed project file refreshes the environment.
$(READY): pyproject.toml Makefile
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is expected. Received: $$("$(PYTHON)" --version 2>&1)"; exit 1; }
	"$(PYTHON)" -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[all]'
	# Networks of others that the conversion is tested on. Their own pins ask
	# for old releases of Keras that they no longer need.
	$(BIN)/python -m pip install --quiet --no-deps \
	  'classification-models-3D==1.1.0' 'segmentation-models-3D==1.1.1'
	@touch $@

demo: $(READY)
	$(BIN)/keras-cakes demo $(ARGS)

test: $(READY)
	$(BIN)/python -m pytest -n 2 --dist loadfile --durations 10 \
	  --cov --cov-report term --junit-xml build/tests.xml $(ARGS)

# TensorFlow-IO ends with 2.17. The extra [test] would bring PyTorch along,
# which none of these tests needs.
$(OLD_READY): pyproject.toml Makefile
	"$(PYTHON)" -m venv $(OLD)
	$(OLD)/bin/python -m pip install --quiet --upgrade pip
	$(OLD)/bin/python -m pip install --quiet --editable '.[tfio]' \
	  pytest pytest-timeout pytest-xdist hypothesis
	@touch $@

test-tf217: $(OLD_READY)
	$(OLD)/bin/python -m pytest -n 2 --dist loadfile --durations 5 \
	  -p no:cacheprovider --junit-xml build/tests-tf217.xml $(ARGS) \
	  tests/data/volumes/reading/test_tensorflow_io.py \
	  tests/data/volumes/reading/test_tfio_dicom.py \
	  tests/data/volumes/patches/test_placing.py \
	  tests/data/test_host_calls.py \
	  tests/data/volumes/patches/test_patches.py \
	  tests/evaluation/volumes/test_sliding_window.py \
	  tests/layers/test_cakes_conv3d.py \
	  tests/layers/test_cakes_search_conv3d.py \
	  tests/models/rewriting/test_replace.py \
	  tests/search/test_supernet.py \
	  tests/runs/segmentation/test_run.py

test-jax test-torch: $(READY)
	KERAS_BACKEND=$(@:test-%=%) timeout 900 $(BIN)/python -m pytest -n 2 \
	  --dist loadfile --durations 5 -p no:cacheprovider \
	  --junit-xml build/tests-$(@:test-%=%).xml $(ARGS) $(ANY_BACKEND)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

tutorials: $(READY)
	$(BIN)/python -m pytest --nbmake --nbmake-timeout=300 -W default \
	  -p no:cacheprovider tutorials $(ARGS)

docs: $(READY)
	$(BIN)/mkdocs build --strict

clean:
	rm -rf $(VENV) build dist site .cache .coverage .mypy_cache \
	  .pytest_cache .ruff_cache
