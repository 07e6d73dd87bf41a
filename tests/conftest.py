"""Fixtures that every test may rely on."""

import gc
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("MPLBACKEND", "Agg")
# Some processors need the word to use the kernels that others use anyway.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

# Tests run side by side: threads that wait for each other in a loop would take
# the core from the next test.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# JAX compiles each operation of each shape; most run once.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")

import keras
import pytest
import tensorflow as tf

# Tests run side by side, one per core.
tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)

# What the imports have made stays; no later collection need look through it.
gc.freeze()


if keras.backend.backend() == "torch":
    import torch

    # As with the other backends, NumPy reads what a gradient follows.
    _read = torch.Tensor.__array__
    torch.Tensor.__array__ = lambda self, *args, **kwargs: _read(
        self.detach(), *args, **kwargs
    )


def pytest_configure(config):
    """Lets NumPy 2 compute with the tensors of PyTorch."""
    config.addinivalue_line(
        "filterwarnings",
        "ignore:__array_wrap__ must accept context:DeprecationWarning",
    )


def pytest_collection_modifyitems(config, items):
    """Leaves out what needs TensorFlow where Keras runs on another backend."""
    if keras.backend.backend() == "tensorflow":
        return
    left_out = [item for item in items if item.get_closest_marker("tensorflow")]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


@pytest.fixture(autouse=True)
def fresh_seed():
    """Every test starts from the same random state."""
    keras.utils.clear_session()
    keras.utils.set_random_seed(1)


@pytest.fixture
def real_data() -> Path:
    """The folder of real data sets, where it is known."""
    folder = os.environ.get("KERAS_CAKES_DATA")
    if not folder:
        pytest.skip("KERAS_CAKES_DATA is not set")
    return Path(folder)
